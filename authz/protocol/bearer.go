package protocol

import (
	"slices"
	"strings"
)

// TokenParameter is the name of the access token in a form and in a URL (RFC
// 6750, sections 2.2 and 2.3).
const TokenParameter = "access_token"

// BearerToken returns the access token of the Authorization headers, empty
// when there is none or it is of another scheme than Bearer and those in more.
// The name of the scheme may be written in any case (RFC 9110, section 11.1).
func BearerToken(headers []string, more ...string) (string, error) {
	if len(headers) > 1 {
		return "", Refuse(InvalidRequest, "Send one Authorization header.")
	}
	if len(headers) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !slices.ContainsFunc(append(more, "Bearer"), func(known string) bool { return strings.EqualFold(scheme, known) }) {
		return "", nil
	}
	token = strings.Trim(token, " ")
	if token == "" {
		return "", Refuse(InvalidRequest, "The Authorization header holds no access token after its scheme.")
	}
	return token, nil
}
