package clientstore

import (
	"context"
	"slices"
	"time"

	"countersign/storage/audit"
	"countersign/storage/grant"
)

// maxCallbacks bounds the callbacks that a client can ask for.
const maxCallbacks = 5

// Requested is what a client of OAuth 1.0a asked for that only an administrator
// gives. It is kept for whoever decides about the client to read, and has no
// effect whatever: who approves the client gives none of it by that.
type Requested struct {
	// Trusted asks for what is given to consumers that are trusted.
	Trusted bool `json:"trusted,omitempty"`
	// FunctionalUser is whom the client wants to act for without anybody's
	// consent.
	FunctionalUser string `json:"functional_user,omitempty"`
	// Key is the consumer key that it would have liked.
	Key string `json:"key,omitempty"`
	// Callbacks are where it wanted people to be sent back to, in requests that
	// it signed while it was pending.
	Callbacks []string `json:"callbacks,omitempty"`
}

// IsZero reports whether nothing was asked for.
func (r *Requested) IsZero() bool {
	return !r.Trusted && r.FunctionalUser == "" && r.Key == "" && len(r.Callbacks) == 0
}

// check holds the texts to what people can read.
func (r *Requested) check() error {
	if err := checkText("userId", r.FunctionalUser, maxText); err != nil {
		return err
	}
	return checkText("consumerKey", r.Key, maxText)
}

// NoteCallback keeps, for whoever decides about a pending client, the callback
// of a request that it signed: such clients say nowhere else where people are
// to be sent back to. A callback that could not be registered, one more than a
// few, and any of a client that is not pending are not kept. Nobody is sent
// there before an administrator registers it.
func (s *Store) NoteCallback(ctx context.Context, by audit.Actor, c *Client, callback string) error {
	if !s.notable(c, callback) {
		return nil
	}
	_, err := s.change(ctx, by, c.ID, change{action: "client.request_callback", columns: func(c *Client, _ time.Time) (map[string]any, error) {
		if !s.notable(c, callback) {
			return nil, nil // decided, or noted by somebody else meanwhile
		}
		requested := c.Requested
		requested.Callbacks = append(slices.Clone(requested.Callbacks), callback)
		encoded, err := column(requested)
		return map[string]any{"requested": encoded}, err
	}})
	return err
}

func (s *Store) notable(c *Client, callback string) bool {
	return c.Status == Pending && callback != "" && callback != grant.OutOfBand && !c.MatchRedirectURI(callback) &&
		len(c.Requested.Callbacks) < maxCallbacks && !slices.Contains(c.Requested.Callbacks, callback) &&
		redirectURIFault(callback, s.cfg.Policy) == ""
}
