package page

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"countersign/clientstore"
)

func newPages(t *testing.T) *Pages {
	t.Helper()
	p, err := New(Config{
		Name: "Countersign", Contact: "help@id.example", IssuerPath: "/auth",
		Asset: func(name string) string { return "/assets/" + name },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func app() Application {
	return NewApplication(&clientstore.Client{
		Name: "Modeler", Status: clientstore.Approved,
		Metadata: clientstore.Metadata{
			ClientURI: "https://app.example/about", PolicyURI: "https://app.example/privacy", TosURI: "https://app.example/terms",
		},
	}, "https://app.example/cb")
}

// samples has every page in every state.
func samples() map[string]Page {
	a := app()
	ada := Person{ID: "1", Username: "ada", Name: "Ada Lovelace"}
	return map[string]Page{
		"sign in":              SignIn{},
		"sign in to":           SignIn{Application: &a, Interaction: "I", Username: "ada"},
		"sign in wrong":        SignIn{Application: &a, Interaction: "I", Username: "ada", Fault: WrongSecret},
		"sign in incomplete":   SignIn{Fault: Incomplete},
		"sign in throttled":    SignIn{Fault: Throttled, Wait: 32 * time.Second},
		"sign in busy":         SignIn{Fault: Busy, Wait: time.Second},
		"sign in, or sign up":  SignIn{Application: &a, Interaction: "I", SignUp: true},
		"sign in elsewhere":    SignIn{Interaction: "I", Scan: NewScan("https://id.example/device?user_code=BCDF-GHJK")},
		"sign in, to confirm":  SignIn{Interaction: "I", Username: "ada", Confirm: true},
		"sign in, or passkey":  SignIn{Passkey: "{}"},
		"sign in, bad passkey": SignIn{Passkey: "{}", Fault: WrongPasskey},
		"second step, passkey": SecondStep{Person: ada, Passkey: "{}", Fault: WrongPasskey},
		"second step, both":    SecondStep{Person: ada, Passkey: "{}", Code: true, Fault: WrongPasskey},
		"add passkey":          AddPasskey{Person: ada, Options: "{}", Label: "Chrome on Linux", First: true},
		"add passkey wrong":    AddPasskey{Person: ada, Options: "{}", Faults: []EntryFault{{"label", "No."}}},
		"no passkeys":          NoPasskeys(),
		"second step":          SecondStep{Application: &a, Interaction: "I", Person: ada, Code: true},
		"second step wrong":    SecondStep{Person: ada, Code: true, Fault: WrongSecret},
		"second step recovery": SecondStep{Person: ada, Fault: WrongSecret, AtRecovery: true},
		"second step empty":    SecondStep{Person: ada, Code: true, Fault: Incomplete},
		"second step wait":     SecondStep{Person: ada, Code: true, Fault: Throttled, Wait: time.Minute},
		"sign up":              SignUp{},
		"sign up to":           SignUp{Application: &a, Interaction: "I"},
		"sign up wrong":        SignUp{Username: "ada", Name: "Ada", Email: "ada@x.test", Faults: []EntryFault{{"username", "It is taken."}, {"name", "No."}, {"email", "No."}, {"password", "No."}, {"password_again", "No."}}},
		"sign up throttled":    SignUp{Username: "ada", Hindrance: Throttled, Wait: 4 * time.Second},
		"sign up busy":         SignUp{Username: "ada", Hindrance: Busy, Wait: 2 * time.Second},
		"no sign-up":           NoSignUp(),
		"consent":              consent(a, ada),
		"waiting":              Waiting{Application: a, Status: Pending, ResumeURL: "/auth/authorize/resume?interaction=I", RefreshSeconds: 5},
		"disapproved":          Waiting{Application: a, Status: Disapproved, Reason: "It asks for too much.", ResumeURL: "/auth/authorize/resume?interaction=I"},
		"device code":          DeviceCode{},
		"device code wrong":    DeviceCode{UserCode: "AAAA", Fault: WrongCode},
		"device code expired":  DeviceCode{UserCode: "BCDF-GHJK", Fault: ExpiredCode},
		"device code used":     DeviceCode{UserCode: "BCDF-GHJK", Fault: UsedCode},
		"device client":        DeviceCode{UserCode: "BCDF-GHJK", Fault: UnusableClient},
		"device throttled":     DeviceCode{UserCode: "BCDF-GHJK", Fault: TooManyCodes, Wait: 4 * time.Second},
		"device waiting":       Waiting{Application: a, Status: Pending, UserCode: "BCDF-GHJK", ResumeURL: "/auth/device?user_code=BCDF-GHJK", RefreshSeconds: 5},
		"device":               device(a, ada),
		"device connected":     DeviceDone{Application: a, Allowed: true},
		"device refused":       DeviceDone{Application: a},
		"home":                 Home{Person: ada, Since: at(time.Minute), PasswordSet: at(50 * time.Hour), Administrator: true, Settings: true, Applications: 2, Sessions: 2, Recent: events(), Notice: NoticePassword},
		"applications":         Applications{Person: ada, List: []Connected{connected(a)}, Notice: NoticeRemoved},
		"remove application":   RemoveApplication{Person: ada, Connected: connected(a)},
		"sessions":             Sessions{Person: ada, List: []Browser{{ID: "s1", Name: "Firefox on Linux", Address: "192.0.2.7", Current: true, Since: at(time.Hour), Seen: at(0), Methods: "password"}, {ID: "s2", Name: "Safari on iPhone", Since: at(3 * time.Hour), Seen: at(time.Hour)}}},
		"activity":             Activities{Person: ada, List: events(), Failed: 3, Days: 90},
		"password":             ChangePassword{Person: ada},
		"password wrong":       ChangePassword{Person: ada, Administrator: true, Faults: []EntryFault{{"current_password", "No."}, {"password", "No."}, {"password_again", "No."}}},
		"password throttled":   ChangePassword{Person: ada, Hindrance: Throttled, Wait: time.Second},
		"password busy":        ChangePassword{Person: ada, Hindrance: Busy, Wait: time.Second},
		"security":             Security{Person: ada, PasswordSet: at(time.Hour), Authenticator: &Factor{Since: at(time.Hour)}, Any: true, RecoveryCodes: 2, Notice: NoticeAuthenticator, PasskeysHere: true, Passkeys: []Factor{{ID: "k", Name: "Laptop", Since: at(time.Hour)}}},
		"security demanded":    Security{Person: ada, PasswordSet: at(time.Hour), Demanded: true},
		"authenticator":        Authenticator{Person: ada, Key: Grouped("GEZDGNBVGY3TQOJQ"), Scan: NewScan("otpauth://totp/x"), Sealed: "x"},
		"authenticator wrong":  Authenticator{Person: ada, Key: "GEZD", Sealed: "x", Faults: []EntryFault{{"code", "No."}}},
		"recovery codes":       RecoveryCodes{Person: ada, Codes: []string{"BCDFG-HJKLM"}, Added: NoticeAuthenticator},
		"ask recovery codes":   RecoveryCodes{Person: ada, Left: 3},
		"remove authenticator": RemoveFactor{Person: ada, Kind: KindAuthenticator, Last: true, Demanded: true},
		"remove passkey":       RemoveFactor{Person: ada, Kind: KindPasskey, Factor: Factor{ID: "k", Name: "Laptop"}},
		"profile":              Profile{Person: ada, Name: "Ada", Email: "ada@example.test", EmailVerified: true, OwnEmail: true, Managed: []Fact{{"Username", "ada"}}, Notice: NoticeProfile},
		"profile wrong":        Profile{Person: ada, Website: "x", Managed: []Fact{{"Username", "ada"}}, Faults: []EntryFault{{"website", "No."}}},
		"not connected":        NotConnected("/auth/account/applications"),
		"sign out":             SignOut{Person: ada},
		"sign out asked for":   SignOut{Person: ada, Application: &a, Return: "https://app.example/bye", Fields: []Field{{"state", "x"}}},
		"sign out, and stay":   SignOut{Person: ada, Stays: true},
		"signed out":           SignedOut{},
		"signed out of others": SignedOut{Frames: []string{"https://app.example/out?iss=x&sid=y", "https://b.example:444/out"}},
		"signed out, and back": SignedOut{Frames: []string{"https://app.example/out"}, Return: "https://app.example/bye?state=x", RefreshSeconds: 2},
		"expired interaction":  ExpiredInteraction(a),
		"lost interaction":     LostInteraction(),
		"other account":        OtherAccount("/auth/authorize/resume?interaction=I"),
		"not set up":           NotSetUp(),
		"removed client":       RemovedClient(),
		"unavailable":          Unavailable(),
		"internal":             Internal(),
		"not found":            NotFound(),
		"method not allowed":   MethodNotAllowed(),
		"cross-site":           CrossSite(),
		"media type":           MediaType(),
		"unreadable form":      &Problem{Status: 400, Code: "E-FORM", Title: "Form", What: "x", Remedy: "y", Who: You},
		"problem with details": &Problem{Status: 400, Code: "E-REDIRECT-MISMATCH", Title: "Wrong address", What: "x", Remedy: "y", Who: Developer, Detail: "redirect_uri"},
	}
}

// at is a moment so long ago.
func at(ago time.Duration) Moment {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	return Moment{now.Add(-ago), now}
}

func events() []Activity {
	return []Activity{{What: "You signed in by password.", Detail: "A wrong password was tried before.", From: "Firefox on Linux, from 192.0.2.7", At: at(time.Hour)}, {What: "You created this account.", At: at(50 * time.Hour)}}
}

func connected(a Application) Connected {
	used := at(time.Minute)
	return Connected{
		ID: "web", Application: a, Protocol: Protocols[clientstore.OIDC], First: at(100 * time.Hour), Used: &used, Active: true, Offline: true,
		Groups: []ScopeGroup{{Title: "About you", Scopes: []Scope{{Text: "Read your email address."}, {Text: "Use", Name: "models.read"}}}},
	}
}

func consent(a Application, ada Person) Consent {
	return Consent{
		Application: a, Interaction: "I", Person: ada, Again: true, Access: 10 * time.Minute, Offline: 720 * time.Hour,
		Groups: []ScopeGroup{{Title: "About you", Scopes: []Scope{{Text: "Read your email address.", New: true}, {Text: "Use", Name: "models.read"}}}},
	}
}

func device(a Application, ada Person) Device {
	return Device{
		Application: a, Person: ada, UserCode: "BCDF-GHJK", From: "192.0.2.7", Elsewhere: true, Access: 10 * time.Minute, Offline: 720 * time.Hour,
		Groups: []ScopeGroup{{Title: "About you", Scopes: []Scope{{Text: "Read your email address.", New: true}, {Text: "Use", Name: "models.read"}}}},
	}
}

func render(t *testing.T, p *Pages, page Page) (http.Header, *html.Node) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("X-Request-ID", "req-1")
	if err := p.Render(w, r, http.StatusOK, page); err != nil {
		t.Fatal(err)
	}
	doc, err := html.ParseWithOptions(w.Body, html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatal(err)
	}
	return w.Header(), doc
}

func elements(doc *html.Node, tag string) []*html.Node {
	var found []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag {
			found = append(found, n)
		}
	}
	return found
}

func attr(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// shape writes the elements and the names of their attributes, and nothing
// that data may change.
func shape(doc *html.Node) string {
	var b strings.Builder
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		b.WriteString(n.Data)
		for _, a := range n.Attr {
			b.WriteString(" " + a.Key)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestEveryPageIsWellBuilt(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	for name, page := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, doc := render(t, p, page)
			for _, tag := range []string{"title", "main", "header", "footer", "h1"} {
				if n := len(elements(doc, tag)); n != 1 {
					t.Errorf("%d elements <%s>; want 1", n, tag)
				}
			}
			if lang, _ := attr(elements(doc, "html")[0], "lang"); lang != "en" {
				t.Errorf("lang is %q", lang)
			}
			checkReferences(t, doc)
			checkInputs(t, doc)
			checkPolicyHolds(t, doc)
		})
	}
}

// checkReferences: every identifier is unique, and every reference to one
// leads somewhere.
func checkReferences(t *testing.T, doc *html.Node) {
	t.Helper()
	ids := map[string]bool{}
	for n := range doc.Descendants() {
		if id, ok := attr(n, "id"); ok {
			if ids[id] {
				t.Errorf("identifier %q is not unique", id)
			}
			ids[id] = true
		}
	}
	for n := range doc.Descendants() {
		for _, key := range []string{"for", "aria-describedby", "data-reveals", "data-copies"} {
			value, _ := attr(n, key)
			for ref := range strings.FieldsSeq(value) {
				if !ids[ref] {
					t.Errorf("%s=%q leads nowhere", key, ref)
				}
			}
		}
		if href, _ := attr(n, "href"); strings.HasPrefix(href, "#") && n.Data == "a" && !ids[href[1:]] {
			t.Errorf("link to %q leads nowhere", href)
		}
	}
}

// checkInputs: every input that can be seen has a label.
func checkInputs(t *testing.T, doc *html.Node) {
	t.Helper()
	labels := map[string]bool{}
	for _, l := range elements(doc, "label") {
		id, _ := attr(l, "for")
		labels[id] = true
	}
	for _, input := range elements(doc, "input") {
		kind, _ := attr(input, "type")
		if id, _ := attr(input, "id"); kind != "hidden" && !labels[id] {
			t.Errorf("input %q has no label", id)
		}
	}
}

// BR-07, BR-08: nothing inline, nothing from elsewhere.
func checkPolicyHolds(t *testing.T, doc *html.Node) {
	t.Helper()
	for n := range doc.Descendants() {
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("<%s> has %s", n.Data, a.Key)
			}
		}
		_, unseen := attr(n, "hidden") // as the pages of a sign-out are, which the policy names
		if n.Type == html.ElementNode && (n.Data == "style" || n.Data == "iframe" && !unseen || n.Data == "base") {
			t.Errorf("page has <%s>", n.Data)
		}
	}
	for _, tag := range []string{"script", "img", "link"} {
		for _, n := range elements(doc, tag) {
			src, _ := attr(n, "src")
			href, _ := attr(n, "href")
			if !strings.HasPrefix(src+href, "/auth/assets/") {
				t.Errorf("<%s> loads %q", tag, src+href)
			}
		}
	}
}

