package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/locale"
)

// outcome is what became of one of several clients that were decided on at once.
type outcome struct {
	Name, Key string
	// Approved and Disapproved say what was decided.
	Approved, Disapproved bool
	// Undo is the way back, nil for none.
	Undo *clientstore.Undo
	// Changed, OwnWork and Gone say why nothing was decided; Refused says any
	// other reason, for which it is not approved.
	Changed, OwnWork, Gone bool
	// Unknown tells that the database did not say what became of it.
	Unknown bool
	Refused locale.Message
}

// membersOf reads what a form says was looked at: keys with their versions.
func membersOf(ticked []string) []clientstore.Member {
	members := make([]clientstore.Member, len(ticked))
	for i, one := range ticked {
		key, version, _ := strings.Cut(one, " ")
		seen, _ := strconv.ParseInt(version, 10, 64) // what is no number is no version either
		members[i] = clientstore.Member{ID: key, Version: seen}
	}
	return members
}

// approveTogether approves the clients, and says what became of each.
func (h *handler) approveTogether(r *http.Request, who *administrator, t clientstore.Together) []outcome {
	var list []outcome
	for _, of := range h.cfg.Clients.ApproveTogether(r.Context(), who.actor(r), t) {
		o := h.outcome(r.Context(), who, of)
		o.Approved = of.Err == nil
		list = append(list, o)
	}
	return list
}

// disapproveTogether disapproves the clients, and says what became of each. A
// reason that cannot be kept is an error, and nothing is done then.
func (h *handler) disapproveTogether(r *http.Request, who *administrator, t clientstore.Together) ([]outcome, error) {
	var list []outcome
	for _, of := range h.cfg.Clients.DisapproveTogether(r.Context(), who.actor(r), t) {
		if _, wrong := faultOf(of.Err); wrong { // the reason is that of all
			return nil, of.Err
		}
		o := h.outcome(r.Context(), who, of)
		o.Disapproved = of.Err == nil
		list = append(list, o)
	}
	return list, nil
}

// outcome says what became of a client. A failure that is nobody's mistake is
// told of the one that it befell: others are decided on by then.
func (h *handler) outcome(ctx context.Context, who *administrator, of clientstore.Outcome) outcome {
	o := outcome{Name: of.Name, Key: of.ID}
	managed, isManaged := errors.AsType[*clientstore.ManagedError](of.Err)
	_, isRefused := errors.AsType[*clientstore.MetadataError](of.Err)
	switch {
	case of.Err == nil:
		o.Undo = h.wayBack(ctx, who, of.ID)
	case errors.Is(of.Err, storage.ErrConflict):
		o.Changed = true
	case errors.Is(of.Err, clientstore.ErrOwnWork):
		o.OwnWork = true
	case errors.Is(of.Err, storage.ErrNotFound):
		o.Gone = true
	case isManaged:
		o.Refused = approvedInFile(managed.File, managed.Handle)
	case isRefused:
		o.Refused = reasonOf(of.Err)
	default:
		h.cfg.Log.ErrorContext(ctx, "a client was not decided on with others", "client_id", of.ID, "err", of.Err)
		o.Unknown = true
	}
	return o
}

// wayBack returns how a decision that was just made is taken back, nil where it
// cannot be, or the database does not say: the page of the client asks again.
func (h *handler) wayBack(ctx context.Context, who *administrator, key string) *clientstore.Undo {
	c, err := h.cfg.Clients.Get(ctx, key)
	if err != nil {
		return nil
	}
	u, err := h.cfg.Clients.Undoable(ctx, c, who.AccountID)
	if err != nil {
		return nil
	}
	return u
}

func approvedInFile(file, handle string) locale.Message {
	return locale.Sprintf("It belongs to the clients file %s, as %s, and is approved there.", printable(file), printable(handle))
}
