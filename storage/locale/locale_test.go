package locale

import (
	"encoding/json"
	"html/template" //nolint:depguard // for the test alone, to see what it makes of a translation
	"strings"
	"testing"
	"time"
)

func TestWish(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	before, after := noon.Add(-time.Second), noon.Add(time.Second)
	arabic := Find("ar")
	tests := []struct {
		name string
		wish Wish
		want string
	}{
		{"nothing", Wish{}, "en"},
		{"the browser", Wish{Accept: "tlh, de-AT;q=0.8, fr;q=0.9"}, "fr"},
		{"a region", Wish{Accept: "ar-EG"}, "ar"},
		{"none that there is", Wish{Accept: "tlh", UILocales: "se"}, "en"},
		{"the application before the browser", Wish{Accept: "fr", UILocales: "tlh de-CH-1996", At: noon}, "de"},
		{"the person before the browser", Wish{Accept: "fr", Choice: arabic.Choice(noon)}, "ar"},
		{"the person, later", Wish{UILocales: "de", At: noon, Choice: arabic.Choice(after)}, "ar"},
		{"the person, at the same time", Wish{UILocales: "de", At: noon, Choice: arabic.Choice(noon)}, "ar"},
		{"the application, later", Wish{UILocales: "de", At: noon, Choice: arabic.Choice(before)}, "de"},
		{"the application, now", Wish{UILocales: "de", Choice: arabic.Choice(after)}, "de"},
		{"an application that asks for nothing there is", Wish{UILocales: "se", At: noon, Choice: arabic.Choice(before)}, "ar"},
		{"a cookie that is none of ours", Wish{Accept: "fr", Choice: "de"}, "fr"},
		{"a language that there is not", Wish{Accept: "fr", Choice: "tlh.5"}, "fr"},
		{"longer than any wish", Wish{Accept: strings.Repeat("de,", 1000), UILocales: strings.Repeat("de ", 1000)}, "en"},
		{"not a list of languages", Wish{Accept: "\x00;;q=", UILocales: "\x00 --"}, "en"},
	}
	for _, tt := range tests {
		if got := tt.wish.Language().Code; got != tt.want {
			t.Errorf("%s: %s; want %s", tt.name, got, tt.want)
		}
	}
}

func TestSay(t *testing.T) {
	t.Parallel()
	hours := func(n int) Message { return Sprintf("%d hours ago", n) }
	may := time.Date(2026, 5, 9, 7, 30, 0, 0, time.UTC)
	for _, tt := range []struct {
		m            Message
		code, wanted string
	}{
		{"Sign in", "de", "Anmelden"},
		{"Sign in", "en", "Sign in"},
		{"nothing that anybody says", "de", "nothing that anybody says"},
		{hours(1), "en", "1 hour ago"},
		{hours(2), "en", "2 hours ago"},
		{hours(1), "de", "vor 1 Stunde"},
		{hours(0), "fr", "il y a 0 heure"},
		{hours(1), "ar", "قبل ساعة"},
		{hours(2), "ar", "قبل ساعتين"},
		{hours(3), "ar", "قبل 3 ساعات"},
		{hours(11), "ar", "قبل 11 ساعة"},
		{hours(100), "ar", "قبل 100 ساعة"},
		{Sprintf("Back to %s", "App\x00s\"x\" %d"), "de", "Zurück zu App\x00s\"x\" %d"},
		{Sprintf("Back to %s", "App"), "ar", "العودة إلى \u2068App\u2069"},
		{Sprintf("%s on %s", Latin("Firefox"), Latin("Linux")), "de", "Firefox unter Linux"},
		{Sprintf("You signed in by %s.", Message("password")), "fr", "Vous vous êtes connecté par mot de passe."},
		{List([]Message{"code", "refresh"}), "de", "Code, Refresh"},
		{Sentence("lies in the past"), "de", "Liegt in der Vergangenheit."},
		{Sentence("this lies in the past"), "en", "This lies in the past."},
		{Sprintf("%s", may), "de", "9. Mai 2026, 07:30 UTC"},
		{Sprintf("%s", may), "en", "9 May 2026, 07:30 UTC"},
		{Sprintf("%s", Day(may)), "ar", "9 مايو 2026"},
		{Sprintf("%q is not name=value of a member that has no field of its own above", `a"b`), "en", `"a\"b" is not name=value of a member that has no field of its own above`},
		{Foreign("50% off %s"), "de", "50% off %s"},
	} {
		if got := Find(tt.code).Say(tt.m); got != tt.wanted {
			t.Errorf("%s in %s: %q; want %q", tt.m, tt.code, got, tt.wanted)
		}
	}
	if got := Find("de").Number(1234567); got != "1.234.567" {
		t.Errorf("a number: %q", got)
	}
	encoded, err := json.Marshal(map[string]Message{"reason": Sprintf("Back to %s", "App")})
	if err != nil || string(encoded) != `{"reason":"Back to App"}` {
		t.Errorf("encoded: %s, %v", encoded, err)
	}
	if Foreign("") != "" {
		t.Error("no name is something to say")
	}
}

