package authz_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/dghubble/oauth1"
	"github.com/go-jose/go-jose/v4"

	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/session"
)

// probe shows that a member of the metadata tells the truth.
type probe func(w *world, value any)

// probes have one for every member that is published.
var probes = map[string]probe{
	"issuer": func(w *world, value any) {
		claims := w.verify(w.web, w.tokens(w.web).str("id_token"))
		w.wantTrue("the iss claim", value == w.issuer && claims["iss"] == value)
	},
	"authorization_endpoint": func(w *world, value any) {
		w.wantTrue("a code", w.get(w.path(value)+"?"+w.web.ask().Encode()).sent().Get("code") != "")
	},
	"token_endpoint":    func(w *world, value any) { w.wantOK(w.post(w.path(value), w.web, redemption(w.code(w.web)))) },
	"userinfo_endpoint": func(w *world, value any) { w.wantOK(w.bearerAt(w.path(value), w.tokens(w.web).str("access_token"))) },
	"introspection_endpoint": func(w *world, value any) {
		res := w.post(w.path(value), w.web, url.Values{"token": {w.tokens(w.web).str("access_token")}})
		w.wantTrue("an active token", res.json["active"] == true)
	},
	"revocation_endpoint": func(w *world, value any) {
		token := w.tokens(w.web).str("access_token")
		w.wantOK(w.post(w.path(value), w.web, url.Values{"token": {token}}))
		w.wantTrue("revoked", !w.active(w.web, token))
	},
	"end_session_endpoint": func(w *world, value any) {
		hint := w.tokens(w.web).str("id_token")
		w.get(w.path(value) + "?" + url.Values{"id_token_hint": {hint}}.Encode())
		w.wantRefusal(w.authorize(w.web.ask("prompt", "none")), "login_required", "st&a te")
	},
	"check_session_iframe": func(w *world, value any) {
		res := w.get(w.path(value))
		w.wantTrue("a page that listens, and session_state", res.StatusCode == http.StatusOK && strings.Contains(res.body, "<script") &&
			w.authorize(w.web.ask()).sent().Get("session_state") != "")
	},
	"pushed_authorization_request_endpoint": func(w *world, value any) {
		ref := w.post(w.path(value), w.web, w.web.ask()).str("request_uri")
		w.wantTrue("a code for what was pushed", w.authorize(w.web.begin(ref)).sent().Get("code") != "")
	},
	"device_authorization_endpoint": func(w *world, value any) {
		w.wantOK(w.post(w.path(value), w.register(deviceRegistration("Probe")), url.Values{}))
	},
	"registration_endpoint": func(w *world, value any) {
		w.wantStatus(w.send(http.MethodPost, w.path(value), "", w.encode(wish)), http.StatusCreated)
	},
	"jwks_uri": func(w *world, value any) {
		keys, _ := w.get(w.path(value)).json["keys"].([]any)
		w.wantTrue("keys", len(keys) > 0)
	},

	"scopes_supported": eachValue(func(w *world, scope string) {
		r := registration("Scope")
		r.Metadata.Scope = strings.TrimSpace("openid " + strings.TrimPrefix(scope, "openid"))
		a := w.register(r)
		granted := w.tokens(a, "scope", r.Metadata.Scope).str("scope")
		w.wantTrue("granted", slices.Contains(strings.Fields(granted), scope))
	}),
	"response_types_supported": eachValue(func(w *world, responseType string) {
		a, scope := w.every(clientstore.OIDC), "openid"
		if responseType == "token" {
			a, scope = w.every(clientstore.OAuth2), "read"
		}
		_, got := w.delivered(w.authorize(a.ask("response_type", responseType, "scope", scope)))
		for word := range strings.FieldsSeq(responseType) {
			w.wantTrue(word, got.Has(map[string]string{"code": "code", "token": "access_token", "id_token": "id_token"}[word]))
		}
	}),
	"response_modes_supported": eachValue(func(w *world, mode string) {
		by, got := w.delivered(w.authorize(w.web.ask("response_mode", mode)))
		w.wantTrue("a code", by == mode && got.Has("code"))
	}),
	"grant_types_supported": eachValue(func(w *world, grantType string) {
		if grantType == clientstore.GrantImplicit { // has no request at the token endpoint
			_, got := w.delivered(w.authorize(w.every(clientstore.OIDC).ask("response_type", "id_token token")))
			w.wantTrue("a token", got.Has("access_token"))
			return
		}
		r := registration("Grant")
		r.Metadata.GrantTypes, r.Metadata.JWKS = slices.Compact([]string{clientstore.GrantAuthorizationCode, grantType}), allKeys(w.T)
		code := w.post("/token", w.register(r), url.Values{"grant_type": {grantType}}).str("error")
		w.wantTrue("known: "+code, code != "unsupported_grant_type" && code != "unauthorized_client")
	}),
	"code_challenge_methods_supported": eachValue(func(w *world, method string) {
		w.wantTrue("a code", w.authorize(w.web.ask("code_challenge_method", method)).sent().Has("code"))
	}),
	"prompt_values_supported": eachValue(func(w *world, prompt string) {
		res := w.authorize(w.web.ask("prompt", prompt))
		asks := strings.HasPrefix(res.Header.Get("Location"), "/")
		w.wantTrue("obeyed: "+res.Header.Get("Location"), asks != (prompt == "none") && res.StatusCode == http.StatusSeeOther)
	}),
	"display_values_supported": eachValue(func(w *world, display string) {
		w.wantTrue("a code", w.authorize(w.web.ask("display", display)).sent().Has("code"))
	}),
	"acr_values_supported": eachValue(func(w *world, acr string) {
		_, cookie, err := w.sessions.Start(w.Context(), session.SignIn{
			AccountID: w.user.ID, AccountEpoch: w.user.Epoch, ACR: acr, AMR: []string{"pwd"},
		})
		w.must(err)
		defer func(before string) { w.cookie = before }(w.cookie)
		w.cookie = cookie
		claims := w.verify(w.web, w.tokens(w.web, "claims", `{"id_token":{"acr":{"essential":true,"values":["`+acr+`"]}}}`).str("id_token"))
		w.wantTrue("the acr claim", claims["acr"] == acr)
	}),
	"ui_locales_supported": eachValue(func(w *world, locale string) {
		res := w.get("/authorize?" + w.web.ask("prompt", "login", "ui_locales", locale).Encode())
		w.wantTrue("a page in it", strings.Contains(w.follow(res).body, `lang="`+locale+`"`))
	}),

	"token_endpoint_auth_methods_supported": eachValue(func(w *world, method string) {
		w.wantError(w.authenticated(method, "", "/token", unknownCode), 400, "invalid_grant")
	}),
	"introspection_endpoint_auth_methods_supported": eachValue(func(w *world, method string) {
		w.wantOK(w.authenticated(method, "", "/introspect", url.Values{"token": {"x"}}))
	}),
	"revocation_endpoint_auth_methods_supported": eachValue(func(w *world, method string) {
		w.wantOK(w.authenticated(method, "", "/revoke", url.Values{"token": {"x"}}))
	}),
	"token_endpoint_auth_signing_alg_values_supported": eachValue(func(w *world, alg string) {
		w.wantError(w.authenticated(methodOf(alg), alg, "/token", unknownCode), 400, "invalid_grant")
	}),
	"introspection_endpoint_auth_signing_alg_values_supported": eachValue(func(w *world, alg string) {
		w.wantOK(w.authenticated(methodOf(alg), alg, "/introspect", url.Values{"token": {"x"}}))
	}),
	"revocation_endpoint_auth_signing_alg_values_supported": eachValue(func(w *world, alg string) {
		w.wantOK(w.authenticated(methodOf(alg), alg, "/revoke", url.Values{"token": {"x"}}))
	}),

	"subject_types_supported": eachValue(func(w *world, kind string) {
		got := w.enrol("", w.encode(wish, "subject_type", kind))
		c := w.approve(got.id)
		a := app{c, got.str("client_secret")}
		w.must(w.grants.RememberConsent(w.Context(), w.user.ID, c.ID, c.Metadata.Scope, c.ConsentDigest))
		claims := w.verify(a, w.tokens(a).str("id_token"))
		w.wantTrue("the subject", claims["sub"] != "" && (claims["sub"] == w.user.ID) == (kind == "public"))
	}),
	"id_token_signing_alg_values_supported": eachValue(func(w *world, alg string) {
		r := registration("Algorithm")
		r.Metadata.IDTokenSignedResponseAlg = alg
		a := w.register(r)
		raw := w.tokens(a).str("id_token")
		w.verify(a, raw)
		parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		w.wantTrue("signed with it", err == nil && parsed.Signatures[0].Header.Algorithm == alg)
	}),
	"id_token_encryption_alg_values_supported": eachValue(func(w *world, alg string) { w.probeIDToken(alg, clientstore.ContentAlgs[0]) }),
	"id_token_encryption_enc_values_supported": eachValue(func(w *world, enc string) { w.probeIDToken(clientstore.EncryptionAlgs[0], enc) }),
	"userinfo_signing_alg_values_supported": eachValue(func(w *world, alg string) {
		a := w.sealing(func(m *clientstore.Metadata) { m.UserinfoSignedResponseAlg = alg })
		w.wantTrue("signed with it", strings.Contains(w.signedBy(w.userinfo(w.tokens(a).str("access_token")).body, alg), w.user.ID))
	}),
	"userinfo_encryption_alg_values_supported":       eachValue(func(w *world, alg string) { w.probeUserinfo(alg, clientstore.ContentAlgs[0]) }),
	"userinfo_encryption_enc_values_supported":       eachValue(func(w *world, enc string) { w.probeUserinfo(clientstore.EncryptionAlgs[0], enc) }),
	"request_object_encryption_alg_values_supported": eachValue(func(w *world, alg string) { w.probeObject(alg, clientstore.ContentAlgs[0]) }),
	"request_object_encryption_enc_values_supported": eachValue(func(w *world, enc string) { w.probeObject(clientstore.EncryptionAlgs[0], enc) }),

	"oauth1_request_token_endpoint": probeOAuth1,
	"oauth1_authorization_endpoint": probeOAuth1,
	"oauth1_access_token_endpoint":  probeOAuth1,
	"oauth1_verification_endpoint":  probeOAuth1,
	"oauth1_registration_endpoint": func(w *world, value any) {
		res := w.send(http.MethodPost, w.path(value), "", `{"name":"Probe","secret":"a long secret"}`)
		w.wantTrue("a key", res.StatusCode == http.StatusOK && res.str("key") != "")
	},
	"oauth1_signature_methods_supported": eachValue(func(w *world, method string) {
		m := clientstore.Metadata{RedirectURIs: []string{callback}, OAuth1SignatureMethods: []string{method}}
		if strings.HasPrefix(method, "RSA") {
			m.OAuth1PublicKey = w.publicKey()
		}
		a := w.consumer("Method", m)
		signed := begin(a)
		signed.signer = methodSigner{method, a.secret}
		res := w.do(w.signed(signed))
		// PLAINTEXT is for TLS, which this server is without.
		w.wantTrue("believed: "+res.body, res.StatusCode == http.StatusOK || method == "PLAINTEXT" && strings.Contains(res.body, "TLS"))
	}),

	"claim_types_supported": func(w *world, value any) {
		claims := w.userinfo(w.tokens(w.web).str("access_token")).json
		w.wantTrue("normal claims alone", slices.Equal(texts(value), []string{"normal"}) && claims["_claim_names"] == nil && claims["name"] != nil)
	},
	"claims_supported": probeClaims,
	"claims_parameter_supported": func(w *world, value any) {
		token := w.tokens(w.web, "scope", "openid", "claims", `{"userinfo":{"name":null}}`).str("access_token")
		w.wantTrue("a claim that the scope does not have", value == true && w.userinfo(token).str("name") != "")
	},

	"request_parameter_supported": func(w *world, value any) {
		a := w.signer(nil)
		sent := w.authorize(a.outside(testKeys()["RS256"].sign(w.T, w.object(a, nil), nil))).sent()
		w.wantTrue("obeyed", value == true && sent.Get("code") != "" && sent.Get("state") == "inside")
	},
	"request_uri_parameter_supported": func(w *world, value any) {
		w.wantTrue("obeyed", value == true && w.referenced("/object").Get("state") == "inside")
	},
	"require_request_uri_registration": func(w *world, value any) {
		w.wantTrue("refused", value == true && w.referenced("/another").Get("error") == "invalid_request_uri")
	},
	"request_object_signing_alg_values_supported": eachValue(func(w *world, alg string) {
		a := w.signer(func(m *clientstore.Metadata) { m.RequestObjectSigningAlg = alg })
		s := testKeys()[alg]
		if alg == "HS256" {
			s = signer{jose.HS256, []byte(a.secret), ""}
		}
		w.wantTrue("obeyed", w.authorize(a.outside(s.sign(w.T, w.object(a, nil), nil))).sent().Get("state") == "inside")
	}),
	"require_pushed_authorization_requests": func(w *world, value any) {
		w.wantTrue("one that was not pushed", value == false && w.authorize(w.web.ask()).sent().Has("code"))
	},
	"authorization_response_iss_parameter_supported": func(w *world, value any) { // MX-01: the client can tell issuers apart
		good, bad := w.authorize(w.web.ask()).sent(), w.authorize(w.web.ask("scope", "unregistered")).sent()
		w.wantTrue("iss", value == true && good.Get("iss") == w.issuer && bad.Get("iss") == w.issuer && bad.Has("error"))
	},

	"backchannel_logout_supported":          probeBackchannel,
	"backchannel_logout_session_supported":  probeBackchannel,
	"frontchannel_logout_supported":         probeFrontchannel,
	"frontchannel_logout_session_supported": probeFrontchannel,
}

