package browser

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"countersign/storage/seal"
)

func at(t *testing.T, issuer string) Cookies {
	t.Helper()
	u, err := url.Parse(issuer)
	if err != nil {
		t.Fatal(err)
	}
	return New(u)
}

func request(t *testing.T, cookies ...*http.Cookie) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, issuer, want string
		secure             bool
	}{
		{"under https", "https://id.example/auth", "__Host-cs_", true},
		{"on loopback", "http://localhost:8080", "cs_", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, w := at(t, tt.issuer), httptest.NewRecorder()
			c.SetSession(w, seal.NewToken(seal.SessionCookie))
			c.EnsureBrowser(w, request(t))
			c.SetDevice(w, "device")
			cookies := w.Result().Cookies()
			if len(cookies) != 4 {
				t.Fatalf("%d cookies; want 4", len(cookies))
			}
			for _, cookie := range cookies {
				if cookie.Name == c.StateName() {
					continue
				}
				if !strings.HasPrefix(cookie.Name, tt.want) || cookie.Secure != tt.secure || !cookie.HttpOnly ||
					cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" {
					t.Errorf("cookie %v", cookie)
				}
				if lasting := cookie.MaxAge > 0; lasting != strings.HasSuffix(cookie.Name, "device") {
					t.Errorf("%s lasts %d seconds", cookie.Name, cookie.MaxAge)
				}
			}
		})
	}
}

func TestCookiesComeBack(t *testing.T) {
	t.Parallel()
	c, w := at(t, "https://id.example"), httptest.NewRecorder()
	session := seal.NewToken(seal.SessionCookie)
	c.SetSession(w, session)
	c.SetDevice(w, "device")
	value := c.EnsureBrowser(w, request(t))
	r := request(t, w.Result().Cookies()...)
	if c.Session(r) != session || c.Device(r) != "device" || c.Browser(r) != value {
		t.Errorf("read %q, %q, %q", c.Session(r), c.Device(r), c.Browser(r))
	}
	again := httptest.NewRecorder()
	if got := c.EnsureBrowser(again, r); got != value || len(again.Result().Cookies()) != 0 {
		t.Errorf("EnsureBrowser replaced the value that the browser has")
	}
	gone := httptest.NewRecorder()
	c.ClearSession(gone)
	if cookies := gone.Result().Cookies(); len(cookies) != 2 || cookies[0].MaxAge >= 0 || cookies[0].Value != "" {
		t.Errorf("ClearSession wrote %v", cookies)
	}
}

// The state is for a script in a page that other sites embed, and changes with
// who is signed in.
func TestStateCookie(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://id.example":    "; Path=/; Secure; SameSite=None",
		"http://localhost:8080": "; Path=/; SameSite=Lax",
	} {
		c, w := at(t, issuer), httptest.NewRecorder()
		value := c.EnsureState(w, request(t))
		if got := w.Header().Get("Set-Cookie"); got != c.StateName()+"="+value+want || len(value) != stateLength {
			t.Errorf("%s: %s", issuer, got)
		}
		r := request(t, w.Result().Cookies()...)
		again := httptest.NewRecorder()
		if got := c.EnsureState(again, r); got != value || len(again.Result().Cookies()) != 0 {
			t.Errorf("%s: the state was replaced", issuer)
		}
		in, out := httptest.NewRecorder(), httptest.NewRecorder()
		c.SetSession(in, "x")
		c.ClearSession(out)
		if next := in.Result().Cookies()[1]; next.Name != c.StateName() || next.Value == value || next.Value == "" {
			t.Errorf("%s: signed in with %v", issuer, next)
		}
		if gone := out.Result().Cookies()[1]; gone.Name != c.StateName() || gone.Value != "" || gone.MaxAge >= 0 {
			t.Errorf("%s: signed out with %v", issuer, gone)
		}
	}
}

// LG-17 a malformed cookie counts as absent.
func TestMalformedCookiesAreAbsent(t *testing.T) {
	t.Parallel()
	c := at(t, "http://localhost:8080")
	good := seal.NewToken(seal.SessionCookie)
	for name, value := range map[string]string{
		"empty":          "",
		"short":          "x",
		"a megabyte":     strings.Repeat("a", 1<<20),
		"wrong checksum": good[:len(good)-1] + "!",
		"another kind":   seal.NewToken(seal.BrowserCookie),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := request(t, &http.Cookie{Name: "cs_session", Value: value}, &http.Cookie{Name: "cs_device", Value: strings.Repeat("a", 1<<20)})
			if got := c.Session(r); got != "" {
				t.Errorf("Session() = %.20q; want none", got)
			}
			if got := c.Device(r); got != "" {
				t.Errorf("Device() = %.20q; want none", got)
			}
		})
	}
}
