package authorize

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"countersign/authz/claims"
	"countersign/authz/engine"
	"countersign/authz/protocol"
	"countersign/clientstore"
)

const (
	maxState = 4096
	maxNonce = 1024
)

// request is an authorization request that was validated (RFC 6749, section
// 4.1.1; RFC 7636, section 4.3; OpenID Connect Core 1.0, section 3.1.2.1).
type request struct {
	clientID        string
	target          target // of the answer
	sentRedirectURI string // empty when the request left it out
	responseType    string
	scope           []string
	nonce           string
	challenge       string
	challengeMethod string
	prompt          []string
	prompts         []string       // that are known
	maxAge          *int64         // seconds
	claims          string         // as it came
	wishes          claims.Request // what it asks for
	hint            string         // the subject of the id_token_hint
	subjects        [][]string     // lists that the subject must be in
	contexts        []string       // authentication contexts that it insists on one of, nil for any
	parameters      url.Values     // in plain form, to be kept while the request waits
	mark            string         // of parameters that did not come in plain form
}

// read reads the parameters of an authorization request, from the query of a
// GET or the form of a POST (OpenID Connect Core 1.0, section 3.1.2.1).
func read(r *http.Request) (protocol.Parameters, error) {
	parts := []string{r.URL.RawQuery}
	if r.Method == http.MethodPost {
		body, err := protocol.Body(r)
		if err != nil {
			return protocol.Parameters{}, err
		}
		parts = append(parts, body)
	}
	return protocol.Parse(parts...)
}

// redirectURI settles where the answer goes. Until it has, no answer may be
// sent anywhere but to the person at the browser.
func redirectURI(p protocol.Parameters, c *clientstore.Client) (uri string, err error) {
	sent := p.Get("redirect_uri")
	switch {
	case p.IsRepeated("redirect_uri"):
		return "", badRedirect("The request names more than one redirect URI.")
	case sent != "" && c.MatchRedirectURI(sent):
		return sent, nil
	case sent != "":
		return "", mismatch(sent, c)
	case len(c.Metadata.RedirectURIs) != 1:
		return "", badRedirect("The request names no redirect URI, and the application has not registered exactly one.")
	case wantsOpenID(p, c):
		return "", badRedirect("The request names no redirect URI, which OpenID Connect requires.")
	default:
		return c.Metadata.RedirectURIs[0], nil
	}
}

// wantsOpenID reports whether the request, which may leave its scope to the
// registration, is OpenID Connect's.
func wantsOpenID(p protocol.Parameters, c *clientstore.Client) bool {
	scope := p.Get("scope")
	if scope == "" {
		scope = c.Metadata.Scope
	}
	return slices.Contains(words(scope), "openid")
}

// validate reads what the redirect URI can be told of. Each error is answered
// there, with the state of the request.
func (h *Handler) validate(r *http.Request, p protocol.Parameters, c *clientstore.Client) (*request, error) {
	q := &request{
		clientID: c.ID, sentRedirectURI: p.Get("redirect_uri"), nonce: p.Get("nonce"),
		challenge: p.Get("code_challenge"), challengeMethod: p.Get("code_challenge_method"),
		claims: p.Get("claims"), prompt: words(p.Get("prompt")), prompts: h.Prompts(), parameters: p.All(),
	}
	for _, check := range []func(protocol.Parameters, *clientstore.Client) error{
		q.checkSupported, q.checkResponseType, q.checkResponseMode, q.checkScope, q.checkProof, q.checkPrompt, q.checkMaxAge, q.checkClaims, q.checkNewcomer,
	} {
		if err := check(p, c); err != nil {
			return nil, err
		}
	}
	return q, h.checkHint(r, q, p.Get("id_token_hint"))
}

// words splits a list at spaces, and at nothing else (RFC 6749, section 3.3).
func words(list string) []string {
	return slices.DeleteFunc(strings.Split(list, " "), func(s string) bool { return s == "" })
}

// checkSupported refuses what must not be ignored: parameters that came twice,
// and ways to pass parameters that this server does not read.
func (*request) checkSupported(p protocol.Parameters, _ *clientstore.Client) error {
	if name := p.Repeated(); name != "" {
		return protocol.Refuse(protocol.InvalidRequest, "A parameter was sent more than once: "+protocol.Printable(name)+".")
	}
	for _, unread := range []struct {
		name string
		code protocol.Code
	}{
		{"registration", protocol.RegistrationNotSupported},
		{"authorization_details", protocol.InvalidRequest},
	} {
		if p.Has(unread.name) {
			return protocol.Refuse(unread.code, "This server does not read the parameter "+unread.name+". Leave it out.")
		}
	}
	if len(p.Get("state")) > maxState || len(p.Get("nonce")) > maxNonce {
		return protocol.Refuse(protocol.InvalidRequest, "The state or the nonce is too long: 4096 and 1024 bytes are the most.")
	}
	return nil
}

