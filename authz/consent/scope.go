package consent

import (
	"net/url"
	"slices"
	"strings"

	"countersign/authz/claims"
	"countersign/authz/page"
	"countersign/clientstore"
	"countersign/storage/grant"
)

const offlineAccess = "offline_access"

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// groups says what is asked for, in sentences. What the person has not allowed
// before is marked, if there is a before.
func groups(v *visit, before *grant.Consent) []page.ScopeGroup {
	return page.ScopeGroups(v.asked(), func(s string) bool {
		return before != nil && contains(v.scope, s) && !contains(strings.Fields(before.Scope), s)
	}, v.further())
}

// further are claims that no scope stands for.
func (v *visit) further() []string {
	if v.client.Type == clientstore.OAuth1 {
		return []string{"username"}
	}
	return furtherClaims(slices.Concat(v.scope, v.client.WithheldScope()), v.interaction.Request)
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
