package home

import (
	"context"
	"net/http"

	"countersign/authz/page"
	"countersign/storage/locale"
)

// ShowSessions serves GET /account/sessions.
func (h *Handler) ShowSessions(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, h.showSessions)
}

func (h *Handler) showSessions(w http.ResponseWriter, r *http.Request, v *visit) error {
	list, err := h.cfg.Sessions.List(r.Context(), v.account.ID)
	if err != nil {
		return err
	}
	p := page.Sessions{Person: v.person(), Notice: notice(r)}
	for _, s := range list {
		one := page.Browser{
			ID: s.ID, Name: page.BrowserName(s.UserAgent), Address: page.Plain(s.IP), Current: s.ID == v.session.ID,
			Since: h.moment(s.AuthTime), Seen: h.moment(s.LastSeenAt), Methods: methods(s.AMR),
		}
		if one.Current {
			p.List = append([]page.Browser{one}, p.List...)
			continue
		}
		p.List = append(p.List, one)
	}
	return h.cfg.Pages.Render(w, r, http.StatusOK, p)
}

// methodWords are the methods of a sign-in (RFC 8176) in words.
var methodWords = map[string]locale.Message{"pwd": "password", "otp": "one-time code", "swk": "passkey", "hwk": "passkey", "recovery": "recovery code"}

// methods says how somebody signed in.
func methods(amr []string) locale.Message {
	var words locale.Message
	for _, m := range amr {
		switch word := methodWords[m]; {
		case word == "":
		case words == "":
			words = word
		default:
			words = locale.Sprintf("%s and %s", words, word)
		}
	}
	return words
}

// EndSessions serves POST /account/sessions: it ends one, or all but this.
func (h *Handler) EndSessions(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, h.endSessions)
}

func (h *Handler) endSessions(w http.ResponseWriter, r *http.Request, v *visit) error {
	form, err := h.form(r, v)
	if err != nil {
		return err
	}
	one := form.Get("session")
	if one == "" && form.Get("others") != "yes" {
		return page.BadRequest("E-SESSION", "The form does not say which session to end. Nothing was done.", "Go back, reload the page, and choose one.")
	}
	err = h.cfg.Tx.InTx(r.Context(), func(ctx context.Context) error {
		if one == "" {
			ended, err := h.cfg.Sessions.EndOthers(ctx, v.session)
			if err != nil || ended == 0 {
				return err
			}
			return h.record(ctx, r, v, "account.end_sessions", nil)
		}
		ended, err := h.cfg.Sessions.EndOne(ctx, v.account.ID, one)
		if err != nil || !ended {
			return err
		}
		return h.record(ctx, r, v, "account.end_session", nil)
	})
	if err != nil {
		return err
	}
	return h.done(w, pathSessions, page.NoticeSignedOut)
}
