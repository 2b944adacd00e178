package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// client is a client of the lab, as the command line prints it.
type client struct {
	ID         string   `json:"client_id"`
	Secret     string   `json:"client_secret"`
	AuthMethod string   `json:"token_endpoint_auth_method"`
	Redirects  []string `json:"redirect_uris"`
	signer     *assertionKey
}

// answer is what came back, or did not.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
	JSON   map[string]any
	Err    error
}

func (a *answer) str(member string) string {
	v, _ := a.JSON[member].(string) // "" is what a missing member reads as
	return v
}

// outcome is what the client knows now.
func (a *answer) outcome() Outcome {
	switch {
	case a.Err != nil || a.Status >= http.StatusInternalServerError:
		return Unknown
	case a.Status < http.StatusMultipleChoices:
		return OK
	default:
		return Refused
	}
}

// note writes down what came back.
func (a *answer) note(o *Op) {
	o.Status, o.Result = a.Status, a.outcome()
	if a.Err != nil {
		o.Error = a.Err.Error()
		return
	}
	o.Replica, o.RequestID = a.Header.Get(replicaHeader), a.Header.Get("X-Request-ID")
	if o.Result == OK {
		return
	}
	if o.Error = a.str("error"); o.Error == "" {
		o.Error = a.str("type")
	}
	if a.Status == http.StatusServiceUnavailable {
		o.Out["retry_after"] = a.Header.Get("Retry-After")
	}
	if o.Error == "" {
		o.Error = excerpt(string(a.Body))
	}
}

func excerpt(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), 200)]
}

// caller sends requests as one process does, from an address of its own.
type caller struct {
	base string // of the server
	from string // address that the balancer reports
	http *http.Client
}

const callPatience = 30 * time.Second

func newCaller(base, from string) *caller {
	jar, _ := cookiejar.New(nil) // never fails
	return &caller{base: base, from: from, http: &http.Client{
		Timeout: callPatience, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		// A connection of its own for each request: no library repeats one.
		Transport: &http.Transport{DisableKeepAlives: true},
	}}
}

// forget drops the cookies.
func (c *caller) forget() {
	c.http.Jar, _ = cookiejar.New(nil) // never fails
}

// send sends a request and reads its answer.
func (c *caller) send(req *http.Request) *answer {
	req.Header.Set("X-Forwarded-For", c.from)
	res, err := c.http.Do(req)
	if err != nil {
		return &answer{Err: err}
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return &answer{Err: err}
	}
	a := &answer{Status: res.StatusCode, Header: res.Header, Body: body}
	_ = json.Unmarshal(body, &a.JSON) // a body that is no JSON leaves it nil
	return a
}

// request builds a request to a path of the server, or to an address.
func (c *caller) request(ctx context.Context, method, path, body string) *http.Request {
	if !strings.HasPrefix(path, "http") {
		path = c.base + path
	}
	req, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if err != nil {
		panic("the lab builds a request that is none: " + err.Error()) // a fault of the lab's own
	}
	return req
}

// post sends a form, authenticated as the client in the way it registered; a
// nil client sends it as it is.
func (c *caller) post(ctx context.Context, path string, as *client, form url.Values) *answer {
	values := url.Values{}
	for n, v := range form {
		values[n] = v
	}
	if as != nil && as.AuthMethod != "client_secret_basic" && as.signer == nil {
		values.Set("client_id", as.ID)
		if as.Secret != "" {
			values.Set("client_secret", as.Secret)
		}
	}
	req := c.request(ctx, http.MethodPost, path, values.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if as != nil && as.AuthMethod == "client_secret_basic" {
		req.SetBasicAuth(url.QueryEscape(as.ID), url.QueryEscape(as.Secret))
	}
	return c.send(req)
}

// get asks with a bearer token.
func (c *caller) get(ctx context.Context, path, bearer string) *answer {
	req := c.request(ctx, http.MethodGet, path, "")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return c.send(req)
}
