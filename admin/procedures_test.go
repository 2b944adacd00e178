package admin

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/failure"
	"countersign/storage/storagetest"
)

// creation is the form for a client as the page offers it, with what is asked
// filled in.
func (d *desk) creation(query string, filled url.Values) url.Values {
	d.t.Helper()
	p := d.open("/settings/oauth-clients/create?" + query)
	d.want(p, http.StatusOK, "Create client")
	form := p.fields("once")
	for name, values := range filled {
		form[name] = values
	}
	return form
}

// shownSecret is the secret that the page shows.
func (a answer) shownSecret() string { return a.byID("secret-value") }

func (a answer) byID(id string) string {
	for _, tag := range []string{"code", "span", "pre"} {
		for _, n := range a.elements(tag) {
			if attr(n, "id") == id {
				return strings.TrimSpace(textOf(n))
			}
		}
	}
	return ""
}

func TestCreateClient(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		for _, tt := range []struct {
			name, query string
			filled      url.Values
			secret      bool
			says        []string
			check       func(c *clientstore.Client) bool
		}{
			{
				"OAuth 1.0a", "type=oauth1",
				url.Values{"name": {"Bridge"}},
				true,
				[]string{"Consumer key", "Consumer secret", "/oauth1/request_token", "requests-oauthlib", "Approve now"},
				func(c *clientstore.Client) bool {
					return c.Type == clientstore.OAuth1 && len(c.Metadata.GrantTypes) == 0
				},
			},
			{
				"OpenID Connect", "preset=web",
				url.Values{"name": {"App"}, "redirect_uris": {"https://app.example/cb\r\nhttps://app.example/cb2"}},
				true,
				[]string{"Client key", "Client secret", "/.well-known/openid-configuration", "openid-client", "Authlib"},
				func(c *clientstore.Client) bool {
					return c.Type == clientstore.OIDC && len(c.Metadata.RedirectURIs) == 2 && strings.Contains(c.Metadata.Scope, "offline_access")
				},
			},
			{
				"native tool", "preset=native",
				url.Values{"name": {"Tool"}},
				false,
				[]string{"Device authorization", "the tool uses PKCE"},
				func(c *clientstore.Client) bool {
					return c.IsPublic() && len(c.Metadata.GrantTypes) == 3 && c.Metadata.ApplicationType == clientstore.Native
				},
			},
			{
				"what does not fit the type is left out", "type=oauth2",
				url.Values{"name": {"Plain"}, "redirect_uris": {"https://app.example/cb"}, "response": {"code", "code id_token"}, "public_key": {"x"}},
				true,
				nil,
				func(c *clientstore.Client) bool { return len(c.Metadata.ResponseTypes) == 1 },
			},
			{
				"risky, and said to be", "type=oauth2",
				url.Values{"name": {"Risky"}, "redirect_uris": {"http://app.example/cb"}, "grant": {"authorization_code", "password"}, "response": {"code", "token"}},
				true,
				[]string{"Worth a second look", "RFC 9700", "not protected by TLS"},
				func(c *clientstore.Client) bool { return len(c.Warnings()) == 3 },
			},
			{
				"further members", "type=oidc",
				url.Values{"name": {"More"}, "redirect_uris": {"https://app.example/cb"}, "further": {"client_uri=https://app.example/\ncontacts=[\"a@app.example\"]"}},
				true,
				nil,
				func(c *clientstore.Client) bool {
					return c.Metadata.ClientURI == "https://app.example/" && len(c.Metadata.Contacts) == 1
				},
			},
		} {
			a := d.send("/settings/oauth-clients/create", d.creation(tt.query, tt.filled))
			d.want(a, http.StatusCreated, append(tt.says, "is created")...)
			c, err := d.clients.Get(t.Context(), a.byID("key"))
			if err != nil {
				t.Fatalf("%s: %v: %s", tt.name, err, a.text())
			}
			if !tt.check(c) || c.Status != clientstore.Pending || c.CreatedBy != d.who.ID {
				t.Errorf("%s: registered as %+v", tt.name, c)
			}
			if (a.shownSecret() != "") != tt.secret {
				t.Errorf("%s: shows the secret %q", tt.name, a.shownSecret())
			}
			if e := d.recorded(c.ID); e.Via != "settings" || e.ActorName != "ada" || e.IP != "192.0.2.7" || e.RequestID != "request-1" {
				t.Errorf("%s: recorded as %+v", tt.name, e)
			}
			if tt.secret && c.Type != clientstore.OAuth1 {
				if ok, err := d.clients.VerifySecret(t.Context(), c, a.shownSecret()); !ok || err != nil {
					t.Errorf("%s: the secret that is shown is not the client's: %v", tt.name, err)
				}
				if !strings.Contains(a.byID("env"), a.shownSecret()) || !strings.Contains(a.byID("code-go"), a.shownSecret()) {
					t.Errorf("%s: the snippets lack the secret", tt.name)
				}
			}
		}
	})
}

