package authz_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"countersign/clientstore"
	"countersign/storage/storagetest"
	"countersign/storage/subject"
)

// pairwise registers a client with pairwise subjects on the host.
func (w *world) pairwise(host string, change ...func(*clientstore.Metadata)) app {
	w.Helper()
	r := registration("Pairwise on " + host)
	r.Metadata.SubjectType, r.Metadata.RedirectURIs = "pairwise", []string{"https://" + host + "/cb"}
	for _, f := range change {
		f(&r.Metadata)
	}
	return w.register(r)
}

// at asks for codes at the client's own redirect URI.
func (a app) at(change ...string) url.Values {
	return with(a.ask("redirect_uri", a.Metadata.RedirectURIs[0]), change...)
}

// fragment is what the answer brings behind #, or in its query.
func (a answer) fragment() url.Values {
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil {
		return nil
	}
	if u.Fragment == "" {
		return u.Query()
	}
	values, _ := url.ParseQuery(u.Fragment)
	return values
}

// UI-06 and Core 1.0, section 8.1: one name for one person in one sector,
// wherever the client reads it, and another in every other sector.
func TestPairwiseSubjects(t *testing.T) {
	each(t, func(w *world) {
		a := w.pairwise("rp.example", func(m *clientstore.Metadata) {
			m.AccessTokenFormat = "jwt"
			m.ResponseTypes = []string{"code", "id_token", "code id_token"}
			m.GrantTypes = []string{"authorization_code", "refresh_token", "password", clientstore.GrantDeviceCode}
		})
		sector, other := w.pairwise("rp.example"), w.pairwise("other.example")
		ids, err := subject.Open(w.Context(), w.db, storagetest.Keys(w.T))
		w.must(err)
		want := ids.Pairwise("rp.example", w.user.ID)
		if want == w.user.ID || strings.Contains(want, w.user.ID) {
			w.Fatalf("sub %q", want)
		}
		got := map[string]string{}
		redeem := func(a app) answer {
			code := w.authorize(a.at()).fragment().Get("code")
			return w.post("/token", a, redemption(code, "redirect_uri", a.Metadata.RedirectURIs[0]))
		}
		tokens := redeem(a)
		_, access := w.readJWT(tokens.str("access_token"), a.ID)
		got["ID token"], _ = w.verify(a, tokens.str("id_token"))["sub"].(string)
		got["RFC 9068"], _ = access["sub"].(string)
		got["userinfo"] = w.userinfo(tokens.str("access_token")).str("sub")
		described := w.post("/introspect", a, url.Values{"token": {tokens.str("access_token")}})
		got["introspection"] = described.str("sub")
		if described.json["active"] != true || described.json["username"] != nil {
			w.Errorf("introspection links two sectors by the username: %s", described.body)
		}
		refreshed := w.refresh(a, tokens.str("refresh_token"))
		got["refreshed"], _ = w.verify(a, refreshed.str("id_token"))["sub"].(string)
		got["refreshed userinfo"] = w.userinfo(refreshed.str("access_token")).str("sub")
		got["implicit"], _ = w.verify(a, w.authorize(a.at("response_type", "id_token")).fragment().Get("id_token"))["sub"].(string)
		got["hybrid"], _ = w.verify(a, w.authorize(a.at("response_type", "code id_token")).fragment().Get("id_token"))["sub"].(string)
		got["password"], _ = w.verify(a, w.login(a, "scope", "openid").str("id_token"))["sub"].(string)
		d := w.device(a, "openid")
		w.decide(d.str("user_code"), "allow")
		got["device"], _ = w.verify(a, w.poll(a, d.str("device_code")).str("id_token"))["sub"].(string)
		got["another client of the sector"], _ = w.verify(sector, redeem(sector).str("id_token"))["sub"].(string)
		for name, sub := range got {
			if sub != want {
				w.Errorf("%s: sub %q; want %q", name, sub, want)
			}
		}
		elsewhere := w.verify(other, redeem(other).str("id_token"))["sub"]
		if elsewhere == want || elsewhere == w.user.ID {
			w.Errorf("another sector: sub %q", elsewhere)
		}
		if sub := w.verify(w.web, w.tokens(w.web).str("id_token"))["sub"]; sub != w.user.ID {
			w.Errorf("public: sub %q", sub)
		}
	})
}

