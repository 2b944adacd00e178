package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/clientstore"
	"countersign/storage/storagetest"
)

func TestAuthorizeShowsThePersonWhatNoClientMayHear(t *testing.T) {
	each(t, func(w *world) {
		two := registration("Two")
		two.Metadata.RedirectURIs = []string{callback, callback + "/2"}
		both := w.register(two)
		for name, tt := range map[string]struct {
			query string
			code  string
		}{
			"AZ-01 no client_id":             {w.web.ask("client_id", "").Encode(), "E-CLIENT-UNKNOWN"},
			"AZ-02 unknown client":           {w.web.ask("client_id", "nobody").Encode(), "E-CLIENT-UNKNOWN"},
			"AZ-10 client_id twice":          {w.web.ask().Encode() + "&client_id=" + w.web.ID, "E-CLIENT-UNKNOWN"},
			"AZ-03 redirect URI of nobody":   {w.web.ask("redirect_uri", "https://evil.example/cb").Encode(), "E-REDIRECT-MISMATCH"},
			"AZ-04 no redirect URI of two":   {both.ask("redirect_uri", "").Encode(), "E-REDIRECT-URI"},
			"AZ-05 no redirect URI, openid":  {w.web.ask("redirect_uri", "").Encode(), "E-REDIRECT-URI"},
			"AZ-10 redirect_uri twice":       {w.web.ask().Encode() + "&redirect_uri=" + url.QueryEscape(callback), "E-REDIRECT-URI"},
			"HT-11 broken escape":            {w.web.ask().Encode() + "&x=%zz", "E-REQUEST"},
			"HT-11 NUL":                      {w.web.ask().Encode() + "&x=%00", "E-REQUEST"},
			"AZ-24 parameter of 16 KiB":      {w.web.ask("x", strings.Repeat("x", 17<<10)).Encode(), "E-REQUEST"},
			"RU-24 redirect URI of another":  {both.ask("client_id", w.web.ID, "redirect_uri", callback+"/2").Encode(), "E-REDIRECT-MISMATCH"},
			"RU-01 trailing slash":           {w.web.ask("redirect_uri", callback+"/").Encode(), "E-REDIRECT-MISMATCH"},
			"RU-02 upper-case host":          {w.web.ask("redirect_uri", "https://RP.example/cb").Encode(), "E-REDIRECT-MISMATCH"},
			"RU-04 user information":         {w.web.ask("redirect_uri", "https://x@rp.example/cb").Encode(), "E-REDIRECT-MISMATCH"},
			"RU-06 fragment":                 {w.web.ask("redirect_uri", callback+"#").Encode(), "E-REDIRECT-MISMATCH"},
			"RU-09 percent-encoded":          {w.web.ask("redirect_uri", "https://rp.example/%63b").Encode(), "E-REDIRECT-MISMATCH"},
			"BR-04 script in the parameters": {w.web.ask("redirect_uri", `https://x/"><script>alert(1)</script>`).Encode(), "E-REDIRECT-MISMATCH"},
		} {
			res := w.get("/authorize?" + tt.query)
			w.wantPage(res, tt.code)
			if res.StatusCode != http.StatusBadRequest || strings.Contains(res.body, "<script>alert") {
				w.Errorf("%s: %s %.300s", name, res.Status, res.body)
			}
		}
	})
}