// MD-02, MX-01: everything that is advertised works, the issuer in every answer
// too, by which a client tells servers apart. A member without a probe fails,
// and so does a probe without its member.
func TestMetadataTellsTheTruth(t *testing.T) {
	each(t, func(w *world) {
		document := w.get("/.well-known/openid-configuration").json
		for name := range probes {
			if _, published := document[name]; !published {
				w.Errorf("%s is not published", name)
			}
		}
		outer := w.T
		for _, name := range slices.Sorted(maps.Keys(document)) {
			outer.Run(name, func(t *testing.T) {
				w.T = t
				defer func() { w.T = outer }()
				if probes[name] == nil {
					t.Fatal("nothing shows that it is true: write a probe")
				}
				w.signIn() // the one before may have signed out
				probes[name](w, document[name])
			})
		}
	})
}

// MD-02, the other way round: what is not advertised is refused.
func TestWhatIsNotAdvertisedIsRefused(t *testing.T) {
	each(t, func(w *world) {
		for name, value := range map[string]string{
			"code_challenge_method": "plain", "response_type": "cheese", "response_mode": "query.jwt", "prompt": "cheese", "scope": "unheard_of",
		} {
			res := w.authorize(w.web.ask(name, value))
			if _, got := w.delivered(res); got.Has("code") || !got.Has("error") {
				w.Errorf("%s=%s: %v", name, value, got)
			}
		}
		w.wantError(w.post("/token", w.web, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:saml2-bearer"}}), 400, "unsupported_grant_type")
		for _, refused := range [][2]string{
			{"token_endpoint_auth_method", "tls_client_auth"}, {"id_token_signed_response_alg", "none"}, {"request_object_signing_alg", "none"},
		} {
			w.wantError(w.send(http.MethodPost, "/register", "", w.encode(wish, refused[0], refused[1])), 400, "invalid_client_metadata")
		}
	})
}

// eachValue probes each value of a list, which has one at least.
func eachValue(one func(w *world, value string)) probe {
	return func(w *world, value any) {
		list := texts(value)
		w.wantTrue("values", len(list) > 0)
		for _, v := range list {
			one(w, v)
		}
	}
}

func texts(value any) []string {
	list, _ := value.([]any)
	values := make([]string, len(list))
	for i, v := range list {
		values[i], _ = v.(string)
	}
	return values
}

func (w *world) wantTrue(what string, facts ...bool) {
	w.Helper()
	for _, is := range facts {
		if !is {
			w.Errorf("not true: %s", what)
		}
	}
}

func (w *world) wantOK(a answer) {
	w.Helper()
	w.wantStatus(a, http.StatusOK)
}

// path is an address of the metadata as the world asks for it.
func (w *world) path(value any) string {
	w.Helper()
	address, _ := value.(string)
	path, ours := strings.CutPrefix(address, w.issuer)
	w.wantTrue(address+" is the issuer's", ours)
	return path
}

func (w *world) bearerAt(path, token string) answer {
	w.Helper()
	r := w.request(http.MethodGet, path, "", "")
	r.Header.Set("Authorization", "Bearer "+token)
	return w.do(r)
}

// methodOf is the method by which a client authenticates that signs with alg.
func methodOf(alg string) string {
	if alg == "HS256" {
		return clientstore.AuthSecretJWT
	}
	return clientstore.AuthPrivateKeyJWT
}

// authenticated sends a form as a client that is registered for the method.
func (w *world) authenticated(method, alg, path string, form url.Values) answer {
	w.Helper()
	r := registration("Method")
	r.Metadata.TokenEndpointAuthMethod, r.Metadata.TokenEndpointAuthSigningAlg, r.Metadata.ApplicationType = method, alg, "web"
	if method == clientstore.AuthPrivateKeyJWT {
		r.Metadata.JWKS = allKeys(w.T)
	}
	a := w.register(r)
	form = maps.Clone(form)
	switch method {
	case clientstore.AuthPrivateKeyJWT, clientstore.AuthSecretJWT:
		s := testKeys()[alg]
		if alg == "" {
			s = testKeys()["ES256"]
		}
		if method == clientstore.AuthSecretJWT {
			s = signer{jose.HS256, []byte(a.secret), ""}
		}
		return w.postSigned(path, s.sign(w.T, w.assertion(a.ID, nil), nil), form)
	case clientstore.AuthPost:
		form.Set("client_id", a.ID)
		form.Set("client_secret", a.secret)
		return w.do(w.request(http.MethodPost, path, formType, form.Encode()))
	default:
		return w.post(path, a, form)
	}
}

// referenced is what a request by reference leads to, to /object, of a client
// that has registered a path.
func (w *world) referenced(registered string) url.Values {
	w.Helper()
	var object string
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, object) }))
	defer server.Close()
	a := w.signer(func(m *clientstore.Metadata) {
		m.RequestURIs = []string{server.URL + registered}
	})
	object = testKeys()["RS256"].sign(w.T, w.object(a, nil), nil)
	return w.authorize(with(a.outside(""), "request", "", "request_uri", server.URL+"/object")).sent()
}

