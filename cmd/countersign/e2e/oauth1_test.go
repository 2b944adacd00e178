package e2e

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dghubble/oauth1"
)

// consumer is a client of OAuth 1.0a as a script is told of it.
type consumer struct {
	Key          string `json:"key"`
	Secret       string `json:"secret"`
	Method       string `json:"method"`
	PrivateKey   string `json:"privateKey"` // PEM, where the method is of RSA
	RequestToken string `json:"requestToken"`
	Authorize    string `json:"authorize"`
	AccessToken  string `json:"accessToken"`
	Resource     string `json:"resource"` // answers who signed a request to it
	Callback     string `json:"callback"`
	Authority    string `json:"authority"` // file with who vouches for the server, empty without TLS
}

// consumerKey is what consumers with a key sign with, as PEM, private and
// public.
var consumerKey = sync.OnceValues(func() (private, public string) {
	key, _ := rsa.GenerateKey(rand.Reader, 2048) // never fails at this length
	der, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), encode("PUBLIC KEY", der)
})

// registerConsumer registers an approved client of OAuth 1.0a. Further
// arguments are passed on.
func (s *server) registerConsumer(args ...string) *client {
	s.t.Helper()
	args = append([]string{"client", "create", "--type", "oauth1", "--name", "Bridge " + rand.Text()[:4], "--scope", "models", "--approve", "-o", "json"}, args...)
	c := mustJSON[client](s.t, s.CLI("", args...))
	s.canaries.add("client secret", c.Secret)
	return &c
}

// consumer is a new consumer that signs by the method and no other. Further
// arguments are passed on.
func (s *server) consumer(method string, more ...string) *consumer {
	s.t.Helper()
	args := []string{"--redirect-uri", webRedirect, "--set", `oauth1_signature_methods=["` + method + `"]`}
	private := ""
	if strings.HasPrefix(method, "RSA") {
		var public string
		private, public = consumerKey()
		args = append(args, "--set", "oauth1_public_key="+public)
	}
	c := s.registerConsumer(append(args, more...)...)
	return &consumer{
		Key: c.ID, Secret: c.Secret, Method: method, PrivateKey: private, Callback: webRedirect,
		RequestToken: s.endpoint("oauth1_request_token_endpoint"), Authorize: s.endpoint("oauth1_authorization_endpoint"),
		AccessToken: s.endpoint("oauth1_access_token_endpoint"),
	}
}

// resourceServer builds the example of docs/examples, once per test process.
var resourceServer = sync.OnceValues(func() (string, error) {
	path := filepath.Join(process.TempDir(), "resource-server")
	out, err := exec.CommandContext(process.Context(), "go", "build", "-o", path, "countersign/docs/examples/resource-server").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the resource server: %w\n%s", err, out)
	}
	return path, nil
})

// exampleServer runs the example resource server until the test ends, and
// returns its address. Without a client it stands behind a proxy.
func (s *server) exampleServer(rs *client) string {
	s.t.Helper()
	path, err := resourceServer()
	if err != nil {
		s.t.Fatal(err)
	}
	at := freeAddress(s.t)
	args, origin, tls := []string{"-listen", at, "-proxy"}, "http://"+at, strings.HasPrefix(s.issuer, "https")
	if tls {
		origin = "https://localhost" + at[strings.LastIndex(at, ":"):]
	}
	if rs != nil {
		secret := filepath.Join(s.t.TempDir(), "secret")
		if err := os.WriteFile(secret, []byte(rs.Secret+"\n"), 0o600); err != nil {
			s.t.Fatal(err)
		}
		args = []string{"-listen", at, "-issuer", s.issuer, "-origin", origin, "-client", rs.ID, "-secret-file", secret}
	}
	if tls {
		args = append(args, "-certificate", s.certificateFile(), "-key", filepath.Join(s.dir, "tls_key.pem"))
	}
	cmd := exec.CommandContext(context.Background(), path, args...)
	if tls {
		cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+s.certificateFile())
	}
	out := &logs{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it keeps nothing
		_ = cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("the resource server: %s", out)
		}
	})
	awaitListener(s.t, at, out)
	return origin
}

