package authz_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dghubble/oauth1"

	"countersign/clientstore"
	"countersign/storage/storagetest"
)

const (
	typeOAuth1      = "urn:countersign:params:oauth:token-type:oauth1"
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
)

// exchangeRegistration is a client that may exchange tokens, those of the
// consumers among them.
func exchangeRegistration(name, scope string, consumers ...string) clientstore.Registration {
	return clientstore.Registration{Type: clientstore.OIDC, Name: name, Metadata: clientstore.Metadata{
		GrantTypes:   []string{clientstore.GrantTokenExchange, clientstore.GrantAuthorizationCode, clientstore.GrantRefreshToken},
		RedirectURIs: []string{callback}, Scope: scope, OAuth1Clients: consumers,
	}}
}

// move is a tool that moves from OAuth 1.0a to bearer tokens: its consumer with
// token credentials that the user allowed, and its new client.
type move struct {
	*world
	tool  app
	token *oauth1.Token
	next  app
}

func (w *world) move(scope string) move {
	w.Helper()
	w.signIn()
	tool := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models profile"})
	return move{w, tool, w.credentials(tool), w.register(exchangeRegistration("Next", scope, "none", tool.ID))}
}

// subject is the header that the tool signs for the exchange.
func (m move) subject(change ...func(*signing)) string {
	m.Helper()
	s := signing{method: http.MethodPost, path: "/token", app: m.tool, token: m.token.Token, secret: m.token.TokenSecret, oauth: map[string]string{}}
	for _, f := range change {
		f(&s)
	}
	return m.signed(s).Header.Get("Authorization")
}

func (m move) exchange(change ...string) answer {
	m.Helper()
	return m.world.exchange(m.next, typeOAuth1, m.subject(), change...)
}

func (w *world) exchange(a app, subjectType, subject string, change ...string) answer {
	w.Helper()
	return w.post("/token", a, with(url.Values{
		"grant_type": {clientstore.GrantTokenExchange}, "subject_token_type": {subjectType}, "subject_token": {subject},
	}, change...))
}

// exchanged is a successful exchange.
func (w *world) exchanged(name string, res answer) answer {
	w.Helper()
	if res.StatusCode != http.StatusOK || res.str("issued_token_type") == "" || res.str("token_type") != "Bearer" || res.json["expires_in"] == nil ||
		res.json["refresh_token"] != nil || res.json["id_token"] != nil || res.Header.Get("Cache-Control") != "no-store" {
		w.Fatalf("%s: %s %s", name, res.Status, res.body)
	}
	return res
}

// about introspects a token as the client.
func (w *world) about(a app, token string) answer {
	w.Helper()
	return w.post("/introspect", a, url.Values{"token": {token}})
}

func (w *world) wantRefused(name string, res answer, code, says string) {
	w.Helper()
	if res.str("error") != code || !strings.Contains(res.str("error_description"), says) {
		w.Errorf("%s: %s %s; want %s with %q", name, res.Status, res.body, code, says)
	}
	w.wantError(res, http.StatusBadRequest, code)
}

func TestTokenExchangeOfOAuth1(t *testing.T) {
	each(t, func(w *world) {
		m := w.move("openid models api offline_access")
		res := m.exchanged("exchange", m.exchange())
		if res.str("scope") != "models" || res.json["expires_in"] != float64(600) || res.str("issued_token_type") != typeAccessToken {
			w.Errorf("%s", res.body)
		}
		got := w.about(m.next, res.str("access_token"))
		if got.json["active"] != true || got.str("sub") != w.user.ID || got.str("client_id") != m.next.ID || got.str("scope") != "models" ||
			got.str("username") != "ada" || got.str("acr") != "urn:countersign:acr:pwd" || got.json["auth_time"] == nil {
			w.Errorf("introspection: %s", got.body)
		}
		if w.active(w.web, res.str("access_token")) {
			w.Error("another client learns of the token")
		}
		// The credentials go on: a tool moves call by call.
		if again := m.exchanged("again", m.exchange("scope", "models offline_access")); again.str("scope") != "models" {
			w.Errorf("again: %s", again.body)
		}
		verified := w.do(w.signed(signing{method: http.MethodGet, path: "/oauth1/verify", app: m.tool, token: m.token.Token, secret: m.token.TokenSecret}))
		if verified.json["active"] != true {
			w.Errorf("the credentials after the exchange: %s", verified.body)
		}
		if !strings.Contains(w.logged.String(), `msg="token exchanged"`) || !strings.Contains(w.logged.String(), "subject_client_id="+m.tool.ID) {
			w.Error("the log has no line about the exchange")
		}
		// TX-07: the new token ends when the credentials do.
		w.clock.Advance(2*time.Hour - time.Minute)
		last := m.exchanged("last", m.exchange())
		if last.json["expires_in"] != float64(60) {
			w.Errorf("TX-07: %s", last.body)
		}
		w.clock.Advance(time.Minute)
		if w.active(m.next, last.str("access_token")) {
			w.Error("TX-07: the token outlives the credentials")
		}
	})
}

