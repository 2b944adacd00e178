package oauth1

import (
	"context"
	"errors"
	"time"

	"countersign/authz/page"
	"countersign/storage"
	"countersign/storage/grant"
)

// originalLifetime is how long a request of OAuth Core 1.0 waits that has no
// verifier. Whoever began it can have another person allow it: the shorter it
// waits, the fewer there are to be found.
const originalLifetime = 10 * time.Minute

// chooseCallback settles where a request of OAuth Core 1.0 before its revision
// A is answered (OAuth Core 1.0, section 6.2.1): at an address that the client
// registered, chosen once and by the first who opens the page, so that a link
// with another leads nowhere.
func (h *Handler) chooseCallback(ctx context.Context, t *grant.Temporary, sent []string) error {
	c, err := h.cfg.Clients.InUse(ctx, t.ClientID)
	if errors.Is(err, storage.ErrNotFound) {
		return page.RemovedClient()
	}
	if err != nil {
		return err
	}
	callback := ""
	switch {
	case len(sent) == 1:
		callback = sent[0]
	case len(sent) == 0 && len(c.Metadata.RedirectURIs) == 0:
		callback = grant.OutOfBand // nobody said so, and there is no other way
	}
	if checkCallback(c, callback) != nil {
		return callbackUnknown()
	}
	if t.Callback == "" {
		err = h.cfg.Grants.ChooseCallback(ctx, t.Hash, callback)
		if err == nil {
			t.Callback = callback
			return nil
		}
		if !errors.Is(err, grant.ErrSpent) {
			return err
		}
		// Another browser was first, at this very moment, or it has expired.
		again, err := h.cfg.Grants.Temporary(ctx, t.Hash)
		if err != nil {
			return err
		}
		*t = *again
	}
	if t.Callback != callback {
		return unknownRequest()
	}
	return nil
}

// callbackUnknown is the page of a request that asks to be answered at an
// address that its client did not register.
func callbackUnknown() *page.Problem {
	p := page.BadRequest("E-OAUTH1-CALLBACK", "The application asked to be answered at an address that is not registered for it, or at none, so nothing was shared.",
		"Tell the developer of the application, or your administrator, who can add the address if it is the application's own.")
	p.Title = "The application's address does not match"
	return p
}
