// Package tokenclient is a relying party for the command line: it gets tokens
// by the authorization code grant as a native application does (RFC 8252), by
// the grants that need no browser here, and refreshes them. It knows the server by its issuer alone and would work with
// any other.
package tokenclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// Config is what the client is told.
type Config struct {
	Issuer       string
	ClientID     string
	ClientSecret string // empty for a public client
	Scopes       []string
	// Port and Path are where the browser comes back to on 127.0.0.1; port 0
	// lets the system choose.
	Port int
	Path string
	// Visit is given the address that the person has to open in a browser.
	Visit func(address string)
	// Show is given what the person has to enter in a browser for a device.
	Show func(device *oauth2.DeviceAuthResponse)
	// Awaited is given what the server says that the device waits for, once
	// until that changes.
	Awaited func(description string)
	HTTP    *http.Client
	Now     func() time.Time
}

// Client is a relying party of one issuer.
type Client struct {
	cfg      Config
	metadata metadata
}

// metadata is what this client needs of the issuer's discovery document
// (OpenID Connect Discovery 1.0, section 3; RFC 9207, section 3).
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	SigningAlgorithms     []string `json:"id_token_signing_alg_values_supported"`
	SendsIssuer           bool     `json:"authorization_response_iss_parameter_supported"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`

	DeviceAuthorizationEndpoint string `json:"device_authorization_endpoint"` // RFC 8628, section 4

	OAuth1RequestTokenEndpoint  string `json:"oauth1_request_token_endpoint"`
	OAuth1AuthorizationEndpoint string `json:"oauth1_authorization_endpoint"`
	OAuth1AccessTokenEndpoint   string `json:"oauth1_access_token_endpoint"`
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// New reads the issuer's discovery document.
func New(ctx context.Context, cfg Config) (*Client, error) {
	c := &Client{cfg: cfg}
	if err := c.get(ctx, cfg.Issuer+"/.well-known/openid-configuration", &c.metadata); err != nil {
		return nil, fmt.Errorf("read the issuer's discovery document: %w", err)
	}
	if c.metadata.Issuer != cfg.Issuer {
		return nil, fmt.Errorf("the discovery document of %s is of the issuer %q", cfg.Issuer, c.metadata.Issuer)
	}
	return c, nil
}

func (c *Client) get(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, res.Status)
	}
	return json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(into)
}

// Tokens are the answer of the token endpoint.
type Tokens struct {
	// Raw is the answer as it came.
	Raw json.RawMessage
	*oauth2.Token
	// ID is the ID token, verified; nil when there is none.
	ID *IDToken
}

func (c *Client) oauth2(redirect string) *oauth2.Config {
	style := oauth2.AuthStyleAutoDetect
	if c.cfg.ClientSecret == "" {
		style = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret, RedirectURL: redirect, Scopes: c.cfg.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: c.metadata.AuthorizationEndpoint, TokenURL: c.metadata.TokenEndpoint, AuthStyle: style},
	}
}

// Refresh gets new tokens for a refresh token.
func (c *Client) Refresh(ctx context.Context, token string) (*Tokens, error) {
	return c.tokens(ctx, "", func(ctx context.Context) (*oauth2.Token, error) {
		return c.oauth2("").TokenSource(ctx, &oauth2.Token{RefreshToken: token}).Token()
	})
}

// tokens makes a token request and verifies the ID token in the answer.
func (c *Client) tokens(ctx context.Context, nonce string, request func(context.Context) (*oauth2.Token, error)) (*Tokens, error) {
	recorded := &recorder{next: c.cfg.HTTP.Transport}
	client := &http.Client{Transport: recorded, Timeout: c.cfg.HTTP.Timeout}
	token, err := request(context.WithValue(ctx, oauth2.HTTPClient, client))
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return nil, &RefusedError{Code: refused.ErrorCode, Description: refused.ErrorDescription, Status: refused.Response.Status}
	}
	if err != nil {
		return nil, fmt.Errorf("ask the token endpoint: %w", err)
	}
	t := &Tokens{Raw: recorded.body, Token: token}
	if raw, ok := token.Extra("id_token").(string); ok {
		if t.ID, err = c.verify(ctx, raw, nonce); err != nil {
			return nil, fmt.Errorf("the ID token is not valid: %w", err)
		}
	}
	return t, nil
}

// RefusedError is an error that the server answered (RFC 6749, sections
// 4.1.2.1 and 5.2).
type RefusedError struct{ Code, Description, Status string }

func (e *RefusedError) Error() string {
	if e.Code == "" {
		return "the server refused: " + e.Status
	}
	return fmt.Sprintf("the server refused: %s: %s", e.Code, e.Description)
}

// recorder keeps the body of the last answer.
type recorder struct {
	next http.RoundTripper
	body []byte
}

// RoundTrip makes the request.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	next := r.next
	if next == nil {
		next = http.DefaultTransport
	}
	res, err := next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = &tee{ReadCloser: res.Body, into: r}
	r.body = nil
	return res, nil
}

type tee struct {
	io.ReadCloser
	into *recorder
}

func (t *tee) Read(b []byte) (int, error) {
	n, err := t.ReadCloser.Read(b)
	if room := maxAnswer - len(t.into.body); room > 0 {
		t.into.body = append(t.into.body, b[:min(n, room)]...)
	}
	return n, err
}