func TestTitlesAreUnique(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	seen := map[string]string{}
	for name, page := range samples() {
		in, isSignIn := page.(SignIn)
		up, isSignUp := page.(SignUp)
		change, isChange := page.(ChangePassword)
		second, isSecond := page.(SecondStep)
		security, isSecurity := page.(Security)
		if isSecurity && security.Demanded || isSecond && second.Fault != NoFault || isChange && !change.Quiet() || isSignIn && (in.Fault != NoFault || in.SignUp || in.Passkey != "" || in.Scan != nil) || isSignUp && !up.Quiet() {
			continue // the same page in another state
		}
		_, doc := render(t, p, page)
		title := words(elements(doc, "title")[0])
		if other := seen[title]; other != "" {
			t.Errorf("%s and %s are both titled %q", name, other, title)
		}
		if seen[title] = name; !strings.HasSuffix(title, " · Countersign") {
			t.Errorf("%s is titled %q", name, title)
		}
	}
}

// BR-04, BR-07, CN-08: whatever a stranger writes, the page keeps its shape.
func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}'`
	p := newPages(t)
	for name, page := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, want := render(t, p, page)
			v := reflect.New(reflect.TypeOf(page)).Elem()
			v.Set(reflect.ValueOf(page))
			if v.Kind() == reflect.Pointer {
				fresh := reflect.New(v.Type().Elem())
				fresh.Elem().Set(v.Elem())
				v.Set(fresh)
			}
			n := 0
			poison(v, func() string {
				n++
				return strconv.Itoa(n) + hostile // no two fields alike
			})
			_, got := render(t, p, v.Interface().(Page))
			if a, b := shape(want), shape(got); a != b {
				t.Errorf("the page changed its shape:\n%s\nfrom:\n%s", b, a)
			}
			checkPolicyHolds(t, got)
		})
	}
}