// wantOneOf20 asks 20 times at once: one is given tokens, the others are refused
// with the code.
func (w *world) wantOneOf20(code string, ask func() answer) {
	w.Helper()
	var (
		won atomic.Int64
		wg  sync.WaitGroup
	)
	for range 20 {
		wg.Go(func() {
			switch res := ask(); {
			case res.StatusCode == http.StatusOK:
				won.Add(1)
			case res.str("error") != code:
				w.Errorf("a loser is answered %s %s", res.Status, res.body)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		w.Errorf("%d of 20 were given tokens; want 1", won.Load())
	}
}

// TX-01: what was signed holds once, be it presented 20 times at once.
func TestTX01SubjectTokenHoldsOnce(t *testing.T) {
	each(t, func(w *world) {
		m := w.move("models")
		once := m.subject()
		m.exchanged("once", w.exchange(m.next, typeOAuth1, once))
		w.wantRefused("twice", w.exchange(m.next, typeOAuth1, once), "invalid_request", "nonce_used")
		atVerification := w.signed(signing{method: http.MethodGet, path: "/oauth1/verify", app: m.tool, token: m.token.Token, secret: m.token.TokenSecret, oauth: map[string]string{"oauth_nonce": "shared"}})
		w.do(atVerification)
		w.wantRefused("a nonce of verification", w.exchange(m.next, typeOAuth1, m.subject(func(s *signing) { s.oauth["oauth_nonce"] = "shared" })), "invalid_request", "nonce_used")

		same := m.subject()
		w.wantOneOf20("invalid_request", func() answer { return w.exchange(m.next, typeOAuth1, same) })
	})
}

func TestTokenExchangeRefusesOAuth1(t *testing.T) {
	each(t, func(w *world) {
		m := w.move("openid models api")
		plain := w.consumer("Plain", clientstore.Metadata{RedirectURIs: []string{callback}, OAuth1SignatureMethods: []string{"PLAINTEXT", "HMAC-SHA1"}})
		w.register(exchangeRegistration("Plain's", "models", plain.ID))
		for name, tt := range map[string]struct {
			change     func(*signing)
			code, says string
		}{
			"TX-02 another URL":       {func(s *signing) { s.path = "/oauth1/verify" }, "invalid_request", "signature_invalid"},
			"TX-02 another host":      {func(s *signing) { s.host = "https://evil.example" }, "invalid_request", "signature_invalid"},
			"TX-02 another method":    {func(s *signing) { s.method = http.MethodGet }, "invalid_request", "signature_invalid"},
			"TX-02 token secret":      {func(s *signing) { s.secret = "x" }, "invalid_request", "signature_invalid"},
			"TX-02 consumer secret":   {func(s *signing) { s.app.secret = "x" }, "invalid_request", "signature_invalid"},
			"TX-02 unknown token":     {func(s *signing) { s.token = "x" }, "invalid_request", "signature_invalid"},
			"TX-02 no token":          {func(s *signing) { s.token, s.secret = "", "" }, "invalid_request", "parameter_absent"},
			"TX-02 PLAINTEXT":         {func(s *signing) { s.signer = methodSigner{"PLAINTEXT", m.tool.secret} }, "invalid_request", "PLAINTEXT hands over"},
			"TX-02 unregistered":      {func(s *signing) { s.signer = methodSigner{"RSA-SHA1", ""} }, "invalid_request", "signature_invalid"},
			"TX-02 body hash":         {func(s *signing) { s.oauth["oauth_body_hash"] = "x" }, "invalid_request", "empty body"},
			"TX-02 too old":           {func(s *signing) { s.oauth["oauth_timestamp"] = fmt.Sprint(w.clock.Now().Unix() - 301) }, "invalid_request", "timestamp_refused"},
			"TX-02 no nonce":          {func(s *signing) { s.oauth["oauth_nonce"] = "" }, "invalid_request", "parameter_absent"},
			"TX-03 a stranger":        {func(s *signing) { s.app.Client = &clientstore.Client{ID: "nobody"} }, "invalid_request", "oauth1_clients"},
			"TX-03 another consumer":  {func(s *signing) { s.app = plain }, "invalid_request", "An administrator can add"},
			"TX-03 listed and unreal": {func(s *signing) { s.app.Client = &clientstore.Client{ID: "none"} }, "invalid_request", "signature_invalid"},
		} {
			w.wantRefused(name, w.exchange(m.next, typeOAuth1, m.subject(tt.change)), tt.code, tt.says)
		}
		for name, tt := range map[string]struct{ code, says, subject string }{
			"a bare token":       {"invalid_request", "parameter_absent", m.token.Token},
			"a bearer header":    {"invalid_request", "parameter_absent", "Bearer " + m.token.Token},
			"a header unclosed":  {"invalid_request", "parameter_rejected", `OAuth oauth_token="`},
			"two headers in one": {"invalid_request", "The parameter comes twice", m.subject() + ", " + strings.TrimPrefix(m.subject(), "OAuth ")},
		} {
			w.wantRefused(name, w.exchange(m.next, typeOAuth1, tt.subject), tt.code, tt.says)
		}
		functional := w.consumer("Functional", clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "models", OAuth1FunctionalAccount: w.user.ID})
		own := w.register(exchangeRegistration("Functional's", "models", functional.ID))
		w.wantRefused("a functional account", w.exchange(own, typeOAuth1, m.subject(func(s *signing) { s.app, s.token, s.secret = functional, "", "" })), "invalid_request", "parameter_absent")
		temporary, secret, err := w.dghubble(m.tool, nil).RequestToken()
		w.must(err)
		w.wantRefused("temporary credentials", w.exchange(m.next, typeOAuth1, m.subject(func(s *signing) { s.token, s.secret = temporary, secret })), "invalid_request", "token_rejected")
		w.wantRefused("TX-04 not allowed to the tool", m.exchange("scope", "models api"), "invalid_scope", "not good for the scope api")
		w.wantRefused("TX-04 not registered", m.exchange("scope", "profile"), "invalid_scope", "registered for the scope profile")
		w.wantRefused("TX-04 nothing in common", w.exchange(w.register(exchangeRegistration("Apart", "api", m.tool.ID)), typeOAuth1, m.subject()), "invalid_scope", "registered for no scope")
		// O1-17: as anything else, it is nothing.
		w.wantRefused("as an access token", w.exchange(m.next, typeAccessToken, m.subject()), "invalid_request", "unknown, expired or revoked")
	})
}

// TX-08 and TX-10, and what the request itself may lack.
func TestTokenExchangeRequests(t *testing.T) {
	each(t, func(w *world) {
		m := w.move("openid models")
		for name, tt := range map[string]struct {
			change     []string
			code, says string
		}{
			"no subject token":       {[]string{"subject_token", ""}, "invalid_request", "Send the subject_token."},
			"no type":                {[]string{"subject_token_type", ""}, "invalid_request", "Send the subject_token_type."},
			"an ID token":            {[]string{"subject_token_type", "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request", typeOAuth1},
			"a SAML assertion":       {[]string{"subject_token_type", "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request", typeOAuth1},
			"TX-10 an actor":         {[]string{"actor_token", "x", "actor_token_type", typeAccessToken}, "invalid_request", "no actors"},
			"TX-10 an actor's type":  {[]string{"actor_token_type", typeAccessToken}, "invalid_request", "no actors"},
			"a refresh token wanted": {[]string{"requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request", "access tokens only"},
			"an ID token wanted":     {[]string{"requested_token_type", "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request", "access tokens only"},
			"a JWT wanted":           {[]string{"requested_token_type", typeJWT}, "invalid_request", "access_token_format"},
			"a resource":             {[]string{"resource", "https://api.example/"}, "invalid_target", "no resources by their address"},
			"an unknown audience":    {[]string{"audience", "https://api.example/"}, "invalid_target", "no approved client"},
			"a consumer as audience": {[]string{"audience", m.tool.ID}, "invalid_target", "no approved client"},
		} {
			w.wantRefused(name, m.exchange(tt.change...), tt.code, tt.says)
		}
		c, secret, err := w.clients.Register(w.Context(), admin, exchangeRegistration("Pending", "models", m.tool.ID))
		w.must(err)
		w.wantRefused("TX-08 pending", w.exchange(app{c, secret}, typeOAuth1, m.subject()), "unauthorized_client", "approval")
		w.wantRefused("TX-08 audience pending", m.exchange("audience", c.ID), "invalid_target", "no approved client")
		w.wantRefused("TX-08 not registered", w.exchange(w.web, typeOAuth1, m.subject()), "unauthorized_client", "not registered for the grant type")
		w.wantError(w.exchange(app{m.next.Client, "wrong"}, typeOAuth1, m.subject()), 401, "invalid_client")
		if !w.advertises(clientstore.GrantTokenExchange) {
			w.Error("the metadata does not name the exchange")
		}
	})
}

// TX-05, and LC-01 to LC-18 for what stems from something else: the new token
// ends with everything that it stems from, and does not come back.
func TestTX05ExchangedTokenEndsWithWhatItStemsFrom(t *testing.T) {
	each(t, func(w *world) {
		disapprove := func(a app) { _, err := w.clients.Disapprove(w.Context(), admin, a.ID, ""); w.must(err) }
		approve := func(a app) { _, err := w.clients.Approve(w.Context(), admin, a.ID); w.must(err) }
		for name, end := range map[string]func(m move){
			"consumer disapproved":    func(m move) { disapprove(m.tool) },
			"consumer approved again": func(m move) { disapprove(m.tool); approve(m.tool) },
			"consumer removed":        func(m move) { w.must(w.clients.Remove(w.Context(), admin, m.tool.ID)) },
			"consent to the consumer withdrawn": func(m move) {
				w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, m.tool.ID))
			},
			"grant purged": func(m move) {
				w.must(w.db.With(w.Context()).Exec(`DELETE FROM grants WHERE client_id = ?`, m.tool.ID).Error)
			},
			"client disapproved":    func(m move) { disapprove(m.next) },
			"client removed":        func(m move) { w.must(w.clients.Remove(w.Context(), admin, m.next.ID)) },
			"client approved again": func(m move) { disapprove(m.next); approve(m.next) },
			"consent to the client withdrawn": func(m move) {
				w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, m.next.ID))
			},
			"account enabled again": func(move) {
				w.must(w.accounts.Disable(w.Context(), admin, w.user.ID))
				w.must(w.accounts.Enable(w.Context(), admin, w.user.ID))
			},
			"account disabled": func(move) { w.must(w.accounts.Disable(w.Context(), admin, w.user.ID)) },
			"password changed": func(move) {
				w.must(w.accounts.SetPassword(w.Context(), admin, w.user.ID, "another horse, another battery"))
			},
		} {
			w.revive()
			m := w.move("models")
			token := m.exchanged(name, m.exchange()).str("access_token")
			before := w.about(w.auditor(), token)
			end(m)
			if after := w.about(w.auditor(), token); before.json["active"] != true || after.body != `{"active":false}` {
				w.Errorf("%s: before %s, after %s", name, before.body, after.body)
			}
			if res := w.userinfo(token); res.StatusCode != http.StatusUnauthorized {
				w.Errorf("%s: userinfo: %s", name, res.Status)
			}
		}
	})
}

// auditor is a resource server that may introspect every token.
func (w *world) auditor() app {
	w.Helper()
	r := registration("Auditor")
	r.Metadata.IntrospectionScope = clientstore.IntrospectAll
	return w.register(r)
}

// TX-04: a scope that the consumer loses, its exchanged tokens lose.
func TestExchangedTokenLosesItsParentsScope(t *testing.T) {
	each(t, func(w *world) {
		m := w.move("models profile")
		token := m.exchanged("exchange", m.exchange()).str("access_token")
		if got := w.about(m.next, token).str("scope"); got != "models profile" {
			w.Errorf("scope %q", got)
		}
		c, err := w.clients.Get(w.Context(), m.tool.ID)
		w.must(err)
		less := c.Metadata
		less.Scope = "profile"
		_, err = w.clients.Edit(w.Context(), admin, c.ID, clientstore.Edit{Version: c.Version, Metadata: &less})
		w.must(err)
		if got := w.about(m.next, token).str("scope"); got != "profile" {
			w.Errorf("after the consumer lost a scope: %q", got)
		}
	})
}

// What disapproving a consumer ends includes what others got for its tokens.
func TestImpactOfAConsumerCountsExchangedTokens(t *testing.T) {
	each(t, func(w *world) {
		m := w.move("models")
		impact := func(a app) clientstore.Impact {
			got, err := w.clients.Impact(w.Context(), a.ID)
			w.must(err)
			return got
		}
		if got := impact(m.tool); got != (clientstore.Impact{Tokens: 1, Accounts: 1}) {
			w.Errorf("before: %+v", got)
		}
		m.exchange()
		m.exchange()
		if got := impact(m.tool); got != (clientstore.Impact{Tokens: 3, Accounts: 1}) {
			w.Errorf("of the consumer: %+v", got)
		}
		if got := impact(m.next); got != (clientstore.Impact{Tokens: 2, Accounts: 1}) {
			w.Errorf("of the client: %+v", got)
		}
		w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, m.tool.ID))
		if got := impact(m.next); got != (clientstore.Impact{}) {
			w.Errorf("of the client, after its parents ended: %+v", got)
		}
	})
}

