package authz_test

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"countersign/authz"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

const approvalPage = "https://admin.example/settings/oauth-clients/approve"

// eachConsumers is each with a page on which consumers are approved.
func eachConsumers(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		test(newWorldWith(t, db, clientstore.Default, func(cfg *authz.Config) { cfg.OSLC.Approval = approvalPage }))
	})
}

// askKey asks for a consumer key.
func (w *world) askKey(contentType, body string, headers ...string) answer {
	w.Helper()
	r := w.request(http.MethodPost, "/oauth1/register", contentType, body)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.do(r)
}

// What the callers that are known send, with what is kept of it. Every one of
// them gets a key that does nothing yet.
func TestConsumerKeyRequests(t *testing.T) {
	const secret = "a secret that s&mebody typed"
	encoded := url.QueryEscape(secret)
	eachConsumers(t, func(w *world) {
		for name, tt := range map[string]struct {
			contentType, body string
			called            string
			requested         clientstore.Requested
		}{
			"Teamwork Cloud": {"application/json", `{"name":"Cameo","secret":"` + secret + `"}`, "Cameo", clientstore.Requested{}},
			"Lyo": {
				"application/json", `{"trusted":true,"secretType":"string","name":"Lyo","secret":"` + secret + `"}`, "Lyo", clientstore.Requested{Trusted: true},
			},
			"Jazz": {
				"application/json;charset=utf-8", `{"name":"Jazz","secret":"` + secret + `","secretType":"string","trusted":"true","userId":"jazz_admins","consumerKey":"mine"}`,
				"Jazz",
				clientstore.Requested{Trusted: true, FunctionalUser: "jazz_admins", Key: "mine"},
			},
			"nothing but nulls": {
				"text/json", `{"name":null,"secret":"` + secret + `","secretType":null,"trusted":null,"userId":null,"consumerKey":null}`, "Consumer at 127.0.0.1", clientstore.Requested{},
			},
			"no Content-Type":          {"", ` {"name":"Bare","secret":"` + secret + `"} `, "Bare", clientstore.Requested{}},
			"plain text":               {"text/plain", `{"secret":"` + secret + `","key":"k"}`, "Consumer at 127.0.0.1", clientstore.Requested{Key: "k"}},
			"JSON that says form":      {formType, `{"name":"Liar","secret":"` + secret + `","trusted":false,"other":{"a":[1]}}`, "Liar", clientstore.Requested{}},
			"with a byte order mark":   {"application/json", "\ufeff" + `{"name":"Marked","secret":"` + secret + `"}`, "Marked", clientstore.Requested{}},
			"a form":                   {formType, "name=Form&secret=" + encoded + "&trusted=True&userId=u", "Form", clientstore.Requested{Trusted: true, FunctionalUser: "u"}},
			"a form with a key of old": {formType, "oauth_consumer_key=old&name=&secret=" + encoded, "Consumer at 127.0.0.1", clientstore.Requested{Key: "old"}},
			"members that are decided": {
				"application/json", `{"name":"Bold","secret":"` + secret + `","status":"approved","approved":true,"redirect_uris":["https://evil.example"],"oauth1_trusted":true}`,
				"Bold",
				clientstore.Requested{},
			},
		} {
			res := w.askKey(tt.contentType, tt.body, "Accept", "application/json")
			if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Cache-Control") != "no-store" ||
				res.str("status") != "pending" || res.str("approval_url") != approvalPage+"?key="+res.str("key") || res.json["client_secret"] != nil ||
				strings.Contains(res.body, "registration_access_token") || len(res.Cookies()) != 0 {
				w.Fatalf("%s: %s %v %s", name, res.Status, res.Header, res.body)
			}
			c, err := w.clients.Get(w.Context(), res.str("key"))
			w.must(err)
			if c.Type != clientstore.OAuth1 || c.Status != clientstore.Pending || c.Name != tt.called || len(c.Metadata.RedirectURIs) != 0 ||
				!reflect.DeepEqual(c.Requested, tt.requested) || len(c.Secrets) != 1 || c.Secrets[0].Algorithm != clientstore.Sealed {
				w.Errorf("%s: registered %+v", name, c)
			}
			a := app{c, secret}
			w.wantProblem(name, w.do(w.signed(begin(a))), 401, "consumer_key_rejected")
			events, err := audit.New(w.db).List(w.Context(), audit.Filter{TargetID: c.ID})
			w.must(err)
			if last := events[len(events)-1]; last.Action != "client.register" || last.Via != audit.ViaRegistration || last.IP != "127.0.0.1" {
				w.Errorf("audit record %+v", last)
			}
			if strings.Contains(w.logged.String(), secret) {
				w.Errorf("%s: the secret is in the log", name)
			}
		}
	})
}