// A translation is text: whatever it holds, no markup and no action comes out
// of it, and what the page prints is escaped as in English.
func TestTranslationsAreText(t *testing.T) {
	t.Parallel()
	const source = `{{define "look"}}account{{end}}<p title="Save">Remove <a href="/x?a={{.Name}}">{{.Name}}</a>?</p>{{if .Name}}<p>Save</p>{{end}}`
	said := catalog{
		"Remove <a>{Name}</a>?": {text: `<a>{Name}</a> & <script>alert(1)</script> {{.Secret}} entfernen?`},
		"Save":                  {text: `" onclick="alert(1)`},
	}
	l := &Language{Code: "x", Direction: "ltr", catalog: func() catalog { return said }}
	if _, err := l.Template(source); err == nil {
		t.Error("an element that the message has not is taken")
	}
	said["Remove <a>{Name}</a>?"] = translation{text: `<a>{Name}</a> & "x" {{.Secret}} < entfernen?`}
	text, err := l.Template(source)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	page := template.Must(template.New("").Funcs(l.Funcs()).Parse(text))
	if err := page.Execute(&b, map[string]string{"Name": "<b>&", "Secret": "hush"}); err != nil {
		t.Fatal(err)
	}
	const want = `<p title="&#34; onclick=&#34;alert(1)"><a href="/x?a=%3cb%3e%26">&lt;b&gt;&amp;</a> &amp; &#34;x&#34; &#123;&#123;.Secret}} &lt; entfernen?</p><p>&#34; onclick=&#34;alert(1)</p>`
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
	for _, wrong := range []string{"<a>{Name}", "</a>{Name}<a>", "<a>{Other}</a>", "<b>{Name}</b>"} {
		said["Remove <a>{Name}</a>?"] = translation{text: wrong}
		l := &Language{Code: "x", Direction: "ltr", catalog: func() catalog { return said }}
		if _, err := l.Template(source); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`<p>One <em>and</em> two</p>`:                                   "One <em>and</em> two",
		`<p><a href="/">Only</a> <a href="/x">these</a></p>`:            "Only|these",
		`<p>{{template "tick"}}<span>{{.Text}}</span></p>`:              "",
		`<p><strong><bdi>{{.App.Name}}</bdi></strong> asks.</p>`:        "<strong>{Name}</strong> asks.",
		`<p>{{if .A}}A <b>b{{else}}c</b>{{end}}</p>`:                    "A|b|c",
		`<input aria-label="Copy {{.Name}}" placeholder="Name">`:        "Copy {Name}|Name",
		`<pre>code</pre><code>more</code><svg><title>x</title></svg>`:   "",
		`{{message "%d \"entries\"" (len .List)}}`:                      `%d "entries"`,
		`<td data-label="Key"><code>k</code></td>`:                      "Key",
		"<p>{{.A}} and {{.B}} and {{.A}}\n&amp; more</p>":               "{A} and {B} and {A} & more",
		`<p>{{.X.Name}} of {{.Y.Name}}</p>`:                             "{Name} of {Name2}",
		`{{define "hinted"}} aria-describedby="{{.Name}}-hint"{{end}}`:  "",
		`<label>{{.Name}}<span class="unseen"> in a tab</span></label>`: "in a tab",
	} {
		if got := strings.Join(Texts(source), "|"); got != want {
			t.Errorf("%s: %q; want %q", source, got, want)
		}
	}
}