// A client gets a token for less of what it has.
func TestTokenExchangeOfOwnAccessToken(t *testing.T) {
	each(t, func(w *world) {
		r := exchangeRegistration("Own", "openid profile email offline_access api")
		a, b := w.register(r), w.register(exchangeRegistration("Other", "openid profile api"))
		first := w.tokens(a, "scope", "openid profile offline_access")
		w.clock.Advance(9 * time.Minute)
		less := w.exchanged("less", w.exchange(a, typeAccessToken, first.str("access_token"), "scope", "openid", "audience", b.ID))
		if less.str("scope") != "openid" || less.json["expires_in"] != float64(60) {
			w.Errorf("TX-07: %s", less.body)
		}
		if got := w.about(b, less.str("access_token")); got.str("aud") != b.ID || got.str("client_id") != a.ID || got.str("scope") != "openid" {
			w.Errorf("introspection by its audience: %s", got.body)
		}
		if res := w.userinfo(less.str("access_token")); res.StatusCode != http.StatusOK || res.str("name") != "" {
			w.Errorf("userinfo: %s %s", res.Status, res.body)
		}
		same := w.exchanged("same", w.exchange(a, typeAccessToken, less.str("access_token")))
		if got := w.about(b, same.str("access_token")); got.str("aud") != b.ID {
			w.Errorf("the audience got lost: %s", got.body)
		}
		w.wantRefused("TX-11 another audience", w.exchange(a, typeAccessToken, less.str("access_token"), "audience", w.web.ID), "invalid_target", "another audience")
		w.wantRefused("TX-04 more", w.exchange(a, typeAccessToken, less.str("access_token"), "scope", "openid profile"), "invalid_scope", "profile")
		// It is of the same grant, and ends with it.
		w.post("/revoke", a, url.Values{"token": {first.str("refresh_token")}})
		if w.active(a, less.str("access_token")) || w.active(a, same.str("access_token")) {
			w.Error("TX-05: a narrowed token outlives its grant")
		}
		w.wantRefused("TX-06 dead", w.exchange(a, typeAccessToken, less.str("access_token")), "invalid_request", "revoked")
	})
}

