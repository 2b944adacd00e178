package tokenclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"golang.org/x/oauth2"
)

// Device gets tokens as a device does that has no browser: it shows a code,
// and asks until somebody has allowed it (RFC 8628).
func (c *Client) Device(ctx context.Context) (*Tokens, error) {
	if c.metadata.DeviceAuthorizationEndpoint == "" {
		return nil, errors.New("the server has no device authorization endpoint")
	}
	return c.tokens(ctx, "", func(ctx context.Context) (*oauth2.Token, error) {
		ctx = c.listening(ctx)
		return c.authenticating(func(conf *oauth2.Config) (*oauth2.Token, error) {
			begun, err := c.beginDevice(ctx, conf)
			if err != nil {
				return nil, err
			}
			c.cfg.Show(begun)
			token, err := conf.DeviceAccessToken(ctx, begun)
			if errors.Is(err, context.DeadlineExceeded) {
				return nil, errors.New("nobody answered before the code expired")
			}
			return token, err
		})
	})
}

// listening tells what the server says that it waits for: the library that
// asks keeps it to itself.
func (c *Client) listening(ctx context.Context) context.Context {
	client, ok := ctx.Value(oauth2.HTTPClient).(*http.Client)
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{
		Transport: &listener{next: client.Transport, tell: c.cfg.Awaited}, Timeout: client.Timeout,
	})
}

// listener tells the description of an answer that is still pending, once
// until it changes.
type listener struct {
	next http.RoundTripper
	tell func(description string)
	last string
}

// RoundTrip makes the request.
func (l *listener) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(req)
	if err != nil || res.StatusCode != http.StatusBadRequest {
		return res, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	var answer struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &answer) == nil && answer.Code == "authorization_pending" && answer.Description != l.last {
		l.last = answer.Description
		l.tell(answer.Description)
	}
	return res, nil
}
