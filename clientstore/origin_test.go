package clientstore

import "testing"

func TestOrigin(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"https://app.example/cb":        "https://app.example",
		"https://app.example":           "https://app.example",
		"https://app.example:443/cb":    "https://app.example",
		"https://app.example:8443?x=/":  "https://app.example:8443",
		"http://127.0.0.1:80/":          "http://127.0.0.1",
		"http://127.0.0.1:443/":         "http://127.0.0.1:443",
		"http://[::1]:8080/cb":          "http://[::1]:8080",
		"https://user@app.example/":     "https://app.example",
		"com.example.app:/cb":           "",
		"custom://app.example/cb":       "",
		"null":                          "",
		"":                              "",
		"https://":                      "",
		"https://app.example:99999 99/": "",
	} {
		if got := Origin(uri); got != want {
			t.Errorf("Origin(%q) is %q; want %q", uri, got, want)
		}
	}
}