// TX-06: whose tokens a client may exchange.
func TestTX06TokensOfOthers(t *testing.T) {
	each(t, func(w *world) {
		front, back := w.register(exchangeRegistration("Front", "openid profile offline_access api")), w.register(exchangeRegistration("Back", "openid profile api"))
		deep := w.register(exchangeRegistration("Deep", "openid api"))
		tokens := w.tokens(front, "scope", "openid profile offline_access")
		for name, subject := range map[string]string{
			"another's": tokens.str("access_token"), "a refresh token": tokens.str("refresh_token"), "an ID token": tokens.str("id_token"), "nonsense": "x",
		} {
			w.wantRefused(name, w.exchange(back, typeAccessToken, subject), "invalid_request", "unknown, expired or revoked")
		}
		w.wantRefused("its own refresh token", w.exchange(front, typeAccessToken, tokens.str("refresh_token")), "invalid_request", "unknown, expired or revoked")

		meant := w.exchanged("for its audience", w.exchange(front, typeAccessToken, tokens.str("access_token"), "scope", "openid", "audience", back.ID)).str("access_token")
		w.wantRefused("TX-04 more than it is good for", w.exchange(back, typeAccessToken, meant, "scope", "openid profile"), "invalid_scope", "profile")
		taken := w.exchanged("by its audience", w.exchange(back, typeAccessToken, meant, "audience", deep.ID)).str("access_token")
		if got := w.about(deep, taken); got.str("client_id") != back.ID || got.str("sub") != w.user.ID || got.str("scope") != "openid" {
			w.Errorf("introspection: %s", got.body)
		}
		w.wantRefused("TX-11 a chain", w.exchange(deep, typeAccessToken, taken), "invalid_request", "itself made by an exchange")
		w.exchanged("narrowed by its own client", w.exchange(back, typeAccessToken, taken))
		if w.post("/revoke", front, url.Values{"token": {meant}}); w.active(back, taken) {
			w.Error("TX-05: the token outlives the one that it was made of")
		}
		own := w.register(clientstore.Registration{Type: clientstore.OIDC, Name: "Machine", Metadata: clientstore.Metadata{
			GrantTypes: []string{clientstore.GrantClientCredentials, clientstore.GrantTokenExchange}, Scope: "api",
		}})
		itself := w.post("/token", own, url.Values{"grant_type": {"client_credentials"}}).str("access_token")
		narrowed := w.exchanged("its own", w.exchange(own, typeAccessToken, itself, "audience", back.ID)).str("access_token")
		w.wantRefused("a client that acts for itself", w.exchange(back, typeAccessToken, narrowed), "invalid_request", "acts for itself")
	})
}