func TestCreateClientTypedSecret(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	filled := url.Values{
		"name": {"App"}, "redirect_uris": {"https://app.example/cb"}, "credentials": {"typed"},
		"secret": {"a secret of mine"}, "secret_again": {"a secret of mine"},
	}
	a := d.send("/settings/oauth-clients/create", d.creation("type=oauth2", filled))
	d.want(a, http.StatusCreated, "the one you typed")
	c, err := d.clients.Get(t.Context(), a.byID("key"))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := d.clients.VerifySecret(t.Context(), c, "a secret of mine"); !ok || err != nil {
		t.Errorf("the typed secret: %v, %v", ok, err)
	}
}

// AD-06: what is no registration's to set is refused as well.
func TestCreateClientRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		for _, tt := range []struct{ field, value, says string }{
			{"name", " ", "Enter a name"},
			{"name", "a\u202Eb", "cannot be shown"},
			{"redirect_uris", "", "This is required"},
			{"redirect_uris", "https://app.example/cb#x", "fragment"},
			{"redirect_uris", "javascript:alert(1)", "javascript"},
			{"redirect_uris", "https://*.example/cb", "*"},
			{"grant", "", "Choose at least one"},
			{"response", "id_token", "authorization_code"},
			{"scope", `a"b`, "is not a scope"},
			{"secret", "", "Type a secret"},
			{"secret_again", "another one", "not the same"},
			{"type", "saml", "is not a client type"},
			{"further", "client_uri", "is not name=value"},
			{"further", "scope=x", "field of its own above"},
			{"further", "is_admin=true", "is_admin"},
			{"further", "approved_by=ada", "approved_by"},
			{"further", "sector_identifier_uri=https://app.example/s.json\nsubject_type=pairwise", "Cannot be fetched"},
		} {
			form := d.creation("type=oidc", url.Values{
				"name": {"App"}, "redirect_uris": {"https://app.example/cb"}, "credentials": {"typed"},
				"secret": {"a secret of mine"}, "secret_again": {"a secret of mine"},
			})
			form.Set(tt.field, tt.value)
			if tt.value == "" && tt.field != "secret" && tt.field != "redirect_uris" {
				form.Del(tt.field)
			}
			a := d.send("/settings/oauth-clients/create", form)
			d.want(a, http.StatusUnprocessableEntity, "Please correct one entry", tt.says)
			d.wantMarked(a, tt.field)
			if strings.Contains(a.text(), "a secret of mine") || attr(a.input("secret"), "value") != "" {
				t.Error("the page holds the secret")
			}
			if kept := a.fields("once"); tt.field != "name" && kept.Get("name") != "App" || kept.Get("once") != form.Get("once") {
				t.Errorf("%s: the form lost something: %v", tt.field, kept)
			}
		}
		if list, err := d.clients.List(t.Context(), clientstore.Filter{}); err != nil || len(list) != 0 {
			t.Errorf("%d clients were registered, %v", len(list), err)
		}
	})
}

// wantMarked fails unless the fault is where its field is, and the summary
// leads there.
func (d *desk) wantMarked(a answer, field string) {
	d.t.Helper()
	found, led := false, false
	for _, n := range a.elements("p") {
		found = found || attr(n, "id") == field+"-fault"
	}
	for _, to := range a.links() {
		led = led || to == "#"+field
	}
	if !found || !led {
		d.t.Errorf("%s is marked: %v; the summary leads there: %v: %s", field, found, led, a.text())
	}
}

