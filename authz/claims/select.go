package claims

import (
	"math/bits"
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

// Supported returns the names of all claims about a resource owner that the
// server can give, in the order of their scopes.
func Supported() (names []string) {
	for _, scope := range Scopes() {
		names = append(names, scopes[scope]...)
	}
	return names
}

// Set is a set of the claims about a resource owner that the server can give: one
// bit for each, in the order of their names.
type Set uint32

var (
	sorted  = slices.Sorted(slices.Values(Supported()))
	byName  = numbered()
	byScope = scoped()
)

func numbered() map[string]Set {
	sets := map[string]Set{}
	for i, name := range sorted {
		sets[name] = 1 << i
	}
	return sets
}

func scoped() map[string]Set {
	sets := map[string]Set{}
	for scope, names := range scopes {
		sets[scope] = NewSet(names)
	}
	return sets
}

// NewSet returns the set of the named claims. Names that the server does not know
// are left out, so that no request can ask for members of the protocol itself.
func NewSet(names []string) (s Set) {
	for _, name := range names {
		s |= byName[name]
	}
	return s
}

// ForScope returns the claims that the scopes stand for.
func ForScope(scope []string) (s Set) {
	for _, one := range scope {
		s |= byScope[one]
	}
	return s
}

// Names returns the names of the claims, sorted.
func (s Set) Names() (names []string) {
	for ; s != 0; s &= s - 1 {
		names = append(names, sorted[s.first()])
	}
	return names
}

// first is the place of the first claim of the set among all.
func (s Set) first() int { return bits.TrailingZeros32(uint32(s)) }

// Without returns the set without the claims of the scopes that are withheld,
// unless another scope stands for them too.
func (s Set) Without(withheld, scope []string) Set {
	return s &^ (ForScope(withheld) &^ ForScope(scope))
}

// Beyond returns the names of the claims that the request asks for one by one
// and that the scopes do not stand for, sorted. Names that the server does not
// know ask for nothing.
func (r Request) Beyond(scope []string) []string {
	if len(r.userinfo)+len(r.idToken) == 0 {
		return nil
	}
	return ((NewSet(r.Userinfo()) | NewSet(r.IDToken())) &^ ForScope(scope)).Names()
}

// Select returns those of the claims that are known of the account: with the
// types of OpenID Connect Core 1.0, section 5.1, and never empty. Whoever set no
// preferred_username prefers the one they sign in with.
func Select(wanted Set, c account.Claims, username string, updatedAt time.Time) Members {
	if c.PreferredUsername == "" {
		c.PreferredUsername = username
	}
	selected := make(Members, 0, bits.OnesCount32(uint32(wanted))+3) // and sub, iss and aud
	for ; wanted != 0; wanted &= wanted - 1 {
		name := sorted[wanted.first()]
		if value := known(name, &c, updatedAt); value != nil {
			selected = append(selected, Member{name, value})
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
