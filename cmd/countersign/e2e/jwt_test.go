package e2e

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

// jwtPart decodes one part of a JWT without verifying it.
func jwtPart(t testing.TB, raw string, part int) map[string]any {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", raw)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

func jwtHeader(t testing.TB, raw string) map[string]any { t.Helper(); return jwtPart(t, raw, 0) }
func jwtClaims(t testing.TB, raw string) map[string]any { t.Helper(); return jwtPart(t, raw, 1) }

// forge builds an unsigned JWT, or one with the given signature.
func forge(header, claims map[string]any, signature []byte) string {
	encode := func(v any) string {
		text, _ := json.Marshal(v) // maps of strings and numbers
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return encode(header) + "." + encode(claims) + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// asRetrieveError returns the error that the token endpoint answered.
func asRetrieveError(err error) (*oauth2.RetrieveError, bool) {
	return errors.AsType[*oauth2.RetrieveError](err)
}
