package admin

import (
	"context"
	"strings"

	"countersign/clientstore"
	"countersign/storage/audit"
	"countersign/storage/locale"
)

func typeName(t clientstore.Type) string {
	switch t {
	case clientstore.OAuth1:
		return "OAuth 1.0a"
	case clientstore.OAuth2:
		return "OAuth 2.0"
	default:
		return "OpenID Connect"
	}
}

func statusName(s clientstore.Status) locale.Message {
	switch s {
	case clientstore.Approved:
		return "Approved"
	case clientstore.Disapproved:
		return "Disapproved"
	default:
		return "Pending"
	}
}

// grantNames are short words for grant types, as a table has room for them.
var grantNames = map[string]locale.Message{
	clientstore.GrantAuthorizationCode: "code",
	clientstore.GrantRefreshToken:      "refresh",
	clientstore.GrantPassword:          "password",
	clientstore.GrantDeviceCode:        "device",
	clientstore.GrantClientCredentials: "client credentials",
	clientstore.GrantTokenExchange:     "exchange",
	clientstore.GrantJWTBearer:         "JWT bearer",
	clientstore.GrantImplicit:          "implicit",
}

// grantWords are the grants of a client in short words.
func grantWords(c *clientstore.Client) locale.Message {
	if c.Type == clientstore.OAuth1 {
		return "three-legged"
	}
	var words []locale.Message
	for _, g := range c.Document().GrantTypes {
		word := grantNames[g]
		if word == "" {
			word = locale.Foreign(g[strings.LastIndexByte(g, ':')+1:])
		}
		words = append(words, word)
	}
	return locale.List(words)
}

// doorNames are the doors by which changes come.
var doorNames = map[string]locale.Message{
	string(audit.ViaCLI):          "Command line",
	string(audit.ViaSetup):        "Set-up page",
	string(audit.ViaPages):        "Account page",
	string(audit.ViaAPI):          "API",
	string(audit.ViaSystem):       "Server",
	string(audit.ViaSettings):     "Settings",
	string(audit.ViaRegistration): "Registered itself",
}

// byDoor is what did something by that door, for who has no account.
var byDoor = map[string]locale.Message{
	string(audit.ViaCLI):          "the command line",
	string(audit.ViaSetup):        "the set-up page",
	string(audit.ViaPages):        "its owner",
	string(audit.ViaAPI):          "the API",
	string(audit.ViaSystem):       "the server",
	string(audit.ViaSettings):     "Settings",
	string(audit.ViaRegistration): "itself",
}

// people are the names of those whom records name by their account.
type people map[string]string

// name is who did something: an account's username, or the door for who has
// none.
func (p people) name(by string) locale.Message {
	if by == "" {
		return ""
	}
	if door, ok := byDoor[by]; ok {
		return door
	}
	if name, ok := p[by]; ok {
		return locale.Foreign(printable(name))
	}
	return "an account that was removed"
}

// people looks up the usernames of those who are named.
func (h *handler) people(ctx context.Context, by ...string) (people, error) {
	var ids []string
	for _, one := range by {
		if _, door := doorNames[one]; !door && one != "" {
			ids = append(ids, one)
		}
	}
	return h.cfg.Accounts.Usernames(ctx, ids)
}
