package token

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"countersign/authz/clientjwt"
	"countersign/authz/engine"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/replay"
)

// bearerTypes are the values of typ that an assertion may have. That of a
// client's authentication is another, so that one cannot be the other.
var bearerTypes = []string{"jwt", "authorization-grant+jwt"}

// bear answers a client that signed whom it acts for (RFC 7523, section 2.1).
// The client has authenticated by the method that it is registered for: who
// comes by an assertion cannot present it.
func (h *Handler) bear(r *http.Request, form protocol.Parameters, asked engine.TokenRequest) (*engine.TokenResponse, error) {
	claims, err := h.readBearer(r, asked.Client, form.Get("assertion"))
	if errors.Is(err, clientjwt.ErrRefused) {
		return nil, h.refusedBearer(r, asked.Client, err)
	}
	if err != nil {
		return nil, err
	}
	person, err := h.cfg.Grants.Principal(r.Context(), asked.Client.ID, asked.Client.ConsentDigest, claims.Subject)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, protocol.Refuse(protocol.InvalidGrant, "The sub is nobody who allowed this client, as it is registered now, to act for them. "+
			"Have the person authorize the client once, and write the sub that it learns of them.")
	}
	if err != nil {
		return nil, err
	}
	asked.Bearer = &engine.Bearer{Principal: *person, Spend: func(ctx context.Context) error { return h.spend(ctx, asked.Client, claims) }}
	answer, err := h.cfg.Engine.Bear(r.Context(), asked)
	if errors.Is(err, replay.ErrUsed) {
		return nil, h.refusedBearer(r, asked.Client, clientjwt.Refused("was used before"))
	}
	if err == nil {
		h.cfg.Log.InfoContext(r.Context(), "assertion accepted", "client_id", asked.Client.ID, "account_id", person.AccountID, "grant_id", answer.GrantID)
	}
	return answer, err
}

// readBearer checks all of an assertion but whether it was used before. Only
// keys prove it, whichever way the client authenticates: a secret is known here
// as well.
func (h *Handler) readBearer(r *http.Request, c *clientstore.Client, assertion string) (*clientjwt.Claims, error) {
	payload, err := h.cfg.Signed.Verify(r.Context(), c, assertion, clientjwt.Rule{Algorithms: clientstore.SigningAlgs, Types: bearerTypes})
	if err != nil {
		return nil, err
	}
	claims, err := clientjwt.ReadClaims(payload)
	if err != nil {
		return nil, err
	}
	return claims, h.judgeBearer(r, c, claims)
}

// judgeBearer checks the claims of an assertion (RFC 7523, section 3).
func (h *Handler) judgeBearer(r *http.Request, c *clientstore.Client, claims *clientjwt.Claims) error {
	switch {
	case claims.Issuer != c.ID:
		return clientjwt.Refused("iss is not the client_id")
	case claims.Subject == "":
		return clientjwt.Refused("has no sub")
	case claims.Subject == c.ID:
		return clientjwt.Refused("sub is the client itself, which has the client_credentials grant for that")
	default:
		return h.judgeUse(r, c, claims)
	}
}

// refusedBearer says why an assertion is refused, to the client that proved to
// be the one that signed it.
func (h *Handler) refusedBearer(r *http.Request, c *clientstore.Client, err error) error {
	cause := strings.TrimPrefix(err.Error(), clientjwt.ErrRefused.Error()+": ")
	h.cfg.Log.InfoContext(r.Context(), "assertion refused", "client_id", c.ID, "cause", cause)
	return protocol.Refuse(protocol.InvalidGrant, "The assertion is refused: "+protocol.Printable(cause)+".")
}