func TestAuthorizeTellsTheClient(t *testing.T) {
	each(t, func(w *world) {
		for name, tt := range map[string]struct {
			change []string
			code   string
		}{
			"AZ-06 no response type":         {[]string{"response_type", ""}, "invalid_request"},
			"AZ-07 unknown response type":    {[]string{"response_type", "cheese"}, "unsupported_response_type"},
			"AZ-15 scope with a quote":       {[]string{"scope", `openid "`}, "invalid_scope"},
			"AZ-15 unregistered scope":       {[]string{"scope", "openid admin"}, "invalid_scope"},
			"AZ-15 a thousand scopes":        {[]string{"scope", strings.Repeat("openid ", 1000) + "x"}, "invalid_scope"},
			"AZ-25 prompt none with another": {[]string{"prompt", "none login"}, "invalid_request"},
			"AZ-25 unknown prompt":           {[]string{"prompt", "foo"}, "invalid_request"},
			"AZ-26 negative max_age":         {[]string{"max_age", "-1"}, "invalid_request"},
			"AZ-26 max_age in words":         {[]string{"max_age", "abc"}, "invalid_request"},
			"AZ-26 max_age out of range":     {[]string{"max_age", "1e99"}, "invalid_request"},
			"AZ-30 unknown response mode":    {[]string{"response_mode", "cheese"}, "invalid_request"},
			"AZ-33 registration":             {[]string{"registration", "{}"}, "registration_not_supported"},
			"JR-05 request":                  {[]string{"request", "x.y.z"}, "invalid_request_object"},
			"JR-05 request, not OpenID":      {[]string{"request", "x.y.z", "scope", "profile"}, "invalid_request_object"},
			"JR-05 request_uri":              {[]string{"request_uri", "https://rp.example/r"}, "invalid_request_uri"},
			"AZ-39 authorization_details":    {[]string{"authorization_details", "[]"}, "invalid_request"},
			"AZ-40 nonce of 10 KiB":          {[]string{"nonce", strings.Repeat("n", 10<<10)}, "invalid_request"},
			"malformed claims":               {[]string{"claims", "{"}, "invalid_request"},
			"JW-03 foreign id_token_hint":    {[]string{"id_token_hint", "eyJhbGciOiJub25lIn0.e30."}, "invalid_request"},
			"PN-03 hint of another user":     {[]string{"claims", `{"id_token":{"sub":{"value":"somebody"}}}`, "prompt", "none"}, "login_required"},
			"acr that must be and cannot":    {[]string{"claims", `{"id_token":{"acr":{"essential":true,"value":"urn:x"}}}`}, "unmet_authentication_requirements"},
			"none of the acrs that must be":  {[]string{"claims", `{"id_token":{"acr":{"essential":true,"values":["urn:x","urn:y"]}}}`, "prompt", "none"}, "unmet_authentication_requirements"},
		} {
			res := w.authorize(w.web.ask(tt.change...))
			if got := res.sent().Get("error"); got != tt.code {
				w.Errorf("%s: error %q, %s, Location %q", name, got, res.Status, res.Header.Get("Location"))
				continue
			}
			w.wantRefusal(res, tt.code, "st&a te")
		}
		// AZ-10: every other parameter twice.
		for name := range w.web.ask() {
			if name == "client_id" || name == "redirect_uri" {
				continue
			}
			res := w.get("/authorize?" + w.web.ask().Encode() + "&" + name + "=x")
			if got := res.sent().Get("error"); got != "invalid_request" {
				w.Errorf("AZ-10 %s twice: error %q", name, got)
			}
		}
		// A state that was not sent is not sent back.
		w.wantRefusal(w.authorize(w.web.ask("state", "", "response_type", "cheese")), "unsupported_response_type", "")
		if sent := w.authorize(w.web.ask("state", "")).sent(); sent.Has("state") || !sent.Has("code") {
			w.Errorf("a state was made up: %v", sent)
		}
	})
}

func TestAZ08ResponseTypeThatIsNotRegistered(t *testing.T) {
	each(t, func(w *world) {
		r := registration("Device")
		r.Metadata.GrantTypes, r.Metadata.ResponseTypes = []string{clientstore.GrantDeviceCode}, nil
		w.wantRefusal(w.authorize(w.register(r).ask("scope", "openid")), "unauthorized_client", "st&a te")
	})
}

func TestUnknownParametersAndLocalesAreIgnored(t *testing.T) {
	each(t, func(w *world) {
		w.code(w.web, "foo", "bar", "ui_locales", "se fr-CA", "claims_locales", "se", "display", "popup", "login_hint", "buffy@x.test",
			"acr_values", "1 2", "nonce", strings.Repeat("n", 384), "state", strings.Repeat("s", 384))
	})
}

func TestRedirectURIKeepsItsQuery(t *testing.T) {
	each(t, func(w *world) {
		r := registration("Query")
		r.Metadata.RedirectURIs = []string{callback + "?foo=bar"}
		res := w.authorize(w.register(r).ask("redirect_uri", callback+"?foo=bar"))
		if sent := res.sent(); sent.Get("foo") != "bar" || sent.Get("code") == "" || strings.Count(res.Header.Get("Location"), "?") != 1 {
			w.Errorf("Location %q", res.Header.Get("Location"))
		}
	})
}

