// Package userinfo serves the UserInfo endpoint: the claims about a resource
// owner that an access token opens (OpenID Connect Core 1.0, section 5.3).
package userinfo

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"countersign/authz/claims"
	"countersign/authz/clientjwt"
	"countersign/authz/protocol"
	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/grant"
	"countersign/storage/keyset"
)

// Config is what the endpoint needs.
type Config struct {
	Issuer  string
	Grants  *grant.Store
	Clients *clientstore.Store
	// Keys signs, and ClientKeys encrypts to clients.
	Keys       *keyset.Store
	ClientKeys *clientjwt.Verifier
	// Schemes are names that Bearer may have beside its own.
	Schemes []string
	Log     *slog.Logger
}

// Handler serves the UserInfo endpoint.
type Handler struct {
	cfg Config
}

// New returns a handler.
func New(cfg Config) *Handler { return &Handler{cfg: cfg} }

// Serve serves GET and POST /userinfo. It answers refusals itself, in the
// words of RFC 6750, and returns what is no verdict on the token: a wrong
// method and a failing database.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return &protocol.Error{
			Code: protocol.InvalidRequest, Status: http.StatusMethodNotAllowed,
			Description: "The UserInfo endpoint takes GET and POST.",
		}
	}
	found, token, err := h.claims(r)
	if refusal, ok := errors.AsType[*protocol.Error](err); ok {
		h.refuse(w, refusal)
		return nil
	}
	if err != nil {
		return err
	}
	if token.UserinfoJWT {
		return h.answerJWT(w, r, token, found)
	}
	body, err := found.Encode()
	if err != nil {
		return err
	}
	write(w, http.StatusOK, "application/json", body)
	return nil
}

// claims returns the claims that the token of the request opens, and the token.
func (h *Handler) claims(r *http.Request) (claims.Members, *grant.Token, error) {
	token, err := h.live(r)
	if err != nil {
		return nil, nil, err
	}
	found, err := Claims(token)
	return found, token, err
}

// Claims returns the claims that a token opens that is live.
func Claims(token *grant.Token) (claims.Members, error) {
	scope := token.EffectiveScope()
	if !slices.Contains(scope, "openid") || token.Grant.AccountID == "" {
		return nil, &protocol.Error{
			Code: protocol.InsufficientScope, Status: http.StatusForbidden,
			Description: "The access token does not cover the scope openid. Ask for it in the authorization request.",
		}
	}
	return open(token, scope)
}

var errDead = &protocol.Error{
	Code: protocol.InvalidToken, Status: http.StatusUnauthorized,
	Description: "The access token is not valid here, has expired or was revoked. Get a new one.",
}

// open returns the claims of the account behind the token: what its scope
// stands for and what the claims parameter of its grant asked for. The sub is
// that of the ID token.
func open(token *grant.Token, scope []string) (claims.Members, error) {
	kept, err := account.ReadClaims(token.AccountClaims)
	if err != nil {
		return nil, fmt.Errorf("account %s: %w", token.Grant.AccountID, err)
	}
	asked, err := claims.Parse(token.Grant.Claims)
	if err != nil {
		return nil, fmt.Errorf("read claims parameter of grant %s: %w", token.Grant.ID, err)
	}
	var updatedAt time.Time
	if token.AccountUpdatedAt != nil {
		updatedAt = *token.AccountUpdatedAt
	}
	wanted := claims.ForScope(scope) | claims.NewSet(asked.Userinfo())
	found := claims.Select(wanted.Without(token.WithheldScope(), scope), kept, token.Username, updatedAt)
	found.Set("sub", token.Grant.Subject)
	return found, nil
}

// answer writes JSON that no cache may keep.
func answer(w http.ResponseWriter, status int, content any) error {
	body, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encode claims: %w", err)
	}
	write(w, status, "application/json", body)
	return nil
}

func write(w http.ResponseWriter, status int, mediaType string, body []byte) {
	header := w.Header()
	header.Set("Content-Type", mediaType)
	protocol.NoStore(header)
	header.Add("Vary", "Authorization")
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON or a JWT, for a client that may have gone
}
