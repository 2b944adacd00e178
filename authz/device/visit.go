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

// visit is a device that waits, with who may allow it.
type visit struct {
	userCode string
	device   *grant.Device
	client   *clientstore.Client
	session  *session.Session
	scope    []string // asked for, and still the client's
	ip       string   // of the browser
}

// faultError is a code that leads nowhere, and why.
type faultError page.DeviceFault

func (e faultError) Error() string { return "user code: " + string(e) }

// open finds the device that shows the code. A code that leads nowhere is a
// guess, and one answer to it says nothing of what it was (DV-09); only who has
// opened it before in this session, or has answered it, is told what became of
// it, and may look as often as they like.
func (h *Handler) open(r *http.Request, s *session.Session, typed string) (*visit, error) {
	v := &visit{session: s, ip: browser.Address(r)}
	fault, err := h.find(r.Context(), v, typed)
	switch {
	case err != nil:
		return nil, err
	case v.isKnown():
		return v, fault
	}
	err = h.cfg.Accounts.Guess(r.Context(), s.AccountID, v.ip, func(context.Context) (bool, error) { return fault == nil, nil })
	if err == nil && fault != nil {
		err = faultError(page.WrongCode)
	}
	return v, err
}

// isKnown reports whether whoever visits knows the code by more than a guess.
func (v *visit) isKnown() bool {
	d, s := v.device, v.session
	return d != nil && (d.OpenedIn == s.ID || d.DeniedBy == s.AccountID || d.Grant.ID != "" && d.Grant.AccountID == s.AccountID)
}

// find reads the device's request and its client, and says what is wrong with
// them.
func (h *Handler) find(ctx context.Context, v *visit, typed string) (fault, err error) {
	var ok bool
	if v.userCode, ok = grant.ReadUserCode(typed); !ok {
		return faultError(page.WrongCode), nil
	}
	v.device, err = h.cfg.Grants.DeviceByUserCode(ctx, v.userCode)
	if err == nil {
		if fault = h.judge(v.device); fault != nil {
			return fault, nil
		}
		v.client, err = h.cfg.Clients.InUse(ctx, v.device.ClientID)
	}
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return faultError(page.WrongCode), nil
	case err != nil:
		return nil, err
	case !slices.Contains(v.client.Metadata.GrantTypes, clientstore.GrantDeviceCode):
		return faultError(page.UnusableClient), nil
	case v.session != nil && !v.client.Admits(v.session.AccountID):
		return faultError(page.NotAmongTesters), nil
	}
	registered := strings.Fields(v.client.Metadata.Scope)
	v.scope = slices.DeleteFunc(strings.Fields(v.device.Scope), func(s string) bool { return !slices.Contains(registered, s) })
	return nil, nil
}

// judge looks at what became of the request.
func (h *Handler) judge(d *grant.Device) error {
	switch {
	case d.SpentAt != nil, d.DeniedAt != nil, d.Grant.ID != "":
		return faultError(page.UsedCode)
	case !h.cfg.Grants.Now().Before(d.ExpiresAt):
		return faultError(page.ExpiredCode)
	case !d.Permitted && !d.Parked:
		return faultError(page.UnusableClient)
	default:
		return nil
	}
}

// describe fills in the page.
func (h *Handler) describe(ctx context.Context, v *visit) (page.Device, error) {
	a, err := h.cfg.Accounts.Get(ctx, v.session.AccountID)
	if err != nil {
		return page.Device{}, err
	}
	before, err := h.cfg.Grants.Consent(ctx, a.ID, v.client.ID)
	if err != nil {
		return page.Device{}, err
	}
	p := page.Device{
		Application: page.NewApplication(v.client, ""),
		Person:      page.Person{ID: a.ID, Username: a.Username, Name: a.Claims.Name},
		UserCode:    grant.ShowUserCode(v.userCode),
		From:        v.device.IP, Elsewhere: v.elsewhere(),
		Groups: page.ScopeGroups(v.scope, func(s string) bool {
			return before != nil && !slices.Contains(strings.Fields(before.Scope), s)
		}, nil),
		Shown:  v.shown(),
		Access: h.cfg.AccessToken,
	}
	if v.client.Offline(v.scope) {
		p.Offline = h.cfg.Offline
	}
	return p, nil
}

// shown identifies what the page says of the client and of what it asks for. A
// decision on another page than today's would be one (CN-03).
func (v *visit) shown() string {
	sum := sha256.Sum256([]byte(v.userCode + " " + v.client.ConsentDigest + " " + strings.Join(v.scope, " ") +
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