func TestRU18LoopbackOnAnyPort(t *testing.T) {
	each(t, func(w *world) {
		r := registration("Desktop")
		r.Metadata.RedirectURIs, r.Metadata.TokenEndpointAuthMethod = []string{"http://127.0.0.1/cb"}, ""
		desktop := w.register(r)
		res := w.authorize(desktop.ask("redirect_uri", "http://127.0.0.1:51234/cb"))
		u, err := url.Parse(res.Header.Get("Location"))
		if err != nil || u.Host != "127.0.0.1:51234" || u.Query().Get("code") == "" {
			w.Fatalf("%s, Location %q", res.Status, res.Header.Get("Location"))
		}
		code := u.Query().Get("code")
		w.wantError(w.post("/token", desktop, redemption(code, "redirect_uri", "http://127.0.0.1:51235/cb")), 400, "invalid_grant")
		if res := w.post("/token", desktop, redemption(code, "redirect_uri", "http://127.0.0.1:51234/cb")); res.StatusCode != http.StatusOK {
			w.Errorf("token: %s %s", res.Status, res.body)
		}
		for _, uri := range []string{"http://[::1]:9/cb", "http://localhost:9/cb", "http://evil@127.0.0.1:9/cb", "https://127.0.0.1:9/cb", "http://127.0.0.1:9/%63b"} {
			w.wantPage(w.authorize(desktop.ask("redirect_uri", uri)), "E-REDIRECT-MISMATCH") // RU-19, F7
		}
		w.wantPage(w.authorize(w.web.ask("redirect_uri", "https://rp.example:9/cb")), "E-REDIRECT-MISMATCH") // RU-22
	})
}

func TestMethodsOfTheAuthorizationEndpoint(t *testing.T) {
	each(t, func(w *world) {
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead, http.MethodOptions} {
			res := w.do(w.request(method, "/authorize?"+w.web.ask().Encode(), "", ""))
			if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, POST" || res.Header.Get("Access-Control-Allow-Origin") != "" {
				w.Errorf("AZ-18, AZ-23 %s: %s, Allow %q", method, res.Status, res.Header.Get("Allow"))
			}
		}
	})
}

func TestAZ19PostedRequestIsResumedWithCookies(t *testing.T) {
	each(t, func(w *world) {
		r := w.request(http.MethodPost, "/authorize", formType, w.web.ask().Encode())
		r.Header.Set("Origin", "https://rp.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		res := w.do(r)
		resume := res.Header.Get("Location")
		if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(resume, "/authorize/resume?interaction=") {
			w.Fatalf("%s, Location %q, %.300s", res.Status, resume, res.body)
		}
		if code := w.get(resume).sent().Get("code"); code == "" {
			w.Error("the request was not taken up")
		}
		// What cannot be told to a client is not told to it by a POST either.
		w.wantPage(w.do(w.request(http.MethodPost, "/authorize", formType, w.web.ask("redirect_uri", "https://evil.example").Encode())), "E-REDIRECT-MISMATCH")
		w.wantRefusal(w.do(w.request(http.MethodPost, "/authorize", formType, w.web.ask("response_type", "x").Encode())), "unsupported_response_type", "st&a te")
		w.wantPage(w.do(w.request(http.MethodPost, "/authorize", "application/json", "{}")), "E-REQUEST")
		// AZ-11: a parameter in the query and in the body.
		both := w.do(w.request(http.MethodPost, "/authorize?nonce=1", formType, w.web.ask().Encode()))
		w.wantRefusal(both, "invalid_request", "st&a te")
	})
}

func TestPromptNone(t *testing.T) {
	each(t, func(w *world) {
		if w.authorize(w.web.ask("prompt", "none")).sent().Get("code") == "" {
			w.Error("signed in and consented, and refused")
		}
		fresh := w.register(registration("Fresh"))
		w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, fresh.ID))
		w.wantRefusal(w.authorize(fresh.ask("prompt", "none")), "consent_required", "st&a te") // PN-02
		w.clock.Advance(2 * time.Minute)
		w.wantRefusal(w.authorize(w.web.ask("prompt", "none", "max_age", "60")), "login_required", "st&a te") // PN-04
		w.cookie = ""
		w.wantRefusal(w.authorize(w.web.ask("prompt", "none")), "login_required", "st&a te") // PN-01
	})
}

