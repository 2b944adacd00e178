package registration

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"countersign/clientstore"
)

const (
	// maxWait is shorter than the server lets a request take that waits on
	// purpose.
	maxWait  = 30 * time.Second
	lookWait = time.Second
	// maxWaiters bounds what waiting costs: each looks at the database once a
	// second. Whoever comes on top is answered at once.
	maxWaiters          = 200
	maxWaitersPerClient = 2
)

// preferredWait returns how long the client would like to wait for news
// (RFC 7240, section 4.3).
func preferredWait(headers []string) time.Duration {
	for preference := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		value, _, _ = strings.Cut(value, ";")
		seconds, err := strconv.ParseUint(strings.TrimSpace(value), 10, 16)
		if err != nil {
			return 0
		}
		return min(time.Duration(seconds)*time.Second, maxWait)
	}
	return 0
}

// follow waits, if the client would like to, until an administrator decides
// about it or its revision, and returns what it is then.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request, token string, known *clientstore.Registered) (*clientstore.Registered, error) {
	w.Header().Set("Vary", "Authorization, Prefer")
	wait := preferredWait(r.Header.Values("Prefer"))
	if wait == 0 || !undecided(known) || !h.waiters.enter(known.Client.ID) {
		return known, nil
	}
	defer h.waiters.leave(known.Client.ID)
	w.Header().Set("Preference-Applied", "wait="+strconv.Itoa(int(wait.Seconds())))
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	now, err := h.news(ctx, token, known)
	if err != nil {
		return nil, h.challenge(w, refusal(err))
	}
	return now, nil
}

// news returns the client when it is no longer what is known of it, and what is
// known when the context ends before: the time is over, or the client has gone.
func (h *Handler) news(ctx context.Context, token string, known *clientstore.Registered) (*clientstore.Registered, error) {
	look := time.NewTicker(lookWait)
	defer look.Stop()
	for {
		select {
		case <-h.cfg.Stopping:
			return known, nil
		case <-ctx.Done():
			return known, nil
		case <-look.C:
		}
		now, err := h.cfg.Clients.Registered(ctx, token)
		switch {
		case ctx.Err() != nil:
			return known, nil
		case err != nil:
			return nil, err
		case now.Client.Version != known.Client.Version || now.Revision.ID != known.Revision.ID: // a decision is a version
			return now, nil
		}
	}
}

// undecided reports whether an administrator has something to decide.
func undecided(r *clientstore.Registered) bool {
	return r.Client.Status == clientstore.Pending || r.Revision.ID != ""
}

// waiters counts who waits.
type waiters struct {
	mu  sync.Mutex
	all int
	by  map[string]int
}

func newWaiters() *waiters { return &waiters{by: map[string]int{}} }

// enter lets one more wait, unless too many do.
func (w *waiters) enter(client string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all >= maxWaiters || w.by[client] >= maxWaitersPerClient {
		return false
	}
	w.all++
	w.by[client]++
	return true
}

func (w *waiters) leave(client string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all--
	if w.by[client]--; w.by[client] == 0 {
		delete(w.by, client)
	}
}
