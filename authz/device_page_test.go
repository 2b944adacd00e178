package authz_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/authz/qr"
	"countersign/clientstore"
	"countersign/storage/grant"
)

func TestDevicePageSaysWhatIsWrong(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(television("TV"))
		d := w.device(a, "api")
		bare := strings.ReplaceAll(d.str("user_code"), "-", "")
		for typed, want := range map[string]string{
			strings.ToLower(d.str("user_code")):             "Did you start this?", // DV-10
			" " + bare[:2] + " " + bare[2:] + " ":           "Did you start this?",
			bare[:4] + "\u2013" + strings.ToLower(bare[4:]): "Did you start this?",
			"BBBB-BBBB":               "No device waits for this code",
			"\u0412" + bare[1:]:       "No device waits for this code", // a Cyrillic letter
			strings.Repeat("B", 1000): "No device waits for this code",
		} {
			res := w.deviceForm(url.Values{"user_code": {typed}})
			if !strings.Contains(res.body, want) || (res.StatusCode == http.StatusOK) != strings.Contains(want, "start") {
				w.Errorf("%.20q: %s; want %q: %s", typed, res.Status, want, res.body)
			}
		}
		for name, tt := range map[string]struct {
			change []string
			status int
			want   string
		}{
			"CN-02 another account":           {[]string{"account", "somebody"}, 403, "E-OTHER-ACCOUNT"},
			"neither allowed nor denied":      {[]string{"decision", "maybe"}, 400, "E-DECISION"},
			"CN-03 another page than today's": {[]string{"shown", "x"}, 303, ""},
		} {
			d := w.device(a, "api")
			page := w.deviceForm(url.Values{"user_code": {d.str("user_code")}})
			form := url.Values{"decision": {"allow"}}
			for _, f := range hiddenField.FindAllStringSubmatch(page.body, -1) {
				form.Set(f[1], f[2])
			}
			if res := w.deviceForm(with(form, tt.change...)); res.StatusCode != tt.status || !strings.Contains(res.body, tt.want) {
				w.Errorf("%s: %s %s", name, res.Status, res.body)
			}
			w.wantError(w.poll(a, d.str("device_code")), 400, "authorization_pending")
		}
	})
}

// DV-09: whoever has not opened a code gets one answer whatever became of it,
// and each counts as a guess. Who has opened or answered it is told.
func TestDV09CodesThatLeadNowhereLookAlike(t *testing.T) {
	each(t, func(w *world) {
		a, fallen, changed := w.register(television("TV")), w.register(television("Fallen")), w.register(television("Changed"))
		codes := map[string]string{ // by what the one who opened it is told
			"allowed": w.device(a, "api").str("user_code"), "denied": w.device(a, "api").str("user_code"),
			"suspended": w.device(fallen, "api").str("user_code"), "unregistered": w.device(changed, "api").str("user_code"),
		}
		w.decide(codes["allowed"], "allow")
		w.decide(codes["denied"], "deny")
		w.deviceForm(url.Values{"user_code": {codes["suspended"]}})
		w.deviceForm(url.Values{"user_code": {codes["unregistered"]}})
		_, err := w.clients.Disapprove(w.Context(), admin, fallen.ID, "No.")
		w.must(err)
		m := changed.Metadata
		m.GrantTypes, m.ResponseTypes, m.RedirectURIs = []string{clientstore.GrantAuthorizationCode}, []string{"code"}, []string{callback}
		_, err = w.clients.Edit(w.Context(), admin, changed.ID, clientstore.Edit{Metadata: &m, Version: changed.Version})
		w.must(err)
		late := w.device(a, "api").str("user_code")
		w.deviceForm(url.Values{"user_code": {late}})
		told := func(code, want string) {
			w.Helper()
			for range 8 { // and it is no guess
				if res := w.deviceForm(url.Values{"user_code": {code}}); !strings.Contains(res.body, "<h2>"+want) || res.StatusCode != http.StatusUnprocessableEntity {
					w.Errorf("who opened it is not told %q: %s %s", want, res.Status, res.body)
				}
			}
		}
		told(codes["allowed"], "This code has been used")
		told(codes["denied"], "This code has been used")
		told(codes["suspended"], "This application may not be used")
		told(codes["unregistered"], "This application may not be used")
		w.signIn() // another session of the same account
		told(codes["allowed"], "This code has been used")
		told(codes["denied"], "This code has been used")
		for name := range codes {
			w.wantNowhere(name, codes[name])
		}
		w.clock.Advance(10 * time.Minute)
		w.revive()
		w.wantNowhere("expired", late)
	})
}