// What is asked for claim by claim is asked of the person like a scope.
func TestClaimsAreConsentedTo(t *testing.T) {
	each(t, func(w *world) {
		r := registration("Curious")
		a := w.register(r)
		w.must(w.grants.WithdrawConsent(w.Context(), w.user.ID, a.ID))
		w.must(w.grants.RememberConsent(w.Context(), w.user.ID, a.ID, "openid email", a.ConsentDigest))
		for claims, silent := range map[string]bool{
			`{"userinfo":{"email":null}}`:        true, // what the scope that was allowed stands for
			`{"userinfo":{"phone_number":null}}`: false,
			`{"id_token":{"name":null}}`:         false,
			`{"id_token":{"unheard_of":null}}`:   true,
		} {
			res := w.authorize(a.ask("scope", "openid", "claims", claims, "prompt", "none"))
			if (res.sent().Get("code") != "") != silent || (res.sent().Get("error") == "consent_required") == silent {
				w.Errorf("%s: Location %q", claims, res.Header.Get("Location"))
			}
		}
	})
}

func TestHintOfTheSamePersonIsSilent(t *testing.T) {
	each(t, func(w *world) {
		hint := w.tokens(w.web).str("id_token")
		w.clock.Advance(30 * time.Minute) // expired, and good all the same
		if w.authorize(w.web.ask("prompt", "none", "id_token_hint", hint)).sent().Get("code") == "" {
			w.Error("refused")
		}
		w.wantRefusal(w.authorize(w.web.ask("id_token_hint", w.tokens(w.web).str("access_token"))), "invalid_request", "st&a te") // JW-07
	})
}

// A client that insists on a subject gets no answer about another, however it
// says so (OpenID Connect Core 1.0, section 3.1.2.2).
func TestSubjectThatTheRequestInsistsOn(t *testing.T) {
	each(t, func(w *world) {
		hint := w.tokens(w.web).str("id_token")
		for name, change := range map[string][]string{
			"value":              {"claims", `{"id_token":{"sub":{"value":"bob"}}}`},
			"value and own hint": {"claims", `{"id_token":{"sub":{"value":"bob"}}}`, "id_token_hint", hint},
			"values":             {"claims", `{"id_token":{"sub":{"values":["bob","zed"]}}}`},
			"userinfo":           {"claims", `{"userinfo":{"sub":{"value":"bob"}}}`},
			"not even text":      {"claims", `{"id_token":{"sub":{"value":5}}}`},
		} {
			res := w.authorize(w.web.ask(append(change, "prompt", "none")...))
			if got := res.sent().Get("error"); got != "login_required" {
				w.Errorf("%s: error %q, Location %q", name, got, res.Header.Get("Location"))
			}
		}
		w.code(w.web, "claims", `{"id_token":{"sub":{"values":["bob","`+w.user.ID+`"]}}}`, "id_token_hint", hint)
	})
}

func TestScopeLeftToTheRegistrationIsOpenIDAllTheSame(t *testing.T) {
	each(t, func(w *world) {
		w.wantPage(w.authorize(w.web.ask("scope", "", "redirect_uri", "")), "E-REDIRECT-URI")
	})
}

func TestRU25CodeGoesWithItsRedirectURIThoughTheRequestLeftItOut(t *testing.T) {
	each(t, func(w *world) {
		r := clientstore.Registration{Type: clientstore.OAuth2, Name: "Plain", Metadata: clientstore.Metadata{RedirectURIs: []string{callback}, Scope: "read"}}
		a := w.register(r)
		code := w.code(a, "scope", "read", "redirect_uri", "")
		if res := w.post("/token", a, redemption(code, "redirect_uri", "")); res.StatusCode != http.StatusOK {
			w.Errorf("token: %s %s", res.Status, res.body)
		}
		code = w.code(a, "scope", "read", "redirect_uri", "")
		m := a.Metadata
		m.RedirectURIs = []string{callback + "/new"}
		_, err := w.clients.Edit(w.Context(), admin, a.ID, clientstore.Edit{Metadata: &m, Version: a.Version})
		w.must(err)
		w.wantError(w.post("/token", a, redemption(code, "redirect_uri", "")), 400, "invalid_grant")
	})
}

// A client that may refresh from now on is another one than was consented to.
func TestCN05OfflineAccessIsAskedFor(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(clientstore.Registration{Type: clientstore.OAuth2, Name: "Plain", Metadata: clientstore.Metadata{
			RedirectURIs: []string{callback}, Scope: "read", GrantTypes: []string{clientstore.GrantAuthorizationCode},
		}})
		w.code(a, "scope", "read")
		m := a.Metadata
		m.GrantTypes = append(m.GrantTypes, clientstore.GrantRefreshToken)
		_, err := w.clients.Edit(w.Context(), admin, a.ID, clientstore.Edit{Metadata: &m, Version: a.Version})
		w.must(err)
		w.wantRefusal(w.authorize(a.ask("scope", "read", "prompt", "none")), "consent_required", "st&a te")
	})
}

