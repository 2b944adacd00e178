package authz_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dghubble/oauth1"

	"countersign/authz"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

// twc is where Teamwork Cloud has its authentication server.
const twc = "/authentication"

// eachTeamworkCloud is each with the paths of Teamwork Cloud, under its path.
func eachTeamworkCloud(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		w := newWorldWith(t, db, clientstore.Default, func(cfg *authz.Config) {
			cfg.Issuer += twc
			cfg.TeamworkCloud, cfg.Realm = true, "TWC"
			cfg.OSLC.Approval = "https://admin.example/settings/oauth-clients/approve"
		})
		w.issuer += twc
		test(w)
	})
}

// postAs sends a form as clients of Teamwork Cloud do: with HTTP Basic, and the
// client_id in the body once more.
func (w *world) postAs(a app, path string, form url.Values) answer {
	w.Helper()
	form.Set("client_id", a.ID)
	return w.post(path, a, form)
}

// byScheme asks with a token in the Authorization header.
func (w *world) byScheme(path, scheme, token string) answer {
	w.Helper()
	r := w.request(http.MethodGet, path, "", "")
	r.Header.Set("Authorization", scheme+" "+token)
	return w.do(r)
}

// lanes are those of Teamwork Cloud in which clients of OAuth 2.0 and OpenID
// Connect are.
var lanes = map[string]struct {
	kind  clientstore.Type
	scope string // "" as Teamwork Cloud's OAuth 2.0 has none
}{"oidc": {clientstore.OIDC, "openid offline_access"}, "oauth2": {clientstore.OAuth2, ""}}

// register, approve, use: as a tool does that knows Teamwork Cloud's paths and
// its habits, and nothing else.
func TestTeamworkCloudLanes(t *testing.T) {
	eachTeamworkCloud(t, func(w *world) {
		for name, lane := range lanes {
			made := w.send(http.MethodPost, "/api/"+name+"/register", "", w.encode(map[string]any{"client_name": "Tool", "redirect_uris": []string{callback}}))
			w.wantStatus(made, http.StatusCreated)
			if made.str("type") != string(lane.kind) || made.str("status") != "pending" || made.str("client_secret") == "" {
				w.Fatalf("%s: registered %s", name, made.body)
			}
			ask := url.Values{"client_id": {made.str("client_id")}, "redirect_uri": {callback}, "response_type": {"code"}, "state": {"s"}}
			if lane.scope != "" {
				ask.Set("scope", lane.scope)
			}
			at := "/" + name + "/authorize?" + ask.Encode()
			waits := w.get(at)
			if waits.StatusCode != http.StatusSeeOther || !strings.HasPrefix(waits.Header.Get("Location"), twc+"/authorize/resume?") {
				w.Errorf("%s: pending: %s %q", name, waits.Status, waits.Header.Get("Location"))
			}
			a := app{w.approve(made.str("client_id")), made.str("client_secret")}
			w.must(w.grants.RememberConsent(w.Context(), w.user.ID, a.ID, a.Metadata.Scope, a.ConsentDigest))

			code := w.get(at).sent().Get("code")
			tokens := w.postAs(a, "/api/"+name+"/token", url.Values{
				"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "scope": {lane.scope},
			})
			if _, number := tokens.json["expires_in"].(float64); tokens.StatusCode != http.StatusOK || !number || (tokens.str("id_token") != "") != (lane.kind == clientstore.OIDC) {
				w.Fatalf("%s: code %q: %s %s", name, code, tokens.Status, tokens.body)
			}
			w.wantLive(tokens.str("access_token"), a.ID)
			if lane.kind == clientstore.OIDC {
				w.wantOK(w.byScheme("/userinfo", "Token", tokens.str("access_token")))
				// O1-34: an ID token is the client's, and opens nothing.
				w.wantStatus(w.byScheme("/api/validate", "Token", tokens.str("id_token")), http.StatusUnauthorized)
			}
			w.refreshAsTeamworkCloud(name, a, tokens.str("refresh_token"))
		}
	})
}