// TestCreateClientOnce sends a form twice, at once and again: one client, and
// the same answer.
func TestCreateClientOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		form := d.creation("type=oauth1", url.Values{"name": {"Twice"}})
		answers := make([]answer, 4)
		var group sync.WaitGroup
		for i := range answers {
			group.Go(func() { answers[i] = d.send("/settings/oauth-clients/create", form) })
		}
		group.Wait()
		for _, a := range answers {
			d.want(a, http.StatusCreated, "is created")
			if a.byID("key") != answers[0].byID("key") || a.shownSecret() != answers[0].shownSecret() || a.shownSecret() == "" {
				t.Errorf("key %q and secret %q; want the same in every answer", a.byID("key"), a.shownSecret())
			}
		}
		if list, err := d.clients.List(t.Context(), clientstore.Filter{}); err != nil || len(list) != 1 {
			t.Errorf("%d clients, %v; want one", len(list), err)
		}
		bob := d.as(d.signIn(d.account("bob", account.ConfigureServer)))
		if a := bob.send("/settings/oauth-clients/create", form); a.shownSecret() != "" {
			t.Error("another administrator sees the secret")
		}
		storagetest.Clock(d.db).Advance(11 * time.Minute)
		d.want(d.send("/settings/oauth-clients/create", form), http.StatusCreated, "was shown already")
	})
}

func TestEditClient(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c := d.approve(d.register("App", clientstore.OIDC))
		path := "/settings/oauth-clients/" + c.ID
		p := d.open(path + "/edit")
		d.want(p, http.StatusOK, "Edit client", c.ID, "It never changes.")
		form := p.fields("version")
		if a := d.send(path+"/edit", form); a.status != http.StatusSeeOther || d.recorded(c.ID).Action != "client.approve" {
			t.Errorf("saved as it was: %d, %s; want no trace", a.status, d.recorded(c.ID).Action)
		}
		form.Set("name", "App 2")
		form.Set("redirect_uris", "https://app.example/new")
		form.Set("scope", "openid")
		form.Set("type", "oauth1") // not the form's to say
		d.led(d.send(path+"/edit", form), "/settings/oauth-clients/"+c.ID+"?done=saved")
		got, err := d.clients.Get(t.Context(), c.ID)
		if err != nil || got.Name != "App 2" || got.Metadata.Scope != "openid" || got.Metadata.RedirectURIs[0] != "https://app.example/new" ||
			got.Type != clientstore.OIDC || got.Status != clientstore.Approved {
			t.Errorf("client %+v, %v", got, err)
		}
		d.want(d.open(path+"?done=saved"), http.StatusOK, "The changes are saved", "App 2", "Edited", "ada")

		// AD-22: whoever comes second overwrites nothing, and loses nothing.
		form.Set("name", "App 3")
		stale := d.send(path+"/edit", form)
		d.want(stale, http.StatusConflict, "Changed by ada on", "Edited", "Nothing of yours was saved", "See the client as it is now")
		if attr(stale.input("name"), "value") != "App 3" {
			t.Error("the second one's entries are lost")
		}
		form = d.open(path + "/edit").fields("version")
		form.Set("redirect_uris", "nowhere")
		bad := d.send(path+"/edit", form)
		d.want(bad, http.StatusUnprocessableEntity, "Please correct one entry")
		d.wantMarked(bad, "redirect_uris")
		d.want(d.open("/settings/oauth-clients/unknown/edit"), http.StatusNotFound, "No client has this key")
	})
}

