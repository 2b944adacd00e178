package userinfo

import (
	"net/http"

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
	if r.URL.RawQuery != "" && r.URL.Query().Has(protocol.TokenParameter) {
		return "", protocol.Refuse(protocol.InvalidRequest, "Send the access token in the Authorization header, never in the URL; and let this one expire, as it may have been logged.")
	}
	inHeader, err := protocol.BearerToken(r.Header.Values("Authorization"), h.cfg.Schemes...)
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

// fromBody returns the token of a form in the body, empty when there is none.
func fromBody(r *http.Request) (string, error) {
	if r.Method != http.MethodPost || !protocol.IsForm(r.Header) {
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
	if form.IsRepeated(protocol.TokenParameter) {
		return "", protocol.Refuse(protocol.InvalidRequest, "Send the access token once.")
	}
	return form.Get(protocol.TokenParameter), nil
}

// refuse answers in the words of RFC 6750, section 3.
func (h *Handler) refuse(w http.ResponseWriter, e *protocol.Error) {
	scope := ""
	if e.Code == protocol.InsufficientScope {
		scope = "openid"
	}
	header := w.Header()
	header.Set("WWW-Authenticate", protocol.BearerChallenge(h.cfg.Issuer, e, scope))
	if e.Code == "" {
		header.Set("Cache-Control", "no-store")
		header.Add("Vary", "Authorization")
		w.WriteHeader(e.Status)
		return
	}
	_ = answer(w, e.Status, map[string]string{"error": string(e.Code), "error_description": e.Description}) // text always encodes
}
