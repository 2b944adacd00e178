package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dghubble/oauth1"
	"github.com/go-jose/go-jose/v4"

	"countersign/storage/storagetest"
)

// belongings are what people and applications hold of a server.
type belongings struct {
	s                         *server
	u                         *user
	c, signer, machineClient  *client
	consumer                  *client
	opaque, unused            tokens
	code                      string
	codeRequest               *request
	cookie                    string
	device, pushed            string
	apiKey, initial           string
	registrationURI, regToken string
	credentials               *oauth1.Token
	signed                    *http.Request // by the consumer, and taken
	assertion                 string        // of the signer, and taken
}

// furnish makes one of everything.
func (s *server) furnish() *belongings {
	s.t.Helper()
	h := &belongings{s: s, u: s.User("--permission", "configure_server"), c: s.Client("--grant", "client_credentials", "--grant", deviceGrant)}
	h.opaque, h.unused = s.Tokens(h.c, h.u), s.Tokens(h.c, h.u)
	h.codeRequest = s.Request(h.c)
	b := s.browse()
	h.code = s.Code(b, h.codeRequest, h.u)
	h.cookie = b.Cookie(sessionCookie)
	h.device = s.startDevice(h.c).str("device_code")
	par := s.Post(s.endpoint("pushed_authorization_request_endpoint"), h.c, s.Request(h.c).Values)
	h.pushed = par.str("request_uri")
	h.apiKey = mustJSON[map[string]any](s.t, s.CLI("", "api-key", "create", "--name", "robot", "--username", h.u.Username, "-o", "json"))["api_key"].(string)
	h.initial = mustJSON[map[string]any](s.t, s.CLI("", "client", "initial-token", "create", "--approve", "--name", "pipeline", "--uses", "9", "-o", "json"))["token"].(string)
	made := s.enrol("", "Robot")
	h.registrationURI, h.regToken = made.str("registration_client_uri"), made.str("registration_access_token")
	s.approve(&client{ID: made.str("client_id")})

	h.consumer = s.registerConsumer("--redirect-uri", webRedirect)
	config := s.goConsumer(h.consumer)
	h.credentials = s.credentials(b, h.u, &consumer{
		Key: h.consumer.ID, Secret: h.consumer.Secret, Callback: webRedirect, RequestToken: config.Endpoint.RequestTokenURL,
		Authorize: config.Endpoint.AuthorizeURL, AccessToken: config.Endpoint.AccessTokenURL,
	})
	h.machineClient = s.resourceClient()
	h.signer = s.register("--set", "token_endpoint_auth_method=client_secret_jwt", "--redirect-uri", webRedirect, "--grant", "client_credentials", "--scope", "openid api", "--approve")
	return h
}

// assert makes a client assertion of the signer (RFC 7523).
func (h *belongings) assert() string {
	h.s.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(h.signer.Secret)}, nil)
	if err != nil {
		h.s.t.Fatal(err)
	}
	now := time.Now().Unix()
	claims, _ := json.Marshal(map[string]any{ // never fails
		"iss": h.signer.ID, "sub": h.signer.ID, "aud": h.s.issuer, "jti": rand.Text(), "iat": now, "exp": now + 240,
	})
	jws, err := signer.Sign(claims)
	if err != nil {
		h.s.t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		h.s.t.Fatal(err)
	}
	return text
}

