package admin

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"countersign/clientstore"
	"countersign/storage/locale"
)

// places are the redirect URIs of the client with where they lead.
func places(c *clientstore.Client) []place {
	var list []place
	for _, uri := range c.Metadata.RedirectURIs {
		list = append(list, place{uri, domain(uri)})
	}
	return list
}

// domain is the domain that somebody had to register to get what is sent to
// the URI, or what it is else.
func domain(uri string) locale.Message {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return ""
	case u.Scheme != "https" && u.Scheme != "http":
		return "an application on the person's device"
	}
	host := u.Hostname()
	if host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1" {
		return "the person's own machine"
	}
	registered, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return locale.Foreign(host)
	}
	return locale.Foreign(registered)
}

// grantAbilities say what a grant lets a client do. By the class, the style
// sheet shows those of the grants that are ticked in a form.
var grantAbilities = []struct {
	grant, class string
	sentence     locale.Message
}{
	{clientstore.GrantAuthorizationCode, "able-code", "Send people here to sign in, and act for those who consent."},
	{clientstore.GrantDeviceCode, "able-device", "Act for people who type a code that a device shows them."},
	{clientstore.GrantPassword, "able-password", "Act for people who type their password into it."},
	{clientstore.GrantRefreshToken, "able-refresh", "Go on acting for them without asking again."},
	{clientstore.GrantJWTBearer, "able-bearer", "Come back, while they are away, for everybody who allowed it."},
	{clientstore.GrantTokenExchange, "able-exchange", "Exchange what the OAuth 1.0a clients that it is registered for were allowed for tokens of its own."},
	{clientstore.GrantClientCredentials, "able-itself", "Act for itself, with nobody signed in."},
}

// scopeAbilities say what a scope lets a client learn.
var scopeAbilities = map[string]locale.Message{
	"openid":         "Learn who signed in.",
	"profile":        "Read people's names and profiles.",
	"email":          "Read people's email addresses.",
	"address":        "Read people's postal addresses.",
	"phone":          "Read people's phone numbers.",
	"offline_access": "Keep its access when people are not there.",

	clientstore.ScopeClientsRead:    "See all clients, for administrators who let it.",
	clientstore.ScopeClientsWrite:   "Register, change and remove clients, for administrators who let it.",
	clientstore.ScopeClientsApprove: "Approve and disapprove clients, for administrators who let it.",
	clientstore.ScopeAccountsRead:   "See everybody's account, for administrators who let it.",
	clientstore.ScopeAccountsWrite:  "Create and disable accounts and make administrators, for administrators who let it: that is as good as everything.",
	clientstore.ScopeAuditRead:      "Read the audit record, for administrators who let it.",
	clientstore.ScopeKeysRead:       "See the state of this server's keys, for administrators who let it.",
	clientstore.ScopeKeysWrite:      "Replace this server's keys, for administrators who let it.",
}

const (
	threeLegged     locale.Message = "Send people here to allow it access, and act for those who do."
	tokensInBrowser locale.Message = "Get access tokens through the browser, without proving who it is."
)

// able is what a client will be able to do when something in its form is
// chosen.
type able struct {
	Class    string // by which the style sheet knows when
	Scope    string // that has to be asked for, empty for none
	Sentence locale.Message
}

// Abilities are what clients of the form could do, each shown while it is
// chosen.
func (clientForm) Abilities() []able {
	list := []able{{Class: "able-oauth1", Sentence: threeLegged}}
	for _, a := range grantAbilities {
		list = append(list, able{Class: a.class, Sentence: a.sentence})
	}
	list = append(list, able{Class: "able-token", Sentence: tokensInBrowser})
	standard := []string{"openid", "profile", "email", "address", "phone", "offline_access"}
	ours := slices.DeleteFunc(slices.Sorted(maps.Keys(scopeAbilities)), func(s string) bool { return slices.Contains(standard, s) })
	for _, scope := range append(standard, ours...) {
		list = append(list, able{Class: "able-scope", Scope: scope, Sentence: scopeAbilities[scope]})
	}
	return list
}

// abilities say in sentences what the client will be able to do.
func abilities(c *clientstore.Client) []locale.Message {
	m := &c.Metadata
	var list []locale.Message
	if c.Type == clientstore.OAuth1 {
		list = append(list, threeLegged)
	}
	for _, a := range grantAbilities {
		if slices.Contains(m.GrantTypes, a.grant) {
			list = append(list, a.sentence)
		}
	}
	if slices.ContainsFunc(m.ResponseTypes, func(r string) bool { return slices.Contains(strings.Fields(r), "token") }) {
		list = append(list, tokensInBrowser)
	}
	var others []string
	for _, s := range strings.Fields(m.Scope) {
		if sentence, ok := scopeAbilities[s]; ok {
			list = append(list, sentence)
			continue
		}
		others = append(others, s)
	}
	if len(others) > 0 {
		list = append(list, locale.Sprintf("Ask for what APIs call %s.", strings.Join(others, ", ")))
	}
	switch m.IntrospectionScope {
	case clientstore.IntrospectAll:
		list = append(list, "Ask about every token of this server.")
	case clientstore.IntrospectAudience:
		list = append(list, "Ask about tokens that are meant for it.")
	}
	return list
}
