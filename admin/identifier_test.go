package admin

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage/tryout"
)

// noText are what PostgreSQL takes for no text, and SQLite for any.
var noText = []string{"a\x00b", "a\xff"}

// typed are the fields of forms and addresses in which text comes.
var typed = []string{
	"account", "after", "before", "claims", "client", "decision_id", "email", "functional_user", "further", "id", "interaction", "key", "link", "name",
	"oauth_consumer_key", "once", "q", "reason", "redirect_uris", "refusal", "revision", "scope", "secret_id", "session", "software_id", "target",
	"testers", "token", "username",
}

// decisions are those of every form, by the route that takes it.
var decisions = map[string][]string{
	"/setup":                          {""},
	clientsPath + "/create":           {""},
	approvePage:                       {"allow", "deny"},
	clientsPath + "/software":         {"allow"},
	severalPath:                       {"approve", "disapprove"},
	clientsPath + "/{key}/edit":       {""},
	clientsPath + "/{key}/secrets":    {"rotate", "revoke", "confirm", "reject"},
	clientsPath + "/{key}/revision":   {"allow", "deny"},
	clientsPath + "/{key}/test":       {""},
	tryout.Path + "{id}":              {"next"},
	clientsPath + "/{key}/disapprove": {"disapprove"},
	clientsPath + "/{key}/undo":       {""},
	clientsPath + "/{key}/remove":     {"remove"},
	accountsPath + "/create":          {""},
	accountsPath + "/{id}":            {"permit", "demote", "disable", "enable", "sign-out", "password", "contact"},
	sessionsPath:                      {"end"},
	keysPath:                          {""}, // it names nothing, and a key takes long
}

// filled is a form that has the value in every field.
func filled(value string) url.Values {
	form := url.Values{}
	for _, field := range typed {
		form.Set(field, value)
	}
	return form
}

// everyFill calls with forms in which one field, or all of them, are no text.
func everyFill(call func(form url.Values)) {
	for _, bad := range noText {
		call(filled(bad))
		for _, field := range typed {
			call(url.Values{field: {bad}})
		}
	}
}

// What cannot be kept as text is refused or unknown, wherever it comes, and no
// outage: nobody is told to try again later.
func TestNoText(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		bob := d.account("bob")
		check := func(method, path string, form url.Values) {
			t.Helper()
			if a := d.do(d.request(method, path, form)); a.status >= http.StatusInternalServerError {
				t.Errorf("%s %s %q: %d", method, path, form.Encode(), a.status)
			}
		}
		for _, r := range d.door.routes() {
			known := strings.NewReplacer("{key}", d.approve(d.register("Modeler", clientstore.OIDC)).ID, "{id}", bob.ID).Replace(r.path)
			for _, bad := range noText {
				check(http.MethodGet, known+"?"+filled(bad).Encode(), nil)
			}
			if r.methods[http.MethodPost] != nil && decisions[r.path] == nil {
				t.Errorf("the decisions of %s are not in the table", r.path)
			}
			for _, decision := range decisions[r.path] {
				everyFill(func(form url.Values) {
					form.Set("decision", decision)
					check(http.MethodPost, known, form)
				})
			}
			for _, bad := range noText {
				unknown := strings.NewReplacer("{key}", url.PathEscape(bad), "{id}", url.PathEscape(bad)).Replace(r.path)
				if unknown == r.path {
					break // it names nothing
				}
				check(http.MethodGet, unknown, nil)
				for _, decision := range decisions[r.path] {
					check(http.MethodPost, unknown, url.Values{"decision": {decision}})
				}
			}
		}
	})
}