// refreshAsTeamworkCloud refreshes as tools of Teamwork Cloud do, who send again
// what they sent for the code, and revokes.
func (w *world) refreshAsTeamworkCloud(lane string, a app, refresh string) {
	w.Helper()
	if refresh == "" {
		w.Errorf("%s: no refresh token", lane)
		return
	}
	again := w.postAs(a, "/api/"+lane+"/token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "redirect_uri": {callback}, "scope": {lanes[lane].scope},
	})
	if again.StatusCode != http.StatusOK || again.str("refresh_token") == "" {
		w.Errorf("%s: refresh: %s %s", lane, again.Status, again.body)
	}
	w.wantLive(again.str("access_token"), a.ID)
	w.wantOK(w.post("/revoke", a, url.Values{"token": {again.str("access_token")}}))
	w.wantStatus(w.byScheme("/api/validate", "Token", again.str("access_token")), http.StatusUnauthorized)
}

// wantLive checks that the validation endpoint believes in a token, by either
// name of the scheme.
func (w *world) wantLive(token, client string) {
	w.Helper()
	for _, scheme := range []string{"Token", "token", "Bearer"} {
		res := w.byScheme("/api/validate", scheme, token)
		if res.StatusCode != http.StatusOK || res.json["active"] != true || res.str("client_id") != client || res.str("iss") != w.issuer ||
			res.json["exp"] == nil || res.Header.Get("Cache-Control") != "no-store" {
			w.Errorf("validate by %s: %s %s", scheme, res.Status, res.body)
		}
	}
}