// awaitListener waits until somebody listens at an address.
func awaitListener(t testing.TB, at string, out fmt.Stringer) {
	t.Helper()
	for range 200 {
		if conn, err := net.Dial("tcp", at); err == nil {
			_ = conn.Close() // it was only to see that somebody listens
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nobody listens at %s: %s", at, out)
}

// resourceClient is the client of a resource server that may learn of every
// token.
func (s *server) resourceClient() *client {
	s.t.Helper()
	c := mustJSON[client](s.t, s.CLI("", "client", "create", "--type", "oauth2", "--name", "Models", "--grant", "client_credentials",
		"--set", "introspection_scope=all", "--approve", "-o", "json"))
	s.canaries.add("client secret", c.Secret)
	return &c
}

// testConsumers goes through the flows of a script that keep accepts. The
// first word of a flow is its signature method.
func testConsumers(t *testing.T, s *server, library string, rp *script, keep func(flow string) bool) {
	t.Helper()
	u, b := s.User(), s.browse()
	resource := s.exampleServer(s.resourceClient()) + "/models"
	var known struct{ Flows []string }
	rp.read(&known)
	if want := flowsOf(t, library); len(want) == 0 || !slices.Equal(known.Flows, want) {
		t.Fatalf("the script has the flows %q; testdata/interop.tsv lists %q", known.Flows, want)
	}
	for _, flow := range slices.DeleteFunc(known.Flows, func(flow string) bool { return !keep(flow) }) {
		t.Run(flow, func(t *testing.T) {
			s, b, rp := s.as(t), *b, *rp
			b.t, rp.t = t, t
			method, _, _ := strings.Cut(flow, ",")
			c := s.consumer(method)
			c.Resource = resource
			if strings.HasPrefix(s.issuer, "https") {
				c.Authority = s.certificateFile()
			}
			rp.write(call{Flow: flow, Consumer: c})
			converse(t, s, &b, u, &rp)
		})
	}
}

func withoutTLS(flow string) bool { return !strings.HasPrefix(flow, "PLAINTEXT") }

// TestNodeConsumers is npm's clients of OAuth 1.0a.
func TestNodeConsumers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		for _, library := range []string{"oauth", "oauth-1.0a", "passport-oauth1"} {
			t.Run(library, func(t *testing.T) {
				t.Parallel()
				testConsumers(t, s.as(t), library, node(t, "oauth1.mjs", library), withoutTLS)
			})
		}
	})
}

// TestGoConsumer is github.com/dghubble/oauth1, refused from the disapproval on.
func TestGoConsumer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		u, b, c := s.User(), s.browse(), s.consumer("HMAC-SHA1")
		token := s.credentials(b, u, c)
		c.Resource = s.exampleServer(s.resourceClient()) + "/models"
		get := func() (int, string) {
			config := oauth1.Config{ConsumerKey: c.Key, ConsumerSecret: c.Secret}
			res, err := config.Client(context.WithValue(t.Context(), oauth1.HTTPClient, machine), token).Get(c.Resource + "?name=a+b")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }() // read to its end
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			return res.StatusCode, string(body)
		}
		var told struct{ Sub string }
		if status, body := get(); status != http.StatusOK || json.Unmarshal([]byte(body), &told) != nil || told.Sub != u.ID {
			t.Errorf("verification: %d %s", status, body)
		}
		s.disapprove(&client{ID: c.Key})
		if status, body := get(); status != http.StatusUnauthorized {
			t.Errorf("after the disapproval: %d %s", status, body)
		}
	})
}

// credentials are token credentials that the person allowed the consumer.
func (s *server) credentials(b *browser, u *user, c *consumer) *oauth1.Token {
	s.t.Helper()
	config := oauth1.Config{
		ConsumerKey: c.Key, ConsumerSecret: c.Secret, CallbackURL: c.Callback, HTTPClient: machine,
		Endpoint: oauth1.Endpoint{RequestTokenURL: c.RequestToken, AuthorizeURL: c.Authorize, AccessTokenURL: c.AccessToken},
	}
	token, secret, err := config.RequestToken()
	if err != nil {
		s.t.Fatal(err)
	}
	address, err := config.AuthorizationURL(token)
	if err != nil {
		s.t.Fatal(err)
	}
	p := b.Authorize(address.String(), u)
	if p.Callback == nil {
		s.t.Fatalf("no answer: %s", p.Text())
	}
	token, secret, err = config.AccessToken(token, secret, p.Callback.Query().Get("oauth_verifier"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.canaries.add("token secret", secret)
	return oauth1.NewToken(token, secret)
}
