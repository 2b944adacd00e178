package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// replica starts a second server on the database of the first, under the same
// issuer, and returns a view of it: who uses the view reaches that server at
// the issuer's address, as if a balancer had sent them there.
func (s *server) replica() *server {
	s.t.Helper()
	r := *s
	r.log, r.cmd, r.exited, r.metadata = &logs{}, nil, nil, nil
	r.env = slices.Clone(s.env)
	at := freeAddress(s.t)
	r.set("LISTEN", at)
	r.via = &http.Transport{MaxIdleConnsPerHost: racers, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, at) // wherever the issuer's name leads
	}}
	r.Start()
	s.t.Cleanup(r.finish)
	return &r
}

// publishedKeys returns the kids of the key set as the server publishes it.
func (s *server) publishedKeys() []string {
	s.t.Helper()
	a := s.do(s.newRequest(http.MethodGet, s.endpoint("jwks_uri"), ""))
	set := mustJSON[struct{ Keys []struct{ Kid, Alg string } }](s.t, a.Body)
	var kids []string
	for _, key := range set.Keys {
		if key.Alg == "RS256" {
			kids = append(kids, key.Kid)
		}
	}
	return kids
}

// TestKeysAcrossReplicas rotates keys by command while two servers on one
// database serve: each publishes the next key before either signs with it, each
// accepts what the other signed, before and after, as a token and as a hint,
// and the retired key stays published (INV-13, INV-14, JW-16).
func TestKeysAcrossReplicas(t *testing.T) {
	t.Parallel()
	const publishBefore = 8 * time.Second
	one := start(t, postgres, setting{"KEY_PUBLISH_BEFORE", publishBefore.String()})
	two := one.replica()
	u, c := one.User(), one.Client("--set", "access_token_format=jwt")
	before := one.publishedKeys()

	old := []tokens{one.Tokens(c, u), two.Tokens(c, u)}
	one.CLI("", "keys", "rotate", "--yes")
	known := map[*server]map[string]bool{one: {}, two: {}}
	fresh := map[*server]tokens{}
	for deadline := time.Now().Add(2 * time.Minute); len(fresh) < 2; {
		if time.Now().After(deadline) {
			t.Fatal("a server does not sign with the next key")
		}
		for _, s := range []*server{one, two} {
			for _, kid := range s.publishedKeys() {
				known[s][kid] = true
			}
		}
		for _, s := range []*server{one, two} {
			got := s.Tokens(c, u)
			kid, _ := jwtHeader(t, got.id)["kid"].(string)
			if !known[one][kid] || !known[two][kid] {
				t.Fatalf("signed with %s, which a server had not published", kid)
			}
			if !slices.Contains(before, kid) {
				fresh[s] = got
			}
		}
	}
	for name, got := range map[string]tokens{"old of one": old[0], "old of two": old[1], "new of one": fresh[one], "new of two": fresh[two]} {
		for where, s := range map[string]*server{"one": one, "two": two} {
			if a := s.Userinfo(got.access); a.Status != http.StatusOK {
				t.Errorf("%s, at %s: %d %s", name, where, a.Status, a.Body)
			}
			wantActive(t, s.Introspect(c, got.access))
			set := oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), s.client()), s.endpoint("jwks_uri"))
			for _, jwt := range []string{got.id, got.access} {
				if _, err := set.VerifySignature(context.Background(), jwt); err != nil {
					t.Errorf("%s, with the keys of %s: %v", name, where, err)
				}
			}
			b := s.browse()
			r := s.Request(c)
			s.Code(b, r, u)
			if p := b.Open(r.With("prompt", "none").With("id_token_hint", got.id).URL()); p.Callback == nil || !p.Callback.Query().Has("code") {
				t.Errorf("%s as a hint, at %s: %s%s", name, where, p.Text(), p.where())
			}
		}
	}
}

// TestReplicasShareBounds shows that what is single use is so across servers: of
// what both are asked at once exactly one yields something (INV-02, INV-11).
func TestReplicasShareBounds(t *testing.T) {
	t.Parallel()
	one := start(t, postgres)
	two := one.replica()
	u, c := one.User(), one.Client()
	turn := make(chan *server, racers)
	for i := range racers {
		turn <- []*server{one, two}[i%2]
	}
	r := one.Request(c)
	code := one.Code(one.browse(), r, u)
	won := 0
	for _, a := range race(func() answer { return (<-turn).Exchange(c, code, r) }) {
		if a.Status == http.StatusOK {
			won++
		} else {
			wantError(t, a, http.StatusBadRequest, "invalid_grant")
		}
	}
	if won != 1 {
		t.Errorf("%d redemptions of one code at two servers succeeded; want 1", won)
	}

	initial := mustJSON[struct {
		Token string `json:"token"`
	}](t, one.CLI("", "client", "initial-token", "create", "--name", "pipeline", "--uses", "3", "--lifetime", "1h", "-o", "json"))
	for i := range racers {
		turn <- []*server{one, two}[i%2]
	}
	registered := 0
	for _, a := range race(func() answer { return (<-turn).enrol(initial.Token, "Pipeline") }) {
		switch a.Status {
		case http.StatusCreated:
			registered++
		case http.StatusUnauthorized:
		default:
			t.Errorf("a registration got %d %s", a.Status, a.Body)
		}
	}
	if registered != 3 {
		t.Errorf("an initial access token of 3 uses registered %d clients", registered)
	}
}

// enrol registers a client as clients do it.
func (s *server) enrol(token, name string) answer {
	s.t.Helper()
	req := s.newRequest(http.MethodPost, s.endpoint("registration_endpoint"), fmt.Sprintf(`{"client_name":%q,"redirect_uris":[%q]}`, name, webRedirect))
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return s.do(req)
}
