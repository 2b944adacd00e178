package claims

import (
	"slices"
	"strings"
	"time"

	"countersign/storage/account"
)

// scopes are the claims that a scope stands for (OpenID Connect Core 1.0,
// section 5.4).
var scopes = map[string][]string{
	"profile": {
		"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile",
		"picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
	},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// Scopes returns the scopes that stand for claims, in the order of OpenID
// Connect Core 1.0, section 5.4.
func Scopes() []string { return []string{"profile", "email", "address", "phone"} }

// ForScope returns the names of the claims that the scopes stand for.
func ForScope(scope []string) []string {
	var names []string
	for _, s := range Scopes() {
		if slices.Contains(scope, s) {
			names = append(names, scopes[s]...)
		}
	}
	return names
}

// Supported returns the names of all claims about a resource owner that the
// server can give.
func Supported() []string { return ForScope(Scopes()) }

// Beyond returns the names of the claims that the request asks for one by one
// and that the scopes do not stand for, sorted. Names that the server does not
// know ask for nothing.
func (r Request) Beyond(scope []string) []string {
	if len(r.userinfo)+len(r.idToken) == 0 {
		return nil
	}
	covered, supported := ForScope(scope), Supported()
	var beyond []string
	for _, name := range slices.Concat(r.Userinfo(), r.IDToken()) {
		if slices.Contains(supported, name) && !slices.Contains(covered, name) && !slices.Contains(beyond, name) {
			beyond = append(beyond, name)
		}
	}
	slices.Sort(beyond)
	return beyond
}

// Without returns the names without the claims of the scopes that are withheld,
// unless another scope stands for them too.
func Without(names, withheld, scope []string) []string {
	if len(withheld) == 0 {
		return names
	}
	gone, given := ForScope(withheld), ForScope(scope)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.Contains(gone, name) && !slices.Contains(given, name)
	})
}

// Select returns those of the named claims that are known of the account: with
// the types of OpenID Connect Core 1.0, section 5.1, and never empty. Names
// that it does not know are left out, so that no request can ask for members
// of the protocol itself. Whoever set no preferred_username prefers the one
// they sign in with.
func Select(names []string, c account.Claims, username string, updatedAt time.Time) map[string]any {
	if c.PreferredUsername == "" {
		c.PreferredUsername = username
	}
	selected := map[string]any{}
	for _, name := range names {
		if value := known(name, &c, updatedAt); value != nil {
			selected[name] = value
		}
	}
	return selected
}

// known returns what there is to say of a claim, nil for nothing.
func known(name string, c *account.Claims, updatedAt time.Time) any { //nolint:ireturn // claims have several types
	switch {
	case name == "updated_at" && !updatedAt.IsZero():
		return updatedAt.Unix()
	// Whether something is verified is only said of something.
	case name == "email_verified" && !isBlank(c.Email):
		return c.EmailVerified
	case name == "phone_number_verified" && !isBlank(c.PhoneNumber):
		return c.PhoneNumberVerified
	case name == "address" && c.Address != nil && *c.Address != (account.Address{}):
		return c.Address // its empty members are left out when it is encoded
	}
	if text := c.Text(name); !isBlank(text) {
		return text
	}
	return nil
}

func isBlank(text string) bool { return strings.TrimSpace(text) == "" }
