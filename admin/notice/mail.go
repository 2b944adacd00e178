package notice

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// mailTimeout is how long a mail server may take.
const mailTimeout = 20 * time.Second

// Post sends messages by mail.
type Post struct {
	// Server is smtp://user@host:port, which speaks TLS after STARTTLS, or
	// smtps://user@host:port, which does from the first byte. A server on this
	// very machine may do without.
	Server   *url.URL
	Password string
	From     string
	To       []string
	// TLS is for a server whose certificate is not the system's to judge; nil
	// for the usual.
	TLS *tls.Config
}

// Tell sends the message.
func (p Post) Tell(ctx context.Context, m Message) error {
	letter := mail.NewMsg()
	if err := letter.From(p.From); err != nil {
		return errors.New("approval_mail_from is no address")
	}
	if err := letter.To(p.To...); err != nil {
		return errors.New("approval_mail has what is no address")
	}
	letter.Subject(m.subject())
	letter.SetDate()
	letter.SetMessageIDWithValue(m.ID + "@" + m.host())
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's robot answers
	letter.SetBodyString(mail.TypeTextPlain, m.text())
	client, err := p.client()
	if err != nil {
		return errors.New("the mail server's address cannot be used")
	}
	if err := client.DialAndSendWithContext(ctx, letter); err != nil {
		return fmt.Errorf("the mail server did not take it: %w", err)
	}
	return nil
}

func (p Post) client() (*mail.Client, error) {
	options := []mail.Option{mail.WithTimeout(mailTimeout), mail.WithTLSPolicy(mail.TLSMandatory)}
	if p.Server.Scheme == "smtps" {
		options = append(options, mail.WithSSL())
	}
	if host := p.Server.Hostname(); p.Server.Scheme == "smtp" && (host == "localhost" || host == "127.0.0.1" || host == "::1") {
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic))
	}
	if port, err := strconv.Atoi(p.Server.Port()); err == nil {
		options = append(options, mail.WithPort(port))
	}
	if p.TLS != nil {
		options = append(options, mail.WithTLSConfig(p.TLS))
	}
	if user := p.Server.User.Username(); user != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(user), mail.WithPassword(p.Password))
	}
	return mail.NewClient(p.Server.Hostname(), options...)
}

func (m Message) host() string {
	u, err := url.Parse(m.Issuer)
	if err != nil {
		return "localhost"
	}
	return u.Hostname()
}

func (m Message) subject() string {
	switch m.Event {
	case "client.revision":
		return "Approval wanted: " + m.ClientName + " is to be changed"
	case "client.secret":
		return "Approval wanted: " + m.ClientName + " is to get another secret"
	default:
		return "Approval wanted: " + m.ClientName
	}
}

// opening says what waits.
func (m Message) opening() string {
	switch m.Event {
	case "client.revision":
		return fmt.Sprintf("The approved client %q at %s is to be changed. What is approved goes on working meanwhile.", m.ClientName, m.Server)
	case "client.secret":
		return fmt.Sprintf("The client %q at %s is to get another secret, which another administrator than who made it confirms. Nobody gets in with it before, and the secrets before stay as they are.", m.ClientName, m.Server)
	default:
		return fmt.Sprintf("The client %q waits for approval at %s.", m.ClientName, m.Server)
	}
}

// told is how times are written.
const told = "2 January 2006, 15:04 UTC"

// text is the message for people.
func (m Message) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", m.opening())
	line("")
	line("Key:        %s", m.ClientID)
	line("Type:       %s", m.Type)
	m.Secret.lines(line)
	registered := m.RegisteredAt.Format(told) + " by " + m.RegisteredBy
	if m.From != "" {
		registered += " from " + m.From
	}
	line("Registered: %s", registered)
	for _, uri := range m.RedirectURIs {
		line("Leads to:   %s", uri)
	}
	line("Grants:     %s", strings.Join(m.GrantTypes, " "))
	if m.Scope != "" {
		line("Scope:      %s", m.Scope)
	}
	for _, d := range m.Differences {
		line("Changes:    %s: %s -> %s", d.Member, plain(fmt.Sprint(d.Before)), plain(fmt.Sprint(d.After)))
	}
	for _, w := range m.Warnings {
		line("Mind:       %s", plain(w.String()))
	}
	line("")
	line("Review it and decide, until %s:", m.LinkExpires.Format(told))
	line("%s", m.Link)
	line("")
	line("The link is good for one decision about exactly this, and asks you to sign in as an administrator.")
	return b.String()
}

// lines writes what is told of the secret, nothing for none.
func (s *Secret) lines(line func(string, ...any)) {
	if s == nil {
		return
	}
	line("Made:       %s by %s", s.CreatedAt.Format(told), s.CreatedBy)
	line("Waits:      until %s, then it is gone", s.WaitsUntil.Format(told))
	before := "end as it is confirmed"
	if s.Overlap > 0 {
		before = fmt.Sprintf("end %s after it is confirmed", time.Duration(s.Overlap)*time.Second)
	}
	line("Others:     the secrets before %s", before)
	if s.ExpiresAt != nil {
		line("Ends:       %s", s.ExpiresAt.UTC().Format(told))
	}
}
