package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// script is a program that talks in lines of JSON.
type script struct {
	t   testing.TB
	in  io.Writer
	out *bufio.Scanner
}

// node runs a program of the folder node.
func node(t testing.TB, name string, args ...string) *script {
	t.Helper()
	if _, err := os.Stat(filepath.Join("node", "node_modules")); err != nil {
		t.Fatal("npm's packages are not installed: run `make test`, or `npm ci` in cmd/countersign/e2e/node")
	}
	return run(t, "node", "node", append([]string{name}, args...)...)
}

// run starts a program in a folder.
func run(t testing.TB, folder, name string, args ...string) *script {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = folder
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run `make test` or `make interop`, which install what is missing", err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // what it had to say, it said
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	return &script{t: t, in: in, out: lines}
}

func (s *script) write(v any) {
	s.t.Helper()
	line, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) read(v any) {
	s.t.Helper()
	if !s.out.Scan() {
		s.t.Fatalf("the program ended; its errors are above (%v)", s.out.Err())
	}
	if err := json.Unmarshal(s.out.Bytes(), v); err != nil {
		s.t.Fatalf("%v: %s", err, s.out.Bytes())
	}
}

// TestOpenIDClient is npm's openid-client 6 as the relying party, with each
// way to authenticate and each signature algorithm.
func TestOpenIDClient(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, alg string
		register  func(s *server) *client
	}{
		{"client_secret_basic, RS256", "RS256", func(s *server) *client { return s.Client() }},
		{"client_secret_post, ES256", "ES256", func(s *server) *client {
			return s.Client("--set", "token_endpoint_auth_method=client_secret_post", "--set", "id_token_signed_response_alg=ES256")
		}},
		{"none, PS256", "PS256", func(s *server) *client {
			return s.PublicClient("--set", "id_token_signed_response_alg=PS256")
		}},
		{"client_secret_basic, EdDSA", "EdDSA", func(s *server) *client {
			return s.Client("--set", "id_token_signed_response_alg=EdDSA")
		}},
	}
	each(t, func(t *testing.T, s *server) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				s := s.as(t)
				testOpenIDClient(t, s, tt.register(s), tt.alg)
			})
		}
	})
}

func testOpenIDClient(t *testing.T, s *server, c *client, alg string) {
	t.Helper()
	u := s.User()
	rp := node(t, "relying-party.mjs")
	rp.write(map[string]string{
		"issuer": s.issuer, "clientID": c.ID, "clientSecret": c.Secret, "redirectURI": c.RedirectURIs[0],
		"scope": "openid profile email offline_access", "authMethod": c.AuthMethod, "alg": alg,
	})
	var ask struct{ Open string }
	rp.read(&ask)
	p := s.browse().Authorize(ask.Open, u)
	if p.Callback == nil {
		t.Fatalf("no answer: %s", p.Text())
	}
	rp.write(map[string]string{"callback": p.Callback.String()})

	var got struct {
		Result struct {
			Claims, Userinfo map[string]any
			Before, After    map[string]any
			Refusal          string
			Secrets          []string
		}
	}
	rp.read(&got)
	for _, secret := range got.Result.Secrets {
		s.canaries.add("token", secret)
	}
	if got.Result.Claims["sub"] != u.ID {
		t.Errorf("sub is %v; want %s", got.Result.Claims["sub"], u.ID)
	}
	if got.Result.Userinfo["email"] != u.email {
		t.Errorf("email is %v; want %s", got.Result.Userinfo["email"], u.email)
	}
	if got.Result.Refusal != "invalid_grant" {
		t.Errorf("a revoked refresh token is answered %q; want invalid_grant", got.Result.Refusal)
	}
	if c.Secret == "" {
		return // a public client may not introspect
	}
	if got.Result.Before["active"] != true || got.Result.Before["client_id"] != c.ID {
		t.Errorf("before revocation: %v; want active", got.Result.Before)
	}
	if got.Result.After["active"] != false || len(got.Result.After) != 1 {
		t.Errorf("after revocation: %v; want active false alone", got.Result.After)
	}
}