// TestEditKeepsMembers saves a client of every kind as it is shown: no member
// that the form has no field for is lost.
func TestEditKeepsMembers(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	m := clientstore.Metadata{RedirectURIs: []string{"https://app.example/cb"}}
	for name, value := range map[string]string{
		"client_uri": "https://app.example/", "contacts": `["Ada <a@app.example>"]`, "default_max_age": "300", "require_auth_time": "true",
		"post_logout_redirect_uris": "https://app.example/bye", "refresh_token_rotation": "false", "software_id": `quoted "name"`,
		"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example/keys", "introspection_scope": "all",
	} {
		if err := m.SetMember(name, value); err != nil {
			t.Fatal(err)
		}
	}
	c, _, err := d.clients.Register(t.Context(), root1, clientstore.Registration{Type: clientstore.OIDC, Name: "All", Metadata: m})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*clientstore.Client{c, d.register("Old", clientstore.OAuth1), d.register("Plain", clientstore.OAuth2)} {
		path := "/settings/oauth-clients/" + c.ID + "/edit"
		if a := d.send(path, d.open(path).fields("version")); a.status != http.StatusSeeOther {
			t.Errorf("%s: %d: %s", c.Name, a.status, a.text())
		}
		if after, err := d.clients.Get(t.Context(), c.ID); err != nil || after.Version != c.Version {
			t.Errorf("%s: saving what was shown changed it: %+v, %v", c.Name, after.Metadata, err)
		}
	}
}

func TestApprove(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		const page = "/settings/oauth-clients/approve"
		c := d.register("App", clientstore.OIDC)
		p := d.open(page + "?oauth_consumer_key=" + c.ID)
		d.want(p, http.StatusOK, "Approve App?", "the command line", "app.example", "Send people here to sign in", "Pending", "Reject")
		form := p.fields("version")
		d.want(d.send(page, form), http.StatusBadRequest, "does not say what to do")
		form.Set("decision", "allow")
		d.led(d.send(page, form), "/settings/oauth-clients/"+c.ID+"?done=approved")
		if d.status(c.ID) != clientstore.Approved {
			t.Error("the client is not approved")
		}
		d.want(d.open("/settings/oauth-clients/"+c.ID+"?done=approved"), http.StatusOK, "The client is approved", "by ada")
		d.want(d.open(page+"?key="+c.ID), http.StatusOK, "It is approved already, by ada", "Save the conditions")
		d.led(d.open(page), "/settings/approvals")
		d.want(d.open(page+"?key=unknown"), http.StatusNotFound, "No client has this key", "registers again")
		d.want(d.send(page, url.Values{"key": {"unknown"}, "decision": {"allow"}}), http.StatusNotFound)

		// A client that changed after it was looked at is shown again.
		c = d.register("Changing", clientstore.OIDC)
		form = d.open(page + "?key=" + c.ID).fields("version")
		name := "Changed"
		if _, err := d.clients.Edit(t.Context(), root1, c.ID, clientstore.Edit{Name: &name, Version: c.Version}); err != nil {
			t.Fatal(err)
		}
		form.Set("decision", "allow")
		again := d.send(page, form)
		d.want(again, http.StatusConflict, "Changed by root on", "Approve Changed?")
		if d.status(c.ID) != clientstore.Pending {
			t.Error("what nobody looked at is approved")
		}
		form = again.fields("version")
		form.Set("decision", "deny")
		form.Set("reason", "a\x00b")
		d.wantMarked(d.send(page, form), "reason")
		form.Set("reason", "Nobody knows it.")
		d.led(d.send(page, form), "/settings/oauth-clients/"+c.ID+"?done=disapproved")
		d.want(d.open("/settings/oauth-clients/"+c.ID), http.StatusOK, "Disapproved", "Nobody knows it.")
		d.want(d.open(page+"?key="+c.ID), http.StatusOK, "It was disapproved by ada", "stays dead")
	})
}