// poison writes a text into every string that v holds, but for those that are
// words of ours.
func poison(v reflect.Value, text func() string) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() && v.Type() == reflect.TypeFor[string]() && v.String() != "" {
			v.SetString(text())
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if v.CanSet() { // other samples point there, too
			fresh := reflect.New(v.Type().Elem())
			fresh.Elem().Set(v.Elem())
			v.Set(fresh)
		}
		poison(v.Elem(), text)
	case reflect.Struct:
		for i := range v.NumField() {
			poison(v.Field(i), text)
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i), text)
		}
	default:
	}
}

func TestHostileConfigurationAndRequestStayText(t *testing.T) {
	t.Parallel()
	const hostile = `"><script>alert(1)</script>`
	p, err := New(Config{Name: hostile, Contact: hostile, Asset: func(name string) string { return "/auth/assets/" + name }})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("X-Request-ID", hostile)
	if err := p.Problem(w, r, NotFound()); err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(elements(doc, "script")); n != 1 {
		t.Errorf("%d scripts; want the one of the layout", n)
	}
}

// BR-06: an application that has its answer may lead on to where it is
// registered, and nowhere else.
func TestPolicyNamesWhatTheClientRegistered(t *testing.T) {
	t.Parallel()
	a := NewApplication(&clientstore.Client{Name: "App", Metadata: clientstore.Metadata{
		ClientURI: "https://www.example/start", RedirectURIs: []string{"https://api.example/cb", "https://api.example/other", "https://m.example/cb"},
	}}, "https://api.example/cb")
	header, _ := render(t, newPages(t), Consent{Application: a})
	want := "form-action 'self' https://api.example https://www.example https://m.example;"
	if got := header.Get("Content-Security-Policy"); !strings.Contains(got, want) {
		t.Errorf("policy %q lacks %q", got, want)
	}
}