// probeClaims asks for each claim by name, of somebody of whom all are known.
func probeClaims(w *world, value any) {
	everything := account.Registration{
		Username: "all", Password: password, Claims: account.Claims{
			Name: "n", GivenName: "g", FamilyName: "f", MiddleName: "m", Nickname: "n", PreferredUsername: "all", Profile: "https://p.example/",
			Picture: "https://p.example/p", Website: "https://w.example/", Gender: "g", Birthdate: "1815-12-10", Zoneinfo: "Europe/London", Locale: "en",
			Email: "all@example.test", EmailVerified: true, PhoneNumber: "+44123456", PhoneNumberVerified: true, Address: &account.Address{Country: "UK"},
		},
	}
	before := w.user
	var err error
	w.user, err = w.accounts.Create(w.Context(), admin, everything)
	w.must(err)
	w.signIn()
	defer func() { w.user = before }()
	const scope = "openid profile email address phone"
	r := registration("Claims")
	r.Metadata.Scope, r.Metadata.ResponseTypes = scope, []string{"code", "code id_token token"}
	a := w.register(r)
	_, got := w.delivered(w.authorize(a.ask("response_type", "code id_token token", "scope", scope)))
	seen := w.verify(a, got.Get("id_token"))
	maps.Copy(seen, w.userinfo(got.Get("access_token")).json)
	maps.Copy(seen, w.verify(a, w.post("/token", a, redemption(got.Get("code"))).str("id_token")))
	for _, name := range texts(value) {
		w.wantTrue(name, seen[name] != nil)
	}
}