// TX-05: an online token ends with its session, and what was made of it too.
func TestExchangedTokenEndsWithItsParentsSession(t *testing.T) {
	each(t, func(w *world) {
		front, back := w.register(exchangeRegistration("Front", "openid api")), w.register(exchangeRegistration("Back", "openid api"))
		online := w.tokens(front, "scope", "openid").str("access_token")
		meant := w.exchanged("for", w.exchange(front, typeAccessToken, online, "audience", back.ID)).str("access_token")
		taken := w.exchanged("by", w.exchange(back, typeAccessToken, meant)).str("access_token")
		w.must(w.sessions.End(w.Context(), w.session.ID))
		if w.active(front, meant) || w.active(back, taken) {
			w.Error("tokens outlive the session")
		}
	})
}

// JSON Web Tokens, and pairwise subjects: a client knows a person by its own
// sector's name, whoever's token it had.
func TestTokenExchangeForJWTAndPairwiseSubjects(t *testing.T) {
	each(t, func(w *world) {
		m := w.move("models")
		r := exchangeRegistration("Pairwise", "models", m.tool.ID)
		r.Metadata.SubjectType, r.Metadata.AccessTokenFormat = clientstore.SubjectPairwise, clientstore.FormatJWT
		a := w.register(r)
		for requested, issued := range map[string]string{"": typeAccessToken, typeAccessToken: typeAccessToken, typeJWT: typeJWT} {
			res := w.exchanged(requested, w.exchange(a, typeOAuth1, m.subject(), "requested_token_type", requested, "audience", m.next.ID))
			_, claims := w.readJWT(res.str("access_token"), m.next.ID)
			if res.str("issued_token_type") != issued || claims["sub"] != w.subjects.Pairwise("rp.example", w.user.ID) || claims["client_id"] != a.ID ||
				claims["aud"] != m.next.ID || claims["scope"] != "models" {
				w.Errorf("%s: %v", res.body, claims)
			}
			if got := w.about(m.next, res.str("access_token")); got.str("sub") != claims["sub"] || got.str("username") != "" {
				w.Errorf("introspection: %s", got.body)
			}
		}
	})
}