// What was wrong with a request before it waited is wrong afterwards.
func TestAZ10RepeatedParametersOfAWaitingRequest(t *testing.T) {
	each(t, func(w *world) {
		c, secret, err := w.clients.Register(w.Context(), admin, registration("Pending"))
		w.must(err)
		a := app{c, secret}
		first := w.get("/authorize?" + a.ask().Encode() + "&nonce=again")
		resume := func() answer {
			r := w.request(http.MethodGet, first.Header.Get("Location"), "", "")
			r.AddCookie(&http.Cookie{Name: "cs_session", Value: w.cookie})
			for _, c := range first.Cookies() {
				r.AddCookie(c)
			}
			return w.do(r)
		}
		w.wantPage(resume(), "E-CLIENT-PENDING")
		_, err = w.clients.Approve(w.Context(), admin, a.ID)
		w.must(err)
		w.wantRefusal(resume(), "invalid_request", "st&a te")
	})
}

// What waits is stored for anybody who knows a client_id, so it is bounded.
func TestOnlyWhatIsNeededWaits(t *testing.T) {
	each(t, func(w *world) {
		w.cookie = ""
		res := w.authorize(w.web.ask("foo", strings.Repeat("x", 10<<10)))
		id := strings.TrimPrefix(res.Header.Get("Location"), "/login?interaction=")
		var kept string
		w.must(w.db.With(w.Context()).Raw("SELECT request FROM interactions WHERE id = ?", id).Scan(&kept).Error)
		if len(kept) > 1000 || !strings.Contains(kept, "code_challenge") {
			w.Errorf("kept %d bytes: %.200s", len(kept), kept)
		}
		for _, hint := range []string{"login_hint", "ui_locales", "display", "acr_values"} { // a server may do without
			res := w.authorize(w.web.ask(hint, strings.Repeat("x", 10<<10)))
			if !strings.HasPrefix(res.Header.Get("Location"), "/login?interaction=") {
				w.Errorf("%s that is too long: %s %s", hint, res.Status, res.body)
			}
		}
		w.wantPage(w.authorize(w.web.ask("prompt", "login"+strings.Repeat(" ", 10<<10))), "E-REQUEST")
	})
}

func TestSilentRequestOfAClientThatWaitsShowsNoSignIn(t *testing.T) {
	each(t, func(w *world) {
		c, secret, err := w.clients.Register(w.Context(), admin, registration("Pending"))
		w.must(err)
		w.cookie = ""
		w.wantPage(w.authorize(app{c, secret}.ask("prompt", "none")), "E-SILENT")
	})
}

// A request that was answered is answered again for a minute: to a second
// click, and not to whoever finds it in the browser's history.
func TestAnsweredRequestIsNotAnsweredForLong(t *testing.T) {
	each(t, func(w *world) {
		first := w.do(w.request(http.MethodPost, "/authorize", formType, w.web.ask().Encode()))
		resume := func(jar []*http.Cookie) answer {
			r := w.request(http.MethodGet, first.Header.Get("Location"), "", "")
			r.AddCookie(&http.Cookie{Name: "cs_session", Value: w.cookie})
			for _, c := range jar {
				r.AddCookie(c)
			}
			return w.do(r)
		}
		answered := resume(nil)
		jar := answered.Cookies()
		if answered.sent().Get("code") == "" || resume(jar).sent().Get("code") == "" {
			w.Fatalf("not answered, or not to a second click: %s", answered.Status)
		}
		w.clock.Advance(2 * time.Minute)
		w.wantPage(resume(jar), "E-INTERACTION-UNKNOWN")

		// What somebody was asked to do was done for one answer.
		first = w.do(w.request(http.MethodPost, "/authorize", formType, w.web.ask("max_age", "3600").Encode()))
		answered = resume(nil)
		if answered.sent().Get("code") == "" {
			w.Fatalf("not answered: %s", answered.Status)
		}
		w.wantPage(resume(answered.Cookies()), "E-INTERACTION-UNKNOWN")
	})
}

