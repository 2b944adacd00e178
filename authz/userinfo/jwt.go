package userinfo

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/go-jose/go-jose/v4"

	"countersign/authz/claims"
	"countersign/authz/clientjwt"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/grant"
)

// answerJWT writes the claims as a JSON Web Token: signed, encrypted, or signed
// and then encrypted, as the client is registered (OpenID Connect Core 1.0,
// section 5.3.2).
func (h *Handler) answerJWT(w http.ResponseWriter, r *http.Request, token *grant.Token, found claims.Members) error {
	c, err := h.cfg.Clients.InUse(r.Context(), token.Grant.ClientID)
	if errors.Is(err, storage.ErrNotFound) { // it went this very moment, and its token with it
		h.refuse(w, errDead)
		return nil
	}
	if err != nil {
		return err
	}
	content, err := h.protect(r, c, found)
	if errors.Is(err, clientjwt.ErrRefused) {
		h.cfg.Log.WarnContext(r.Context(), "userinfo cannot be encrypted", "client_id", c.ID, "cause", err.Error())
		return errNoRecipient
	}
	if err != nil {
		return err
	}
	write(w, http.StatusOK, "application/jwt", []byte(content))
	return nil
}

// errNoRecipient is what the client is told when it cannot be encrypted to.
var errNoRecipient = &protocol.Error{
	Code: protocol.TemporarilyUnavailable, Status: http.StatusServiceUnavailable, RetryAfter: 60,
	Description: "The claims cannot be encrypted: the keys of the client cannot be fetched, or none of them is for its userinfo_encrypted_response_alg. Publish one and repeat the request.",
}

// protect says who speaks to whom, and signs and encrypts. No typ is set:
// nothing that is checked by one can be taken for it.
func (h *Handler) protect(r *http.Request, c *clientstore.Client, found claims.Members) (string, error) {
	found.Set("iss", h.cfg.Issuer)
	found.Set("aud", c.ID)
	payload, err := found.Encode()
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	content, envelope := string(payload), clientjwt.Envelope{
		Algorithm: c.Metadata.UserinfoEncryptedResponseAlg, Content: c.Metadata.UserinfoEncryptedResponseEnc,
	}
	if alg := c.Metadata.UserinfoSignedResponseAlg; alg != "" {
		envelope.Type = "JWT"
		if content, err = h.cfg.Keys.Sign(r.Context(), jose.SignatureAlgorithm(alg), "", payload); err != nil {
			return "", fmt.Errorf("sign claims: %w", err)
		}
	}
	return h.cfg.ClientKeys.Encrypt(r.Context(), c, envelope, content)
}
