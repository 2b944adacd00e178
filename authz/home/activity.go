package home

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"countersign/authz/page"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/locale"
)

// Activity serves GET /account/activity.
func (h *Handler) Activity(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, h.showActivity)
}

func (h *Handler) showActivity(w http.ResponseWriter, r *http.Request, v *visit) error {
	list, err := h.happened(r.Context(), v)
	if err != nil {
		return err
	}
	failed, err := h.cfg.Accounts.FailedSignIns(r.Context(), v.account)
	if err != nil {
		return err
	}
	return h.cfg.Pages.Render(w, r, http.StatusOK, page.Activities{
		Person: v.person(), List: list, Failed: failed, Days: int(account.ActivityKept / (24 * time.Hour)),
	})
}

// happened is what happened to the account, newest first: what was noted, and
// the changes of it that were recorded.
func (h *Handler) happened(ctx context.Context, v *visit) ([]page.Activity, error) {
	noted, err := h.cfg.Accounts.Activities(ctx, v.account.ID)
	if err != nil {
		return nil, err
	}
	changes, err := h.cfg.Audit.List(ctx, audit.Filter{TargetType: "account", TargetID: v.account.ID})
	if err != nil {
		return nil, err
	}
	var list []page.Activity
	for _, a := range noted {
		list = append(list, h.tellNoted(a))
	}
	for _, e := range changes {
		if e.At.After(h.cfg.Now().Add(-account.ActivityKept)) {
			list = append(list, h.tellChange(e, v))
		}
	}
	slices.SortStableFunc(list, func(a, b page.Activity) int { return cmp.Compare(b.At.At.UnixMicro(), a.At.At.UnixMicro()) })
	return list, nil
}

func (h *Handler) tellNoted(a account.Activity) page.Activity {
	p := page.Activity{At: h.moment(a.At), From: from(a.UserAgent, a.IP)}
	if a.Kind == account.Consented {
		p.What, p.Detail = "You allowed an application to use your account.", locale.Foreign(page.Plain(a.ClientName))
		return p
	}
	p.What = "You signed in."
	if words := methods(strings.Fields(a.Methods)); words != "" {
		p.What = locale.Sprintf("You signed in by %s.", words)
	}
	if a.Failures > 0 {
		p.Detail = locale.Sprintf("%d wrong passwords were tried before.", a.Failures)
	}
	return p
}

// told says of each change what it did: by its owner, and by somebody else.
var told = map[string][2]locale.Message{
	"account.sign_up":            {"You created this account.", "This account was created."},
	"account.setup":              {"You created this account.", "This account was created."},
	"account.create":             {"You created this account.", "An administrator created this account."},
	"account.set_password":       {"You changed your password.", "An administrator set your password."},
	"account.set_claims":         {"You changed your profile.", "An administrator changed your profile."},
	"account.set_permissions":    {"You changed your permissions.", "An administrator changed what you may do on this server."},
	"account.disable":            {"You disabled this account.", "An administrator disabled this account."},
	"account.enable":             {"You enabled this account.", "An administrator enabled this account again."},
	"account.end_session":        {"You signed out another browser.", "An administrator signed you out of a browser."},
	"account.end_sessions":       {"You signed out all other browsers.", "An administrator signed you out everywhere."},
	"account.add_totp":           {"You set up an authenticator app.", ""},
	"account.remove_totp":        {"You removed the authenticator app.", ""},
	"account.add_passkey":        {"You added a passkey.", ""},
	"account.remove_passkey":     {"You removed a passkey.", ""},
	"account.new_recovery_codes": {"You made new recovery codes.", ""},
	"account.use_recovery_code":  {"You used a recovery code.", ""},
	"account.remove_factors":     {"You removed all second factors.", "An administrator removed your second factors: your password alone signs you in."},
	"account.remove_application": {"You removed the access of an application.", "An administrator removed the access of an application."},
}

func (h *Handler) tellChange(e audit.Event, v *visit) page.Activity {
	sentences, known := told[e.Action]
	if !known {
		sentences = [2]locale.Message{"You changed this account.", "An administrator changed this account."}
	}
	p := page.Activity{What: sentences[1], At: h.moment(e.At)}
	if e.ActorID == v.account.ID || e.Action == "account.sign_up" || e.Action == "account.setup" {
		p.What, p.From = sentences[0], from("", e.IP)
	}
	var named struct {
		Client  string `json:"client_name"`
		Passkey string `json:"name"`
	}
	if json.Unmarshal([]byte(e.After), &named) == nil {
		p.Detail = locale.Foreign(page.Plain(cmp.Or(named.Client, named.Passkey)))
	}
	return p
}

// from says where something was done.
func from(userAgent, ip string) locale.Message {
	switch {
	case userAgent == "" && ip == "":
		return ""
	case userAgent == "":
		return locale.Sprintf("From %s", page.Plain(ip))
	case ip == "":
		return page.BrowserName(userAgent)
	default:
		return locale.Sprintf("%s, from %s", page.BrowserName(userAgent), page.Plain(ip))
	}
}
