package conformance

import (
	"crypto/rand"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"countersign/cmd/countersign/e2e/e2etest"
)

// site is the web site of one relying party: a folder of the one server that
// all of them share.
type site struct {
	port, folder string

	mu       sync.Mutex
	pages    map[string]http.HandlerFunc
	requests map[string]chan *received
}

// received is a request that came to a site.
type received struct {
	method      string
	query, form url.Values
	contentType string
	tls         uint16
}

var host = sync.OnceValue(func() *sites {
	s := &sites{by: map[string]*site{}}
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificates().certificate}, MinVersion: tls.VersionTLS12, CipherSuites: modern()}
	server.StartTLS()
	e2etest.Process.Cleanup(server.Close)
	u, _ := url.Parse(server.URL) // httptest made it
	s.port = u.Port()
	return s
})

// modern are the cipher suites of TLS 1.2 that RFC 9325, section 4.2, names.
func modern() []uint16 {
	return []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
}

// sites serves the sites of all relying parties.
type sites struct {
	port string
	mu   sync.Mutex
	by   map[string]*site
}

func newSite() *site {
	all := host()
	s := &site{
		port: all.port, folder: "/" + strings.ToLower(rand.Text()[:12]),
		pages: map[string]http.HandlerFunc{}, requests: map[string]chan *received{},
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.by[s.folder] = s
	return s
}

func (s *sites) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	folder, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	one := s.by["/"+folder]
	s.mu.Unlock()
	if one == nil {
		http.NotFound(w, r)
		return
	}
	one.serve(w, r, "/"+path)
}

// partyHost is the name of every site in browsers, which find it on this very
// machine. No server finds it.
const partyHost = "rp.example"

// origin is the site's in browsers.
func (s *site) origin() string { return "https://" + partyHost + ":" + s.port }

// url is an address for browsers.
func (s *site) url(path string) string { return s.origin() + s.folder + path }

// local is the same address for the provider.
func (s *site) local(path string) string { return "https://localhost:" + s.port + s.folder + path }

func (s *site) serve(w http.ResponseWriter, r *http.Request, path string) {
	s.mu.Lock()
	page, requests := s.pages[path], s.requests[path]
	s.mu.Unlock()
	if requests != nil {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // what is missing fails the module
		form, _ := url.ParseQuery(string(body))
		requests <- &received{r.Method, r.URL.Query(), form, r.Header.Get("Content-Type"), r.TLS.Version}
	}
	if page == nil {
		http.NotFound(w, r)
		return
	}
	page(w, r)
}

// serves puts a document on the site.
func (s *site) serves(path, contentType, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, content) // who asked may have gone
	}
}

// listens notes the requests for a path from now on.
func (s *site) listens(path, contentType, content string) {
	s.serves(path, contentType, content)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[path] = make(chan *received, 16)
}

// heard waits for a request for a path.
func (r *run) heard(s *site, path string) *received {
	s.mu.Lock()
	requests := s.requests[path]
	s.mu.Unlock()
	var got *received
	r.wait(func() {
		select {
		case got = <-requests:
		case <-time.After(45 * time.Second):
		}
	})
	return got
}