func (q *request) checkResponseType(p protocol.Parameters, c *clientstore.Client) error {
	list := words(p.Get("response_type"))
	slices.Sort(list) // their order does not matter (RFC 6749, section 3.1.1)
	q.responseType = strings.Join(list, " ")
	switch {
	case q.responseType == "":
		return protocol.Refuse(protocol.InvalidRequest, "Send a response_type, such as code.")
	case !slices.Contains(engine.ResponseTypes, q.responseType):
		return protocol.Refuse(protocol.UnsupportedResponseType, "This server does not know the response type "+protocol.Printable(q.responseType)+".")
	case !slices.Contains(c.Metadata.ResponseTypes, q.responseType),
		slices.Contains(list, "code") && !slices.Contains(c.Metadata.GrantTypes, clientstore.GrantAuthorizationCode):
		return protocol.Refuse(protocol.UnauthorizedClient,
			"The client is not registered for the response type "+q.responseType+". Ask an administrator to add it.")
	case !slices.Contains(list, "id_token"):
	case q.nonce == "":
		return protocol.Refuse(protocol.InvalidRequest, "Send a nonce: an ID token that comes by the browser needs one.")
	case !wantsOpenID(p, c):
		return protocol.Refuse(protocol.InvalidRequest, "Ask for the scope openid: without it there are no ID tokens.")
	}
	return nil
}

var responseModes = []string{"", "query", "fragment", "form_post"}

// checkResponseMode keeps tokens out of queries, which end up in logs and
// histories (OAuth 2.0 Multiple Response Type Encoding Practices, section 5).
func (*request) checkResponseMode(p protocol.Parameters, _ *clientstore.Client) error {
	switch mode := p.Get("response_mode"); {
	case mode == "query" && inFront(words(p.Get("response_type"))):
		return protocol.Refuse(protocol.InvalidRequest, "Tokens do not go into a query. Use the response mode fragment or form_post, or leave it out.")
	case !slices.Contains(responseModes, mode):
		return protocol.Refuse(protocol.InvalidRequest, "The response mode "+protocol.Printable(mode)+" is not known. Use query, fragment or form_post, or leave it out.")
	default:
		return nil
	}
}

// checkScope settles the scope.
func (q *request) checkScope(p protocol.Parameters, c *clientstore.Client) error {
	scope, unregistered := c.SettleFor(q.responseType, p.Get("scope"))
	if unregistered != "" {
		return protocol.Refuse(protocol.InvalidScope,
			"The client is not registered for the scope "+protocol.Printable(unregistered)+". Ask an administrator to add it.")
	}
	q.scope = scope
	return nil
}

// checkProof checks the proof key (RFC 7636, section 4.3). A public client
// must send one; plain, which proves nothing, is not taken.
func (q *request) checkProof(_ protocol.Parameters, c *clientstore.Client) error {
	const s256Length = 43 // base64url of a SHA-256 hash
	switch {
	case q.challenge == "" && q.challengeMethod != "":
		return protocol.Refuse(protocol.InvalidRequest, "A code_challenge_method was sent without a code_challenge.")
	case q.challenge == "" && c.IsPublic() && slices.Contains(words(q.responseType), "code"):
		return protocol.Refuse(protocol.InvalidRequest, "A client without a secret must send a code_challenge with the method S256 (RFC 7636).")
	case q.challenge == "":
		return nil
	case q.challengeMethod != "S256":
		return protocol.Refuse(protocol.InvalidRequest, "Send code_challenge_method=S256; no other method is taken.")
	case len(q.challenge) != s256Length || strings.ContainsFunc(q.challenge, notBase64URL):
		return protocol.Refuse(protocol.InvalidRequest, "The code_challenge is not a base64url-encoded SHA-256 hash of 43 characters.")
	default:
		return nil
	}
}

