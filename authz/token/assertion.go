package token

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"countersign/authz/clientjwt"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/replay"
)

const (
	// assertionType is the one kind of assertion (RFC 7523, section 2.2).
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// assertionLife is how far ahead an assertion may expire.
	assertionLife = 5 * time.Minute
	// usedAfter is how long after it expired an identifier is remembered, for
	// replicas whose clocks differ.
	usedAfter = time.Minute
	maxJTI    = 255
)

// assertionTypes are the values of typ: what libraries write, and what
// draft-ietf-oauth-rfc7523bis asks for.
var assertionTypes = []string{"jwt", "client-authentication+jwt"}

// assertion reads the credentials of a client that signed a JWT (RFC 7523,
// section 2.2; OpenID Connect Core 1.0, section 9). Who it says to be is not
// believed before the signature is checked with that client's keys.
func (c credentials) assertion(form protocol.Parameters) (credentials, error) {
	if c.header || form.Has("client_secret") {
		return c, protocol.Refuse(protocol.InvalidRequest, "Authenticate once: by an assertion, or by a secret.")
	}
	c.jwt = form.Get("client_assertion")
	if form.Get("client_assertion_type") != assertionType {
		return c, errUnknown()
	}
	claims, err := clientjwt.Peek(c.jwt)
	if err != nil || claims.Subject == "" || claims.Issuer != claims.Subject || (c.id != "" && c.id != claims.Subject) {
		return c, errUnknown()
	}
	c.id = claims.Subject
	return c, nil
}

// algorithmsOf are those that the client's assertions may be signed with. A
// client that authenticates in another way has none.
func algorithmsOf(c *clientstore.Client) []string {
	var all []string
	switch c.Metadata.TokenEndpointAuthMethod {
	case clientstore.AuthPrivateKeyJWT:
		all = clientstore.SigningAlgs
	case clientstore.AuthSecretJWT:
		all = []string{"HS256"}
	}
	if registered := c.Metadata.TokenEndpointAuthSigningAlg; registered != "" {
		return slices.DeleteFunc(slices.Clone(all), func(alg string) bool { return alg != registered })
	}
	return all
}

// proveByAssertion checks all of an assertion but whether it was used before.
// Nothing is fetched for a client that does not authenticate so.
func (h *Handler) proveByAssertion(r *http.Request, c *clientstore.Client, given *credentials) error {
	if c == nil || len(algorithmsOf(c)) == 0 {
		return errUnknown()
	}
	payload, err := h.cfg.Signed.Verify(r.Context(), c, given.jwt, clientjwt.Rule{Algorithms: algorithmsOf(c), Types: assertionTypes})
	if err == nil {
		given.claims, err = clientjwt.ReadClaims(payload)
	}
	if err == nil {
		err = h.judge(r, c, given.claims)
	}
	if errors.Is(err, clientjwt.ErrRefused) {
		h.cfg.Log.InfoContext(r.Context(), "client assertion refused", "request_id", r.Header.Get("X-Request-Id"), "client_id", c.ID, "cause", err.Error())
		return errUnknown()
	}
	return err
}

// judge checks the claims of an assertion (RFC 7523, section 3).
func (h *Handler) judge(r *http.Request, c *clientstore.Client, claims *clientjwt.Claims) error {
	switch {
	case claims.Issuer != c.ID || claims.Subject != c.ID:
		return clientjwt.Refused("iss and sub are not the client")
	default:
		return h.judgeUse(r, c, claims)
	}
}

// judgeUse checks what holds for whatever a client presents here: that it can be
// told from all others, is for this server, and is good at this moment.
func (h *Handler) judgeUse(r *http.Request, c *clientstore.Client, claims *clientjwt.Claims) error {
	switch {
	case claims.ID == "" || len(claims.ID) > maxJTI:
		return clientjwt.Refused("has no jti, or one that is too long")
	case !h.meant(r, c, claims):
		return clientjwt.Refused("aud is not this server")
	default:
		return claims.CheckTimes(h.cfg.Now(), assertionLife)
	}
}

// meant reports whether an assertion is for this server alone. Under the
// strict policy, and for a client that is registered so, its audience is the issuer and nothing else, so that no other
// server can have asked for it (FAPI 2.0 Security Profile, section 5.3.2.1;
// draft-ietf-oauth-rfc7523bis). Otherwise it may also be the address of the
// endpoint, as most clients write it (OpenID Connect Core 1.0, section 9; RFC
// 9126, section 2).
func (h *Handler) meant(r *http.Request, c *clientstore.Client, claims *clientjwt.Claims) bool {
	list, single := claims.Audiences()
	if h.cfg.Clients.Policy() == clientstore.Strict || c.Metadata.ClientAssertionAudience == clientstore.AudienceIssuer {
		return single && list[0] == h.cfg.Issuer
	}
	base := strings.TrimSuffix(h.cfg.Issuer, "/")
	ours := []string{h.cfg.Issuer}
	for _, path := range h.cfg.Paths {
		ours = append(ours, base+path)
	}
	if strings.HasSuffix(r.URL.Path, parPath) {
		ours = append(ours, base+parPath)
	}
	return len(list) > 0 && !slices.ContainsFunc(list, func(aud string) bool { return !slices.Contains(ours, aud) })
}

// parPath is the endpoint of pushed requests, under the issuer's path.
const parPath = "/par"

// useUp uses up the assertion, when everything else about it was found good:
// an assertion that is refused must not keep another from being used.
func (h *Handler) useUp(ctx context.Context, c *clientstore.Client, given credentials) error {
	if given.claims == nil {
		return nil
	}
	err := h.spend(ctx, c, given.claims)
	if errors.Is(err, replay.ErrUsed) {
		h.cfg.Log.WarnContext(ctx, "client assertion used again", "client_id", c.ID)
		return errUnknown()
	}
	return err
}

// spend uses up what a client signed, or returns [replay.ErrUsed]. Identifiers of
// assertions that authenticate and of those that name somebody are not told from
// one another: a client makes a new one for each.
func (h *Handler) spend(ctx context.Context, c *clientstore.Client, claims *clientjwt.Claims) error {
	return h.cfg.Used.Use(ctx, c.ID, claims.ID, replay.Window{Since: claims.UsableSince(assertionLife), Until: claims.ExpiresAt().Add(usedAfter)})
}
