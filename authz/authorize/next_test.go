package authorize

import (
	"net/url"
	"testing"
	"time"

	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/interaction"
	"countersign/storage/session"
)

// The table is the specification of prompt, max_age, hints and remembered
// consent (OpenID Connect Core 1.0, section 3.1.2).
func TestNext(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	age := func(seconds int64) *int64 { return &seconds }
	ago := func(d time.Duration) *session.Session {
		return &session.Session{ID: "s1", AccountID: "ada", AuthTime: now.Add(-d)}
	}
	at := &now
	waits := &interaction.Interaction{}
	signedIn := &interaction.Interaction{AuthenticatedAt: at, SessionID: "s1"}
	signedInElsewhere := &interaction.Interaction{AuthenticatedAt: at, SessionID: "s0"}
	allowed := &interaction.Interaction{AuthenticatedAt: at, SessionID: "s1", ConsentedBy: "ada", ConsentedScope: "openid email"}
	allowedByOther := &interaction.Interaction{ConsentedBy: "bob", ConsentedScope: "openid email"}
	denied := &interaction.Interaction{DeniedAt: at}
	web := &clientstore.Client{}
	native := &clientstore.Client{Metadata: clientstore.Metadata{TokenEndpointAuthMethod: "none", RedirectURIs: []string{"http://127.0.0.1/cb"}}}
	publicWeb := &clientstore.Client{Metadata: clientstore.Metadata{TokenEndpointAuthMethod: "none", RedirectURIs: []string{"https://rp.example/cb"}}}
	secretNative := &clientstore.Client{Metadata: clientstore.Metadata{TokenEndpointAuthMethod: "client_secret_basic", RedirectURIs: []string{"http://127.0.0.1/cb"}}}

	for name, tt := range map[string]struct {
		prompt      []string
		maxAge      *int64
		hint        string
		client      *clientstore.Client
		session     *session.Session
		interaction *interaction.Interaction
		consented   bool
		want        step
		code        protocol.Code
	}{
		"nobody signed in":                               {nil, nil, "", web, nil, nil, false, stepLogin, ""},
		"nobody signed in, silent":                       {[]string{"none"}, nil, "", web, nil, nil, false, stepRefuse, protocol.LoginRequired},
		"signed in, not consented":                       {nil, nil, "", web, ago(0), nil, false, stepConsent, ""},
		"signed in, not consented, silent":               {[]string{"none"}, nil, "", web, ago(0), nil, false, stepRefuse, protocol.ConsentRequired},
		"signed in and consented":                        {nil, nil, "", web, ago(time.Hour), nil, true, stepAnswer, ""},
		"signed in and consented, silent":                {[]string{"none"}, nil, "", web, ago(time.Hour), nil, true, stepAnswer, ""},
		"prompt login":                                   {[]string{"login"}, nil, "", web, ago(0), nil, true, stepLogin, ""},
		"prompt login, waiting":                          {[]string{"login"}, nil, "", web, ago(0), waits, true, stepLogin, ""},
		"prompt login, done":                             {[]string{"login"}, nil, "", web, ago(0), signedIn, true, stepAnswer, ""},
		"prompt login, done in a session that is over":   {[]string{"login"}, nil, "", web, ago(0), signedInElsewhere, true, stepLogin, ""},
		"prompt select_account":                          {[]string{"select_account"}, nil, "", web, ago(0), nil, true, stepLogin, ""},
		"prompt create":                                  {[]string{"create"}, nil, "", web, ago(0), nil, true, stepSignUp, ""},
		"prompt create, nobody signed in":                {[]string{"create"}, nil, "", web, nil, nil, false, stepSignUp, ""},
		"prompt create and login":                        {[]string{"login", "create"}, nil, "", web, ago(0), waits, true, stepSignUp, ""},
		"prompt create, done":                            {[]string{"create"}, nil, "", web, ago(0), signedIn, true, stepAnswer, ""},
		"prompt consent":                                 {[]string{"consent"}, nil, "", web, ago(0), nil, true, stepConsent, ""},
		"prompt consent, done":                           {[]string{"consent"}, nil, "", web, ago(0), allowed, true, stepAnswer, ""},
		"prompt login and consent, half done":            {[]string{"login", "consent"}, nil, "", web, ago(0), signedIn, true, stepConsent, ""},
		"CN-02 consent of somebody else":                 {nil, nil, "", web, ago(0), allowedByOther, false, stepConsent, ""},
		"max_age not reached":                            {nil, age(3600), "", web, ago(time.Hour), nil, true, stepAnswer, ""},
		"max_age exceeded":                               {nil, age(3600), "", web, ago(time.Hour + time.Second), nil, true, stepLogin, ""},
		"max_age exceeded, silent":                       {[]string{"none"}, age(3600), "", web, ago(time.Hour + time.Second), nil, true, stepRefuse, protocol.LoginRequired},
		"AZ-27 max_age 0":                                {nil, age(0), "", web, ago(0), nil, true, stepLogin, ""},
		"AZ-27 max_age 0, done":                          {nil, age(0), "", web, ago(0), signedIn, true, stepAnswer, ""},
		"max_age 1, done a minute ago":                   {nil, age(1), "", web, ago(time.Minute), signedIn, true, stepAnswer, ""},
		"hint of this person":                            {nil, nil, "ada", web, ago(0), nil, true, stepAnswer, ""},
		"hint of another person":                         {nil, nil, "bob", web, ago(0), nil, true, stepLogin, ""},
		"hint of another person, silent":                 {[]string{"none"}, nil, "bob", web, ago(0), nil, true, stepRefuse, protocol.LoginRequired},
		"hint of another person, who did not sign in":    {nil, nil, "bob", web, ago(0), signedIn, true, stepRefuse, protocol.LoginRequired},
		"CN-04 client without identity":                  {nil, nil, "", native, ago(0), nil, true, stepConsent, ""},
		"CN-04 client without identity, silent":          {[]string{"none"}, nil, "", native, ago(0), nil, true, stepRefuse, protocol.ConsentRequired},
		"CN-04 client without identity, allowed":         {nil, nil, "", native, ago(0), allowed, true, stepAnswer, ""},
		"public client with a host of its own":           {nil, nil, "", publicWeb, ago(0), nil, true, stepAnswer, ""},
		"native client with a secret":                    {nil, nil, "", secretNative, ago(0), nil, true, stepAnswer, ""},
		"denied":                                         {nil, nil, "", web, ago(0), denied, true, stepRefuse, protocol.AccessDenied},
		"denied, and signed out since":                   {nil, nil, "", web, nil, denied, true, stepRefuse, protocol.AccessDenied},
		"allowed, and the session over since":            {nil, nil, "", web, nil, allowed, false, stepLogin, ""},
		"allowed less than is asked, before it was less": {nil, nil, "", web, ago(0), &interaction.Interaction{ConsentedBy: "ada", ConsentedScope: "openid"}, false, stepConsent, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := state{
				request: &request{prompt: tt.prompt, maxAge: tt.maxAge, hint: tt.hint, scope: []string{"openid", "email"}, parameters: url.Values{}},
				client:  tt.client, session: tt.session, interaction: tt.interaction, consented: tt.consented, now: now, subject: "ada",
			}
			got, refusal := s.next()
			var code protocol.Code
			if refusal != nil {
				code = refusal.Code
			}
			if got != tt.want || code != tt.code {
				t.Errorf("next() = %d %q; want %d %q", got, code, tt.want, tt.code)
			}
		})
	}
}