// TestLogo: a page shows the picture that this server made of a client's, and
// nothing that is at the client's own address.
func TestLogo(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	registered := clientstore.Client{Name: "Modeler", Status: clientstore.Approved, Metadata: clientstore.Metadata{LogoURI: "https://cdn.app.example/logo.png"}}
	for name, tt := range map[string]struct {
		logo string
		want []string
	}{
		"registered only": {"", nil},
		"fetched":         {"/logo/0a.png", []string{"/auth/logo/0a.png"}},
	} {
		a := NewApplication(&registered, "https://app.example/cb")
		a.Logo = tt.logo
		header, doc := render(t, p, consent(a, Person{ID: "1", Username: "ada"}))
		var shown []string
		for _, picture := range elements(doc, "img") {
			src, _ := attr(picture, "src")
			shown = append(shown, src)
		}
		if policy := header.Get("Content-Security-Policy"); !slices.Equal(shown, tt.want) || !strings.Contains(policy, "img-src 'self';") || strings.Contains(policy, "cdn") {
			t.Errorf("%s: shows %q by %s", name, shown, policy)
		}
	}
}

// BR-01, BR-06.
func TestContentSecurityPolicy(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	tests := []struct{ name, redirectURI, want string }{
		{"web", "https://app.example/cb?x=1", "form-action 'self' https://app.example;"},
		{"web with a port", "https://app.example:8443/cb", "form-action 'self' https://app.example:8443;"},
		{"web with an internationalized name", "https://bücher.example/cb", "form-action 'self' https://xn--bcher-kva.example;"},
		{"loopback", "http://127.0.0.1:49152/cb", "form-action 'self' http://127.0.0.1:49152;"},
		{"loopback of IPv6, which the grammar lacks", "http://[::1]:49152/cb", "form-action 'self' http:;"},
		{"own scheme", "com.example.app:/cb", "form-action 'self' com.example.app:;"},
		{"unknown", "", "form-action 'self';"},
		{"host that tries to end the directive", "https://a;script-src.example/cb", "form-action 'self' https:;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := NewApplication(&clientstore.Client{Name: "App"}, tt.redirectURI)
			for _, page := range []Page{SignIn{Application: &a}, Consent{Application: a}} {
				header, _ := render(t, p, page)
				policy := header.Get("Content-Security-Policy")
				if !strings.Contains(policy, tt.want) {
					t.Errorf("policy %q lacks %q", policy, tt.want)
				}
				if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Count(policy, "script-src") != 1 ||
					!strings.HasPrefix(policy, "default-src 'none';") || !strings.HasSuffix(policy, "frame-ancestors 'none'; base-uri 'none'") {
					t.Errorf("policy %q", policy)
				}
				if header.Get("Cache-Control") != "no-store" {
					t.Error("page may be kept")
				}
			}
		})
	}
}

