package protocol

import "net/http"

// BearerChallenge is a value of WWW-Authenticate in the words of RFC 6750,
// section 3. Descriptions hold only characters that need no escape. An error
// without a code says that credentials are needed; scope, if any, which ones.
func BearerChallenge(realm string, e *Error, scope string) string {
	challenge := `Bearer realm="` + realm + `"`
	if e.Code != "" {
		challenge += `, error="` + string(e.Code) + `", error_description="` + e.Description + `"`
	}
	if scope != "" {
		challenge += `, scope="` + scope + `"`
	}
	return challenge
}

// PointJazz tells the web applications of Jazz where their user allows
// requests, and lets their scripts read it where the answer is shown to them
// at all.
func PointJazz(header http.Header, authorizationURL string) {
	header.Set("X-Jazz-Web-OAuth-URL", authorizationURL)
	header.Set("Access-Control-Expose-Headers", "WWW-Authenticate, X-jazz-web-oauth-url")
}