func probeBackchannel(w *world, value any) {
	p := w.listening()
	w.tokens(p.app, "scope", "openid")
	sid := w.session.ID
	w.must(w.sessions.End(w.Context(), sid))
	w.deliverLogouts()
	w.wantTrue("told", value == true)
	w.wantHeard("signed out", p, sid)
}

func probeFrontchannel(w *world, value any) {
	a := w.embedded("https://a.example", "/out")
	hint := w.tokens(a).str("id_token")
	res := w.endSession("id_token_hint", hint)
	w.wantTrue("told", value == true)
	w.wantFrames("signed out", res, "https://a.example/out?"+url.Values{"iss": {w.issuer}, "sid": {w.subjects.Session(a.ID, w.session.ID)}}.Encode())
}

func (w *world) probeIDToken(alg, enc string) {
	w.Helper()
	a := w.sealing(func(m *clientstore.Metadata) { m.IDTokenEncryptedResponseAlg, m.IDTokenEncryptedResponseEnc = alg, enc })
	w.wantTrue("encrypted with it", w.verify(a, w.opened(w.tokens(a).str("id_token"), alg, enc, "JWT"))["sub"] == w.user.ID)
}

func (w *world) probeUserinfo(alg, enc string) {
	w.Helper()
	a := w.sealing(func(m *clientstore.Metadata) {
		m.UserinfoEncryptedResponseAlg, m.UserinfoEncryptedResponseEnc = alg, enc
	})
	w.wantTrue("encrypted with it", strings.Contains(w.opened(w.userinfo(w.tokens(a).str("access_token")).body, alg, enc, ""), w.user.ID))
}

