package authz

import (
	"net/http"
	"strings"
	"sync"

	"countersign/authz/limit"
)

// What scripts of other origins may send, and read beside the body (Fetch
// Standard, section 3.3).
const (
	scriptsSend = "Authorization, Content-Type"
	scriptsRead = "WWW-Authenticate, X-jazz-web-oauth-url, Retry-After, X-Request-ID"
	// preflightLasts is for how long, in seconds, a browser need not ask again.
	preflightLasts = "600"
)

// A network may send requests of so many origins at once that no client has,
// and then so many a second; what comes on top is not looked up, because that
// takes longer the more clients there are.
const (
	strangersBurst     = 50
	strangersPerSecond = 1
)

// maxFamiliar bounds the memory that origins take.
const maxFamiliar = 1000

// familiar are origins that some client had when last looked up. They are looked
// up again each time, and however many strangers come from their network.
type familiar struct {
	mu  sync.Mutex
	all map[string]struct{}
}

func (f *familiar) has(origin string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.all[origin]
	return ok
}

func (f *familiar) add(origin string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.all) >= maxFamiliar || f.all == nil {
		f.all = map[string]struct{}{}
	}
	f.all[origin] = struct{}{}
}

// shared lets browsers show the answers of a route to scripts of other origins:
// documents to all of them, and what applications use to the origins of
// approved clients. Access-Control-Allow-Credentials is never sent, so that no
// cookie of ours comes along.
func (d *door) shared(route route, next http.Handler) http.Handler {
	switch route.dialect {
	case script, consumer, document:
	case pages, front, machine, proxy:
		return next
	}
	return d.answering(route.dialect, func(w http.ResponseWriter, r *http.Request) error {
		allowed, err := d.allowedOrigin(w, r, route.dialect)
		if err != nil {
			return err
		}
		if allowed == "" {
			next.ServeHTTP(w, r)
			return nil
		}
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", allowed)
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			header.Set("Access-Control-Expose-Headers", scriptsRead)
			next.ServeHTTP(w, r)
			return nil
		}
		header.Set("Access-Control-Allow-Methods", allow(route.methods))
		header.Set("Access-Control-Allow-Headers", scriptsSend)
		header.Set("Access-Control-Max-Age", preflightLasts)
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

// allowedOrigin is the origin whose scripts may read the answer, "*" for any,
// and empty for none. A request that no script of another origin sends costs
// no statement.
func (d *door) allowedOrigin(w http.ResponseWriter, r *http.Request, dialect dialect) (string, error) {
	origin := r.Header.Get("Origin")
	if dialect == document {
		if origin == "" {
			return "", nil
		}
		return "*", nil
	}
	w.Header().Add("Vary", "Origin")
	if origin == "" || strings.EqualFold(origin, d.origin) {
		return "", nil
	}
	network := limit.Network(r.RemoteAddr)
	if d.strangers.Exhausted(network) && !d.familiar.has(origin) {
		return "", nil
	}
	known, err := d.clients.KnowsOrigin(r.Context(), origin)
	switch {
	case err != nil:
		return "", err
	case !known:
		d.strangers.Allow(network)
		return "", nil
	default:
		d.familiar.add(origin)
		return origin, nil
	}
}