// asserts asks for a token by an assertion.
func (h *belongings) asserts(assertion string) answer {
	h.s.t.Helper()
	return h.s.Post(h.s.endpoint("token_endpoint"), nil, url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
}

// verifies asks whether a request that is signed with the credentials is good.
func (h *belongings) verifies() bool {
	h.s.t.Helper()
	kept := &captured{}
	config := oauth1.Config{ConsumerKey: h.consumer.ID, ConsumerSecret: h.consumer.Secret}
	client := config.Client(context.WithValue(h.s.t.Context(), oauth1.HTTPClient, &http.Client{Transport: kept}), h.credentials)
	_, _ = client.Get("https://rs.example/models") //nolint:bodyclose // nothing is sent
	a := h.s.Post(h.s.endpoint("oauth1_verification_endpoint"), h.machineClient, url.Values{
		"method": {"GET"}, "url": {"https://rs.example/models"}, "authorization": {kept.request.Header.Get("Authorization")},
	})
	return a.Status == http.StatusOK && a.JSON["active"] == true
}

// resend sends a request of the consumer as it was captured.
func (h *belongings) resend() answer {
	h.s.t.Helper()
	req := h.s.newRequest(h.signed.Method, h.signed.URL.String(), "")
	req.Header = h.signed.Header.Clone()
	return h.s.do(req)
}

func (h *belongings) administers() int {
	h.s.t.Helper()
	req := h.s.newRequest(http.MethodGet, h.s.issuer+"/admin/api/v1/clients", "")
	req.Header.Set("Authorization", "Bearer "+h.apiKey)
	return h.s.do(req).Status
}

func (h *belongings) polls() answer {
	h.s.t.Helper()
	return h.s.Post(h.s.endpoint("token_endpoint"), h.c, url.Values{"grant_type": {deviceGrant}, "device_code": {h.device}})
}

// active reports whether the access token is good.
func (h *belongings) active(t tokens) bool {
	h.s.t.Helper()
	return h.s.Introspect(h.c, t.access).JSON["active"] == true
}

// live says of everything, by name, whether it works. It uses up what can be
// used once.
func (h *belongings) live() map[string]bool {
	h.s.t.Helper()
	pushed := h.s.browse().Open(h.s.endpoint("authorization_endpoint") + "?" + url.Values{"client_id": {h.c.ID}, "request_uri": {h.pushed}}.Encode())
	return map[string]bool{
		"access token":              h.active(h.opaque),
		"userinfo":                  h.s.Userinfo(h.opaque.access).Status == http.StatusOK,
		"refresh token":             h.s.Refresh(h.c, h.unused.refresh).Status == http.StatusOK,
		"code":                      h.s.Exchange(h.c, h.code, h.codeRequest).Status == http.StatusOK,
		"session":                   h.s.signedIn(h.cookie),
		"device code":               h.polls().str("error") == "authorization_pending",
		"pushed request":            pushed.formWith("username") != nil && strings.Contains(pushed.Text(), h.c.Name),
		"API key":                   h.administers() == http.StatusOK,
		"initial access token":      h.s.enrol(h.initial, "Next").Status == http.StatusCreated,
		"registration access token": h.s.manage(http.MethodGet, h.registrationURI, h.regToken, "").Status == http.StatusOK,
		"token credentials":         h.verifies(),
		"client secret":             h.s.Post(h.s.endpoint("token_endpoint"), h.c, url.Values{"grant_type": {"client_credentials"}}).Status == http.StatusOK,
		"password":                  h.signsIn(),
	}
}

// signsIn reports whether the person can sign in by the old password.
func (h *belongings) signsIn() bool {
	h.s.t.Helper()
	b := h.s.browse()
	b.SignIn(b.Open(h.s.issuer+"/login"), h.u.Username, h.u.password)
	return b.Cookie(sessionCookie) != "" && h.s.signedIn(b.Cookie(sessionCookie))
}

// check compares what works with what shall; all others shall not.
func (h *belongings) check(when string, alive ...string) {
	h.s.t.Helper()
	want := map[string]bool{}
	for _, name := range alive {
		want[name] = true
	}
	for name, works := range h.live() {
		if works != want[name] {
			h.s.t.Errorf("%s: %s works: %v; want %v", when, name, works, want[name])
		}
	}
}

// TestRestore backs up while a client works, lets the world go on, restores,
// and tries everything that anybody holds (INV-22).
func TestRestore(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database)
			h := s.furnish()
			old := s.publishedKeys()
			file := filepath.Join(t.TempDir(), "backup")
			h.backUpUnderLoad(file)
			h.live() // uses up what can be used
			h.assertion = h.assert()
			if a := h.asserts(h.assertion); a.Status != http.StatusOK {
				t.Fatalf("assertion: %d %s", a.Status, a.Body)
			}
			config := s.goConsumer(h.consumer)
			h.signed = keep(*config, func(c *oauth1.Config) error { _, _, err := c.RequestToken(); return err })
			if a := h.resend(); a.Status != http.StatusOK {
				t.Fatalf("signed request: %d %s", a.Status, a.Body)
			}
			s.Revoke(h.c, h.opaque.access)
			if out := s.refuses("restore", file, "--replace", "--yes"); !strings.Contains(out, "in use") {
				t.Errorf("restore while serving: %s", out)
			}
			s.Stop()
			if out := s.refuses("restore", file, "--yes"); !strings.Contains(out, "--replace") {
				t.Errorf("restore onto an installation: %s", out)
			}

			s.CLI("", "restore", file, "--replace", "--yes", "--keep-approvals", "--keep-accounts")
			s.Start()
			h.check("with approvals and accounts", "client secret", "password", "registration access token")
			for name, a := range map[string]answer{"an assertion that was used": h.asserts(h.assertion), "a nonce that was used": h.resend()} {
				if a.Status != http.StatusUnauthorized {
					t.Errorf("%s since the backup: %d %s", name, a.Status, a.Body)
				}
			}
			for _, kid := range s.publishedKeys() {
				if strings.Contains(strings.Join(old, " "), kid) {
					t.Errorf("key %s is published again", kid)
				}
			}

			s.Stop()
			s.CLI("", "restore", file, "--replace", "--yes")
			s.Start()
			h.check("with nothing kept")
			if out := s.CLI("", "client", "show", h.c.ID, "-o", "json"); !strings.Contains(out, `"status": "pending"`) {
				t.Errorf("the client is %s", out)
			}
			s.CLI(h.u.password+"x\n", "user", "set-password", h.u.Username, "--password-stdin")
			s.CLI("", "user", "enable", h.u.Username)
			h.u.password += "x"
			h.c.Secret = mustJSON[client](t, s.CLI("", "client", "rotate-secret", h.c.ID, "-o", "json")).Secret
			s.approve(h.c)
			h.opaque = s.Tokens(h.c, h.u)
			if !h.active(h.opaque) {
				t.Error("what was confirmed does not work")
			}
		})
	}
}

