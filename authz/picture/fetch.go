// Package picture makes pictures of our own of what approved clients have at
// their logo_uri, and serves them. Nothing that somebody else made is sent to a
// browser: a file is decoded, and its pixels are encoded again. What is not
// approved is not fetched, so that strangers cannot have the server speak to an
// address of their choice.
package picture

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"countersign/authz/outbound"
	"countersign/storage/logo"
)

const (
	// MaxFile is the longest file that is read, in bytes.
	MaxFile = 1 << 20
	// batch is how many are fetched at once.
	batch = 4
)

// FetcherConfig is what a fetcher needs.
type FetcherConfig struct {
	Logos *logo.Store
	// HTTP reaches the clients' addresses and nothing else, and reads one byte
	// more than [MaxFile]: see package outbound.
	HTTP *http.Client
	Log  *slog.Logger
}

// Fetcher fetches pictures. Any number of servers may run one on the same
// database.
type Fetcher struct {
	cfg     FetcherConfig
	since   time.Time  // changes of clients before it were seen
	drawing sync.Mutex // decoding takes memory: one at a time
}

// NewFetcher returns a fetcher.
func NewFetcher(cfg FetcherConfig) *Fetcher { return &Fetcher{cfg: cfg} }

// Fetch fetches what is due, each once. What fails is due again later. The
// first time it looks through all clients, later through those that changed. It
// must not run twice at once.
func (f *Fetcher) Fetch(ctx context.Context) error {
	seen, err := f.cfg.Logos.Owe(ctx, f.since)
	if err != nil {
		return err
	}
	f.since = seen
	for ctx.Err() == nil {
		due, err := f.cfg.Logos.Due(ctx, batch)
		if err != nil || len(due) == 0 {
			return err
		}
		group, groupCtx := errgroup.WithContext(ctx)
		for i := range due {
			group.Go(func() error { return f.take(groupCtx, &due[i]) })
		}
		if err := group.Wait(); err != nil || len(due) < batch {
			return err
		}
	}
	return nil
}

// take fetches one picture, if no other server does.
func (f *Fetcher) take(ctx context.Context, e *logo.Errand) error {
	ours, err := f.cfg.Logos.Claim(ctx, e)
	if err != nil || !ours {
		return err
	}
	picture, why, err := f.fetch(ctx, e.URI)
	if err == nil {
		f.cfg.Log.InfoContext(ctx, "the logo of a client was fetched", "client_id", e.ClientID)
		return f.cfg.Logos.Keep(ctx, e, picture)
	}
	if ctx.Err() != nil { // the server stops: the address has not failed
		return ctx.Err()
	}
	f.cfg.Log.WarnContext(ctx, "the logo of a client cannot be shown; it is tried again later",
		"client_id", e.ClientID, "reason", string(why), "attempt", e.Attempts, "cause", err.Error())
	return f.cfg.Logos.Failed(ctx, e, why)
}

// fetch returns the picture of what is at the address. The error names no
// address, which may hold what is the client's own.
func (f *Fetcher) fetch(ctx context.Context, address string) ([]byte, logo.Reason, error) {
	file, err := outbound.Fetch(ctx, f.cfg.HTTP, address, "image/png, image/jpeg, image/gif", MaxFile)
	if err != nil {
		why := reachReason(err)
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return nil, why, err
	}
	f.drawing.Lock()
	defer f.drawing.Unlock()
	picture, err := draw(file)
	switch {
	case errors.Is(err, errFormat):
		return nil, logo.Format, err
	case errors.Is(err, errTooLarge):
		return nil, logo.TooLarge, err
	case err != nil:
		return nil, logo.Broken, err
	}
	return picture, "", nil
}

func reachReason(err error) logo.Reason {
	switch {
	case errors.Is(err, outbound.ErrRefused):
		return logo.Refused
	case errors.Is(err, outbound.ErrStatus):
		return logo.Status
	case errors.Is(err, outbound.ErrTooLong):
		return logo.TooLong
	default:
		return logo.Unreachable
	}
}