// wantNowhere checks that somebody else learns nothing of the code.
func (w *world) wantNowhere(name, code string) {
	w.Helper()
	w.revive() // somebody else
	pages := map[string]string{}
	for _, typed := range []string{code, "BBBB-BBBB"} {
		res := w.deviceForm(url.Values{"user_code": {typed}})
		if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(res.body, "No device waits for this code") {
			w.Errorf("%s: %s %s", name, res.Status, res.body)
		}
		pages[strings.ReplaceAll(res.body, typed, "")] = typed
	}
	if len(pages) != 1 {
		w.Errorf("DENY-EQ: a code that is %s is told from one that never was", name)
	}
	for n := range 4 { // two guesses were made
		want := http.StatusUnprocessableEntity
		if n == 3 {
			want = http.StatusTooManyRequests
		}
		if res := w.deviceForm(url.Values{"user_code": {code}}); res.StatusCode != want {
			w.Errorf("%s: guess %d: %s; want %d", name, n+3, res.Status, want)
		}
	}
	w.clock.Advance(time.Hour + time.Minute) // the network's guesses are forgotten
	w.signIn()
}

// DV-08: sessions of one account share what it may guess.
func TestDV08GuessingCodesIsSlowedDown(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(television("TV"))
		d := w.device(a, "api")
		for n := range 7 {
			if n == 3 {
				w.signIn() // another session
			}
			want := http.StatusUnprocessableEntity
			if n >= 5 {
				want = http.StatusTooManyRequests
			}
			res := w.deviceForm(url.Values{"user_code": {"BBBB-BBBB"}})
			if res.StatusCode != want || (want == http.StatusTooManyRequests) != (res.Header.Get("Retry-After") != "") {
				w.Errorf("guess %d: %s", n+1, res.Status)
			}
		}
		if res := w.deviceForm(url.Values{"user_code": {d.str("user_code")}}); res.StatusCode != http.StatusTooManyRequests {
			w.Errorf("a right guess among wrong ones: %s", res.Status)
		}
		w.clock.Advance(5 * time.Second)
		w.decide(d.str("user_code"), "allow")
	})
}

// DV-12, and the way through the sign-in page.
func TestDevicePageAsksToSignInFirst(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(television("TV"))
		d := w.device(a, "api")
		w.cookie = "" // nobody is signed in
		for _, address := range []string{"/device", "/device?user_code=" + strings.ToLower(d.str("user_code"))} {
			first := w.get(address)
			to := first.Header.Get("Location")
			if first.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/login?interaction=") {
				w.Fatalf("%s: %s %q", address, first.Status, to)
			}
			r := w.request(http.MethodPost, "/login", formType, url.Values{
				"username": {"ada"}, "password": {"correct horse battery staple"}, "interaction": {strings.TrimPrefix(to, "/login?interaction=")},
			}.Encode())
			jar := first.Cookies()
			for _, c := range jar {
				r.AddCookie(c)
			}
			signedIn := w.do(r)
			r = w.request(http.MethodGet, signedIn.Header.Get("Location"), "", "")
			for _, c := range append(jar, signedIn.Cookies()...) {
				r.AddCookie(c)
			}
			page := w.do(r)
			want := `name="user_code" type="text"`
			if strings.Contains(address, "?") {
				want = "Did you start this?"
			}
			if page.StatusCode != http.StatusOK || !strings.Contains(page.body, want) {
				w.Errorf("%s: %s %s", address, page.Status, page.body)
			}
			if !strings.Contains(page.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
				w.Error("DV-12: the page may be framed")
			}
		}
		if res := w.deviceForm(url.Values{"user_code": {d.str("user_code")}, "decision": {"allow"}}); res.StatusCode != http.StatusSeeOther {
			w.Errorf("nobody decides: %s", res.Status)
		}
		w.wantError(w.poll(a, d.str("device_code")), 400, "authorization_pending")
	})
}

// DV-20: a device that asks from another network than the browser is pointed
// out before anybody allows it, and noted when somebody does.
func TestDV20DeviceFromElsewhere(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(television("TV"))
		for from, elsewhere := range map[string]bool{"127.0.0.2": false, "127.9.9.9": true} { // networks of this very machine
			r := w.request(http.MethodPost, "/device_authorization", formType, url.Values{"client_id": {a.ID}, "scope": {"api"}}.Encode())
			transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext}
			defer transport.CloseIdleConnections()
			res, err := (&http.Client{Transport: transport}).Do(r)
			w.must(err)
			var d struct {
				UserCode string `json:"user_code"`
			}
			w.must(errors.Join(json.NewDecoder(res.Body).Decode(&d), res.Body.Close()))
			page := w.deviceForm(url.Values{"user_code": {d.UserCode}})
			if !strings.Contains(page.body, ">"+from+"<") || strings.Contains(page.body, "asks from another network than this browser") != elsewhere {
				w.Errorf("from %s: %s", from, page.body)
			}
			w.answerDevice(page, "allow")
			if want := "decision=allow device_ip=" + from + " ip=127.0.0.1 elsewhere=" + strconv.FormatBool(elsewhere); !strings.Contains(w.logged.String(), want) {
				w.Errorf("%q was not logged", want)
			}
		}
	})
}