func TestWaitingRequestsAreLimited(t *testing.T) {
	each(t, func(w *world) {
		w.cookie = ""
		for range 310 {
			if res := w.authorize(w.web.ask()); res.StatusCode == http.StatusTooManyRequests {
				w.wantPage(res, "E-TOO-MANY")
				return
			}
		}
		w.Error("310 requests at once were kept")
	})
}

// Whatever has to happen first, the request waits and the person is asked.
func TestWhatSendsToAPage(t *testing.T) {
	each(t, func(w *world) {
		impersonable := registration("Desktop")
		impersonable.Metadata.TokenEndpointAuthMethod, impersonable.Metadata.RedirectURIs = "none", []string{"com.example.app:/cb"}
		desktop := w.register(impersonable)
		for name, tt := range map[string]struct {
			query url.Values
			page  string
		}{
			"prompt=login":                  {w.web.ask("prompt", "login"), "/login"},
			"prompt=select_account":         {w.web.ask("prompt", "select_account"), "/login"},
			"AZ-27 max_age=0":               {w.web.ask("max_age", "0"), "/login"},
			"CN-06 prompt=consent":          {w.web.ask("prompt", "consent"), "/consent"},
			"CN-04 client without identity": {desktop.ask("redirect_uri", "com.example.app:/cb"), "/consent"},
			"hint of another person":        {w.web.ask("claims", `{"id_token":{"sub":{"value":"somebody"}}}`), "/login"},
		} {
			res := w.authorize(tt.query)
			to := res.Header.Get("Location")
			if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, tt.page+"?interaction=") {
				w.Errorf("%s: %s, Location %q", name, res.Status, to)
			}
		}
	})
}

// SL-07: a database that fails, at whichever statement, decides nothing.
func TestFailingStatementsNeverDecide(t *testing.T) {
	each(t, func(w *world) {
		for name, prepare := range map[string]func() (request func() answer){
			"authorize": func() func() answer {
				return func() answer { return w.authorize(w.web.ask()) }
			},
			"authorize with a page": func() func() answer {
				return func() answer { return w.authorize(w.web.ask("prompt", "login")) }
			},
			"redeem": func() func() answer {
				code := w.code(w.web)
				return func() answer { return w.post("/token", w.web, redemption(code)) }
			},
			"burn": func() func() answer {
				code := w.code(w.web)
				return func() answer { return w.post("/token", w.web, redemption(code, "code_verifier", "")) }
			},
			"replay": func() func() answer {
				code := w.code(w.web)
				w.post("/token", w.web, redemption(code))
				return func() answer { return w.post("/token", w.web, redemption(code)) }
			},
			"refresh": func() func() answer {
				token := w.tokens(w.web).str("refresh_token")
				return func() answer { return w.refresh(w.web, token) }
			},
			"repeat": func() func() answer {
				token := w.tokens(w.web).str("refresh_token")
				w.refresh(w.web, token)
				return func() answer { return w.refresh(w.web, token) }
			},
			"reuse": func() func() answer {
				token := w.tokens(w.web).str("refresh_token")
				w.refresh(w.web, w.refresh(w.web, token).str("refresh_token"))
				return func() answer { return w.refresh(w.web, token) }
			},
			"claims": func() func() answer {
				code := w.code(w.web, "claims", `{"id_token":{"email":null}}`)
				return func() answer { return w.post("/token", w.web, redemption(code)) }
			},
			"userinfo": func() func() answer {
				token := w.tokens(w.web).str("access_token")
				return func() answer { return w.userinfo(token) }
			},
			"introspect": func() func() answer {
				form := url.Values{"token": {w.tokens(w.web).str("access_token")}}
				return func() answer { return w.post("/introspect", w.web, form) }
			},
			"revoke": func() func() answer {
				form := url.Values{"token": {w.tokens(w.web).str("refresh_token")}}
				return func() answer { return w.post("/revoke", w.web, form) }
			},
		} {
			w.sweep(name, prepare)
		}
	})
}

// sweep fails a request at its first statement, then at its second, until none
// is left to fail.
func (w *world) sweep(name string, prepare func() func() answer) {
	w.Helper()
	for nth := 1; ; nth++ {
		request, seen := prepare(), 0
		restore := storagetest.FailStatements(w.db, func(statement string) bool {
			if statement == "ROLLBACK" {
				return false
			}
			seen++
			return seen == nth
		})
		res := request()
		restore()
		if seen < nth {
			return
		}
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			w.Errorf("%s with statement %d failing: %s %.300s", name, nth, res.Status, res.body)
		}
	}
}

