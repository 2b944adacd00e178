// Package snippet writes what the people who set up a client copy: endpoints,
// and programs in the languages of the field, with the client's own values in
// them.
package snippet

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"countersign/storage/locale"
)

// Client is what the texts are about.
type Client struct {
	Type     string // oauth1, oauth2 or oidc
	Key      string
	Name     string
	Secret   string // empty when it is not known, or there is none
	Public   bool   // it has no secret
	Posts    bool   // it sends its secret in the form (client_secret_post)
	Scope    string
	Redirect string // the first redirect URI, empty for none
	Grants   []string
	Issuer   string
}

// Snippet is a text in a language.
type Snippet struct {
	ID    string
	Title locale.Message
	Note  locale.Message
	Text  string
}

// Endpoint is an address of the server that the client is told.
type Endpoint struct {
	ID   string
	Name locale.Message
	URL  string
}

// The paths of the endpoints, under the issuer.
const (
	configuration = "/.well-known/openid-configuration"
	authorize     = "/authorize"
	token         = "/token"
	device        = "/device_authorization"
	userinfo      = "/userinfo"
	introspect    = "/introspect"
	revoke        = "/revoke"
	endSession    = "/end_session"
	keys          = "/.well-known/jwks.json"
	requestToken  = "/oauth1/request_token" //nolint:gosec // it is a path
	authorize1    = "/oauth1/authorize"
	accessToken   = "/oauth1/access_token" //nolint:gosec // it is a path
	verify        = "/oauth1/verify"
)

// Endpoints are those that a client of the type uses.
func Endpoints(c Client) []Endpoint {
	at := func(id string, name locale.Message, path string) Endpoint { return Endpoint{id, name, c.Issuer + path} }
	if c.Type == "oauth1" {
		return []Endpoint{
			at("request-token", "Request token URL", requestToken), at("authorization", "User authorization URL", authorize1),
			at("access-token", "Access token URL", accessToken), at("verification", "Verification URL, for resource servers", verify),
		}
	}
	list := []Endpoint{{"issuer", "Issuer", c.Issuer}, at("discovery", "Discovery", configuration), at("authorization", "Authorization", authorize), at("token", "Token", token)}
	if slices.Contains(c.Grants, "urn:ietf:params:oauth:grant-type:device_code") {
		list = append(list, at("device", "Device authorization", device))
	}
	if c.Type == "oidc" {
		list = append(list, at("userinfo", "Userinfo", userinfo), at("end-session", "End session", endSession), at("keys", "Keys (JWKS)", keys))
	}
	return append(list, at("introspection", "Introspection", introspect), at("revocation", "Revocation", revoke))
}

// All are the texts for the client, the most asked for first.
func All(c Client) []Snippet {
	if c.Redirect == "" {
		c.Redirect = "http://127.0.0.1:8085/callback"
	}
	if c.Secret == "" {
		c.Secret = "YOUR_SECRET"
	}
	if c.Scope == "" && c.Type == "oidc" { // which means all of it
		c.Scope = "openid profile email"
	}
	if c.Type == "oauth1" {
		return oauth1(c)
	}
	return oauth2(c)
}

// Shell quotes a value for a POSIX shell and for env files.
func Shell(value string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+,", r)
	}
	if value != "" && !strings.ContainsFunc(value, func(r rune) bool { return !plain(r) }) {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// fill puts values into a text: NAME in angle brackets is the value as a
// string of most languages, in percent signs as one word of a shell, in
// circumflexes as it is written in a query, and in braces as it is.
func (c Client) fill(text string) string {
	var pairs []string
	for name, value := range map[string]string{
		"ISSUER": c.Issuer, "KEY": c.Key, "SECRET": c.Secret, "SCOPE": c.Scope, "REDIRECT": c.Redirect,
		"AUTHORIZE": c.Issuer + authorize, "TOKEN": c.Issuer + token, "DEVICE": c.Issuer + device, "USERINFO": c.Issuer + userinfo,
		"REQUEST": c.Issuer + requestToken, "AUTHORIZE1": c.Issuer + authorize1, "ACCESS": c.Issuer + accessToken,
		"PLAINTEXT": escape(escape(c.Secret) + "&"), // a value of the Authorization header (RFC 5849, sections 3.4.4 and 3.5.1)
	} {
		pairs = append(pairs, "<"+name+">", strconv.Quote(value), "%"+name+"%", Shell(value), "^"+name+"^", escape(value), "{"+name+"}", value)
	}
	return strings.TrimSpace(strings.NewReplacer(pairs...).Replace(text)) + "\n"
}

// escape encodes a value as OAuth 1.0a does, which suits a query as well (RFC
// 5849, section 3.6).
func escape(value string) string { return strings.ReplaceAll(url.QueryEscape(value), "+", "%20") }

// without takes the lines away that contain a mark, when they do not fit; and
// the mark itself when they do.
func without(text, mark string, fits bool) string { //nolint:revive // it is what the line is about
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, mark) {
			kept = append(kept, line)
		} else if fits {
			kept = append(kept, strings.Replace(line, mark, "", 1))
		}
	}
	return strings.Join(kept, "")
}
