package tryout

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
)

// The relying party reaches nothing but the server that it is built into,
// whatever address it comes by.
func TestAsksNobodyElse(t *testing.T) {
	t.Parallel()
	asked := ""
	p := &Party{
		Issuer: "https://id.example/auth", For: httptest.NewRequest(http.MethodGet, "/", nil),
		Server: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.Path }),
	}
	for address, want := range map[string]string{
		"https://id.example/auth/token": "/auth/token", "https://id.example/authority": "", "https://id.example.evil.example/auth/token": "",
		"https://evil.example/auth/token": "", "http://id.example/auth/token": "", "http://169.254.169.254/": "",
	} {
		asked = ""
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.serve(req, nil); (err == nil) != (want != "") || asked != want {
			t.Errorf("%s: asked for %q: %v", address, asked, err)
		}
	}
}

// What opens something is hidden on the page.
func TestHidesSecrets(t *testing.T) {
	t.Parallel()
	req := httptest.NewRequest(http.MethodPost, "https://id.example/token", nil)
	req.Header.Set("Authorization", "Basic x")
	for _, f := range sent(req, []byte("grant_type=authorization_code&code=x&code_verifier=x&client_secret=x&client_assertion=x&refresh_token=x&token=x&device_code=x")).Fields {
		if f.Secret == (f.Name == "grant_type") {
			t.Errorf("%s is hidden: %v", f.Name, f.Secret)
		}
	}
	for _, a := range []response{
		{200, http.Header{}, *bytes.NewBufferString(`{"access_token":"x","refresh_token":"x","id_token":"x"}`)},
		{200, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, *bytes.NewBufferString(`oauth_token=x&oauth_token_secret=x`)},
	} {
		m := a.message()
		if len(m.Fields) < 2 || m.Body != "" {
			t.Errorf("shown as %+v", m)
		}
		for _, f := range m.Fields {
			if !f.Secret {
				t.Errorf("%s is not hidden", f.Name)
			}
		}
	}
}
