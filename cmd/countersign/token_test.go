package main

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The built-in client and a person in a browser get tokens from the whole
// server, and refresh them.
func TestTokenGet(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, m *machine) {
		t.Helper()
		s := m.serve()
		m.env = append(m.env, "COUNTERSIGN_ISSUER="+s.issuer)
		m.ok(goodPassword, "user", "create", "--username", "ada", "--password-stdin", "--name", "Ada")
		c := m.object("", "client", "create", "--name", "Tool", "--public", "--redirect-uri", "http://127.0.0.1/callback", "--approve")
		id := c["client_id"].(string)

		got := m.tokenGet(id, "--scope", "openid profile offline_access")
		for _, want := range []string{"cs_at_", "cs_rt_", "id_token", "verified", "claim iss", s.issuer, "claim nonce"} {
			if !strings.Contains(got, want) {
				t.Errorf("printed %s; want %s in it", got, want)
			}
		}
		refresh := regexp.MustCompile(`cs_rt_\w+`).FindString(got)
		fresh := parse[map[string]any](t, m.ok(refresh+"\n", "token", "get", "--client", id, "--grant", "refresh", "--refresh-token-stdin", "-o", "json"))
		if fresh["access_token"] == nil || fresh["refresh_token"] == refresh {
			t.Errorf("refreshed %v; want a new pair", fresh)
		}
		m.refused(exitFailure, "cs_rt_rubbish\n", []string{"token", "get", "--client", id, "--grant", "refresh", "--refresh-token-stdin"}, "invalid_grant", "Fix:")
		m.ok("", "client", "disapprove", id, "--yes")
		m.refused(exitFailure, fresh["refresh_token"].(string), []string{"token", "get", "--client", id, "--grant", "refresh", "--refresh-token-stdin"}, "the server refused")
	})
}

var (
	address = regexp.MustCompile(`https?://\S+/authorize\?\S+`)
	hidden  = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// tokenGet runs the built-in client and is the person in the browser.
func (m *machine) tokenGet(id string, args ...string) string {
	m.t.Helper()
	var out, talk stream
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	done := make(chan int, 1)
	go func() {
		args := append([]string{"token", "get", "--client", id, "--no-browser"}, args...)
		done <- run(ctx, process{args, m.env, strings.NewReader(""), &out, &talk})
	}()
	for address.FindString(talk.String()) == "" && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	page, at := visit(m.t, browser, address.FindString(talk.String()), nil)
	page, at = visit(m.t, browser, at, fill(page, url.Values{"username": {"ada"}, "password": {goodPassword}}))
	page, _ = visit(m.t, browser, at, fill(page, url.Values{"decision": {"allow"}}))
	if !strings.Contains(page, "return to the terminal") {
		m.t.Errorf("the browser ends at %s", page)
	}
	if exit := <-done; exit != exitOK {
		m.t.Fatalf("exit %d: %s", exit, talk.String())
	}
	return out.String()
}

// fill answers the form of a page: what it holds already, and what a person
// adds.
func fill(page string, add url.Values) url.Values {
	for _, field := range hidden.FindAllStringSubmatch(page, -1) {
		add.Set(field[1], html.UnescapeString(field[2]))
	}
	return add
}

// visit sends a request as a browser does and returns the page it ends at.
func visit(t *testing.T, browser *http.Client, target string, form url.Values) (page, at string) {
	t.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), res.Request.URL.String()
}
