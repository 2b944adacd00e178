package userinfo

import (
	"mime"
	"net/http"
	"strings"

	"countersign/authz/protocol"
)

// errNoToken is the refusal of a request without any token. It has no code,
// because the client may not have known that it needs one (RFC 6750, section
// 3.1).
var errNoToken = &protocol.Error{Status: http.StatusUnauthorized}

// bearer returns the access token of a request, which has it in one of two
// places: the Authorization header or the form in the body (RFC 6750, sections
// 2.1 and 2.2). A token in the URL is refused even if it is valid: URLs are
// kept in logs and histories (RFC 9700, section 4.3.2).
func (h *Handler) bearer(r *http.Request) (string, error) {
	if r.URL.Query().Has(parameter) {
		return "", protocol.Refuse(protocol.InvalidRequest, "Send the access token in the Authorization header, never in the URL; and let this one expire, as it may have been logged.")
	}
	inHeader, err := h.fromHeader(r.Header.Values("Authorization"))
	if err != nil {
		return "", err
	}
	inBody, err := fromBody(r)
	if err != nil {
		return "", err
	}
	switch {
	case inHeader != "" && inBody != "":
		return "", protocol.Refuse(protocol.InvalidRequest, "Send the access token once: in the Authorization header or in the body, not in both.")
	case inHeader == "" && inBody == "":
		return "", errNoToken
	default:
		return inHeader + inBody, nil
	}
}

// parameter is the name of the access token in a form and in a URL.
const parameter = "access_token"

// fromHeader returns the token of the Authorization header, empty when there
// is none or it is of another scheme. The name of the scheme may be written in
// any case (RFC 9110, section 11.1).
func (h *Handler) fromHeader(headers []string) (string, error) {
	if len(headers) > 1 {
		return "", protocol.Refuse(protocol.InvalidRequest, "Send one Authorization header.")
	}
	if len(headers) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !h.isBearer(scheme) {
		return "", nil
	}
	token = strings.Trim(token, " ")
	if token == "" {
		return "", protocol.Refuse(protocol.InvalidRequest, "The Authorization header holds no access token after its scheme.")
	}
	return token, nil
}

// isBearer reports whether the scheme is that of access tokens, by one of its
// names here.
func (h *Handler) isBearer(scheme string) bool {
	return strings.EqualFold(scheme, "Bearer") || h.cfg.TokenScheme && strings.EqualFold(scheme, "Token")
}

// fromBody returns the token of a form in the body, empty when there is none.
func fromBody(r *http.Request) (string, error) {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || mediaType != "application/x-www-form-urlencoded" {
		return "", nil
	}
	body, err := protocol.Body(r)
	if err != nil {
		return "", err
	}
	form, err := protocol.Parse(body)
	if err != nil {
		return "", protocol.Refuse(protocol.InvalidRequest, "The request cannot be read: "+protocol.Printable(err.Error())+".")
	}
	if form.IsRepeated(parameter) {
		return "", protocol.Refuse(protocol.InvalidRequest, "Send the access token once.")
	}
	return form.Get(parameter), nil
}

// refuse answers in the words of RFC 6750, section 3. Descriptions hold only
// characters that need no escape.
func (h *Handler) refuse(w http.ResponseWriter, e *protocol.Error) {
	challenge := `Bearer realm="` + h.cfg.Issuer + `"`
	if e.Code == "" {
		header := w.Header()
		header.Set("WWW-Authenticate", challenge)
		header.Set("Cache-Control", "no-store")
		header.Add("Vary", "Authorization")
		w.WriteHeader(e.Status)
		return
	}
	challenge += `, error="` + string(e.Code) + `", error_description="` + e.Description + `"`
	if e.Code == protocol.InsufficientScope {
		challenge += `, scope="openid"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	_ = answer(w, e.Status, map[string]string{"error": string(e.Code), "error_description": e.Description}) // text always encodes
}
