package token

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"countersign/authz/engine"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/seal"
)

// deviceAuthorization is the answer of the device authorization endpoint (RFC
// 8628, section 3.2).
type deviceAuthorization struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"` // seconds
	Interval                int64  `json:"interval"`   // seconds
}

// AuthorizeDevice serves POST /device_authorization. The request of a client
// that awaits approval is parked, as it is at the authorization endpoint: its
// codes yield nothing before an administrator has approved the client and a
// person has allowed it after that.
func (h *Handler) AuthorizeDevice(w http.ResponseWriter, r *http.Request) error {
	form, err := protocol.Form(r)
	if err != nil {
		return err
	}
	if c := h.recall(r, form); c != nil { // one statement, as in issueByMemory
		edition := c.Edition()
		switch d, err := h.authorizeDevice(r, form, c, &edition); {
		case err == nil:
			h.cfg.Clients.NoteUse(c)
			return protocol.About(c.ID, h.handDevice(w, r, d))
		case errors.Is(err, storage.ErrUnavailable):
			return protocol.About(c.ID, err)
		}
	}
	c, err := h.authenticate(r, form, rule{find: h.cfg.Clients.InUse, waits: isPending})
	if err != nil {
		return err
	}
	d, err := h.authorizeDevice(r, form, c, nil)
	if err == nil {
		err = h.handDevice(w, r, d)
	}
	return protocol.About(c.ID, err)
}

// authorizeDevice keeps the request of a device, if the client may make one. By
// judged the database confirms what was remembered; it is nil for a client that was
// just read.
func (h *Handler) authorizeDevice(r *http.Request, form protocol.Parameters, c *clientstore.Client, judged *grant.Edition) (*grant.DeviceStart, error) {
	if err := h.mayUse(c, clientstore.GrantDeviceCode); err != nil {
		return nil, err
	}
	scope, unregistered := c.SettleScope(form.Get("scope"))
	if unregistered != "" {
		return nil, protocol.Refuse(protocol.InvalidScope,
			"The client is not registered for the scope "+protocol.Printable(unregistered)+". Ask an administrator to add it.")
	}
	d := &grant.DeviceStart{
		ClientID: c.ID, Client: judged, Scope: strings.Join(scope, " "), IP: address(r), Network: network(r.RemoteAddr),
		PollInterval: int64(engine.DeviceInterval / time.Second), ExpiresAt: h.cfg.Now().Add(engine.DeviceLifetime),
	}
	if err := h.startDevice(r.Context(), d); err != nil {
		return nil, err
	}
	return d, nil
}

// handDevice hands the codes out.
func (h *Handler) handDevice(w http.ResponseWriter, r *http.Request, d *grant.DeviceStart) error {
	h.cfg.Log.InfoContext(r.Context(), "device codes issued", "request_id", r.Header.Get("X-Request-Id"), "client_id", d.ClientID, "scope", d.Scope)
	return write(w, http.StatusOK, h.describeDevice(*d))
}

// startDevice keeps the request under codes of its own.
func (h *Handler) startDevice(ctx context.Context, d *grant.DeviceStart) error {
	err := storage.ErrConflict
	for attempt := 0; attempt < 3 && errors.Is(err, storage.ErrConflict); attempt++ { // the user code may be another's
		d.DeviceCode, d.UserCode = seal.NewToken(seal.DeviceCode), grant.NewUserCode()
		err = h.cfg.Grants.StartDevice(ctx, *d)
	}
	switch {
	case errors.Is(err, grant.ErrTooMany):
		return &protocol.Error{
			Code: protocol.TemporarilyUnavailable, Status: http.StatusTooManyRequests, RetryAfter: 60,
			Description: "Too many device codes of this client wait already. Use those, or wait until they expire.",
		}
	case errors.Is(err, grant.ErrNotPermitted):
		return protocol.Refuse(protocol.UnauthorizedClient, "An administrator has disapproved this client just now. Ask the administrator to approve it again.")
	default:
		return err
	}
}

func (h *Handler) describeDevice(d grant.DeviceStart) deviceAuthorization {
	page := strings.TrimSuffix(h.cfg.Issuer, "/") + "/device"
	shown := grant.ShowUserCode(d.UserCode)
	return deviceAuthorization{
		DeviceCode: d.DeviceCode, UserCode: shown, VerificationURI: page,
		VerificationURIComplete: page + "?" + url.Values{"user_code": {shown}}.Encode(),
		ExpiresIn:               int64(engine.DeviceLifetime / time.Second), Interval: d.PollInterval,
	}
}

// isPending reports whether the client waits for its first approval.
func isPending(c *clientstore.Client) bool { return c.Status == clientstore.Pending }

// identify authenticates the client of a token request. What a device code or
// an access token to exchange stands for is read with the client, in one
// statement.
func (h *Handler) identify(r *http.Request, form protocol.Parameters) (engine.TokenRequest, error) {
	asked := engine.TokenRequest{Form: form.Values(), IP: address(r)}
	by := rule{find: h.cfg.Clients.InUse}
	switch form.Get("grant_type") {
	case clientstore.GrantAuthorizationCode:
		by.find = h.redeeming(form, &asked)
	case clientstore.GrantRefreshToken:
		by.find = h.renewing(form, &asked)
	case clientstore.GrantDeviceCode:
		by = h.polling(form, &asked)
	case clientstore.GrantTokenExchange:
		by.find = h.exchanging(form, &asked)
	}
	var err error
	asked.Client, err = h.authenticate(r, form, by)
	return asked, err
}

// redeeming reads the client with what its code stands for.
func (h *Handler) redeeming(form protocol.Parameters, asked *engine.TokenRequest) lookup {
	return func(ctx context.Context, id string) (*clientstore.Client, error) {
		found, err := h.cfg.Clients.Redeem(ctx, id, h.cfg.Grants, form.Get("code"))
		if err != nil {
			return nil, err
		}
		if found.Code.Grant.ID != "" {
			asked.Code = &found.Code
		}
		return &found.Client, nil
	}
}

// renewing reads the client with what its refresh token stands for.
func (h *Handler) renewing(form protocol.Parameters, asked *engine.TokenRequest) lookup {
	return func(ctx context.Context, id string) (*clientstore.Client, error) {
		found, err := h.cfg.Clients.Renew(ctx, id, h.cfg.Grants, form.Get("refresh_token"))
		if err != nil {
			return nil, err
		}
		if found.Token.Grant.ID != "" {
			asked.Refresh = &found.Token
		}
		return &found.Client, nil
	}
}

// polling reads the client with what its device code stands for. A pending
// client may ask for what it has parked.
func (h *Handler) polling(form protocol.Parameters, asked *engine.TokenRequest) rule {
	return rule{
		find: func(ctx context.Context, id string) (*clientstore.Client, error) {
			found, err := h.cfg.Clients.Poll(ctx, id, h.cfg.Grants, form.Get("device_code"))
			if err != nil {
				return nil, err
			}
			if found.Device.ClientID != "" {
				asked.Device = &found.Device
			}
			return &found.Client, nil
		},
		waits: func(c *clientstore.Client) bool {
			return isPending(c) && asked.Device != nil && asked.Device.ClientID == c.ID && asked.Device.Parked
		},
	}
}

// address is the address of the client without its port.
func address(r *http.Request) string {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return ip
}
