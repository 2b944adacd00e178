package engine

import (
	"context"
	"strings"
	"time"

	"github.com/ory/fosite"

	"countersign/clientstore"
	"countersign/storage/grant"
	"countersign/storage/session"
)

const (
	// DeviceLifetime is how long the owner of a device has to allow it.
	DeviceLifetime = 10 * time.Minute
	// DeviceInterval is how long a device waits between two polls, until it is
	// told to slow down, by as much again each time (RFC 8628, section 3.5).
	DeviceInterval = 5 * time.Second
	// maxDeviceInterval is the slowest that a device is asked to be.
	maxDeviceInterval = time.Minute
	// deviceHaste is how much early a poll may come, because networks deliver
	// one request sooner than another.
	deviceHaste = time.Second
)

var _ fosite.TokenEndpointHandler = (*deviceHandler)(nil)

// deviceHandler is the device code grant (RFC 8628, section 3.4). fosite's own
// answers authorization_pending to expired codes, never slow_down, compares
// clients last, and revokes nothing when a code is used twice.
type deviceHandler struct{ engine *Engine }

// CanHandleTokenEndpointRequest recognises the grant.
func (*deviceHandler) CanHandleTokenEndpointRequest(_ context.Context, r fosite.AccessRequester) bool {
	return r.GetGrantTypes().ExactOne(clientstore.GrantDeviceCode)
}

// CanSkipClientAuth says no.
func (*deviceHandler) CanSkipClientAuth(context.Context, fosite.AccessRequester) bool { return false }

var (
	errNoDevice = fosite.ErrInvalidGrant.WithHint(
		"The device code is unknown, was issued to another client, or has lost its authorization. Ask for a new one.")
	errDeviceReused = fosite.ErrInvalidGrant.WithHint(
		"The device code was used before, so everything that came of it has been revoked. Ask for a new one.")
	errDeviceExpired = fosite.ErrDeviceExpiredToken.WithHint("The device code has expired. Ask for a new one.")
	errDeviceDenied  = fosite.ErrAccessDenied.WithHint("The user did not allow it.")
	errDevicePending = fosite.ErrAuthorizationPending.WithHint("The user has not answered yet. Ask again after the interval.")
	errDeviceParked  = fosite.ErrAuthorizationPending.WithHint(
		"The client awaits the approval of an administrator. Once it is approved, the user can enter the code and allow it. Ask again after the interval.")
	errDeviceTooFast = fosite.ErrSlowDown.WithHint("Ask less often: wait 5 seconds longer than before between requests, this time and from now on.")
)

// HandleTokenEndpointRequest decides whether the device may have tokens. Whose
// code it is comes first: to another client it does not exist, and such a
// client can neither slow down nor end what it stands for.
func (h *deviceHandler) HandleTokenEndpointRequest(ctx context.Context, r fosite.AccessRequester) error {
	f := flowOf(ctx)
	if f.device == nil {
		return errNoDevice
	}
	if f.device.ClientID != f.client.ID {
		h.engine.cfg.Log.WarnContext(ctx, "device code presented by another client", "client_id", f.client.ID, "issued_to", f.device.ClientID)
		return errNoDevice
	}
	f.presented = r.GetRequestForm().Get("device_code")
	if err := h.judge(ctx, f); err != nil {
		return err
	}
	f.scope = f.stillRegistered(f.device.Grant.Scope)
	return nil
}

// judge decides on a code of this client. What has expired is not pending any
// more.
func (h *deviceHandler) judge(ctx context.Context, f *flow) error {
	d := f.device
	switch {
	case d.SpentAt != nil:
		return h.reused(ctx, f)
	case !h.engine.cfg.Now().Before(d.ExpiresAt):
		return errDeviceExpired
	case d.DeniedAt != nil:
		return errDeviceDenied
	case d.Parked:
		return h.pending(ctx, f, errDeviceParked)
	case !d.Permitted, d.Grant.ID != "" && !d.Live:
		return errNoDevice
	case d.Grant.ID == "":
		return h.pending(ctx, f, errDevicePending)
	default:
		return nil
	}
}

// pending notes the poll and says what is awaited, and slows down who polls too
// often. Of two polls at once, at whatever replica, the later one does.
func (h *deviceHandler) pending(ctx context.Context, f *flow, awaited error) error {
	interval := time.Duration(f.device.PollInterval) * time.Second
	now := h.engine.cfg.Now()
	hasty := f.device.PolledAt != nil && now.Before(f.device.PolledAt.Add(interval-deviceHaste))
	if hasty {
		interval = min(interval+DeviceInterval, maxDeviceInterval)
	}
	first, err := h.engine.cfg.Grants.PollDevice(ctx, f.presented, f.device, int64(interval/time.Second))
	switch {
	case err != nil:
		return f.failed(err)
	case hasty || !first:
		return errDeviceTooFast
	default:
		return awaited
	}
}

// reused ends the grant of a device code that was used before.
func (h *deviceHandler) reused(ctx context.Context, f *flow) error {
	h.engine.cfg.Log.WarnContext(ctx, "device code used again; its grant is revoked",
		"client_id", f.client.ID, "grant_id", f.device.Grant.ID)
	if err := h.engine.cfg.Grants.Revoke(ctx, f.device.Grant.ID); err != nil {
		return f.failed(err)
	}
	return errDeviceReused
}

// PopulateTokenEndpointResponse makes the tokens.
func (h *deviceHandler) PopulateTokenEndpointResponse(ctx context.Context, r fosite.AccessRequester, response fosite.AccessResponder) error {
	return h.engine.populate(ctx, flowOf(ctx).device.Grant, r, response)
}

// DeviceGrant is the grant of a device whose owner allows it in a session. It
// ends with that session unless the client has offline access.
func (e *Engine) DeviceGrant(c *clientstore.Client, s *session.Session, d *grant.Device, scope []string) grant.Grant {
	authTime := s.AuthTime
	g := grant.Grant{
		ID: grant.NewID(), Kind: clientstore.GrantDeviceCode, ClientID: c.ID, AccountID: s.AccountID, SessionID: s.ID,
		Subject: e.Subject(c, s.AccountID), Scope: strings.Join(scope, " "), ACR: s.ACR, AMR: strings.Join(s.AMR, " "), AuthTime: &authTime,
		ExpiresAt: earlier(d.ExpiresAt.Add(e.cfg.Lifetimes.AccessToken), s.ExpiresAt),
	}
	if c.Offline(scope) {
		g.Offline, g.ExpiresAt = true, d.ExpiresAt.Add(e.cfg.Lifetimes.RefreshAbsolute)
	}
	return g
}
