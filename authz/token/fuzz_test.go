package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"countersign/authz/clientjwt"
	"countersign/authz/protocol"
	"countersign/clientstore"
)

// FuzzCredentials reads how clients authenticate, whatever the header and the
// form hold: by one method, for one client.
func FuzzCredentials(f *testing.F) {
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, s := range [][2]string{
		{basic("id:secret"), "grant_type=x"},
		{basic("a%20b:c%3Ad"), ""},
		{basic("id"), ""},
		{"Basic ????", ""},
		{"basic " + basic("a:b")[6:], ""},
		{"Bearer x", "client_id=a"},
		{"", "client_id=a&client_secret=b"},
		{basic("a:b"), "client_id=c"},
		{basic("a:b"), "client_secret=c"},
		{"", "client_assertion=a.b.c"},
		{"", "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=e30.e30.e30&client_id=a"},
		{basic(":"), ""},
		{basic("%zz:%"), "client_id=%25zz"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, header, body string) {
		form, err := protocol.Parse(body)
		if err != nil {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", nil)
		if header != "" {
			r.Header["Authorization"] = []string{header}
		}
		c, err := readCredentials(r, form)
		if err != nil {
			if e, ok := errors.AsType[*protocol.Error](err); !ok || e.Status < 400 || e.Status >= 500 {
				t.Fatalf("%q, %q: %v", header, body, err)
			}
			return
		}
		methods := 0
		for _, used := range []bool{c.header, form.Has("client_secret"), c.jwt != ""} {
			if used {
				methods++
			}
		}
		none := methods == 0 || c.header && c.secret == "" // an empty secret is none
		if c.id == "" || methods > 1 || none != (c.method == clientstore.AuthNone) {
			t.Fatalf("%q, %q: %d methods, read as %s of %q", header, body, methods, c.method, c.id)
		}
		if sent := form.Get("client_id"); sent != "" && sent != c.id {
			t.Fatalf("%q, %q: client_id %q is taken for %q", header, body, sent, c.id)
		}
	})
}

// FuzzJudge holds the claims of assertions that are accepted to every condition of
// RFC 7523, section 3, stated a second time on what another reader makes of them.
func FuzzJudge(f *testing.F) {
	for _, s := range []string{
		`{"iss":"c","sub":"c","aud":"https://id.example/auth","exp":1000000030,"jti":"x"}`,
		`{"iss":"c","sub":"c","aud":["https://id.example/auth/token","https://id.example/auth"],"exp":1000000310,"nbf":1000000010,"iat":1000000010,"jti":"x"}`,
		`{"iss":"c","sub":"c","aud":"https://id.example/auth/par","exp":1000000030.5,"jti":"x"}`,
		`{"iss":"c","sub":"d","aud":"https://id.example/auth","exp":1000000030,"jti":"x"}`,
		`{"iss":"c","sub":"c","aud":["https://id.example/auth","https://evil.example"],"exp":1000000030,"jti":"x"}`,
		`{"iss":"c","sub":"c","aud":["https://id.example/auth"],"exp":1000000030,"jti":"x"}`, `{"iss":"c","sub":"c","aud":[],"exp":1000000030,"jti":"x"}`,
		`{"iss":"c","sub":"c","aud":"https://id.example/auth","exp":1000000030,"jti":""}`, `{"iss":"d","sub":"c","aud":"https://id.example/auth","exp":1000000030,"jti":"x"}`,
		`{"iss":"c","sub":"c","aud":"https://id.example/auth","exp":1000000030,"iat":1000000011,"jti":"x"}`, `{"iss":"c","sub":"c","aud":"https://id.example/auth","jti":"x"}`,
		`{"iss":"c","sub":"c","aud":"https://id.example/auth","exp":1000000030,"nbf":1000000011,"jti":"x"}`, `{"iss":"c","sub":"c","aud":"https://id.example/auth","exp":1000000000,"jti":"x"}`,
		`{"iss":"c","sub":"c","aud":"https://id.example/auth","exp":1000000311,"jti":"x"}`, `{"iss":"c","iss":"c","sub":"c"}`, `{"exp":1e400}`, `null`,
	} {
		f.Add([]byte(s), true, true)
		f.Add([]byte(s), false, false)
	}
	f.Fuzz(func(t *testing.T, payload []byte, strict, pushed bool) {
		claims, err := clientjwt.ReadClaims(payload)
		if err != nil {
			return
		}
		policy, path := clientstore.Default, "/auth/token"
		if strict {
			policy = clientstore.Strict
		}
		if pushed {
			path = "/auth/par"
		}
		h := New(Config{
			Issuer: "https://id.example/auth", Paths: []string{"/token"}, Now: func() time.Time { return time.Unix(1e9, 0) },
			Clients: clientstore.New(nil, clientstore.Config{Policy: policy}),
		})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil)
		err = h.judge(r, &clientstore.Client{ID: "c"}, claims)
		switch {
		case err != nil && !errors.Is(err, clientjwt.ErrRefused):
			t.Fatalf("%q: %v", payload, err)
		case err == nil:
			wantAssertion(t, payload, strict, pushed)
		}
	})
}

func wantAssertion(t *testing.T, payload []byte, strict, pushed bool) { //nolint:revive // the flags are fuzzed
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatalf("%q is accepted: %v", payload, err)
	}
	list, several := c["aud"].([]any)
	if !several {
		list = []any{c["aud"]}
	}
	ours := []any{"https://id.example/auth"}
	if !strict {
		ours = append(ours, "https://id.example/auth/token")
	}
	if !strict && pushed {
		ours = append(ours, "https://id.example/auth/par")
	}
	id, _ := c["jti"].(string)
	expires, _ := c["exp"].(float64)
	foreign := slices.ContainsFunc(list, func(aud any) bool { return !slices.Contains(ours, aud) })
	switch {
	case c["iss"] != "c", c["sub"] != "c", id == "", len(id) > 255, len(list) == 0, foreign, several && strict,
		expires <= 1e9, expires > 1e9+310, after(c, "nbf"), after(c, "iat"):
		t.Fatalf("%q is accepted", payload)
	}
}

// after reports whether a claim is a time that is yet to come, or none.
func after(c map[string]any, name string) bool {
	at, ok := c[name].(float64)
	return c[name] != nil && (!ok || at > 1e9+10)
}