func TestDisapproveAndRemove(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c := d.approve(d.register("App", clientstore.OIDC))
		path := "/settings/oauth-clients/" + c.ID
		p := d.open(path + "/disapprove")
		d.want(p, http.StatusOK, "Disapprove App?", "Nobody has live tokens")
		d.want(d.send(path+"/disapprove", url.Values{"reason": {"x"}}), http.StatusBadRequest)
		bad := d.send(path+"/disapprove", url.Values{"reason": {strings.Repeat("x", 501)}, "decision": {"disapprove"}})
		d.want(bad, http.StatusUnprocessableEntity, "500 are allowed")
		d.wantMarked(bad, "reason")
		d.led(d.send(path+"/disapprove", url.Values{"reason": {"Replaced."}, "decision": {"disapprove"}}), "/settings/oauth-clients/"+c.ID+"?done=disapproved")
		if e := d.recorded(c.ID); d.status(c.ID) != clientstore.Disapproved || e.Action != "client.disapprove" || e.ActorName != "ada" {
			t.Errorf("%s, recorded as %+v", d.status(c.ID), e)
		}
		d.want(d.send(path+"/remove", url.Values{}), http.StatusBadRequest)
		d.want(d.open(path+"/remove"), http.StatusOK, "Remove App?", "never given out again")
		d.led(d.send(path+"/remove", url.Values{"decision": {"remove"}}), "/settings/oauth-clients?done=removed")
		d.want(d.open(path), http.StatusNotFound)
		d.want(d.send(path+"/remove", url.Values{"decision": {"remove"}}), http.StatusNotFound)
	})
}

// issue gives the client a live token of the administrator.
func (d *desk) issue(c *clientstore.Client) {
	d.t.Helper()
	now := d.db.Now()
	for _, statement := range []string{
		`INSERT INTO grants (id, kind, client_id, client_epoch, account_id, account_epoch, session_id, subject, scope, acr, amr, nonce, offline, auth_time, created_at, expires_at, claims)
			SELECT 'g', 'authorization_code', @client, 0, @account, 0, '', 's', 'openid', '', '[]', '', true, @now, @now, @later, '{}'`,
		`INSERT INTO access_tokens (grant_id, hash, scope, audience, created_at, expires_at) VALUES ('g', @hash, 'openid', '[]', @now, @later)`,
	} {
		err := d.db.With(d.t.Context()).Exec(statement, map[string]any{
			"client": c.ID, "account": d.who.ID, "now": now, "later": now.Add(time.Hour), "hash": []byte("hash"),
		}).Error
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// TestRemoveAsksForTheName removes a client of which people have live tokens.
func TestRemoveAsksForTheName(t *testing.T) {
	t.Parallel()
	each(t, func(_ *testing.T, d *desk) {
		c := d.approve(d.register("Live App", clientstore.OIDC))
		d.issue(c)
		path := "/settings/oauth-clients/" + c.ID + "/remove"
		p := d.open(path)
		d.want(p, http.StatusOK, "1 person has live tokens of this client, 1 in all", "They stop working now", "Type Live App to remove it", "disapprove it instead")
		wrong := d.send(path, url.Values{"decision": {"remove"}, "name": {"live app"}})
		d.want(wrong, http.StatusUnprocessableEntity, "exactly as it is shown")
		d.wantMarked(wrong, "name")
		d.led(d.send(path, url.Values{"decision": {"remove"}, "name": {"Live App"}}), "/settings/oauth-clients?done=removed")
	})
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c := d.register("App", clientstore.OIDC)
		path := "/settings/oauth-clients/" + c.ID + "/secrets"
		p := d.open(path)
		d.want(p, http.StatusOK, "Valid now", c.Secrets[0].Prefix, "does not end")
		form := p.fields("once")
		form.Set("decision", "rotate")
		a := d.send(path, form)
		d.want(a, http.StatusOK, "A further secret")
		if again := d.send(path, form); again.shownSecret() != a.shownSecret() || a.shownSecret() == "" {
			t.Errorf("sent twice it shows %q and %q", a.shownSecret(), again.shownSecret())
		}
		got, err := d.clients.Get(t.Context(), c.ID)
		if err != nil || len(got.Secrets) != 2 || got.Secrets[0].ExpiresAt == nil {
			t.Fatalf("secrets %v, %v", got.Secrets, err)
		}
		d.want(d.open(path), http.StatusOK, got.Secrets[1].Prefix, "ends ")
		d.led(d.send(path, url.Values{"decision": {"revoke"}, "secret_id": {c.Secrets[0].ID}}), "/settings/oauth-clients/"+c.ID+"/secrets?done=revoked")
		d.led(d.send(path, url.Values{"decision": {"revoke"}, "secret_id": {c.Secrets[0].ID}}), "/settings/oauth-clients/"+c.ID+"/secrets?done=revoked")
		for field, value := range map[string]string{"overlap": "a while", "expires": "2001-01-01", "secret": ""} {
			form := d.open(path).fields("once")
			form.Set("decision", "rotate")
			form.Set(field, value)
			if field == "secret" {
				form.Set("credentials", "typed")
			}
			bad := d.send(path, form)
			d.want(bad, http.StatusUnprocessableEntity, "Please correct one entry")
			d.wantMarked(bad, field)
		}
		d.want(d.send(path, url.Values{}), http.StatusBadRequest)
	})
}