func notBase64URL(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// promptCreate asks for the page on which somebody creates an account
// (Initiating User Registration via OpenID Connect 1.0, section 4).
const promptCreate = "create"

// Prompts are the values of prompt that the endpoint knows.
func (h *Handler) Prompts() []string {
	known := []string{"none", "login", "consent", "select_account"}
	if h.cfg.SignUp {
		known = append(known, promptCreate)
	}
	return known
}

func (q *request) checkPrompt(protocol.Parameters, *clientstore.Client) error {
	for _, p := range q.prompt {
		if !slices.Contains(q.prompts, p) {
			return protocol.Refuse(protocol.InvalidRequest, "The prompt "+protocol.Printable(p)+" is not known. Use "+strings.Join(q.prompts, ", ")+".")
		}
	}
	if slices.Contains(q.prompt, "none") && len(q.prompt) > 1 {
		return protocol.Refuse(protocol.InvalidRequest, "The prompt none stands alone.")
	}
	return nil
}

// checkNewcomer refuses to create an account where the request says whose it
// has to be.
func (q *request) checkNewcomer(p protocol.Parameters, _ *clientstore.Client) error {
	if slices.Contains(q.prompt, promptCreate) && (p.Has("id_token_hint") || len(q.subjects) > 0) {
		return protocol.Refuse(protocol.InvalidRequest, "The prompt create is for somebody who is new: send no id_token_hint and ask for no sub with it.")
	}
	return nil
}

func (q *request) checkMaxAge(p protocol.Parameters, c *clientstore.Client) error {
	if !p.Has("max_age") {
		q.maxAge = c.Metadata.DefaultMaxAge
		return nil
	}
	age, err := strconv.ParseInt(p.Get("max_age"), 10, 32)
	if err != nil || age < 0 || p.Get("max_age") != strconv.FormatInt(age, 10) {
		return protocol.Refuse(protocol.InvalidRequest, "The max_age is not a number of seconds.")
	}
	q.maxAge = &age
	return nil
}

func (q *request) checkClaims(protocol.Parameters, *clientstore.Client) error {
	var err error
	if q.wishes, err = claims.Parse(q.claims); err != nil {
		return protocol.Refuse(protocol.InvalidRequest, "The claims parameter is not as OpenID Connect Core 1.0, section 5.5, describes it.")
	}
	acr, ok := q.wishes.InIDToken("acr")
	if ok && acr.Essential && acr.Limited {
		q.contexts = acr.Values
	}
	if q.contexts != nil && !slices.ContainsFunc(protocol.ACRValues, func(known string) bool { return slices.Contains(q.contexts, known) }) {
		return protocol.Refuse(protocol.UnmetAuthenticationRequirements,
			"None of the authentication contexts that the request insists on is known here. Ask for one of acr_values_supported, or leave essential out.")
	}
	for _, wish := range []func(string) (claims.Wish, bool){q.wishes.InIDToken, q.wishes.InUserinfo} {
		if sub, ok := wish("sub"); ok && sub.Limited {
			q.subjects = append(q.subjects, sub.Values)
		}
	}
	return nil
}

// checkHint reads whom the client expects. An ID token that has expired is as
// good as any (OpenID Connect Core 1.0, section 3.1.2.1); one that is not ours
// is not.
func (h *Handler) checkHint(r *http.Request, q *request, hint string) error {
	if hint == "" {
		return nil
	}
	subject, err := h.subject(r.Context(), hint)
	if err != nil {
		return err
	}
	q.hint = subject
	return nil
}

// keeps are the parameters that a request needs while it waits, with the most
// bytes that each may have. The others go: what waits is stored for anybody who
// knows a client_id.
var keeps = map[string]int{
	"client_id": 128, "redirect_uri": 2048, "response_type": 128, "response_mode": 64, "scope": 4096, "state": maxState,
	"nonce": maxNonce, "code_challenge": 256, "code_challenge_method": 64, "prompt": 128, "max_age": 64, "claims": 8 << 10,
	"id_token_hint": 8 << 10, "login_hint": 256, "ui_locales": 256, "display": 64, "acr_values": 1024,
	// Read once the client is approved, see resolve.
	"request": 15 << 10, "request_uri": 2048,
	// Refused, once the client may be told of it.
	"registration": 1, "authorization_details": 1,
}

// hints are what a server may do without (OpenID Connect Core 1.0, section
// 3.1.2.1): one that is too long is left out.
var hints = []string{"login_hint", "ui_locales", "display", "acr_values"}

// maxKept is the most that all of them together may take.
const maxKept = 16 << 10

func worthKeeping(all url.Values) (url.Values, error) {
	kept, size := url.Values{}, 0
	for name, values := range all {
		most, known := keeps[name]
		if !known {
			continue
		}
		for _, v := range values[:min(len(values), 2)] {
			switch {
			case len(v) <= most:
			case slices.Contains(hints, name):
				continue
			case most > 1:
				return nil, tooLong(name)
			default:
				v = "x"
			}
			size += len(v)
			kept.Add(name, v)
		}
	}
	if size > maxKept {
		return nil, tooLong("parameters")
	}
	return kept, nil
}