// What a client asks for by the name that it knows, and by none that it does
// not.
func TestPairwiseSubjectsAskedFor(t *testing.T) {
	each(t, func(w *world) {
		a, other := w.pairwise("rp.example"), w.pairwise("other.example")
		sub := func(a app) (string, string) {
			code := w.authorize(a.at("scope", "openid")).fragment().Get("code")
			raw := w.post("/token", a, redemption(code, "redirect_uri", a.Metadata.RedirectURIs[0])).str("id_token")
			sub, _ := w.verify(a, raw)["sub"].(string)
			return raw, sub
		}
		hint, name := sub(a)
		foreign, _ := sub(other)
		wish := func(member, sub string) string { return `{"` + member + `":{"sub":{"value":"` + sub + `"}}}` }
		for what, tt := range map[string]struct {
			change []string
			ok     bool
		}{
			"hint":                    {[]string{"id_token_hint", hint}, true},
			"hint of another sector":  {[]string{"id_token_hint", foreign}, false},
			"sub in the ID token":     {[]string{"claims", wish("id_token", name)}, true},
			"sub at userinfo":         {[]string{"claims", wish("userinfo", name)}, true},
			"sub that is the account": {[]string{"claims", wish("id_token", w.user.ID)}, false},
			"sub of nobody":           {[]string{"claims", wish("id_token", "nobody")}, false},
		} {
			sent := w.authorize(a.at(append(tt.change, "prompt", "none")...)).fragment()
			if sent.Has("code") != tt.ok || !tt.ok && sent.Get("error") != "login_required" {
				w.Errorf("%s: %v", what, sent)
			}
		}
	})
}

// Logout tokens name people as ID tokens did.
func TestPairwiseSubjectsInLogoutTokens(t *testing.T) {
	each(t, func(w *world) {
		p := w.listening(func(m *clientstore.Metadata) { m.SubjectType = "pairwise" })
		idToken := w.tokens(p.app).str("id_token")
		w.endSession("id_token_hint", idToken)
		w.deliverLogouts()
		heard := p.heard()
		if len(heard) != 1 {
			w.Fatalf("%d logout tokens", len(heard))
		}
		if got, want := w.logoutToken(p, heard[0])["sub"], w.verify(p.app, idToken)["sub"]; got != want || want == w.user.ID {
			w.Errorf("sub %v; want %v", got, want)
		}
	})
}

// oidcc-registration-sector-uri, oidcc-registration-sector-bad and SS-02: the
// document is fetched and must list every redirect URI.
func TestRegistrationWithSector(t *testing.T) {
	each(t, func(w *world) {
		var asked atomic.Int32
		documents := map[string]string{
			"/good": `["https://x.example/cb","` + callback + `","https://rp.example/b"]`, "/other": `["https://rp.example/b"]`,
			"/object": `{"a":1}`, "/null": `null`, "/numbers": `[1]`, "/long": `["` + strings.Repeat("x", 70<<10) + `"]`,
		}
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if r.URL.Path == "/moved" {
				http.Redirect(rw, r, "/good", http.StatusFound)
				return
			}
			document, ok := documents[r.URL.Path]
			if !ok {
				rw.WriteHeader(http.StatusNotFound)
			}
			_, _ = io.WriteString(rw, document)
		}))
		defer server.Close()
		try := func(change ...any) answer {
			return w.send(http.MethodPost, "/register", "", w.encode(wish, append([]any{"subject_type", "pairwise"}, change...)...))
		}
		for _, bad := range []string{"/other", "/object", "/null", "/numbers", "/long", "/moved", "/missing"} { // SS-03, SS-04
			w.wantError(try("sector_identifier_uri", server.URL+bad), 400, "invalid_client_metadata")
		}
		for _, bad := range []string{"http://rp.example/s", "ftp://rp.example/s", "file:///etc/passwd", "https://169.254.169.254/s", "not a URI", "https://u:p@rp.example/s"} {
			w.wantError(try("sector_identifier_uri", bad), 400, "invalid_client_metadata")
		}
		w.wantError(try("redirect_uris", []string{callback, "https://b.example/cb"}), 400, "invalid_client_metadata")
		w.wantError(try("subject_type", "private"), 400, "invalid_client_metadata")
		before := asked.Load()
		w.wantError(w.send(http.MethodPost, "/register", "cs_it_made_up", w.encode(wish, "sector_identifier_uri", server.URL+"/good")), 401, "invalid_token")
		if asked.Load() != before {
			w.Error("a made-up initial access token had something fetched")
		}
		res := try("sector_identifier_uri", server.URL+"/good", "redirect_uris", []string{callback, "https://x.example/cb"})
		w.wantStatus(res, http.StatusCreated)
		if res.str("subject_type") != "pairwise" || res.str("sector_identifier_uri") != server.URL+"/good" {
			w.Errorf("%s", res.body)
		}
		w.changeSector(res, server.URL, &asked)
	})
}

