package authz

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"countersign/authz/claims"
	"countersign/authz/engine"
	"countersign/authz/userinfo"
	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/grant"
	"countersign/storage/locale"
)

// Door is the door for applications and resource owners.
type Door struct {
	http.Handler
	engine   *engine.Engine
	accounts *account.Store
}

// Asked is what a client might ask for.
type Asked struct {
	Client    *clientstore.Client
	AccountID string
	Scope     string // space-separated; empty means what it is registered for
	Claims    string // the claims parameter, empty for none
}

// Preview is what the client would be told of somebody. Nil is nothing at all.
type Preview struct{ IDToken, Userinfo map[string]any }

// Preview returns what the client would be told if the account allowed it what
// is asked, by the code that tells it. What the client may not ask for is a
// [*clientstore.MetadataError].
func (d *Door) Preview(ctx context.Context, asked Asked) (Preview, error) {
	scope, unregistered := asked.Client.SettleScope(asked.Scope)
	switch {
	case slices.Contains(asked.Client.WithheldScope(), unregistered):
		return Preview{}, &clientstore.MetadataError{Field: "scope", Reason: locale.Sprintf("has %s, without which the client was approved", unregistered)}
	case unregistered != "":
		return Preview{}, &clientstore.MetadataError{Field: "scope", Reason: locale.Sprintf("has %s, for which the client is not registered", unregistered)}
	}
	if _, err := claims.Parse(asked.Claims); err != nil {
		return Preview{}, &clientstore.MetadataError{Field: "claims", Reason: "is not as OpenID Connect Core 1.0, section 5.5, describes it"}
	}
	if !slices.Contains(scope, "openid") {
		return Preview{}, nil
	}
	a, err := d.accounts.Get(ctx, asked.AccountID)
	if err != nil {
		return Preview{}, err
	}
	g, idToken, err := d.engine.PreviewIDToken(ctx, engine.PreviewedToken{Client: asked.Client, AccountID: a.ID, Scope: scope, Claims: asked.Claims})
	if err != nil {
		return Preview{}, err
	}
	kept, err := json.Marshal(a.Claims)
	if err != nil {
		return Preview{}, fmt.Errorf("encode claims: %w", err)
	}
	opened, err := userinfo.Claims(&grant.Token{
		Scope: strings.Join(scope, " "), RegisteredScope: asked.Client.Metadata.Scope, Grant: g,
		Username: a.Username, AccountClaims: string(kept), AccountUpdatedAt: &a.UpdatedAt,
	})
	return Preview{idToken.Map(), opened.Map()}, err
}
