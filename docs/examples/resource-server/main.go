// Resource-server is an example: an API that Countersign protects in two ways.
//
// By itself it asks the server about each request that it gets: about a signed
// one (OAuth 1.0a) at the verification endpoint, about an access token at the
// introspection endpoint. With -proxy it leaves that to the reverse proxy in
// front of it, and reads from headers who was let through.
//
// It needs nothing but the standard library. docs/resource-servers.md tells how
// it is run.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

func main() {
	s := &resourceServer{http: &http.Client{Timeout: 10 * time.Second}}
	listen := flag.String("listen", "127.0.0.1:9000", "address to listen on")
	flag.StringVar(&s.issuer, "issuer", "", "issuer of Countersign")
	flag.StringVar(&s.origin, "origin", "", "scheme and host that clients know this server by")
	flag.StringVar(&s.clientID, "client", "", "client_id of this server")
	secretFile := flag.String("secret-file", "", "file with the client's secret")
	flag.BoolVar(&s.proxy, "proxy", false, "believe the X-Auth headers of the proxy in front; listen where nobody else can connect")
	certificate := flag.String("certificate", "", "file with the certificate, for https")
	key := flag.String("key", "", "file with the certificate's key")
	flag.Parse()
	err := s.discover(*secretFile)
	if err == nil {
		err = s.serve(*listen, *certificate, *key)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// resourceServer is the API with what it knows of Countersign.
type resourceServer struct {
	issuer, origin, clientID, secret string
	proxy                            bool
	http                             *http.Client
	endpoints                        struct {
		Introspection string `json:"introspection_endpoint"`
		Verification  string `json:"oauth1_verification_endpoint"`
	}
}

func (s *resourceServer) serve(listen, certificate, key string) error {
	api := http.NewServeMux()
	api.HandleFunc("GET /models", s.list)
	api.HandleFunc("POST /models", s.create)
	server := &http.Server{Addr: listen, Handler: s.protect(api), ReadHeaderTimeout: 10 * time.Second}
	if certificate != "" {
		return server.ListenAndServeTLS(certificate, key)
	}
	return server.ListenAndServe()
}

// discover reads this server's secret, and where Countersign answers. Behind a
// proxy it needs neither.
func (s *resourceServer) discover(secretFile string) error {
	if s.proxy {
		return nil
	}
	secret, err := os.ReadFile(secretFile) //nolint:gosec // whoever starts the program names it
	if err != nil {
		return err
	}
	s.secret = strings.TrimSpace(string(secret))
	res, err := s.http.Get(s.issuer + "/.well-known/openid-configuration") //nolint:noctx // the client has a timeout
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	return json.NewDecoder(res.Body).Decode(&s.endpoints)
}

// caller is who sent a request, as Countersign tells.
type caller struct {
	Active   bool   `json:"active"`
	Subject  string `json:"sub"`
	Username string `json:"username"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
}

type callerKey struct{}

// errAnswered tells that a request is answered: it was not let through.
var errAnswered = errors.New("the request is answered")

// protect lets through requests of which Countersign knows who sent them.
func (s *resourceServer) protect(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.identify(w, r)
		switch {
		case errors.Is(err, errAnswered):
		case err != nil: // nothing was decided: neither 401 nor 200
			w.Header().Set("Retry-After", "1")
			http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
		default:
			api.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
		}
	})
}

// identify returns who sent a request. It answers by itself who is not let
// through.
func (s *resourceServer) identify(w http.ResponseWriter, r *http.Request) (*caller, error) {
	if s.proxy {
		return fromProxy(w, r)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, "The body cannot be read.", http.StatusBadRequest)
		return nil, errAnswered
	}
	r.Body = io.NopCloser(strings.NewReader(string(body))) // the API reads it, too
	authorization := r.Header.Values("Authorization")
	if len(authorization) > 1 {
		http.Error(w, "Send one Authorization header.", http.StatusBadRequest)
		return nil, errAnswered
	}
	if token, ok := bearer(authorization); ok {
		return s.introspect(w, r, token)
	}
	return s.verify(w, r, string(body))
}

func bearer(authorization []string) (token string, ok bool) {
	if len(authorization) == 0 {
		return "", false
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// introspect asks about an access token (RFC 7662).
func (s *resourceServer) introspect(w http.ResponseWriter, r *http.Request, token string) (*caller, error) {
	res, err := s.post(r.Context(), s.endpoints.Introspection, url.Values{"token": {token}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it matters
	var c caller
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("introspection: %s", res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(&c); err != nil {
		return nil, err
	}
	if !c.Active {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.origin+`", error="invalid_token"`)
		http.Error(w, "The access token does not hold.", http.StatusUnauthorized)
		return nil, errAnswered
	}
	return &c, nil
}

// verify asks about a signed request (RFC 5849). The URL is the one that clients
// know, whatever this server was reached by. What is not signed at all gets
// the challenges from there as well.
func (s *resourceServer) verify(w http.ResponseWriter, r *http.Request, body string) (*caller, error) {
	form := url.Values{"method": {r.Method}, "url": {s.origin + r.URL.RequestURI()}, "authorization": {r.Header.Get("Authorization")}}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		form.Set("client_address", host) // whoever guesses secrets is slowed down, and nobody else
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form.Set("body", body)
	}
	res, err := s.post(r.Context(), s.endpoints.Verification, form)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it matters
	var c caller
	if err := json.NewDecoder(res.Body).Decode(&c); err != nil {
		return nil, err
	}
	challenges := res.Header.Values("WWW-Authenticate")
	switch {
	case res.StatusCode == http.StatusOK && c.Active:
		return &c, nil
	case len(challenges) == 0 || res.StatusCode >= http.StatusInternalServerError || strings.HasPrefix(challenges[0], "Basic"):
		return nil, fmt.Errorf("verification: %s", res.Status) // it is this server that was refused
	default:
		w.Header()["Www-Authenticate"] = append(challenges, `Bearer realm="`+s.origin+`"`)
		http.Error(w, "The request is not signed by somebody who may.", http.StatusUnauthorized)
		return nil, errAnswered
	}
}

