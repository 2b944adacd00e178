package registration

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/authz/protocol"
	"countersign/clientstore"
)

func TestPreferredWait(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"": 0, "wait=5": 5 * time.Second, "respond-async, wait=5": 5 * time.Second, "Wait = 5": 5 * time.Second, "wait=5;x=y": 5 * time.Second,
		"wait=30": maxWait, "wait=99999999999": 0, "wait=-1": 0, "wait": 0, "wait=x": 0, "waiting=5": 0, "wait=0": 0, "wait=1,wait=9": time.Second,
	} {
		if got := preferredWait([]string{header}); got != want {
			t.Errorf("%q: %s; want %s", header, got, want)
		}
	}
}

func TestFewWait(t *testing.T) {
	t.Parallel()
	w := newWaiters()
	for range maxWaitersPerClient {
		if !w.enter("a") {
			t.Fatal("nobody may wait")
		}
	}
	if w.enter("a") {
		t.Error("one client waits too often")
	}
	w.leave("a")
	for i := range maxWaiters - maxWaitersPerClient + 1 {
		if !w.enter(strconv.Itoa(i)) {
			t.Fatalf("%d may not wait", i)
		}
	}
	if w.enter("b") {
		t.Error("too many wait")
	}
	w.leave("a")
	if !w.enter("b") || len(w.by) != w.all {
		t.Errorf("a place that is free was not given: %d of %d", len(w.by), w.all)
	}
}

// DC-19: a flood from one network does not stop another, and what is
// remembered of networks is bounded.
func TestLimit(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := newLimiter(func() time.Time { return now })
	for i := range burst {
		if err := l.allow("192.0.2." + strconv.Itoa(i) + ":1"); err != nil { // one network
			t.Fatal(err)
		}
	}
	e, ok := errors.AsType[*protocol.Error](l.allow("192.0.2.200:2"))
	if !ok || e.Status != http.StatusTooManyRequests || e.RetryAfter == 0 {
		t.Errorf("after %d: %v", burst, e)
	}
	for _, other := range []string{"198.51.100.1:1", "[2001:db8::1]:1", "[2001:db8:0:1::1]:1", "nonsense"} {
		if err := l.allow(other); err != nil {
			t.Errorf("%s: %v", other, err)
		}
	}
	now = now.Add(pause)
	if l.allow("192.0.2.1:1") != nil || l.allow("192.0.2.1:1") == nil {
		t.Error("one registration is let through after each pause")
	}
	for i := range maxNetworks + 10 {
		_ = l.allow("10." + strconv.Itoa(i>>8) + "." + strconv.Itoa(i&255) + ".1:1")
	}
	if len(l.by) > maxNetworks {
		t.Errorf("%d networks are remembered", len(l.by))
	}
	now = now.Add(24 * time.Hour)
	l.forget(now)
	if len(l.by) != 0 {
		t.Errorf("%d networks are remembered a day later", len(l.by))
	}
}

// A body of the greatest size is read quickly, whatever it is made of.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	var members, strange strings.Builder
	for i := range 20_000 {
		members.WriteString(`,"m` + strconv.Itoa(i) + `":1`)
		strange.WriteString(`,"M` + strconv.Itoa(i) + `#é":[]`)
	}
	var distinct strings.Builder
	for i := range 20_000 {
		distinct.WriteString(`,"` + strconv.Itoa(i) + `"`)
	}
	for name, body := range map[string]string{
		"response types": `{"scope":"a","response_types":[""` + distinct.String() + `]}`,
		"members":        `{"a":1` + members.String() + `}`,
		"odd members":    `{"a":1` + strange.String()[:200_000] + `":1}`,
		"redirect URIs":  `{"redirect_uris":[""` + strings.Repeat(`,""`, 80_000) + `]}`,
		"one name":       `{"` + strings.Repeat("x", 250_000) + `":1}`,
		"backslashes":    `{"client_name":"` + strings.Repeat(`\\`, 60_000) + `"}`,
		"digits":         `{"default_max_age":` + strings.Repeat("9", 250_000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/register", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = New(Config{}).read(r, "") // that it ends is what counts
			}()
			select {
			case <-done:
			case <-time.After(5 * time.Second):
				t.Error("it is still being read")
			}
		})
	}
}

// Whatever is sent, what is read of it is an object with each member once, and
// nothing but a refusal comes of the rest.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"redirect_uris":["https://a/"]}`, `{"client_name":"x","client_name":"y"}`, `{"Client_Name":"x"}`, `[]`, `null`, `{"scope":null}`,
		`{"a":{"b":[{"c":"\"{"}]}}`, `{"software_statement":"a.b.c"}`, "{\"\xff\":1}", `{"default_max_age":1e3}`, `{"type":"oauth2"}`, `{"":1}`, `{"\u0000":1}`,
	} {
		f.Add([]byte(s))
	}
	h := New(Config{})
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/register", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		w, err := h.read(r, "")
		if err != nil {
			e, ok := errors.AsType[*protocol.Error](err)
			if !ok || e.Status < 400 || e.Status >= 500 {
				t.Fatalf("%q: %v", body, err)
			}
			for _, b := range []byte(e.Description) { // RFC 6749, section 5.2
				if b < ' ' || b > '~' || b == '"' || b == '\\' {
					t.Fatalf("%q: description %q", body, e.Description)
				}
			}
			return
		}
		if w.Name == "" || w.Type != clientstore.OIDC && w.Type != clientstore.OAuth2 {
			t.Fatalf("%q: read %+v", body, w)
		}
	})
}

// However it is written, who would like to wait does so for a while that is
// bounded.
func FuzzPreferredWait(f *testing.F) {
	for _, s := range []string{"", "wait=5", "respond-async, wait=5", "wait=99999", "wait=-1", "Wait = 5 ; x", "wait==5", "wait", ",,wait=1,wait=2", "wait=\"5\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got := preferredWait([]string{header})
		if got < 0 || got > maxWait || got > 0 && !strings.Contains(strings.ToLower(header), "wait") {
			t.Fatalf("%q: %s", header, got)
		}
	})
}