// The database budget of the contract, the client's lookup included. On SQLite
// a transaction counts as one.
func TestStatementsPerRequest(t *testing.T) {
	each(t, func(w *world) {
		counter := storagetest.CountStatements(w.db)
		var code, tokens answer
		for _, tt := range []struct {
			name string
			most int
			do   func()
		}{
			{"authorize", 2, func() { code = w.authorize(w.web.ask()) }},
			{"code exchange", 3, func() { tokens = w.post("/token", w.web, redemption(code.sent().Get("code"))) }},
			{"introspection", 1, func() { w.active(w.web, tokens.str("access_token")) }},
			{"introspection of a refresh token", 1, func() { w.active(w.web, tokens.str("refresh_token")) }},
			{"userinfo", 1, func() { w.userinfo(tokens.str("access_token")) }},
			{"userinfo with a token that never was", 0, func() { w.userinfo("cs_at_x") }},
			{"refresh", 3, func() { tokens = w.refresh(w.web, tokens.str("refresh_token")) }},
			{"revocation", 2, func() { w.post("/revoke", w.web, url.Values{"token": {tokens.str("refresh_token")}}) }},
			{"key set", 0, func() { w.get("/.well-known/jwks.json") }},
			{"discovery", 0, func() { w.get("/.well-known/openid-configuration") }},
		} {
			counter.Reset()
			tt.do()
			if n := counter.Count(); n > tt.most {
				w.Errorf("%s took %d statements; %d are allowed:\n%s", tt.name, n, tt.most, strings.Join(counter.Statements(), "\n"))
			}
		}
	})
}

func (w *world) userinfo(token string) answer {
	w.Helper()
	r := w.request(http.MethodGet, "/userinfo", "", "")
	r.Header.Set("Authorization", "Bearer "+token)
	return w.do(r)
}

// Offline access comes by a code only, so that a request without one neither
// gets it nor has anybody allow it (OpenID Connect Core 1.0, section 11).
func TestOfflineAccessNeedsACode(t *testing.T) {
	each(t, func(w *world) {
		w.signIn()
		r := registration("Front")
		r.Metadata.ResponseTypes = []string{"code", "id_token token", "code id_token token"}
		a := w.register(r)
		for responseType, want := range map[string]string{"id_token token": "openid", "code id_token token": "openid offline_access"} {
			res := w.authorize(a.ask("response_type", responseType, "scope", "openid offline_access", "nonce", "n"))
			at, err := url.Parse(res.Header.Get("Location"))
			w.must(err)
			sent, err := url.ParseQuery(at.Fragment)
			w.must(err)
			if kept := w.post("/introspect", a, url.Values{"token": {sent.Get("access_token")}}); sent.Get("scope") != want || kept.str("scope") != want {
				w.Errorf("%s: %s says %q, introspection %q; want %q", responseType, at, sent.Get("scope"), kept.str("scope"), want)
			}
		}
	})
}

// Claims are JSON, which may be indented (OpenID Connect Core 1.0, section 5.5;
// RFC 8259, section 2).
func TestClaimsMayBeIndented(t *testing.T) {
	each(t, func(w *world) {
		w.signIn()
		indented := "{\r\n\t\"userinfo\": {\n\t\t\"email\": null\n\t}\n}"
		if sent := w.authorize(w.web.ask("claims", indented)).sent(); sent.Get("code") == "" {
			w.Errorf("got %v; want a code", sent)
		}
		if res := w.post("/par", w.web, w.web.ask("claims", indented)); res.StatusCode != http.StatusCreated {
			w.Errorf("pushed: %s %s", res.Status, res.body)
		}
		w.wantPage(w.authorize(w.web.ask("claims", "{\x00}")), "E-REQUEST")
		w.wantPage(w.authorize(w.web.ask("login_hint", "a\nb")), "E-REQUEST")
	})
}

// The client of a request that is refused gets its state as it was (RFC 6749,
// section 4.1.2.1).
func TestStateThatIsTooLongComesBack(t *testing.T) {
	each(t, func(w *world) {
		state := strings.Repeat("s", 4097)
		if sent := w.authorize(w.web.ask("state", state)).sent(); sent.Get("error") != "invalid_request" || sent.Get("state") != state {
			w.Errorf("got %.300v", sent)
		}
	})
}