// post asks Countersign as this server's client.
func (s *resourceServer) post(ctx context.Context, endpoint string, form url.Values) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(s.clientID), url.QueryEscape(s.secret))
	return s.http.Do(r)
}

// fromProxy reads who was let through. The proxy sends each header once, with
// what is no visible ASCII encoded as in URLs.
func fromProxy(w http.ResponseWriter, r *http.Request) (*caller, error) {
	c := &caller{Active: true}
	for header, into := range map[string]*string{
		"X-Auth-Subject": &c.Subject, "X-Auth-Username": &c.Username, "X-Auth-Client-Id": &c.ClientID, "X-Auth-Scope": &c.Scope,
	} {
		values := r.Header.Values(header)
		if len(values) > 1 {
			return nil, errors.New(header + " comes twice: the proxy passes on what its clients send")
		}
		decoded, err := url.PathUnescape(r.Header.Get(header))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", header, err)
		}
		*into = decoded
	}
	if c.ClientID == "" {
		http.Error(w, "The proxy let nobody through.", http.StatusUnauthorized)
		return nil, errAnswered
	}
	return c, nil
}

// list serves GET /models.
func (*resourceServer) list(w http.ResponseWriter, r *http.Request) {
	tell(w, r, map[string]any{"models": []string{"engine", "gearbox"}})
}

// create serves POST /models.
func (*resourceServer) create(w http.ResponseWriter, r *http.Request) {
	tell(w, r, map[string]any{"name": r.FormValue("name")})
}

// tell answers with who asked.
func tell(w http.ResponseWriter, r *http.Request, answer map[string]any) {
	c, _ := r.Context().Value(callerKey{}).(*caller)
	answer["sub"], answer["username"], answer["client_id"], answer["scope"] = c.Subject, c.Username, c.ClientID, c.Scope
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // who has gone reads nothing
}
