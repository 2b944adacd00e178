package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"countersign/admin/api"
)

var (
	shownCode   = regexp.MustCompile(`enter the code ([A-Z]{4}-[A-Z]{4})`)
	shownAnswer = regexp.MustCompile("(?ms)^```json\n(.*?)^```$")
)

// TestAdminAPIHowTo runs what docs/admin-api.md shows, with curl and a browser
// where it speaks of one.
func TestAdminAPIHowTo(t *testing.T) {
	t.Parallel()
	page, err := filepath.Abs("../../../docs/admin-api.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range api.Problems() {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("the page does not list the problem %s", name)
		}
	}
	const administrator = "keeper-of-clients" // others call somebody Ada on the same server
	each(t, func(t *testing.T, s *server) {
		s.CLI("The engine weaves patterns\n", "user", "create", "--username", administrator, "--password-stdin", "--permission", "configure_server")
		sh := &shell{t: t, dir: s.dir, env: append([]string{"HOME=" + s.dir, "PATH=" + filepath.Dir(s.bin) + ":" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, s.env...)}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		login, signedIn := &logs{}, make(chan error, 1)
		for i, b := range blocks(t, page) {
			commands, out := strings.NewReplacer("http://localhost:8080", s.issuer, "--username ada", "--username "+administrator).Replace(b.commands), &logs{}
			if b.kind == "login" {
				other := *sh // a terminal of its own
				go func() { signedIn <- other.run(ctx, commands, login) }()
				continue
			}
			if b.kind == "meanwhile" {
				awaitText(ctx, t, login, "awaits the approval")
			}
			err := sh.run(ctx, commands, out)
			switch {
			case b.kind == "fails":
				checkAnswer(t, err, out.String(), string(text))
			case err != nil:
				t.Fatalf("block %d: %v\n%s\n%s", i, err, commands, out)
			case b.kind == "meanwhile":
				code := shownCode.FindStringSubmatch(login.String())[1]
				s.browse().allowDevice(s.issuer+"/device?user_code="+code, &user{Username: administrator, password: "The engine weaves patterns"})
				if err := <-signedIn; err != nil {
					t.Fatalf("login: %v\n%s", err, login)
				}
			}
		}
	})
}

// awaitText waits until a command has said the text.
func awaitText(ctx context.Context, t *testing.T, out *logs, text string) {
	t.Helper()
	for !strings.Contains(out.String(), text) {
		if ctx.Err() != nil {
			t.Fatalf("it does not say %q: %s", text, out)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// checkAnswer holds a problem against the one that the page shows. Addresses
// and identifiers differ.
func checkAnswer(t *testing.T, err error, got, page string) {
	t.Helper()
	var shown, answered map[string]any
	if e := json.Unmarshal([]byte(shownAnswer.FindStringSubmatch(page)[1]), &shown); e != nil {
		t.Fatal(e)
	}
	if e := json.Unmarshal([]byte(got), &answered); e != nil || err == nil {
		t.Fatalf("%v, %v: %s", err, e, got)
	}
	if len(shown) != len(answered) {
		t.Errorf("answered %s", got)
	}
	for _, member := range []string{"title", "status", "detail", "remedy"} {
		if shown[member] != answered[member] {
			t.Errorf("%s is %v; the page shows %v", member, answered[member], shown[member])
		}
	}
}