func TestApprovals(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		d.want(d.open("/settings/approvals"), http.StatusOK, "Nothing waits")
		d.approve(d.register("Modeling Tool", clientstore.OIDC))
		d.register("Modelling Tool", clientstore.OIDC)
		by := root1
		by.Via = "registration"
		enrolled, err := d.clients.Enrol(t.Context(), by, clientstore.Enrolment{
			Name: "Self", Type: clientstore.OIDC, Metadata: clientstore.Metadata{RedirectURIs: []string{"https://self.example.co.uk/cb"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		a := d.open("/settings/approvals")
		d.want(a, http.StatusOK, "Modelling Tool", "Its name is like that of another client", "by itself", "example.co.uk", "2 waiting")

		d.approve(enrolled.Client)
		if _, _, err := d.clients.Replace(t.Context(), by, enrolled.Token, clientstore.Enrolment{
			Name: "Self 2", Type: clientstore.OIDC, Metadata: clientstore.Metadata{RedirectURIs: []string{"https://self.example.co.uk/2"}},
		}); err != nil {
			t.Fatal(err)
		}
		d.want(d.open("/settings/approvals"), http.StatusOK, "Self wants to change", "client_name", "Self 2", "https://self.example.co.uk/2")
		path := "/settings/oauth-clients/" + enrolled.Client.ID + "/revision"
		d.want(d.open("/settings/oauth-clients/"+enrolled.Client.ID), http.StatusOK, "A change waits for approval")
		form := d.open(path).fields("revision")
		d.want(d.send(path, form), http.StatusBadRequest)
		form.Set("decision", "allow")
		stale := url.Values{"decision": {"allow"}, "revision": {"another"}}
		d.want(d.send(path, stale), http.StatusConflict, "The change was changed", "Self 2")
		d.led(d.send(path, form), "/settings/oauth-clients/"+enrolled.Client.ID+"?done=revised")
		d.want(d.send(path, form), http.StatusConflict, "No change of this client waits")
		d.want(d.open("/settings/oauth-clients/"+enrolled.Client.ID+"?done=revised"), http.StatusOK, "Self 2", "The change is approved")
		d.want(d.open(path), http.StatusOK, "No change of this client waits")
	})
}

// TestNoticesAreOurs shows words of an address to nobody.
func TestNoticesAreOurs(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	a := d.open("/settings/oauth-clients?done=" + url.QueryEscape("<b>Your server is broken, call 555</b>"))
	if strings.Contains(a.text(), "555") || len(a.elements("b")) > 0 {
		t.Error("the page shows words of the address")
	}
}

// BR-04, BR-07: what clients call themselves is text, wherever it stands.
func TestNamesAreText(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	const name = `"><img src=x onerror=alert(1)><script>{{7*7}}</script>`
	c := d.approve(d.register(name, clientstore.OIDC))
	path := "/settings/oauth-clients/" + c.ID
	for _, page := range []string{
		"/settings/oauth-clients?q=" + url.QueryEscape(name), path, path + "/edit", path + "/secrets", path + "/disapprove", path + "/remove", path + "/revision",
		"/settings/oauth-clients/approve?key=" + c.ID,
	} {
		a := d.open(page)
		d.want(a, http.StatusOK)
		if len(a.elements("img")) > 0 || !strings.Contains(a.text(), "<img") && !strings.HasSuffix(page, "/edit") {
			t.Errorf("%s: the name is not text: %s", page, a.text())
		}
	}
}

// TestApproveConsumer decides what only an administrator decides of a client
// of OAuth 1.0a, with the approval.
func TestApproveConsumer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		const page = "/settings/oauth-clients/approve"
		robot := d.account("robot")
		c := d.register("Bridge", clientstore.OAuth1)
		form := d.open(page + "?oauth_consumer_key=" + c.ID).fields("version")
		form.Set("decision", "allow")
		form.Set("trusted", "yes")
		form.Set("redirect_uris", "https://tool.example/callback")
		for username, says := range map[string]string{"nobody": "no account has this username", "ada": "may configure this server"} {
			form.Set("functional_user", username)
			a := d.send(page, form)
			d.want(a, http.StatusUnprocessableEntity, "Please correct one entry")
			d.wantMarked(a, "functional_user")
			if kept := a.fields("version"); !strings.Contains(strings.ToLower(a.text()), says) || kept.Get("functional_user") != username || kept.Get("trusted") != "yes" {
				t.Errorf("%s: %v: %s", username, kept, a.text())
			}
		}
		form.Set("functional_user", "robot")
		form.Set("redirect_uris", "nowhere")
		d.wantMarked(d.send(page, form), "redirect_uris")
		form.Set("redirect_uris", "https://tool.example/callback")
		d.led(d.send(page, form), "/settings/oauth-clients/"+c.ID+"?done=approved")
		got, err := d.clients.Get(t.Context(), c.ID)
		if m := got.Metadata; err != nil || got.Status != clientstore.Approved || !m.OAuth1Trusted || m.OAuth1FunctionalAccount != robot.ID || len(m.RedirectURIs) != 1 {
			t.Errorf("client %+v, %v", got, err)
		}
		if e := d.recorded(c.ID); e.Action != "client.approve" || !strings.Contains(string(e.After), "oauth1_trusted") {
			t.Errorf("recorded as %+v", e)
		}
		d.want(d.open("/settings/oauth-clients/"+c.ID), http.StatusOK, "The client is trusted", "functional account")
	})
}

