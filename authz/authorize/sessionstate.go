package authorize

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"countersign/clientstore"
)

// sessionState is what an application brings to the page at
// check_session_iframe: a hash of the application, the origin that will ask,
// and the browser's state (OpenID Connect Session Management 1.0, section 3).
// It is empty for a redirect URI that has no origin.
func sessionState(clientID, redirectURI, browserState string) string {
	origin := clientstore.Origin(redirectURI)
	if origin == "" {
		return ""
	}
	salt := rand.Text()
	sum := sha256.Sum256([]byte(strings.Join([]string{clientID, origin, browserState, salt}, " ")))
	return base64.RawURLEncoding.EncodeToString(sum[:]) + "." + salt
}
