package device

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

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

// open finds the device that shows the code. A code that none shows is a guess.
func (h *Handler) open(r *http.Request, s *session.Session, typed string) (*visit, error) {
	v := &visit{session: s, ip: address(r)}
	err := h.cfg.Accounts.Guess(r.Context(), s.AccountID, v.ip, func(ctx context.Context) (bool, error) {
		var ok bool
		if v.userCode, ok = grant.ReadUserCode(typed); !ok {
			return false, nil
		}
		var err error
		v.device, err = h.cfg.Grants.DeviceByUserCode(ctx, v.userCode)
		if errors.Is(err, storage.ErrNotFound) {
			return false, nil
		}
		return true, err
	})
	switch {
	case err != nil:
		return nil, err
	case v.device == nil:
		return nil, faultError(page.WrongCode)
	}
	return v, h.judge(r.Context(), v)
}

// judge looks at what became of the request, and of its client.
func (h *Handler) judge(ctx context.Context, v *visit) error {
	switch d := v.device; {
	case d.SpentAt != nil, d.DeniedAt != nil, d.Grant.ID != "":
		return faultError(page.UsedCode)
	case !h.cfg.Grants.Now().Before(d.ExpiresAt):
		return faultError(page.ExpiredCode)
	case !d.Permitted:
		return faultError(page.UnusableClient)
	}
	var err error
	v.client, err = h.cfg.Clients.Get(ctx, v.device.ClientID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return faultError(page.WrongCode)
	case err != nil:
		return err
	case v.client.Usable() != nil, !slices.Contains(v.client.Metadata.GrantTypes, clientstore.GrantDeviceCode):
		return faultError(page.UnusableClient)
	}
	registered := strings.Fields(v.client.Metadata.Scope)
	v.scope = slices.DeleteFunc(strings.Fields(v.device.Scope), func(s string) bool { return !slices.Contains(registered, s) })
	return nil
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

// address is the address of the browser without its port.
func address(r *http.Request) string {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return ip
}