func TestWaitingPageLooksAgainWithoutJavaScript(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	_, doc := render(t, p, samples()["waiting"])
	meta := ""
	for _, n := range elements(doc, "noscript") {
		for _, m := range elements(n, "meta") {
			meta, _ = attr(m, "content")
		}
	}
	if want := "5; url=/auth/authorize/resume?interaction=I"; meta != want {
		t.Errorf("refresh is %q; want %q", meta, want)
	}
	_, doc = render(t, p, samples()["disapproved"])
	if n := len(elements(doc, "noscript")); n != 0 {
		t.Error("a disapproved client's page looks again by itself")
	}
	if text := words(elements(doc, "main")[0]); !strings.Contains(text, "It asks for too much.") || !strings.Contains(text, "help@id.example") {
		t.Errorf("page says %q", text)
	}
}

func TestProblemSaysAll(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/", nil)
	r.Header.Set("X-Request-ID", "req-1")
	if err := p.Problem(w, r, Unavailable()); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d, Retry-After %q, %d bytes", w.Code, w.Header().Get("Retry-After"), w.Body.Len())
	}
	_, doc := render(t, p, Unavailable())
	text := words(doc)
	for _, want := range []string{"cannot reach its database", "Wait a moment", "help@id.example", "E-UNAVAILABLE", "req-1"} {
		if !strings.Contains(text, want) {
			t.Errorf("page lacks %q: %s", want, text)
		}
	}
}

// Who registered the application is not always an administrator.
func TestConsentSaysWhoRegistered(t *testing.T) {
	t.Parallel()
	p := newPages(t)
	for by, want := range map[string]string{
		"cli": "An administrator of Countersign, who approved it", "registration": "The application itself, and an administrator of Countersign approved it",
	} {
		a := NewApplication(&clientstore.Client{ID: "c", Name: "Tool", CreatedBy: by, Status: clientstore.Approved}, "https://tool.example/cb")
		c := consent(a, Person{ID: "a", Username: "ada"})
		c.Remembered = by == "cli"
		_, doc := render(t, p, c)
		body := strings.Join(strings.Fields(words(doc)), " ")
		if !strings.Contains(body, want) || strings.Contains(body, "you are not asked for the same again") != c.Remembered {
			t.Errorf("registered by %s:\n%s", by, body)
		}
	}
}
