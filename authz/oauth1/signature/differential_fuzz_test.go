package signature

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/dghubble/oauth1"
)

// kept is a transport that keeps the request and answers it itself.
type kept struct {
	request *http.Request
	form    string
}

func (k *kept) RoundTrip(r *http.Request) (*http.Response, error) {
	k.request = r
	if r.Body != nil {
		form, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		k.form = string(form)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, nil
}

// What a client library of others signs verifies, whatever is in its secrets,
// its path, its query and its form, and with no other secret.
func FuzzLibrary(f *testing.F) {
	f.Add("secret", "token secret", "/oslc/verify", "a b", "c=d&e", "x", "y z~+", true)
	f.Add("", "", "/", "", "", "", "", false)
	f.Add("s&é%", "%20", "/a%2fb/ü", "n!*'()", "\"", "n!*'()", "1,2", true)
	f.Fuzz(func(t *testing.T, secret, tokenSecret, path, name, value, formName, formValue string, posted bool) {
		u := url.URL{Scheme: "https", Host: "as.example", Path: "/" + strings.TrimPrefix(path, "/"), RawQuery: url.Values{name: {value}}.Encode()}
		if name == "" || posted && (formName == "" || name == formName) {
			return // the library signs no parameter without a name, and one of two with the same
		}
		secret = "s" + secret // nothing is signed without one
		r := requestOf(t, &u, url.Values{formName: {formValue}}, posted)
		if r == nil {
			return
		}
		k := &kept{}
		ctx := context.WithValue(t.Context(), oauth1.HTTPClient, &http.Client{Transport: k})
		client := (&oauth1.Config{ConsumerKey: "key", ConsumerSecret: secret}).Client(ctx, oauth1.NewToken("token", tokenSecret))
		res, err := client.Do(r)
		if err != nil {
			return // the library makes no such request
		}
		_ = res.Body.Close()
		got, err := Parse(Message{Method: k.request.Method, URL: k.request.URL.String(), Authorization: k.request.Header["Authorization"], Form: k.form})
		if reserved := strings.HasPrefix(name, "oauth_") || posted && strings.HasPrefix(formName, "oauth_"); err != nil {
			if !reserved && printableAll(name, value, formName, formValue) {
				t.Fatalf("Parse(%s) = %v", k.request.URL, err)
			}
			return
		}
		if err := got.Verify(Secrets{Client: secret, Token: tokenSecret}); err != nil {
			t.Fatalf("%s with the form %q: %v; our base string is %s", k.request.URL, k.form, err, got.BaseString)
		}
		if got.Verify(Secrets{Client: secret + "x", Token: tokenSecret}) == nil {
			t.Fatal("another secret will do")
		}
	})
}

func requestOf(t *testing.T, u *url.URL, form url.Values, posted bool) *http.Request { //nolint:revive // the flag is fuzzed
	t.Helper()
	method, body := http.MethodGet, ""
	if posted {
		method, body = http.MethodPost, form.Encode()
	}
	r, err := http.NewRequestWithContext(t.Context(), method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil
	}
	if posted {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// printableAll reports whether none of the texts is one that is refused.
func printableAll(texts ...string) bool {
	for _, s := range texts {
		if strings.ContainsFunc(strings.ToValidUTF8(s, "\x00"), isControl) {
			return false
		}
	}
	return true
}
