package notice_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"countersign/admin/notice"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

const hookKey = "0123456789abcdef0123456789abcdef"

var (
	ada = audit.Actor{Name: "ada", Via: audit.ViaCLI, IP: "192.0.2.7"}
	cyd = audit.Actor{AccountID: "cyd-id", Name: "cyd", Via: audit.ViaSettings}
)

// world is a store that keeps notices, and what would tell of them.
type world struct {
	*testing.T
	db      *storage.DB
	clients *clientstore.Store
	config  notice.Config
	logged  bytes.Buffer
}

func newWorld(t *testing.T, db *storage.DB, channels map[string]notice.Channel) *world {
	t.Helper()
	keys, trail := storagetest.Keys(t), audit.New(db)
	var names []string
	for name := range channels {
		names = append(names, name)
	}
	w := &world{T: t, db: db, clients: clientstore.New(db, clientstore.Config{Keys: keys, Audit: trail, Notices: names, FourEyes: true})}
	w.config = notice.Config{
		Clients: w.clients, Accounts: account.New(db, account.Config{Keys: keys, Audit: trail}), Audit: trail,
		Name: "Countersign", Issuer: "https://id.example", Base: "https://admin.example", Channels: channels,
		Log: slog.New(slog.NewTextHandler(&w.logged, nil)),
	}
	return w
}

func (w *world) register(name string) *clientstore.Client {
	w.Helper()
	c, _, err := w.clients.Register(w.Context(), ada, clientstore.Registration{
		Type: clientstore.OIDC, Name: name, Metadata: clientstore.Metadata{RedirectURIs: []string{"https://app.example/cb"}},
	})
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) send() {
	w.Helper()
	if err := notice.New(w.config).Send(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// kept is a channel that keeps what it is told, or fails.
type kept struct {
	told []notice.Message
	err  error
}

func (k *kept) Tell(_ context.Context, m notice.Message) error {
	k.told = append(k.told, m)
	return k.err
}

func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		to := &kept{}
		w := newWorld(t, db, map[string]notice.Channel{notice.Webhook: to})
		c := w.register("App")
		w.send()
		w.send() // once
		if len(to.told) != 1 {
			t.Fatalf("told %d times", len(to.told))
		}
		m := to.told[0]
		if m.Event != "client.pending" || m.ClientID != c.ID || m.ClientName != "App" || m.From != "192.0.2.7" || m.RegisteredBy != "cli" || m.RedirectURIs[0] != "https://app.example/cb" {
			t.Errorf("told %+v", m)
		}
		u, err := url.Parse(m.Link)
		if err != nil || !strings.HasPrefix(m.Link, "https://admin.example/settings/approvals/link?token=cs_apl_") {
			t.Fatalf("the link %q", m.Link)
		}
		if link, err := w.clients.FindLink(t.Context(), u.Query().Get("token")); err != nil || link.ClientID != c.ID || link.Version != c.Version {
			t.Errorf("it leads to %+v, %v", link, err)
		}
		if strings.Contains(w.logged.String(), "cs_apl_") {
			t.Error("the link is in the log")
		}
		approved := w.register("Approved at once")
		if _, err := w.clients.Approve(t.Context(), ada, approved.ID); err != nil {
			t.Fatal(err)
		}
		w.send()
		if len(to.told) != 1 {
			t.Errorf("told of what does not wait: %+v", to.told[1])
		}
	})
}

// A client that is edited before it was told of is told of once all the same.
func TestWhatIsEditedIsToldOnce(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		to := &kept{}
		clock := storagetest.Clock(db)
		w := newWorld(t, db, map[string]notice.Channel{notice.Webhook: to})
		c := w.register("App")
		name := "App 2"
		if _, err := w.clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Name: &name, Version: c.Version}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			w.send()
			clock.Advance(2 * time.Minute)
		}
		if len(to.told) != 1 || to.told[0].ClientName != name {
			t.Errorf("told %+v", to.told)
		}
	})
}