// backUpUnderLoad writes a backup while a client gets tokens.
func (h *belongings) backUpUnderLoad(file string) {
	h.s.t.Helper()
	ctx, stop := context.WithCancel(h.s.t.Context())
	var wg sync.WaitGroup
	n := 0
	wg.Go(func() {
		for ; ctx.Err() == nil; n++ {
			if a := h.s.Post(h.s.endpoint("token_endpoint"), h.c, url.Values{"grant_type": {"client_credentials"}}); a.Status != http.StatusOK {
				h.s.t.Errorf("token during the backup: %d %s", a.Status, a.Body)
				return
			}
		}
	})
	out := h.s.CLI("", "backup", file, "-o", "json")
	stop()
	wg.Wait()
	if n == 0 {
		h.s.t.Error("the client got nothing during the backup")
	}
	told := mustJSON[struct {
		Rows map[string]int64 `json:"rows"`
	}](h.s.t, out)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 || told.Rows["clients"] == 0 {
		h.s.t.Errorf("the backup: %v, %v, %s", info, err, out)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		h.s.t.Fatal(err)
	}
	for name, secret := range h.s.canaries.all() {
		if bytes.Contains(content, []byte(secret)) {
			h.s.t.Errorf("the backup holds a %s", name)
		}
	}
}

// TestMove exports a server's database and goes on with the other kind: what
// anybody holds works there, and no more where it was.
func TestMove(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := prepare(t, database)
			s.set("SECRET_FILE", s.keyFile())
			s.Start()
			t.Cleanup(s.finish)
			h := s.furnish()
			keys := s.publishedKeys()
			file := filepath.Join(t.TempDir(), "export")
			if out := s.refuses("export", file, "--yes"); !strings.Contains(out, "in use") {
				t.Errorf("export while serving: %s", out)
			}
			s.Stop()
			s.CLI("", "export", file, "--yes")
			if out := s.refuses("serve"); !strings.Contains(out, "was exported") {
				t.Errorf("serving what was exported: %s", out)
			}
			if out := s.refuses("user", "list"); !strings.Contains(out, "was exported") {
				t.Errorf("a command on what was exported: %s", out)
			}

			if database == sqlite {
				s.set("DATABASE", storagetest.PostgresURL(t))
			} else {
				s.set("DATABASE", storagetest.SQLiteURL(t))
			}
			s.CLI("", "import", file)
			s.Start()
			if got := s.publishedKeys(); strings.Join(got, " ") != strings.Join(keys, " ") {
				t.Errorf("the keys are %v; want %v", got, keys)
			}
			h.check("after the move", "access token", "userinfo", "refresh token", "code", "session", "device code", "pushed request", "API key",
				"initial access token", "registration access token", "token credentials", "client secret", "password")
		})
	}
}

// TestServerStopsWhenItsDatabaseIsTaken replaces the contents of a database
// under a server that did not look like one.
func TestServerStopsWhenItsDatabaseIsTaken(t *testing.T) {
	t.Parallel()
	s := start(t, postgres)
	s.expectFaults = true
	db := s.database()
	if err := db.With(t.Context()).Exec(`UPDATE installation SET restored_at = ?`, db.Now()).Error; err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.exited:
		if err == nil || !strings.Contains(s.log.String(), "restored from a backup while this server was running") {
			t.Errorf("the server ended with %v: %s", err, s.log.Tail())
		}
		s.exited <- nil
	case <-time.After(30 * time.Second):
		t.Error("the server goes on")
	}
}
