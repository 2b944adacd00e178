package tokenclient

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/oauth2"
)

// patience is how long the person may take in the browser.
const patience = 10 * time.Minute

// Code gets tokens by the authorization code grant with PKCE, over a loopback
// redirect (RFC 8252, section 7.3).
func (c *Client) Code(ctx context.Context) (*Tokens, error) {
	state := rand.Text()
	back, err := c.listen(ctx, "state", c.read)
	if err != nil {
		return nil, err
	}
	defer back.close()
	conf := c.oauth2(back.address)
	verifier, nonce := oauth2.GenerateVerifier(), rand.Text()
	code, err := back.wait(ctx, state, func() {
		c.cfg.Visit(conf.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("nonce", nonce)))
	})
	if err != nil {
		return nil, err
	}
	return c.tokens(ctx, nonce, func(ctx context.Context) (*oauth2.Token, error) {
		return conf.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	})
}

// callback is where the browser comes back to.
type callback struct {
	path    string
	address string // the redirect URI
	// name is the parameter that tells the answer to our request from any
	// other, and want the value that it has then.
	name   string
	want   chan string
	read   func(url.Values) answer
	answer chan answer
	server *http.Server
}

// answer is what the browser brings: a code of OAuth 2.0, or a verifier of
// OAuth 1.0a.
type answer struct {
	code string
	err  error
}

// listen waits for the browser on a loopback address.
func (c *Client) listen(ctx context.Context, name string, read func(url.Values) answer) (*callback, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.cfg.Port)))
	if err != nil {
		return nil, fmt.Errorf("listen for the browser to come back: %w", err)
	}
	b := &callback{
		path: c.cfg.Path, address: "http://" + listener.Addr().String() + c.cfg.Path, name: name, read: read,
		want: make(chan string, 1), answer: make(chan answer, 1),
	}
	b.server = &http.Server{Handler: b, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = b.server.Serve(listener) }() // it ends when it is closed
	return b, nil
}

func (b *callback) close() { _ = b.server.Close() } // nobody is left to serve

// wait sends the person away and returns what the browser brings back with the
// wanted value.
func (b *callback) wait(ctx context.Context, want string, send func()) (string, error) {
	b.want <- want
	send()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case a := <-b.answer:
		return a.code, a.err
	case <-ctx.Done():
		return "", errors.New("nobody came back from the browser in time")
	}
}

// ServeHTTP takes the authorization response. A request that is not the answer
// to ours changes nothing: any page can make a browser send one.
func (b *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Method != http.MethodGet || r.URL.Path != b.path || !b.isWanted(q.Get(b.name)) {
		http.Error(w, "This is not the answer that was waited for.", http.StatusNotFound)
		return
	}
	a := b.read(q)
	select {
	case b.answer <- a:
	default: // answered before
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	text := "You can close this window and return to the terminal.\n"
	if a.err != nil {
		text = "That did not work; the terminal says why. You can close this window.\n"
	}
	_, _ = w.Write([]byte(text)) // the terminal has the answer
}

// isWanted reports whether the value is that of our request.
func (b *callback) isWanted(value string) bool {
	select {
	case want := <-b.want:
		b.want <- want
		return subtle.ConstantTimeCompare([]byte(value), []byte(want)) == 1
	default: // nobody was sent away yet
		return false
	}
}

// read checks an authorization response that is ours by its state (RFC 9207,
// section 2.4).
func (c *Client) read(q url.Values) answer {
	iss := q.Get("iss")
	if iss != c.cfg.Issuer && (iss != "" || c.metadata.SendsIssuer) {
		return answer{err: fmt.Errorf("the answer came from the issuer %q, not from %s", iss, c.cfg.Issuer)}
	}
	if code := q.Get("error"); code != "" {
		return answer{err: &RefusedError{Code: code, Description: q.Get("error_description")}}
	}
	if q.Get("code") == "" {
		return answer{err: errors.New("the answer has no code")}
	}
	return answer{code: q.Get("code")}
}
