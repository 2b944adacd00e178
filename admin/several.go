package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/locale"
)

// severalPath is where clients that were ticked in the table are decided on.
const severalPath = clientsPath + "/several"

// maxSeveral is how many clients are decided on at once.
const maxSeveral = 100

// several is the page of the clients that were chosen in the table.
type several struct {
	Approves bool // rather than disapproves
	Members  []picked
	Left     []leftOut
	Unknown  int            // keys that no client has
	Impact   locale.Message // of all together, empty where nobody loses anything
	Reason   string
	Faults   []fault
	Outcomes []outcome // of those that were decided on, none before
}

// Entry returns a field with what is wrong with it.
func (p several) Entry(name string) entry { return clientForm{Faults: p.Faults}.Entry(name) }

// picked is a client that can be decided on.
type picked struct {
	review
	Version int64
	Grants  locale.Message
	Limits  limits         // what its approval stays narrowed to
	Impact  locale.Message // of disapproving it
}

// leftOut is a client that was chosen and is not decided on.
type leftOut struct {
	Client *clientstore.Client
	Why    locale.Message
	// Revision tells that what it wants to become waits.
	Revision bool
}

// showSeveral serves GET /settings/oauth-clients/several: it asks whether to
// decide on the clients whose keys the address has.
func (h *handler) showSeveral(w http.ResponseWriter, r *http.Request, who *administrator) error {
	q := r.URL.Query()
	p := several{Approves: q.Get("decision") == "approve"}
	if !p.Approves && q.Get("decision") != "disapprove" {
		return undecided()
	}
	return h.askAboutSeveral(w, r, who, p, q["key"])
}

func (h *handler) askAboutSeveral(w http.ResponseWriter, r *http.Request, who *administrator, p several, keys []string) error {
	if len(keys) == 0 || len(keys) > maxSeveral {
		return notSeveral()
	}
	var sum clientstore.Impact
	for i, key := range keys {
		if slices.Contains(keys[:i], key) {
			continue
		}
		ends, err := h.choose(r.Context(), who, &p, key)
		if err != nil {
			return err
		}
		sum.Accounts, sum.Tokens = sum.Accounts+ends.Accounts, sum.Tokens+ends.Tokens
	}
	if sum.Tokens > 0 {
		p.Impact = locale.Sprintf("Together at most %d people lose access, and %d tokens stop working now.", sum.Accounts, sum.Tokens)
	}
	s := screen{Template: "several.html", Section: clientsPath, Page: p}
	if len(p.Faults) > 0 {
		s.Status = http.StatusUnprocessableEntity
	}
	return h.show(w, r, who, s)
}

// choose puts a client on the page, among those that are decided on or those
// that are left out, and returns what disapproving it ends.
func (h *handler) choose(ctx context.Context, who *administrator, p *several, key string) (ends clientstore.Impact, err error) {
	c, err := h.cfg.Clients.Get(ctx, key)
	if errors.Is(err, storage.ErrNotFound) {
		p.Unknown++
		return ends, nil
	}
	if err != nil {
		return ends, err
	}
	left := leftOut{Client: c}
	if p.Approves {
		left.Why, left.Revision, err = h.whyNotApprove(ctx, who, c)
	} else if !c.Stoppable() {
		left.Why = "It is disapproved already."
	}
	if err != nil {
		return ends, err
	}
	if left.Why != "" {
		p.Left = append(p.Left, left)
		return ends, nil
	}
	one := picked{Version: c.Version, Grants: grantWords(c)}
	if one.review, err = h.review(ctx, c); err != nil {
		return ends, err
	}
	if p.Approves {
		one.Limits, err = h.limits(ctx, c)
	} else if ends, err = h.cfg.Clients.Impact(ctx, key); err == nil {
		one.Impact = impactWords(ends)
	}
	p.Members = append(p.Members, one)
	return ends, err
}

// whyNotApprove says why a client is not approved with others, empty for one
// that can be.
func (h *handler) whyNotApprove(ctx context.Context, who *administrator, c *clientstore.Client) (why locale.Message, revision bool, err error) {
	switch {
	case c.Status == clientstore.Approved:
		waits, err := h.cfg.Clients.Revision(ctx, c.ID)
		if waits != nil {
			return "It is approved already. What waits is a change of it, which is decided on by itself.", true, err
		}
		return "It is approved already.", false, err
	case c.FileApproves():
		return approvedInFile(c.ManagedBy, c.ManagedHandle), false, nil
	case h.cfg.Clients.OwnWork(c, nil, who.AccountID):
		return "You registered or edited it yourself: another administrator has to approve it.", false, nil
	case c.Conditions.Until != nil && !h.cfg.Now().Before(*c.Conditions.Until):
		return "Its approval was for a time, which is over. Approve it by itself, until a later day or without an end.", false, nil
	default:
		return "", false, nil
	}
}

// decideSeveral serves POST /settings/oauth-clients/several: each of those that
// are ticked is decided on as it was looked at, on its own, and the page tells
// what became of it.
func (h *handler) decideSeveral(w http.ResponseWriter, r *http.Request, who *administrator) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	p := several{Approves: form.Get("decision") == "approve", Reason: form.Get("reason")}
	if !p.Approves && form.Get("decision") != "disapprove" {
		return undecided()
	}
	t := clientstore.Together{Members: membersOf(form["client"]), Reason: p.Reason}
	if len(t.Members) == 0 || len(t.Members) > maxSeveral {
		return notSeveral()
	}
	if p.Approves {
		p.Outcomes = h.approveTogether(r, who, t)
	} else if p.Outcomes, err = h.disapproveTogether(r, who, t); err != nil {
		one, _ := faultOf(err)
		p.Faults = []fault{one}
		keys := make([]string, len(t.Members))
		for i, m := range t.Members {
			keys[i] = m.ID
		}
		return h.askAboutSeveral(w, r, who, p, keys)
	}
	return h.show(w, r, who, screen{Template: "several.html", Section: clientsPath, Page: p, Tells: true})
}

func notSeveral() *problem {
	return &problem{
		Status: http.StatusBadRequest, Code: "E-CHOICE",
		Title:  "Choose 1 to 100 clients",
		What:   "No client was ticked, or more than 100 were. Nothing was done.",
		Remedy: "Go back, and tick the clients that you want to decide on.",
	}
}
