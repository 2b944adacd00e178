package tokenclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/dghubble/oauth1"
)

// Credentials are token credentials of OAuth 1.0a (RFC 5849, section 2.3).
type Credentials struct {
	Token  string `json:"oauth_token"`
	Secret string `json:"oauth_token_secret"`
}

// Raw are the credentials as JSON: the protocol's own answer is a form.
func (c *Credentials) Raw() (json.RawMessage, error) {
	return json.Marshal(c) //nolint:gosec // to show them to their owner is what it is for
}

// OAuth1 gets token credentials by OAuth 1.0a, over a loopback callback. It
// signs with HMAC-SHA256.
func (c *Client) OAuth1(ctx context.Context) (*Credentials, error) {
	if c.metadata.OAuth1RequestTokenEndpoint == "" {
		return nil, errors.New("the issuer's discovery document names no endpoints of OAuth 1.0a")
	}
	back, err := c.listen(ctx, "oauth_token", readVerifier)
	if err != nil {
		return nil, err
	}
	defer back.close()
	answers := &recorder{next: c.cfg.HTTP.Transport}
	conf := &oauth1.Config{
		ConsumerKey: c.cfg.ClientID, ConsumerSecret: c.cfg.ClientSecret, CallbackURL: back.address,
		Endpoint: oauth1.Endpoint{
			RequestTokenURL: c.metadata.OAuth1RequestTokenEndpoint, AuthorizeURL: c.metadata.OAuth1AuthorizationEndpoint,
			AccessTokenURL: c.metadata.OAuth1AccessTokenEndpoint,
		},
		Signer:     &oauth1.HMAC256Signer{ConsumerSecret: c.cfg.ClientSecret},
		HTTPClient: &http.Client{Transport: answers, Timeout: c.cfg.HTTP.Timeout},
	}
	token, secret, err := conf.RequestToken()
	if err != nil {
		return nil, answers.refusal("ask for temporary credentials", err)
	}
	address, err := conf.AuthorizationURL(token)
	if err != nil {
		return nil, err
	}
	verifier, err := back.wait(ctx, token, func() { c.cfg.Visit(address.String()) })
	if err != nil {
		return nil, err
	}
	token, secret, err = conf.AccessToken(token, secret, verifier)
	if err != nil {
		return nil, answers.refusal("ask for token credentials", err)
	}
	return &Credentials{token, secret}, nil
}

// refusal is what the server answered, in its own words if it has any.
func (r *recorder) refusal(doing string, err error) error {
	if form, parseErr := url.ParseQuery(string(r.body)); parseErr == nil && form.Get("oauth_problem") != "" {
		return &RefusedError{Code: form.Get("oauth_problem"), Description: form.Get("oauth_problem_advice")}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// readVerifier reads what the person brings back (RFC 5849, section 2.2).
func readVerifier(q url.Values) answer {
	if problem := q.Get("oauth_problem"); problem != "" {
		return answer{err: &RefusedError{Code: problem, Description: "the authorization was not given"}}
	}
	if q.Get("oauth_verifier") == "" {
		return answer{err: errors.New("the answer has no oauth_verifier")}
	}
	return answer{code: q.Get("oauth_verifier")}
}