// O1-32.
func TestConsumerKeyRequestsThatAreRefused(t *testing.T) {
	eachConsumers(t, func(w *world) {
		before := w.count()
		for name, tt := range map[string]struct {
			contentType, body string
			status            int
			says              string
		}{
			"nothing":               {"application/json", "", 400, "one JSON object"},
			"a list":                {"application/json", `[{"secret":"long enough"}]`, 400, "one JSON object"},
			"null":                  {"application/json", `null`, 400, "one JSON object"},
			"broken":                {"application/json", `{"secret":"long enough"`, 400, "one JSON object"},
			"two":                   {"application/json", `{"secret":"long enough"}{}`, 400, "one JSON object"},
			"a member twice":        {"application/json", `{"secret":"long enough","secret":"another one"}`, 400, "one JSON object"},
			"a field twice":         {formType, `secret=long+enough&secret=another+one`, 400, "secret"},
			"a form without a type": {"", `name=x&secret=long+enough`, 400, "one JSON object"},
			"a form that is broken": {formType, `secret=%zz`, 400, "cannot be read"},
			"too deep":              {"application/json", `{"secret":"long enough","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, 400, "nested"},
			"not UTF-8":             {"application/json", "{\"secret\":\"long enough\xff\"}", 400, "UTF-8"},
			"no secret":             {"application/json", `{"name":"x"}`, 400, "secret"},
			"an empty secret":       {"application/json", `{"name":"x","secret":""}`, 400, "secret"},
			"a short secret":        {"application/json", `{"name":"x","secret":"1234567"}`, 400, "secret: is shorter than 8"},
			"a long secret":         {"application/json", `{"name":"x","secret":"` + strings.Repeat("s", 513) + `"}`, 400, "secret: is longer"},
			"a secret with NUL":     {"application/json", `{"name":"x","secret":"long enough\u0000"}`, 400, "secret: contains"},
			"a secret of a number":  {"application/json", `{"secret":12345678}`, 400, "secret: is not a string"},
			"a name with control":   {"application/json", `{"name":"a\u0007b","secret":"long enough"}`, 400, "name: "},
			"a long name":           {"application/json", `{"name":"` + strings.Repeat("n", 201) + `","secret":"long enough"}`, 400, "name: "},
			"trusted maybe":         {"application/json", `{"secret":"long enough","trusted":"maybe"}`, 400, "trusted: "},
			"trusted as a number":   {"application/json", `{"secret":"long enough","trusted":1}`, 400, "trusted: "},
			"a user that is none":   {"application/json", `{"secret":"long enough","userId":{"a":1}}`, 400, "userId: is not a string"},
			"a user with control":   {"application/json", `{"secret":"long enough","userId":"a\u202eb"}`, 400, "userId: "},
			"a long key":            {"application/json", `{"secret":"long enough","key":"` + strings.Repeat("k", 256) + `"}`, 400, "consumerKey: "},
			"a key pair":            {"application/json", `{"secret":"MIIBIjANBgkq","secretType":"publicKey"}`, 400, "secretType: "},
			"too large":             {"application/json", `{"secret":"long enough","x":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "64 KiB"},
		} {
			res := w.askKey(tt.contentType, tt.body)
			if res.StatusCode != tt.status || !strings.Contains(res.str("error_description"), tt.says) || res.str("error") == "" || res.Header.Get("Content-Type") != "application/json" {
				w.Errorf("%s: %s %s; want %d with %q", name, res.Status, res.body, tt.status, tt.says)
			}
		}
		if res := w.askKey("application/json", "x", "Content-Encoding", "gzip"); res.StatusCode != http.StatusUnsupportedMediaType {
			w.Errorf("compressed: %s %s", res.Status, res.body)
		}
		if n := w.count() - before; n != 0 {
			w.Errorf("%d clients came of it", n)
		}
		w.wantStatus(w.get("/oauth1/register"), http.StatusMethodNotAllowed)
		w.down(func() {
			w.wantError(w.askKey("application/json", `{"secret":"long enough"}`), http.StatusServiceUnavailable, "temporarily_unavailable")
		})
	})
}

// Secrets are text, of any script.
func TestConsumerSecretsOfAnyScript(t *testing.T) {
	eachConsumers(t, func(w *world) {
		const secret = "grünes Gemüse 秘密 ~*+%"
		key := w.askKey("application/json", `{"secret":"`+secret+`"}`).str("key")
		c, err := w.clients.Get(w.Context(), key)
		w.must(err)
		m := c.Metadata
		m.RedirectURIs = []string{callback}
		_, err = w.clients.Edit(w.Context(), admin, key, clientstore.Edit{Metadata: &m, Version: c.Version})
		w.must(err)
		token := w.credentials(app{w.approve(key), secret})
		if token.Token == "" {
			w.Error("no access")
		}
	})
}

// O1-30: what was asked for has no effect: approved, the consumer has what it was
// registered with, and its own key.
func TestWhatAConsumerAsksForHasNoEffect(t *testing.T) {
	eachConsumers(t, func(w *world) {
		const secret = "long enough"
		key := w.askKey("application/json", `{"secret":"`+secret+`","trusted":true,"userId":"ada","consumerKey":"wanted"}`).str("key")
		a := app{w.approve(key), secret}
		for name, s := range map[string]signing{
			"two legs":       {method: http.MethodGet, path: "/oauth1/verify", app: a},
			"an empty token": {method: http.MethodGet, path: "/oauth1/verify", app: a, oauth: map[string]string{"xoauth_requestor_id": "ada"}},
		} {
			if res := w.do(w.signed(s)); res.StatusCode == http.StatusOK || strings.Contains(res.body, `"active":true`) {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
		}
		wanted := begin(app{&clientstore.Client{ID: "wanted"}, secret})
		w.wantProblem("the wanted key", w.do(w.signed(wanted)), 401, "signature_invalid")
		if doc := a.Document(); doc.Requested == nil || !doc.Requested.Trusted || doc.Requested.FunctionalUser != "ada" {
			w.Errorf("shown %+v", doc.Requested)
		}
	})
}

// O1-31: a pending consumer is refused, and where it wants people to be sent is kept
// for its administrator: if it signed it, and a few times.
func TestCallbacksOfPendingConsumers(t *testing.T) {
	eachConsumers(t, func(w *world) {
		const secret = "long enough"
		key := w.askKey("application/json", `{"secret":"`+secret+`"}`).str("key")
		c, err := w.clients.Get(w.Context(), key)
		w.must(err)
		ask := func(callback string, change func(*signing)) answer {
			s := begin(app{c, secret})
			s.oauth["oauth_callback"] = callback
			if change != nil {
				change(&s)
			}
			return w.do(w.signed(s))
		}
		want := func(name string, callbacks ...string) {
			w.Helper()
			kept, err := w.clients.Get(w.Context(), key)
			w.must(err)
			if !slices.Equal(kept.Requested.Callbacks, callbacks) || len(kept.Metadata.RedirectURIs) != 0 || kept.Status != clientstore.Pending && name != "approved" {
				w.Errorf("%s: requested %v, registered %v", name, kept.Requested.Callbacks, kept.Metadata.RedirectURIs)
			}
		}
		ask(callback, func(s *signing) { s.secret = "wrong" })
		ask(callback, func(s *signing) { s.app.secret = "wrong as well" })
		want("not signed")
		for _, bad := range []string{"oob", "javascript:alert(1)", "https://u:p@rp.example/", "/cb", "https://rp.example/cb#x", "https://rp.example/../x"} {
			w.wantProblem(bad, ask(bad, nil), 401, "consumer_key_rejected")
		}
		want("none that could be registered")
		var all []string
		for i := range 8 {
			uri := callback + fmt.Sprint(i)
			w.wantProblem("signed", ask(uri, nil), 401, "consumer_key_rejected")
			ask(uri, nil)
			if i < 5 {
				all = append(all, uri)
			}
		}
		want("a few", all...)
		events, err := audit.New(w.db).List(w.Context(), audit.Filter{TargetID: key})
		w.must(err)
		if len(events) != 6 || events[0].Action != "client.request_callback" || events[0].Via != audit.ViaRegistration || events[0].IP != "127.0.0.1" {
			w.Errorf("audit record %+v", events)
		}
		// It was never looked at by the administrator who looked before.
		if _, err := w.clients.ApproveSeen(w.Context(), admin, c); err == nil {
			w.Error("approved without what was asked for meanwhile")
		}
		w.approve(key)
		w.wantProblem("nobody is sent there", ask(callback+"0", nil), 400, "parameter_rejected")
		ask(callback+"9", nil)
		want("approved", all...)
	})
}

// O1-33: consumers come in by the door that all clients come in by.
func TestConsumersAreAdmittedAsClientsAre(t *testing.T) {
	eachConsumers(t, func(w *world) {
		const body = `{"name":"Flood","secret":"long enough"}`
		for range 30 {
			w.wantOK(w.askKey("application/json", body))
			if w.Failed() {
				return
			}
		}
		w.wantError(w.askKey("application/json", body), http.StatusTooManyRequests, "temporarily_unavailable")
		w.wantError(w.send(http.MethodPost, "/register", "", w.encode(wish)), http.StatusTooManyRequests, "temporarily_unavailable")
		_, value, err := w.clients.CreateInitialToken(w.Context(), admin, clientstore.InitialGrant{Name: "pipeline", Lifetime: 3600e9, Uses: 1})
		w.must(err)
		w.wantOK(w.askKey("application/json", body, "Authorization", "Bearer "+value))
		w.wantBearer(w.askKey("application/json", body, "Authorization", "Bearer "+value))
		w.wantBearer(w.askKey("application/json", body, "Authorization", "Basic eDp5"))
	})
}
