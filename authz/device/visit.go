package device

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/session"
)

// visit is somebody who is signed in, with the code that they typed and what it
// leads to.
type visit struct {
	session  *session.Session
	ip       string              // of the browser
	userCode string              // empty where what was typed is no code
	person   page.Person         // and what follows, where it is one
	device   *grant.Device       // nil for none that shows the code
	client   *clientstore.Client // the device's
	before   *grant.Consent      // to the client, nil for none
	scope    []string            // asked for, and still the client's
}

// visit reads who has the browser's session and what the code leads to, in one
// statement. It is nil when the browser has no session.
func (h *Handler) visit(r *http.Request, typed string) (*visit, error) {
	v, err := h.read(r, typed)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil //nolint:nilnil // nobody is an answer, not an error
	}
	return v, err
}

func (h *Handler) read(r *http.Request, typed string) (*visit, error) {
	v, cookie, ctx := &visit{ip: browser.Address(r)}, h.cfg.Cookies.Session(r), r.Context()
	code, ok := grant.ReadUserCode(typed)
	if !ok {
		var err error
		v.session, err = h.cfg.Sessions.Get(ctx, cookie)
		return v, err
	}
	found, err := h.cfg.Clients.Open(ctx, h.cfg.Sessions.Hash(cookie), h.cfg.Grants, code)
	switch {
	case err != nil:
		return nil, err
	case !h.cfg.Sessions.Live(&found.Session):
		return nil, storage.ErrNotFound
	}
	v.take(code, found)
	return v, h.cfg.Sessions.Touch(ctx, v.session)
}

// take fills in what was read with the session.
func (v *visit) take(code string, found *clientstore.Opening) {
	v.userCode, v.session = code, &found.Session
	v.person = page.Person{ID: found.Session.AccountID, Username: found.Username, Name: found.Claims.Name}
	if found.Client.ID == "" {
		return
	}
	v.device, v.client, v.before = &found.Device, &found.Client, found.Consent()
	registered := strings.Fields(v.client.Metadata.Scope)
	v.scope = slices.DeleteFunc(strings.Fields(v.device.Scope), func(s string) bool { return !slices.Contains(registered, s) })
}

// faultError is a code that leads nowhere, and why.
type faultError page.DeviceFault

func (e faultError) Error() string { return "user code: " + string(e) }

// open is called before anything is said of the device. A code that leads nowhere
// is a guess, and one answer to it says nothing of what it was (DV-09); only who
// has opened it before in this session, or has answered it, is told what became
// of it, and may look as often as they like. Whether it leads anywhere or not,
// what it takes to find out that nobody may guess now is the same.
func (h *Handler) open(ctx context.Context, v *visit) error {
	fault := h.judge(v)
	switch {
	case v.isKnown():
		return fault
	case fault == nil:
		return h.cfg.Accounts.GuessRight(ctx, v.session.AccountID, v.ip, h.cfg.Grants.OpeningDevice(v.userCode, v.session.ID))
	}
	err := h.cfg.Accounts.Guess(ctx, v.session.AccountID, v.ip, func(context.Context) (bool, error) { return false, nil })
	if err == nil {
		err = faultError(page.WrongCode)
	}
	return err
}

// isKnown reports whether whoever visits knows the code by more than a guess.
func (v *visit) isKnown() bool {
	d, s := v.device, v.session
	return d != nil && (d.OpenedIn == s.ID || d.DeniedBy == s.AccountID || d.Grant.ID != "" && d.Grant.AccountID == s.AccountID)
}

// judge looks at what became of the request, and whether its client may have it.
func (h *Handler) judge(v *visit) error {
	if v.device == nil {
		return faultError(page.WrongCode)
	}
	d := v.device
	switch {
	case d.SpentAt != nil, d.DeniedAt != nil, d.Grant.ID != "":
		return faultError(page.UsedCode)
	case !h.cfg.Grants.Now().Before(d.ExpiresAt):
		return faultError(page.ExpiredCode)
	case !d.Permitted && !d.Parked, !slices.Contains(v.client.Metadata.GrantTypes, clientstore.GrantDeviceCode):
		return faultError(page.UnusableClient)
	case !v.client.Admits(v.session.AccountID):
		return faultError(page.NotAmongTesters)
	default:
		return nil
	}
}

// describe fills in the page.
func (h *Handler) describe(v *visit) page.Device {
	p := page.Device{
		Application: page.NewApplication(v.client, ""),
		Person:      v.person,
		UserCode:    grant.ShowUserCode(v.userCode),
		From:        v.device.IP, Elsewhere: v.elsewhere(),
		Groups: page.ScopeGroups(v.scope, func(s string) bool {
			return v.before != nil && !slices.Contains(strings.Fields(v.before.Scope), s)
		}, nil),
		Shown:  v.shown(),
		Access: h.cfg.AccessToken, AnyTime: v.client.ActsForAbsent(),
	}
	if v.client.Offline(v.scope) {
		p.Offline = h.cfg.Offline
	}
	return p
}

// shown identifies what the page says of the client and of what it asks for. A
// decision on another page than today's would be one (CN-03).
func (v *visit) shown() string {
	sum := sha256.Sum256([]byte(v.userCode + " " + v.client.ConsentOf(v.session.AccountEpoch) + " " + strings.Join(v.scope, " ") +
		" " + v.device.CreatedAt.UTC().Format(time.RFC3339Nano)))
	return hex.EncodeToString(sum[:])
}

// elsewhere reports whether the device asks from another network than the
// browser, as one does that somebody far away has started (DV-20).
func (v *visit) elsewhere() bool { return network(v.ip) != network(v.device.IP) }

// network is the network of an address: /24 of IPv4, /64 of IPv6.
func network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return ip
	}
	return prefix.String()
}
