package consent

import (
	"net/url"
	"slices"
	"strings"

	"countersign/authz/claims"
	"countersign/authz/page"
	"countersign/storage/grant"
)

const offlineAccess = "offline_access"

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// group is a kind of scope, and sentences say what those of it allow.
type group int

const (
	identity group = iota
	data
	offline
)

var titles = [...]string{identity: "About you", data: "What it works with", offline: "While you are away"}

var sentences = map[string]struct {
	group group
	text  string
}{
	"openid":      {identity, "Recognise you when you come back, by an identifier of your account."},
	"profile":     {identity, "See your profile: name, username, picture and the like."},
	"email":       {identity, "See your email address."},
	"phone":       {identity, "See your phone number."},
	"address":     {identity, "See your postal address."},
	offlineAccess: {offline, "Keep this access when you are not using it."},
}

// groups says what is asked for, in sentences. What the person has not allowed
// before is marked, if there is a before.
func groups(v *visit, before *grant.Consent) []page.ScopeGroup {
	all := make([]page.ScopeGroup, len(titles))
	for g, title := range titles {
		all[g].Title = title
	}
	for _, s := range v.asked() {
		g, line := data, page.Scope{Text: "Use what it calls", Name: page.Plain(s)}
		if known, ok := sentences[s]; ok {
			g, line = known.group, page.Scope{Text: known.text}
		}
		line.New = before != nil && contains(v.scope, s) && !contains(strings.Fields(before.Scope), s)
		all[g].Scopes = append(all[g].Scopes, line)
	}
	if further := furtherClaims(v.scope, v.interaction.Request); len(further) > 0 {
		all[identity].Scopes = append(all[identity].Scopes, page.Scope{Text: "See also:", Name: strings.Join(further, ", ")})
	}
	return slices.DeleteFunc(all, func(g page.ScopeGroup) bool { return len(g.Scopes) == 0 })
}

// furtherClaims returns in words the claims that the request asks for one by
// one, beyond its scopes (OpenID Connect Core 1.0, section 5.5). A request
// that cannot be read asks for nothing; it is refused elsewhere.
func furtherClaims(scope []string, request url.Values) []string {
	asked, err := claims.Parse(request.Get("claims"))
	if err != nil {
		return nil
	}
	var further []string
	for _, name := range asked.Beyond(scope) {
		further = append(further, strings.ReplaceAll(name, "_", " "))
	}
	return further
}