// What is not a live access token is not valid, whatever it is.
func TestTeamworkCloudValidation(t *testing.T) {
	eachTeamworkCloud(t, func(w *world) {
		tokens := w.tokens(w.web)
		access := tokens.str("access_token")
		for name, header := range map[string]string{
			"nothing": "", "another scheme": "Basic " + access, "no token": "Token ", "nonsense": "Token x", "a refresh token": "Token " + tokens.str("refresh_token"),
		} {
			r := w.request(http.MethodGet, "/api/validate", "", "")
			r.Header.Set("Authorization", header)
			res := w.do(r)
			if res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusBadRequest || res.json["active"] != nil ||
				!strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer realm=") {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		w.wantStatus(w.get("/api/validate?access_token="+access), http.StatusBadRequest)
		w.wantLive(access, w.web.ID)
		_, err := w.clients.Disapprove(w.Context(), admin, w.web.ID, "No.")
		w.must(err)
		w.wantStatus(w.byScheme("/api/validate", "Token", access), http.StatusUnauthorized)
		w.down(func() {
			if res := w.byScheme("/api/validate", "Token", access); res.StatusCode != http.StatusServiceUnavailable {
				w.Errorf("without a database: %s %s", res.Status, res.body)
			}
		})
	})
}

func TestTeamworkCloudDevices(t *testing.T) {
	eachTeamworkCloud(t, func(w *world) {
		for name, lane := range lanes {
			r := deviceRegistration("TV")
			r.Type = lane.kind
			r.Metadata.Scope = strings.TrimSpace(lane.scope + " api")
			a := w.register(r)
			d := w.postAs(a, "/api/"+name+"/device_code", url.Values{})
			if d.StatusCode != http.StatusOK || d.str("verification_uri") != w.issuer+"/device" {
				w.Fatalf("%s: %s %s", name, d.Status, d.body)
			}
			poll := func() answer {
				return w.postAs(a, "/api/"+name+"/token", url.Values{"grant_type": {clientstore.GrantDeviceCode}, "device_code": {d.str("device_code")}})
			}
			w.wantError(poll(), http.StatusBadRequest, "authorization_pending")
			w.decide(d.str("user_code"), "allow")
			w.clock.Advance(5e9)
			got := poll()
			w.wantOK(got)
			w.wantLive(got.str("access_token"), a.ID)
		}
	})
}

// An assertion may name the address of the token endpoint that it was written
// for, and no address that is none.
func TestTeamworkCloudAssertions(t *testing.T) {
	eachTeamworkCloud(t, func(w *world) {
		a := w.keyed(allKeys(w.T))
		for audience, good := range map[string]bool{
			w.issuer + "/token": true, w.issuer + "/api/oidc/token": true, w.issuer + "/api/oauth2/token": true, w.issuer + "/api/token": true,
			w.issuer + "/api/oidc/register": false, w.issuer + "/oidc/authorize": false, "https://other.example/api/oidc/token": false,
		} {
			jwt := testKeys()["ES256"].sign(w.T, w.assertion(a.ID, map[string]any{"aud": audience}), nil)
			want := "invalid_client"
			if good {
				want = "invalid_grant"
			}
			if res := w.postSigned("/api/oidc/token", jwt, unknownCode); res.str("error") != want {
				w.Errorf("%s: %s; want %s", audience, res.body, want)
			}
		}
	})
}

// The three legs by a library of somebody else's, which signs the paths of
// Teamwork Cloud, with the key that a consumer asked for.
func TestTeamworkCloudOAuth1(t *testing.T) {
	eachTeamworkCloud(t, func(w *world) {
		const secret = "what somebody typed"
		made := w.send(http.MethodPost, "/api/oauth/register", "", `{"name":"Cameo","secret":"`+secret+`"}`)
		w.wantOK(made)
		key := made.str("key")
		c := &oauth1.Config{
			ConsumerKey: key, ConsumerSecret: secret, CallbackURL: callback, Realm: "TWC",
			Endpoint: oauth1.Endpoint{
				RequestTokenURL: w.issuer + "/api/oauth/request_token", AuthorizeURL: w.issuer + "/oauth/authorize", AccessTokenURL: w.issuer + "/api/oauth/access_token",
			},
		}
		if _, _, err := c.RequestToken(); err == nil || !strings.Contains(err.Error(), "401") {
			w.Errorf("pending: %v", err)
		}
		pending, err := w.clients.Get(w.Context(), key)
		w.must(err)
		if !slices.Equal(pending.Requested.Callbacks, []string{callback}) {
			w.Errorf("requested %+v; want the callback", pending.Requested)
		}
		m := pending.Metadata
		m.RedirectURIs = pending.Requested.Callbacks
		_, err = w.clients.Edit(w.Context(), admin, key, clientstore.Edit{Metadata: &m, Version: pending.Version})
		w.must(err)
		a := app{w.approve(key), secret}

		token, tokenSecret, err := c.RequestToken()
		w.must(err)
		there, err := c.AuthorizationURL(token)
		w.must(err)
		verifier := w.allowedAt(strings.TrimPrefix(there.String(), w.issuer))
		token, tokenSecret, err = c.AccessToken(token, tokenSecret, verifier)
		w.must(err)
		res, err := c.Client(w.Context(), oauth1.NewToken(token, tokenSecret)).Get(w.issuer + "/oauth1/verify")
		w.must(err)
		if got := w.read(res); got.json["active"] != true || got.str("client_id") != a.ID {
			w.Errorf("verify: %s %s", got.Status, got.body)
		}
		wrong := begin(a)
		wrong.path, wrong.secret = "/api/oauth/request_token", "x"
		refused := w.do(w.signed(wrong))
		if challenge := refused.Header.Get("WWW-Authenticate"); refused.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(challenge, `OAuth realm="TWC", `) {
			w.Errorf("challenge %q", challenge)
		}
		// O1-34: what was signed for one path is none for another.
		elsewhere := w.signed(begin(a))
		elsewhere.URL.Path = twc + "/api/oauth/request_token"
		if res := w.do(elsewhere); !strings.Contains(res.body, "signature_invalid") {
			w.Errorf("signed for /oauth1/request_token: %s %s", res.Status, res.body)
		}
	})
}

// The documents of the lanes have the members that Teamwork Cloud's have, and
// lead to the lanes; the standard one leads where it always does.
func TestTeamworkCloudDocuments(t *testing.T) {
	eachTeamworkCloud(t, func(w *world) {
		documented := []string{
			"issuer", "authorization_endpoint", "token_endpoint", "device_authorization_endpoint", "registration_endpoint", "jwks_uri",
			"response_types_supported", "grant_types_supported", "scopes_supported", "token_endpoint_auth_methods_supported",
		}
		for name, lane := range lanes {
			path := map[string]string{"oidc": "/.well-known/oidc-configuration", "oauth2": "/.well-known/oauth2.0-configuration"}[name]
			doc := w.get(path).json
			for _, member := range documented {
				if doc[member] == nil {
					w.Errorf("%s lacks %s", path, member)
				}
			}
			for member, want := range map[string]string{
				"issuer": "", "authorization_endpoint": "/" + name + "/authorize", "token_endpoint": "/api/" + name + "/token",
				"device_authorization_endpoint": "/api/" + name + "/device_code", "registration_endpoint": "/api/" + name + "/register",
				"jwks_uri": "/jwks.json", "oauth1_request_token_endpoint": "/api/oauth/request_token",
			} {
				if doc[member] != w.issuer+want {
					w.Errorf("%s: %s is %v; want %s", path, member, doc[member], w.issuer+want)
				}
			}
			if got := texts(doc["response_types_supported"]); !slices.Equal(got, clientstore.ResponseTypes(lane.kind)) {
				w.Errorf("%s: response types %v", path, got)
			}
		}
		standard := w.get("/.well-known/openid-configuration").json
		for member, want := range map[string]string{
			"token_endpoint": "/token", "authorization_endpoint": "/authorize", "validation_endpoint": "/api/validate", "signout_endpoint": "/api/signout",
		} {
			if standard[member] != w.issuer+want {
				w.Errorf("%s is %v; want %s", member, standard[member], w.issuer+want)
			}
		}
		if a, b := w.get("/jwks.json"), w.get("/.well-known/jwks.json"); a.body != b.body || a.StatusCode != http.StatusOK {
			w.Errorf("keys: %s %s", a.Status, a.body)
		}
	})
}

// Signing out by Teamwork Cloud's address takes what it takes at ours.
func TestTeamworkCloudSignout(t *testing.T) {
	eachTeamworkCloud(t, func(w *world) {
		hint := w.tokens(w.web).str("id_token")
		asked := w.get("/api/signout")
		if !strings.Contains(asked.body, "<form") || !w.signedIn() {
			w.Errorf("without an ID token: %s", asked.Status)
		}
		w.get("/api/signout?" + url.Values{"id_token_hint": {hint}}.Encode())
		if w.signedIn() {
			w.Error("still signed in")
		}
	})
}

// O1-34, the lane of old: its token endpoint is there, the secret that all its clients
// shared is not, and a redirect URI that only begins like one is none.
func TestTeamworkCloudLegacyLane(t *testing.T) {
	eachTeamworkCloud(t, func(w *world) {
		code := w.code(w.web)
		r := w.request(http.MethodPost, "/api/token", formType, with(redemption(code), "client_id", w.web.ID, "scope", "openid").Encode())
		r.Header.Set("X-Auth-Secret", w.web.secret)
		w.wantError(w.do(r), http.StatusUnauthorized, "invalid_client")
		w.wantOK(w.postAs(w.web, "/api/token", with(redemption(code), "scope", "openid")))
		w.wantPage(w.authorize(w.web.ask("redirect_uri", callback+"/further")), "address does not match")
	})
}

// What the setting does not ask for is not there.
func TestWithoutTeamworkCloud(t *testing.T) {
	each(t, func(w *world) {
		for _, path := range []string{
			"/.well-known/oidc-configuration", "/.well-known/oauth2.0-configuration", "/jwks.json", "/oidc/authorize", "/oauth2/authorize", "/oauth/authorize",
			"/api/oidc/token", "/api/oidc/device_code", "/api/oidc/register", "/api/oauth2/token", "/api/oauth2/device_code", "/api/oauth2/register",
			"/api/oauth/register", "/api/oauth/request_token", "/api/oauth/access_token", "/api/token", "/api/validate", "/api/signout",
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				w.wantStatus(w.do(w.request(method, path, "", "")), http.StatusNotFound)
			}
		}
		access := w.tokens(w.web).str("access_token")
		w.wantStatus(w.byScheme("/userinfo", "Token", access), http.StatusUnauthorized)
		w.wantOK(w.byScheme("/userinfo", "Bearer", access))
		jwt := testKeys()["ES256"].sign(w.T, w.assertion(w.keyed(allKeys(w.T)).ID, map[string]any{"aud": w.issuer + "/api/oidc/token"}), nil)
		w.wantError(w.postSigned("/token", jwt, unknownCode), http.StatusUnauthorized, "invalid_client")
	})
}

// allowedAt has the user allow the request that the address leads to, and
// returns the verifier.
func (w *world) allowedAt(path string) string {
	w.Helper()
	res := w.decideAt(path, "allow")
	u, err := url.Parse(res.Header.Get("Location"))
	w.must(err)
	if u.Query().Get("oauth_verifier") == "" {
		w.Fatalf("allowed: %s %q %s", res.Status, u, res.body)
	}
	return u.Query().Get("oauth_verifier")
}
