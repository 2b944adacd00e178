package engine

import (
	"errors"
	"net/http"

	"github.com/ory/fosite"

	"countersign/authz/protocol"
)

// known are the errors that fosite may answer a client with, as the
// specifications name them. What is not here is a fault of ours.
var known = []struct {
	err  error
	code protocol.Code
}{
	{fosite.ErrInvalidatedAuthorizeCode, protocol.InvalidGrant},
	{fosite.ErrInactiveToken, protocol.InvalidGrant},
	{fosite.ErrInvalidGrant, protocol.InvalidGrant},
	{fosite.ErrAuthorizationPending, protocol.AuthorizationPending},
	{fosite.ErrSlowDown, protocol.SlowDown},
	{fosite.ErrDeviceExpiredToken, protocol.ExpiredToken},
	{fosite.ErrAccessDenied, protocol.AccessDenied},
	{fosite.ErrInvalidScope, protocol.InvalidScope},
	{fosite.ErrUnauthorizedClient, protocol.UnauthorizedClient},
	{fosite.ErrUnsupportedResponseType, protocol.UnsupportedResponseType},
	{fosite.ErrUnsupportedResponseMode, protocol.InvalidRequest},
	{fosite.ErrInvalidRequest, protocol.InvalidRequest},
}

// translate restates an error of fosite in our words: one of the
// specifications' codes with a description that says what to do, or the error
// itself when no client is to hear of it.
func translate(err error) error {
	for _, k := range known {
		if !errors.Is(err, k.err) {
			continue
		}
		e := &protocol.Error{Code: k.code, Status: http.StatusBadRequest, Description: fallback[k.code]}
		if f, ok := errors.AsType[*fosite.RFC6749Error](err); ok && f.HintField != "" {
			e.Description = protocol.Sentence(f.HintField)
		}
		return e
	}
	return err
}

// fallback is what a client is told when fosite gives no hint.
var fallback = map[protocol.Code]string{
	protocol.InvalidGrant:            "The authorization code is unknown, expired or used, or was issued to another client. Start a new authorization request.",
	protocol.InvalidScope:            "A scope is not known or not granted.",
	protocol.UnauthorizedClient:      "The client is not registered for this.",
	protocol.UnsupportedResponseType: "The response type is not supported.",
	protocol.InvalidRequest:          "The request is incomplete or contradicts itself.",
}
