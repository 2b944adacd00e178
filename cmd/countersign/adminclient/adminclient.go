// Package adminclient asks the administration's API of another server, for the
// command line. It knows requests, answers and their errors, and nothing of
// what they are about.
package adminclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"countersign/storage"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 16 << 20

// Client asks one server.
type Client struct {
	// Server is the address that the API is under.
	Server string
	HTTP   *http.Client
	// Token returns what to present, nil for what is for anybody. After a
	// refusal it is asked for another one, and may return the same.
	Token func(ctx context.Context, refused bool) (string, error)
}

// Request is a request to the API.
type Request struct {
	Method, Path string
	Header       map[string]string
	Body         any // written as JSON, nil for none
	Into         any // what the answer is read into, nil for nothing
	// Patience is how long the answer may take, 0 for as long as any.
	Patience time.Duration
}

// RefusedError is an error that the server answered (RFC 9457).
type RefusedError struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy"`
	ID     string `json:"request_id"`
	// Errors are the members of the body that are not acceptable, where the
	// server names them.
	Errors []Fault `json:"errors"`
}

// Fault is a member of the body that is not acceptable.
type Fault struct {
	Pointer string `json:"pointer"` // a JSON Pointer as a URI fragment (RFC 6901, section 6)
	Detail  string `json:"detail"`
}

func (p *RefusedError) Error() string {
	if p.Detail == "" {
		return fmt.Sprintf("the server answered %d %s", p.Status, http.StatusText(p.Status))
	}
	return "the server refused: " + p.Detail
}

// Is lets a problem be what the stores would have said.
func (p *RefusedError) Is(target error) bool {
	switch target {
	case storage.ErrNotFound:
		return p.Status == http.StatusNotFound
	case storage.ErrConflict:
		return p.Status == http.StatusPreconditionFailed
	default:
		return false
	}
}

// Do makes the request and returns the header of the answer. A [*RefusedError] is
// what the server said no with. A token that is refused is replaced once, and
// a request that got no answer is sent once more when doing it twice does no
// harm.
func (c *Client) Do(ctx context.Context, r Request) (http.Header, error) {
	body, err := r.encode()
	if err != nil {
		return nil, err
	}
	header, err := c.try(ctx, r, body, false)
	if p, ok := errors.AsType[*RefusedError](err); ok && p.Status == http.StatusUnauthorized && c.Token != nil {
		return c.try(ctx, r, body, true)
	}
	if err != nil && r.repeatable() && isTransport(err) && ctx.Err() == nil {
		return c.try(ctx, r, body, false)
	}
	return header, err
}

// transportError is a request that got no answer.
type transportError struct{ error }

// Unwrap returns what happened.
func (e transportError) Unwrap() error { return e.error }

func isTransport(err error) bool {
	_, ok := errors.AsType[transportError](err)
	return ok
}

// repeatable reports whether the server does the request once however often it
// comes.
func (r Request) repeatable() bool {
	return r.Method == http.MethodGet || r.Header["Idempotency-Key"] != ""
}

func (r Request) encode() ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := json.Marshal(r.Body)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return body, nil
}

func (c *Client) try(ctx context.Context, r Request, body []byte, refused bool) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, c.Server+"/admin/api"+r.Path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range maps.All(r.Header) {
		req.Header.Set(name, value)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != nil {
		token, err := c.Token(ctx, refused)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	asking := *c.HTTP
	asking.Timeout = cmp.Or(r.Patience, asking.Timeout)
	res, err := asking.Do(req)
	if err != nil {
		return nil, transportError{fmt.Errorf("ask %s: %w", c.Server, err)}
	}
	defer res.Body.Close() //nolint:errcheck // only read
	content, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, transportError{fmt.Errorf("read the answer of %s: %w", c.Server, err)}
	}
	return res.Header, read(res.StatusCode, content, r.Into)
}

// read reads an answer.
func read(status int, content []byte, into any) error {
	if status >= http.StatusMultipleChoices {
		p := &RefusedError{}
		if json.Unmarshal(content, p) != nil || p.Status != status {
			return &RefusedError{Status: status}
		}
		return p
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("the answer is not what the API of this release gives: %w", err)
	}
	return nil
}
