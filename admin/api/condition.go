package api

import (
	"strconv"
	"strings"

	"countersign/clientstore"
)

// etag names a state of a client: it is another with every change.
func etag(c *clientstore.Client) string { return `"` + strconv.FormatInt(c.Version, 10) + `"` }

// showing answers a client with its ETag.
func showing(c *clientstore.Client) *answer {
	return &answer{status: 200, header: map[string]string{"ETag": etag(c)}, body: c.Document()}
}

// seen reads from If-Match what the caller has seen. Everything (*) is refused
// like nothing: who changes or approves has to have looked at what (RFC 6585,
// section 3).
func (r *request) seen() ([]string, error) {
	values := strings.Join(r.Header.Values("If-Match"), ",")
	if strings.TrimSpace(values) == "" || strings.TrimSpace(values) == "*" {
		return nil, problemOf(preconditionNeeded, "The header If-Match is missing, or names no state.")
	}
	var tags []string
	for tag := range strings.SplitSeq(values, ",") {
		tags = append(tags, strings.TrimSpace(tag))
	}
	return tags, nil
}

// current refuses what was changed since the caller saw it. Weak tags never
// match (RFC 9110, section 13.1.1).
func (r *request) current(tag string) error {
	tags, err := r.seen()
	if err != nil {
		return err
	}
	for _, t := range tags {
		if t == tag {
			return nil
		}
	}
	return problemOf(stale, "The present ETag is another than If-Match names.")
}

// sight returns the client as the caller saw it.
func (h *Handler) sight(r *request) (*clientstore.Client, error) {
	if _, err := r.seen(); err != nil {
		return nil, err
	}
	c, err := h.cfg.Clients.Get(r.Context(), r.value("client_id"))
	if err != nil {
		return nil, err
	}
	return c, r.current(etag(c))
}
