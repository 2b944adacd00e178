package admin

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"countersign/storage/audit"
	"countersign/storage/locale"
)

// event is a change as the audit record shows it to people.
type event struct {
	ID, Action, Actor   string
	Title, Via          locale.Message
	Target, TargetType  string
	TargetID            string
	IP, RequestID       string
	At                  time.Time
	Changes             []difference
	Created, TakenAway  bool // there was nothing before, or is nothing after
	TargetURL, ActorURL string
}

// difference is one member before and after.
type difference struct{ Member, Before, After string }

// actionNames say what was done, in the past tense.
var actionNames = map[string]locale.Message{ //nolint:gosec // these are names of deeds
	"client.register": "Registered", "client.edit": "Edited", "client.approve": "Approved", "client.disapprove": "Disapproved",
	"client.remove": "Removed", "client.test": "Tested", "client.rotate_secret": "Got a further secret", "client.revoke_secret": "A secret was revoked",
	"client.request_secret": "A secret was made, to be confirmed", "client.confirm_secret": "A secret was confirmed", "client.reject_secret": "A secret was rejected",
	"client.revise": "Asked to be changed", "client.withdraw_revision": "Took its wish to be changed back",
	"client.approve_revision": "Change approved", "client.reject_revision": "Change rejected", "client.expire": "Expired and was removed",
	"client.lapse": "The approval ended", "client.undo": "Decision taken back", "client.release": "Taken out of its file's hands",
	"account.create": "Account created", "account.setup": "First administrator created", "account.sign_up": "Signed up",
	"account.set_permissions": "Permissions changed", "account.set_claims": "Profile changed", "account.set_password": "Password set",
	"account.disable": "Account disabled", "account.enable": "Account enabled", "account.remove": "Account removed",
	"client.manage": "Taken over by a file", "client.request_callback": "Asked to come back to another address",
	"account.edit": "Account edited", "account.add_totp": "Authenticator app set up",
	"account.remove_totp": "Authenticator app removed", "account.add_passkey": "Passkey added",
	"account.remove_passkey": "Passkey removed", "account.remove_factors": "Second factors removed",
	"account.new_recovery_codes": "New recovery codes made", "account.use_recovery_code": "Recovery code used",
	"account.remove_application": "Access of an application removed", "account.end_session": "Signed out of a browser",
	"account.end_sessions": "Signed out everywhere", "api_key.create": "API key created",
	"api_key.revoke": "API key revoked", "keys.rotate": "Key rotated",
	"installation.reopen": "Opened again after an export", "installation.restore": "Restored from a backup", "installation.import": "Imported from another database",
	"initial_token.create": "Initial access token created", "initial_token.revoke": "Initial access token revoked",
}

func actionName(action string) locale.Message {
	if name, ok := actionNames[action]; ok {
		return name
	}
	_, verb, _ := strings.Cut(action, ".")
	return locale.Foreign(sentenceCase(strings.ReplaceAll(verb, "_", " ")))
}

func sentenceCase(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// describe makes events of records.
func describe(records []audit.Event) []event {
	list := make([]event, len(records))
	for i, r := range records {
		list[i] = event{
			ID: r.ID, Action: r.Action, Title: actionName(r.Action), At: r.At,
			Actor: printable(r.ActorName), Via: viaName(r.Via), Target: printable(r.TargetName), TargetType: r.TargetType, TargetID: r.TargetID,
			IP: printable(r.IP), RequestID: printable(r.RequestID),
			Changes: differences(r.Before, r.After), Created: r.Before == "", TakenAway: r.After == "",
		}
	}
	return list
}

func viaName(v audit.Via) locale.Message {
	if name, ok := doorNames[string(v)]; ok {
		return name
	}
	return locale.Foreign(string(v))
}

// unremarkable are members that change with every change.
var unremarkable = map[string]bool{"version": true, "updated_at": true}

// differences are the members that changed; all of them for what is new or
// gone.
func differences(before, after audit.JSON) []difference {
	was, is := members(before), members(after)
	all := maps.Clone(was)
	maps.Copy(all, is)
	var list []difference
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !unremarkable[name] && !reflect.DeepEqual(was[name], is[name]) {
			list = append(list, difference{name, written(was[name]), written(is[name])})
		}
	}
	return list
}

func members(document audit.JSON) map[string]any {
	var m map[string]any
	if json.Unmarshal([]byte(document), &m) != nil || m == nil {
		return map[string]any{}
	}
	return m
}

// written is a value as people read it.
func written(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return printable(v)
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			parts[i] = written(one)
		}
		return strings.Join(parts, ", ")
	default:
		encoded, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return printable(string(encoded))
	}
}