func (w *world) probeObject(alg, enc string) {
	w.Helper()
	a := w.signer(nil)
	sealed := w.seal(alg, enc, testKeys()["ES256"].sign(w.T, w.object(a, nil), nil))
	w.wantTrue("decrypted", w.authorize(a.outside(sealed)).sent().Get("state") == "inside")
}

// probeOAuth1 goes the whole way over the four endpoints as they are
// published: each of them has to be right.
func probeOAuth1(w *world, value any) {
	w.Helper()
	document := w.get("/.well-known/openid-configuration").json
	at := func(name string) string {
		address, _ := document[name].(string)
		return address
	}
	a := w.consumer("Probe", clientstore.Metadata{RedirectURIs: []string{callback}})
	c := w.dghubble(a, nil)
	c.Endpoint = oauth1.Endpoint{
		RequestTokenURL: at("oauth1_request_token_endpoint"), AuthorizeURL: at("oauth1_authorization_endpoint"), AccessTokenURL: at("oauth1_access_token_endpoint"),
	}
	token, secret, err := c.RequestToken()
	w.must(err)
	page, err := c.AuthorizationURL(token)
	w.must(err)
	w.wantTrue("of this server", strings.HasPrefix(page.String(), w.issuer+"/oauth1/authorize?") && w.path(value) != "")
	token, secret, err = c.AccessToken(token, secret, w.allowed(token))
	w.must(err)
	res, err := c.Client(w.Context(), oauth1.NewToken(token, secret)).Get(at("oauth1_verification_endpoint"))
	w.must(err)
	w.wantTrue("active", w.read(res).json["active"] == true)
}