// TX-03 and TX-09: who may exchange what is an administrator's decision.
func TestTX09ExchangeIsGivenByAnAdministrator(t *testing.T) {
	each(t, func(w *world) {
		register := func(members string) answer {
			return w.do(w.request(http.MethodPost, "/register", "application/json", `{"client_name":"Self","redirect_uris":["`+callback+`"]`+members+`}`))
		}
		res := register(`,"grant_types":["authorization_code","` + clientstore.GrantTokenExchange + `"]`)
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(res.body, "by an administrator only") {
			w.Errorf("grant type: %s %s", res.Status, res.body)
		}
		if res = register(`,"oauth1_clients":["x"]`); res.StatusCode != http.StatusCreated || strings.Contains(res.body, "oauth1_clients") {
			w.Errorf("consumers: %s %s", res.Status, res.body)
		}
		for name, tt := range map[string]struct {
			change func(*clientstore.Registration)
			says   string
		}{
			"public":            {func(r *clientstore.Registration) { r.Metadata.TokenEndpointAuthMethod = "none" }, "anyone could be that client"},
			"without the grant": {func(r *clientstore.Registration) { r.Metadata.GrantTypes = nil }, "is for clients with the grant type"},
			"no key":            {func(r *clientstore.Registration) { r.Metadata.OAuth1Clients = []string{"a b"} }, "is not a client key"},
			"too many":          {func(r *clientstore.Registration) { r.Metadata.OAuth1Clients = numbers(201) }, "200 are allowed"},
			"of a consumer": {func(r *clientstore.Registration) {
				r.Type, r.Metadata.GrantTypes, r.Metadata.Scope = clientstore.OAuth1, nil, ""
			}, "no meaning for an OAuth 1.0a client"},
			"grant of an oauth1": {func(r *clientstore.Registration) { r.Type, r.Metadata.OAuth1Clients = clientstore.OAuth1, nil }, "no meaning for an OAuth 1.0a client"},
		} {
			r := exchangeRegistration(name, "models", "x")
			tt.change(&r)
			if _, _, err := w.clients.Register(w.Context(), admin, r); err == nil || !strings.Contains(err.Error(), tt.says) {
				w.Errorf("%s: %v", name, err)
			}
		}
		a := w.register(exchangeRegistration("Warned", "models", "x", "y", "x"))
		if warnings := fmt.Sprint(a.Warnings()); !strings.Contains(warnings, "x, y.") {
			w.Errorf("warnings: %s", warnings)
		}
	})
}