// DV-19: devices are for clients that an administrator lets have them, with the
// scopes that they are registered for, and their tokens live no longer than
// any.
func TestDV19DevicesHaveWhatIsRegistered(t *testing.T) {
	each(t, func(w *world) {
		tv := w.register(television("TV"))
		d := w.device(tv, "openid api")
		w.decide(d.str("user_code"), "allow")
		w.wantError(w.post("/device_authorization", w.web, url.Values{}), 400, "unauthorized_client")
		w.wantError(w.post("/token", w.web, url.Values{"grant_type": {clientstore.GrantDeviceCode}, "device_code": {d.str("device_code")}}), 400, "unauthorized_client")
		w.wantError(w.post("/device_authorization", tv, url.Values{"scope": {"openid admin"}}), 400, "invalid_scope")
		res := w.poll(tv, d.str("device_code"))
		if res.str("scope") != "openid api" || res.json["expires_in"] != 600.0 || res.str("refresh_token") != "" {
			w.Errorf("token response: %s", res.body)
		}
		// Without offline access there is nothing to refresh, and what the device
		// holds ends with the sign-in in which it was allowed.
		w.must(w.sessions.End(w.Context(), w.session.ID))
		if res := w.userinfo(res.str("access_token")); res.StatusCode != http.StatusUnauthorized {
			w.Errorf("signed out, and the token lives: %s", res.Status)
		}
	})
}

// Who came by a link may go on with a device of their own, which the page
// leads to by the code that the link had, and by no other.
func TestDevicePageLeadsElsewhere(t *testing.T) {
	each(t, func(w *world) {
		a := w.register(television("TV"))
		d := w.device(a, "api")
		complete := d.str("verification_uri_complete")
		link := strings.TrimPrefix(complete, w.issuer)
		picture := regexp.MustCompile(`<svg viewBox="0 0 (\d+) (\d+)" role="img" aria-label="QR code of ([^"]*)" shape-rendering="crispEdges"><rect class="light" width="(\d+)" height="(\d+)"/><path class="dark" d="([^"]+)"/></svg>`)
		code, err := qr.Encode(complete)
		w.must(err)
		size, path := code.SVG()
		edge := strconv.Itoa(size)
		want := []string{edge, edge, complete, edge, edge, path}
		wantPicture := func(name string, page answer, shown bool) {
			w.Helper()
			found := picture.FindAllStringSubmatch(page.body, -1)
			if shown != (len(found) == 1) || shown && !slices.Equal(found[0][1:], want) {
				w.Errorf("%s: %s", name, page.body)
			}
			if page.Header.Get("Cache-Control") != "no-store" || !strings.Contains(page.Header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';") {
				w.Errorf("%s: %v", name, page.Header)
			}
		}
		wantPicture("signed in", w.get(link), true)
		wantPicture("typed", w.deviceForm(url.Values{"user_code": {d.str("user_code")}}), false)
		wantPicture("no code", w.get("/device"), false)
		stranger := func(r *http.Request) answer {
			v := visitor{w, map[string]string{}}
			return v.get(v.do(r).Header.Get("Location"))
		}
		wantPicture("not signed in", stranger(w.request(http.MethodGet, link, "", "")), true)
		wantPicture("not signed in, typed", stranger(w.request(http.MethodPost, "/device", formType, url.Values{"user_code": {d.str("user_code")}}.Encode())), false)
		for _, nonsense := range []string{"/device?user_code=javascript:alert(1)", "/device?user_code=" + strings.Repeat("B", 300), "/device?elsewhere=https://evil.example/"} {
			wantPicture(nonsense, stranger(w.request(http.MethodGet, nonsense, "", "")), false)
		}
		// An application cannot have a picture of its own shown.
		q := w.web.ask()
		q.Set("elsewhere", "https://evil.example/")
		wantPicture("another request", stranger(w.request(http.MethodGet, "/authorize?"+q.Encode(), "", "")), false)
	})
}

func TestUserCodes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	letters := map[rune]int{}
	for range 2000 {
		code := grant.NewUserCode()
		if read, ok := grant.ReadUserCode(grant.ShowUserCode(code)); !ok || read != code || seen[code] {
			t.Fatalf("%q is read as %q, %t", code, read, ok)
		}
		seen[code] = true
		for _, r := range code {
			letters[r]++
		}
	}
	for r, n := range letters {
		if n < 600 || n > 1000 { // 800 each
			t.Errorf("%c comes %d times in 16000", r, n)
		}
	}
	if len(letters) != 20 {
		t.Errorf("%d letters; want 20", len(letters))
	}
}

func FuzzReadUserCode(f *testing.F) {
	for _, s := range []string{"BCDF-GHJK", "bcdf ghjk", "BCDFGHJ\u017f", "\u0412CDFGHJK", "-", "B\x00", "BCDFGHJK\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := grant.ReadUserCode(typed)
		if !ok {
			return
		}
		if again, ok := grant.ReadUserCode(code); !ok || again != code || slices.ContainsFunc([]byte(code), func(b byte) bool { return b < 'B' || b > 'Z' }) {
			t.Fatalf("%q is read as %q", typed, code)
		}
	})
}