// TestFailures shows what a client was refused, and why.
func TestFailures(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c := d.approve(d.register("Bridge", clientstore.OAuth1))
		d.door.cfg.Failures.Note(failure.Failure{
			ClientID: c.ID, Endpoint: "/oauth1/request_token", Code: "signature_invalid", Cause: "The signature does not match.", Remedy: "Look at the base string.",
			RequestID: "request-7", Address: "192.0.2.9", BaseString: "POST&https%3A%2F%2Fid.example&oauth_nonce",
		})
		if _, err := d.door.cfg.Failures.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.want(d.open("/settings/oauth-clients/"+c.ID), http.StatusOK, "What it was last refused", "The signature does not match.", "Look at the base string.",
			"signature_invalid", "request-7", "POST&https%3A%2F%2Fid.example&oauth_nonce")
	})
}

// TestRequestsAreOnlyShown approves a client that asked for what only an
// administrator gives: it is shown, and not given.
func TestRequestsAreOnlyShown(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c, _, err := d.clients.Register(t.Context(), root1, clientstore.Registration{
			Type: clientstore.OAuth1, Name: "Doors", Requested: clientstore.Requested{Trusted: true, FunctionalUser: "robot"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.clients.NoteCallback(t.Context(), root1, c, "https://doors.example/callback"); err != nil {
			t.Fatal(err)
		}
		p := d.open("/settings/oauth-clients/approve?oauth_consumer_key=" + c.ID)
		d.want(p, http.StatusOK, "What it asked for", "To be a trusted consumer", "robot", "https://doors.example/callback", "unless you choose it")
		form := p.fields("version")
		form.Set("decision", "allow")
		d.led(d.send("/settings/oauth-clients/approve", form), "/settings/oauth-clients/"+c.ID+"?done=approved")
		got, err := d.clients.Get(t.Context(), c.ID)
		if m := got.Metadata; err != nil || m.OAuth1Trusted || m.OAuth1FunctionalAccount != "" || len(m.RedirectURIs) != 0 {
			t.Errorf("given: %+v, %v", m, err)
		}
	})
}
