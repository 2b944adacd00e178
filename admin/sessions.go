package admin

import (
	"net/http"
	"strings"

	"countersign/storage/locale"
	"countersign/storage/session"
)

const sessionsPath = root + "/sessions"

// sessionsShown is how many sessions the page shows.
const sessionsShown = 200

// sessionList is the page of sessions.
type sessionList struct {
	Rows    []session.Signed
	Current string // the session of who looks
	More    bool
}

// Browser names the program of a session in a word or two.
func (sessionList) Browser(userAgent string) locale.Message { return browserName(userAgent) }

// Browser names the program of a session in a word or two.
func (accountPage) Browser(userAgent string) locale.Message { return browserName(userAgent) }

// browsers are found in what they say of themselves, in this order: each
// claims to be those before it as well.
var browsers = []struct{ mark, name string }{
	{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"},
}

// systems are found likewise.
var systems = []struct{ mark, name string }{
	{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
}

func browserName(userAgent string) locale.Message {
	var name locale.Message = "Unknown browser"
	for _, b := range browsers {
		if strings.Contains(userAgent, b.mark) {
			name = locale.Foreign(b.name)
			break
		}
	}
	for _, s := range systems {
		if strings.Contains(userAgent, s.mark) {
			return locale.Sprintf("%s on %s", name, locale.Latin(s.name))
		}
	}
	return name
}

// listSessions serves GET /settings/sessions.
func (h *handler) listSessions(w http.ResponseWriter, r *http.Request, who *administrator) error {
	list, err := h.cfg.Sessions.Latest(r.Context(), sessionsShown+1)
	if err != nil {
		return err
	}
	p := sessionList{Rows: list[:min(len(list), sessionsShown)], Current: who.SessionID, More: len(list) > sessionsShown}
	return h.show(w, r, who, screen{Template: "sessions.html", Section: sessionsPath, Page: p})
}

// endSession serves POST /settings/sessions.
func (h *handler) endSession(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	if form.Get("decision") != "end" {
		return undecided()
	}
	if err := h.cfg.Sessions.SignOutOf(r.Context(), who.actor(r), form.Get("session")); err != nil {
		return err
	}
	h.redirect(w, sessionsPath, "done", "ended")
	return nil
}
