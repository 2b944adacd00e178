package protocol

import "errors"

// concern is an error with the client that it concerns.
type concern struct {
	error
	clientID string
}

func (e *concern) Unwrap() error { return e.error }

// About notes which client an error concerns, for the administrators who read
// what it was refused; nobody else is told. The request need not have proved to
// be that client's, and there may be no such client.
func About(clientID string, err error) error {
	if err == nil || clientID == "" {
		return err
	}
	return &concern{err, clientID}
}

// Concerns returns the client that an error concerns, empty when it says none.
func Concerns(err error) string {
	if about, ok := errors.AsType[*concern](err); ok {
		return about.clientID
	}
	return ""
}

// IsOrdinary reports whether the code is part of how things go, such as a
// person who chose not to allow it, and no failure of the client.
func (c Code) IsOrdinary() bool {
	switch c {
	case AuthorizationPending, SlowDown, AccessDenied, LoginRequired, ConsentRequired, InteractionRequired, AccountSelectionRequired:
		return true
	default:
		return false
	}
}