// changeSector has a registered client change itself.
func (w *world) changeSector(res answer, base string, asked *atomic.Int32) {
	w.Helper()
	path := strings.TrimPrefix(res.str("registration_client_uri"), w.issuer)
	put := func(change ...any) answer {
		all := append([]any{"subject_type", "pairwise", "sector_identifier_uri", base + "/good"}, change...)
		return w.send(http.MethodPut, path, res.str("registration_access_token"), w.encode(wish, all...))
	}
	before := asked.Load()
	w.wantStatus(put("redirect_uris", []string{callback}), http.StatusOK)
	if asked.Load() != before {
		w.Error("what was known was fetched again")
	}
	w.wantError(put("redirect_uris", []string{callback, "https://thief.example/cb"}), 400, "invalid_client_metadata")
	w.wantStatus(put("redirect_uris", []string{"https://rp.example/b"}), http.StatusOK)
	w.wantStatus(put("sector_identifier_uri", nil), http.StatusOK) // nobody was named to it yet
	c, err := w.clients.Approve(w.Context(), admin, res.str("client_id"))
	w.must(err)
	if c.Sector() != "rp.example" {
		w.Errorf("sector %q", c.Sector())
	}
	w.wantError(put(), 400, "invalid_client_metadata") // the sector 127.0.0.1
	w.wantError(put("sector_identifier_uri", nil, "subject_type", "public"), 400, "invalid_client_metadata")
	w.wantError(put("sector_identifier_uri", nil, "redirect_uris", []string{"https://new.example/cb"}), 400, "invalid_client_metadata")
	w.wantStatus(put("sector_identifier_uri", nil, "redirect_uris", []string{"https://rp.example/new"}), http.StatusOK)
}

// Neither pairwise subjects nor encryption to registered keys cost a statement,
// and userinfo as a JWT costs the one that reads the client.
func TestStatementsOfIdentity(t *testing.T) {
	each(t, func(w *world) {
		sealing := w.sealing(func(m *clientstore.Metadata) {
			m.SubjectType, m.IDTokenEncryptedResponseAlg, m.UserinfoSignedResponseAlg = "pairwise", "ECDH-ES", "ES256"
		})
		count := storagetest.CountStatements(w.db)
		spent := map[string][3]int{}
		for name, a := range map[string]app{"public": w.web, "sealing": sealing} {
			var n [3]int
			steps := func(i int, f func() answer) answer {
				w.get("/.well-known/jwks.json") // the keys are in memory
				count.Reset()
				res := f()
				n[i] = count.Count()
				return res
			}
			code := steps(0, func() answer { return w.authorize(a.ask()) }).sent().Get("code")
			tokens := steps(1, func() answer { return w.post("/token", a, redemption(code)) })
			steps(2, func() answer { return w.userinfo(tokens.str("access_token")) })
			spent[name] = n
		}
		want := spent["public"]
		want[2]++
		if spent["sealing"] != want {
			w.Errorf("statements: %v", spent)
		}
	})
}
