package tryout

import (
	"bytes"
	"context"
	"crypto"
	"crypto/hmac"
	_ "crypto/sha1" //nolint:gosec // HMAC-SHA1 is a method of RFC 5849
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/dghubble/oauth1"

	"countersign/clientstore"
)

// hashes are those of the signature methods that a test can sign by: with a
// secret that both sides know.
var hashes = map[string]crypto.Hash{"HMAC-SHA256": crypto.SHA256, "HMAC-SHA1": crypto.SHA1, "HMAC-SHA512": crypto.SHA512, "PLAINTEXT": 0}

// signatureMethod is the one that a test signs by: the best of those that the
// client is registered for, empty where it has a key of its own, which this
// server has not.
func signatureMethod(c *clientstore.Client) string {
	for _, m := range []string{"HMAC-SHA256", "HMAC-SHA512", "HMAC-SHA1", "PLAINTEXT"} {
		if c.UsesSecret() && slices.Contains(c.Metadata.OAuth1SignatureMethods, m) {
			return m
		}
	}
	return ""
}

// signer signs with the client's secret (RFC 5849, section 3.4).
type signer struct{ method, secret string }

// Name is that of the method.
func (s signer) Name() string { return s.method }

// Sign returns the signature.
func (s signer) Sign(tokenSecret, message string) (string, error) {
	key := oauth1.PercentEncode(s.secret) + "&" + oauth1.PercentEncode(tokenSecret)
	if hashes[s.method] == 0 {
		return key, nil
	}
	mac := hmac.New(hashes[s.method].New, []byte(key))
	mac.Write([]byte(message))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// door takes the requests of the library, and hands them to the server.
type door struct {
	party *Party
	run   *Run
	kind  string
}

// RoundTrip asks the server in this process.
func (d door) RoundTrip(req *http.Request) (*http.Response, error) {
	a, err := d.party.ask(d.run, d.kind, req)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body.Bytes())), Request: req, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// consumer is the client as the library has it.
func (p *Party) consumer(run *Run, kind string) *oauth1.Config {
	return &oauth1.Config{
		ConsumerKey: run.ClientID, ConsumerSecret: run.Secret, CallbackURL: run.RedirectURI,
		Endpoint: oauth1.Endpoint{
			RequestTokenURL: p.Issuer + "/oauth1/request_token", AuthorizeURL: p.Issuer + "/oauth1/authorize", AccessTokenURL: p.Issuer + "/oauth1/access_token",
		},
		Signer:     signer{run.AuthMethod, run.Secret},
		HTTPClient: &http.Client{Transport: door{p, run, kind}},
	}
}

// requestToken asks for temporary credentials (RFC 5849, section 2.1).
func (p *Party) requestToken(run *Run) error {
	token, secret, err := p.consumer(run, "request_token").RequestToken()
	if err != nil {
		return refusal(run, err)
	}
	run.Token, run.TokenSecret, run.Next = token, secret, Browser
	request := url.Values{"oauth_token": {token}}
	run.Address = p.Issuer + "/oauth1/authorize?" + request.Encode()
	run.Steps = append(run.Steps, Step{Kind: "authorize", Request: &Message{Line: "GET " + p.Issuer + "/oauth1/authorize", Fields: fields(request)}})
	return nil
}

// accessToken asks for token credentials (RFC 5849, section 2.3), and then who
// a request acts as that is signed with them.
func (p *Party) accessToken(run *Run, verifier string) error {
	run.Next = Nothing
	token, secret, err := p.consumer(run, "access_token").AccessToken(run.Token, run.TokenSecret, verifier)
	if err != nil {
		return refusal(run, err)
	}
	run.Tokens = append(run.Tokens, token)
	ctx := context.WithValue(p.For.Context(), oauth1.HTTPClient, &http.Client{Transport: door{p, run, "verify"}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Issuer+"/oauth1/verify", http.NoBody)
	if err != nil {
		return err
	}
	res, err := p.consumer(run, "verify").Client(ctx, oauth1.NewToken(token, secret)).Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// refusal is nil where the server refused, which the step says: what the
// library makes of it is less.
func refusal(run *Run, err error) error {
	if n := len(run.Steps); n > 0 && run.Steps[n-1].Failed {
		run.Next = Nothing
		return nil
	}
	return errors.Join(errors.New("test by OAuth 1.0a"), err)
}