func TestAChangeIsTold(t *testing.T) {
	t.Parallel()
	to := &kept{}
	w := newWorld(t, storagetest.Open(t), map[string]notice.Channel{notice.Mail: to})
	registrant := audit.Actor{Name: "registration", Via: audit.ViaRegistration}
	e := clientstore.Enrolment{Type: clientstore.OIDC, Name: "App", Metadata: clientstore.Metadata{RedirectURIs: []string{"https://app.example/cb"}}}
	enrolled, err := w.clients.Enrol(t.Context(), registrant, e)
	if err == nil {
		_, err = w.clients.Approve(t.Context(), ada, enrolled.Client.ID)
	}
	if err == nil {
		e.Name = "App 2"
		_, _, err = w.clients.Replace(t.Context(), registrant, enrolled.Token, e)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.send()
	if len(to.told) != 1 || to.told[0].Event != "client.revision" || len(to.told[0].Differences) != 1 || to.told[0].ClientName != "App 2" {
		t.Errorf("told %+v", to.told)
	}
}

// A secret that waits for another administrator is told of beside a change that
// waits of the same client, each once and without its value (AP-24).
func TestASecretIsTold(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		to := &kept{}
		w := newWorld(t, db, map[string]notice.Channel{notice.Webhook: to})
		c := w.register("App")
		if _, err := w.clients.Approve(t.Context(), ada, c.ID); err != nil {
			t.Fatal(err)
		}
		w.send() // what waited was approved
		name := "App 2"
		if _, err := w.clients.Edit(t.Context(), cyd, c.ID, clientstore.Edit{Name: &name, Version: c.Version + 1}); err != nil {
			t.Fatal(err)
		}
		waiting, secret := w.rotate(c.ID)
		w.send()
		w.send()
		if len(to.told) != 2 {
			t.Fatalf("told %+v", to.told)
		}
		events := map[string]notice.Message{to.told[0].Event: to.told[0], to.told[1].Event: to.told[1]}
		m := events["client.secret"]
		if events["client.revision"].ClientName != name || m.ClientName != "App" || m.Secret == nil || m.ID == events["client.revision"].ID {
			t.Fatalf("told %+v", to.told)
		}
		if m.Secret.CreatedBy != "cyd-id" || m.Secret.Overlap != 3600 || !m.Secret.WaitsUntil.Equal(waiting.ExpiresAt) || !m.Secret.CreatedAt.Equal(waiting.CreatedAt) {
			t.Errorf("told %+v of %+v", m.Secret, waiting)
		}
		u, err := url.Parse(m.Link)
		if err != nil {
			t.Fatal(err)
		}
		if link, err := w.clients.FindLink(t.Context(), u.Query().Get("token")); err != nil || link.ClientID != c.ID || link.SecretID != waiting.ID || link.RevisionID != "" {
			t.Errorf("it leads to %+v, %v", link, err)
		}
		said, err := json.Marshal(m)
		if err != nil || strings.Contains(string(said), secret[:12]) || strings.Contains(w.logged.String(), secret[:12]) {
			t.Errorf("how it begins is told: %s, %v", said, err)
		}
	})
}

// rotate has an administrator make a secret that waits.
func (w *world) rotate(id string) (waiting *clientstore.WaitingSecret, secret string) {
	w.Helper()
	c, secret, err := w.clients.RotateSecret(w.Context(), cyd, id, clientstore.Rotation{Overlap: time.Hour})
	if err != nil || c.Waiting == nil {
		w.Fatalf("%+v, %v", c, err)
	}
	return c.Waiting, secret
}

// Nobody is told of a secret that was decided on, or is gone; of one that its maker
// replaced, of the one that waits by now. What cannot be told is tried again.
func TestASecretThatWaitsNoMoreIsNotTold(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		to := &kept{err: errors.New("no route")}
		clock := storagetest.Clock(db)
		w := newWorld(t, db, map[string]notice.Channel{notice.Mail: to})
		c := w.register("App")
		if _, err := w.clients.Approve(t.Context(), ada, c.ID); err != nil {
			t.Fatal(err)
		}
		w.send()
		first, _ := w.rotate(c.ID)
		w.send()
		second, _ := w.rotate(c.ID)
		clock.Advance(time.Minute)
		to.err = nil
		w.send()
		clock.Advance(24 * time.Hour)
		w.send()
		if len(to.told) != 2 || !strings.HasSuffix(to.told[0].ID, first.ID) || !strings.HasSuffix(to.told[1].ID, second.ID) {
			t.Fatalf("told %+v", to.told)
		}
		third, _ := w.rotate(c.ID)
		if _, err := w.clients.RejectSecret(t.Context(), cyd, c.ID, third.ID); err != nil {
			t.Fatal(err)
		}
		w.send()
		w.rotate(c.ID)
		clock.Advance(8 * 24 * time.Hour)
		w.send()
		if len(to.told) != 2 {
			t.Errorf("told of what waits no more: %+v", to.told[2:])
		}
		if due, err := w.clients.DueNotices(t.Context(), 9); err != nil || len(due) != 0 {
			t.Errorf("%+v stay, %v", due, err)
		}
	})
}

