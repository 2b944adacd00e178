package page

import (
	"slices"
	"strings"

	"countersign/clientstore"
	"countersign/storage/locale"
)

const offlineAccess = "offline_access"

// group is a kind of scope, and sentences say what those of it allow.
type group int

const (
	identity group = iota
	data
	administration
	offline
)

var titles = [...]locale.Message{identity: "About you", data: "What it works with", administration: "As an administrator of this server", offline: "While you are away"}

var sentences = map[string]struct {
	group group
	text  locale.Message
}{
	"openid":                        {identity, "Recognise you when you come back, by an identifier of your account."},
	"profile":                       {identity, "See your profile: name, username, picture and the like."},
	"email":                         {identity, "See your email address."},
	"phone":                         {identity, "See your phone number."},
	"address":                       {identity, "See your postal address."},
	clientstore.ScopeClientsRead:    {administration, "See the applications that are registered here, and what goes wrong with them."},
	clientstore.ScopeClientsWrite:   {administration, "Register, change and remove applications, and make secrets for them."},
	clientstore.ScopeClientsApprove: {administration, "Approve and disapprove applications."},
	clientstore.ScopeAccountsRead:   {administration, "See everybody's account."},
	clientstore.ScopeAccountsWrite:  {administration, "Create and disable accounts, and make administrators. Who may do that may do everything."},
	clientstore.ScopeAuditRead:      {administration, "Read the record of who changed what."},
	clientstore.ScopeKeysRead:       {administration, "See the state of the keys that sign tokens."},
	clientstore.ScopeKeysWrite:      {administration, "Replace the keys that sign tokens."},

	offlineAccess: {offline, "Keep this access when you are not using it."},
}

// ScopeGroups says what is asked for, in sentences. What is new to the person
// is marked; further are claims about them that no scope stands for.
func ScopeGroups(asked []string, isNew func(scope string) bool, further []string) []ScopeGroup {
	all := make([]ScopeGroup, len(titles))
	for g, title := range titles {
		all[g].Title = title
	}
	for _, s := range asked {
		g, line := data, Scope{Text: "Use what it calls", Name: Plain(s)}
		if known, ok := sentences[s]; ok {
			g, line = known.group, Scope{Text: known.text}
		}
		line.New = isNew(s)
		all[g].Scopes = append(all[g].Scopes, line)
	}
	if len(further) > 0 {
		all[identity].Scopes = append(all[identity].Scopes, Scope{Text: "See also:", Name: strings.Join(further, ", ")})
	}
	return slices.DeleteFunc(all, func(g ScopeGroup) bool { return len(g.Scopes) == 0 })
}
