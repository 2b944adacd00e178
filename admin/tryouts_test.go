package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"countersign/admin/tryout"
	"countersign/clientstore"
	"countersign/storage/grant"
	"countersign/storage/seal"
	tryouts "countersign/storage/tryout"
)

// The browser goes away in the middle of the last step of a test: what was
// issued in it ends all the same, and so does the secret that was made for it.
func TestTestEndsWithoutItsBrowser(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c := d.approve(d.register("App", clientstore.OIDC))
		own := len(c.Secrets)
		c, secret, err := d.clients.RotateSecret(t.Context(), root1, c.ID, clientstore.Rotation{Beside: true})
		if err != nil {
			t.Fatal(err)
		}
		run := &tryout.Run{Flow: tryout.ClientCredentials, ClientID: c.ID, Secret: secret, SecretID: c.Secrets[own].ID, Next: tryout.Exchange}
		test, err := d.door.cfg.Tryouts.Begin(t.Context(), tryouts.Start{
			ClientID: c.ID, AccountID: d.who.ID, Browser: d.browser, Base: "https://id.example/auth",
			Document: func(string) ([]byte, error) { return json.Marshal(run) },
		})
		if err != nil {
			t.Fatal(err)
		}
		grants, token := d.door.cfg.Grants, seal.NewToken(seal.AccessToken)
		live := func() bool {
			g, err := grants.AccessToken(t.Context(), token)
			return err == nil && g.Live
		}
		ctx, leave := context.WithCancel(t.Context())
		r := d.request(http.MethodPost, tryouts.Path+test.ID, nil).WithContext(ctx)
		err = d.door.step(httptest.NewRecorder(), r, &administrator{AccountID: d.who.ID, Username: "ada"}, step{test, run, func(p *tryout.Party, run *tryout.Run) error {
			later := d.db.Now().Add(time.Hour)
			err := grants.IssueToClient(p.For.Context(), grant.Grant{ID: "g", Kind: clientstore.GrantClientCredentials, ClientID: c.ID, Subject: c.ID, AMR: "[]", Offline: true, ExpiresAt: later}, c.Edition(), grant.Issue{AccessToken: token, AccessTokenExpiresAt: later})
			if err != nil || !live() {
				t.Fatalf("no token was issued: %v", err)
			}
			leave()
			run.Tokens, run.Next = []string{token}, tryout.Nothing
			return p.For.Context().Err()
		}})
		if err != nil {
			t.Errorf("the step fails: %v", err)
		}
		if live() {
			t.Error("the token outlives the test")
		}
		if after := d.client(c.ID); len(after.Secrets) != own {
			t.Errorf("the client has %d secrets; want its own %d", len(after.Secrets), own)
		}
		d.want(d.open(tryouts.Path+test.ID), http.StatusOK, "The test is over")
	})
}