func TestWhatFailsIsGivenUp(t *testing.T) {
	t.Parallel()
	to := &kept{err: errors.New("no route")}
	w := newWorld(t, storagetest.Open(t), map[string]notice.Channel{notice.Webhook: to})
	w.register("App")
	for range 20 {
		w.send()
		storagetest.Clock(w.db).Advance(24 * time.Hour)
	}
	if n := len(to.told); n < 3 || n > 6 {
		t.Errorf("tried %d times", n)
	}
	ids := map[string]bool{}
	for _, m := range to.told {
		ids[m.ID] = true
	}
	if len(ids) != 1 {
		t.Errorf("the attempts have %d IDs", len(ids))
	}
	if !strings.Contains(w.logged.String(), "no route") {
		t.Error("the log does not say why")
	}
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	var got []byte
	status := http.StatusNoContent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte(hookKey))
		mac.Write([]byte(r.Header.Get("Webhook-Id") + "." + r.Header.Get("Webhook-Timestamp") + "." + string(got)))
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("Webhook-Signature") != want || r.Header.Get("Webhook-Timestamp") != "1700000000" {
			t.Errorf("signed %q at %q; want %q", r.Header.Get("Webhook-Signature"), r.Header.Get("Webhook-Timestamp"), want)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	hook := notice.Hook{URL: server.URL + "/hook?private=1", Key: []byte(hookKey), Client: server.Client(), Now: func() time.Time { return time.Unix(1700000000, 0) }}
	m := notice.Message{ID: "m1", ClientName: "App", Link: "https://id.example/l"}
	if err := hook.Tell(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	var sent notice.Message
	if err := json.Unmarshal(got, &sent); err != nil || sent.ID != "m1" || sent.Link != m.Link {
		t.Errorf("posted %s: %v", got, err)
	}
	for _, status = range []int{302, 404, 500} {
		if err := hook.Tell(t.Context(), m); err == nil {
			t.Errorf("%d counts as told", status)
		}
	}
	server.Close()
	if err := hook.Tell(t.Context(), m); err == nil || strings.Contains(err.Error(), "private") {
		t.Errorf("nobody there: %v", err)
	}
}

// mailServer takes one mail (RFC 5321) and returns it.
func mailServer(t *testing.T) (address string, letter <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	done := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		lines := bufio.NewScanner(c)
		say := func(text string) { _, _ = io.WriteString(c, text+"\r\n") }
		say("220 mail.example")
		for lines.Scan() {
			switch verb, _, _ := strings.Cut(lines.Text(), " "); strings.ToUpper(verb) {
			case "DATA":
				say("354 go on")
				var b strings.Builder
				for lines.Scan() && lines.Text() != "." {
					b.WriteString(lines.Text() + "\r\n")
				}
				done <- b.String()
				say("250 taken")
			case "QUIT":
				say("221 bye")
				return
			default:
				say("250 ok")
			}
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "127.0.0.1:" + port, done
}

func TestMail(t *testing.T) {
	t.Parallel()
	address, letter := mailServer(t)
	post := notice.Post{Server: &url.URL{Scheme: "smtp", Host: address}, From: "countersign@id.example", To: []string{"ops@id.example"}}
	m := notice.Message{
		ID: "m1", Event: "client.pending", Server: "Countersign", Issuer: "https://id.example", ClientID: "k1", ClientName: "Ärger & Söhne", Type: clientstore.OIDC,
		RegisteredBy: "itself", RegisteredAt: time.Unix(1700000000, 0).UTC(), RedirectURIs: []string{"https://app.example/cb"},
		Link: "https://id.example/settings/approvals/link?token=cs_apl_x", LinkExpires: time.Unix(1700259200, 0).UTC(),
	}
	if err := post.Tell(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(<-letter, "\r\n\r\n")
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"To: <ops@id.example>", "From: <countersign@id.example>", "Subject: =?UTF-8?", "Auto-Submitted: auto-generated", "Message-ID: <m1@id.example>"} {
		if !strings.Contains(head, want) {
			t.Errorf("the head lacks %q:\n%s", want, head)
		}
	}
	for _, want := range []string{"Ärger & Söhne", "https://app.example/cb", m.Link, "asks you to sign in as an administrator"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// A mail of a secret says who made it, until when it waits, and how long those
// before it go on.
func TestMailOfASecret(t *testing.T) {
	t.Parallel()
	address, letter := mailServer(t)
	post := notice.Post{Server: &url.URL{Scheme: "smtp", Host: address}, From: "countersign@id.example", To: []string{"ops@id.example"}}
	at := time.Unix(1700000000, 0).UTC()
	ends := at.Add(30 * 24 * time.Hour)
	m := notice.Message{
		ID: "m1", Event: "client.secret", Server: "Countersign", Issuer: "https://id.example", ClientID: "k1", ClientName: "App",
		Link:   "https://id.example/settings/approvals/link?token=cs_apl_x",
		Secret: &notice.Secret{CreatedBy: "ada", CreatedAt: at, WaitsUntil: at.Add(7 * 24 * time.Hour), Overlap: 86400, ExpiresAt: &ends},
	}
	if err := post.Tell(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(<-letter, "\r\n\r\n")
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
	if err != nil || !strings.Contains(head, "Subject: Approval wanted: App is to get another secret") {
		t.Errorf("%s, %v", head, err)
	}
	for _, want := range []string{
		"14 November 2023, 22:13 UTC by ada", "until 21 November 2023, 22:13 UTC", "end 24h0m0s after it is confirmed",
		"Ends:       14 December 2023, 22:13 UTC", "Nobody gets in with it before", m.Link,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// A mail server on another machine that offers no TLS is told nothing.
func TestMailNeedsTLS(t *testing.T) {
	t.Parallel()
	address, letter := mailServer(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	post := notice.Post{Server: &url.URL{Scheme: "smtp", Host: "127.0.0.2:" + port}, From: "a@id.example", To: []string{"b@id.example"}}
	if err := post.Tell(t.Context(), notice.Message{ID: "m1"}); err == nil {
		t.Error("a mail went out in clear")
	}
	select {
	case text := <-letter:
		t.Errorf("it reads %s", text)
	default:
	}
}