func numbers(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(i)
	}
	return list
}

// The statements of an exchange: the client with the access token, or the
// client, the credentials and the nonce; an audience; what is issued.
func TestStatementsOfExchanges(t *testing.T) {
	each(t, func(w *world) {
		m := w.move("models openid")
		front := w.register(exchangeRegistration("Front", "openid api"))
		token := w.tokens(front, "scope", "openid").str("access_token")
		counter := storagetest.CountStatements(w.db)
		var child, meant answer
		for _, tt := range []struct {
			name string
			want int
			do   func()
		}{
			{"of OAuth 1.0a", 4, func() { child = m.exchange() }},
			{"of an own access token", 2, func() { w.exchange(front, typeAccessToken, token) }},
			{"for another audience", 3, func() { meant = w.exchange(front, typeAccessToken, token, "audience", m.next.ID) }},
			{"of another's access token", 2, func() { w.exchange(m.next, typeAccessToken, meant.str("access_token")) }},
			{"introspection of what was exchanged", 2, func() { w.about(m.next, child.str("access_token")) }},
			{"no consumer of the client's", 1, func() { w.exchange(front, typeOAuth1, m.subject()) }},
		} {
			counter.Reset()
			tt.do()
			if n := counter.Count(); n != tt.want {
				w.Errorf("%s took %d statements; want %d:\n%s", tt.name, n, tt.want, strings.Join(counter.Statements(), "\n"))
			}
		}
	})
}

// A database that fails is no verdict, wherever it fails.
func TestTokenExchangeOnAFailingDatabase(t *testing.T) {
	each(t, func(w *world) {
		m := w.move("models openid")
		front := w.register(exchangeRegistration("Front", "openid api"))
		token := w.tokens(front, "scope", "openid").str("access_token")
		w.sweep("of OAuth 1.0a", func() func() answer {
			subject := m.subject()
			return func() answer { return w.exchange(m.next, typeOAuth1, subject) }
		})
		w.sweep("of an access token", func() func() answer {
			return func() answer { return w.exchange(front, typeAccessToken, token, "audience", m.next.ID) }
		})
	})
}

// Several targets may be asked for, where a token is for one (RFC 8693, sections
// 2.1 and 2.2.2).
func TestExchangeForSeveralTargets(t *testing.T) {
	each(t, func(w *world) {
		m := w.move("models")
		for _, name := range []string{"audience", "resource"} {
			form := url.Values{"grant_type": {clientstore.GrantTokenExchange}, "subject_token": {"x"}, "subject_token_type": {typeAccessToken}, name: {"a", "b"}}
			w.wantError(w.post("/token", m.next, form), 400, "invalid_target")
		}
		form := url.Values{"grant_type": {"client_credentials"}, "audience": {"a", "b"}}
		w.wantError(w.post("/token", m.next, form), 400, "invalid_request")
	})
}
