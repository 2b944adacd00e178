package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"countersign/clientstore"
	"countersign/storage/locale"
)

// How a client proves who it is, as the form asks.
const (
	secretGenerated = "generate"
	secretTyped     = "typed"
	secretNone      = "none" // a public client
	secretKey       = "key"  // of OAuth 1.0a, a public key instead
)

// clientForm is the form with which a client is created or edited, as it was
// filled in.
type clientForm struct {
	Type        clientstore.Type
	Name        string
	Credentials string
	Redirects   string // one a line
	Grants      []string
	Responses   []string
	Scope       string
	PublicKey   string
	Further     string // members, one name=value a line
	Once        string // token of a form that creates one client
	Version     int64  // of the client that is edited
	Faults      []fault
	// Changed says who changed the client while it was edited; empty for nobody.
	Changed locale.Message
	// Key is that of the client that is edited, empty for a new one.
	Key string
	// Added is the redirect URI that the form proposes beside those that the
	// client has, empty for none.
	Added  string
	strict bool
}

// choice is something that may be ticked.
type choice struct {
	Field, Value   string
	Name, Hint     locale.Message
	Warning        locale.Message // one sentence, empty where nothing is risky
	Fits           string         // class of the types that it does not fit
	Chosen, Strict bool           // Strict ones are not for a strict server
}

// grantChoices are the grant types of clients of OAuth 2.0 and OpenID Connect.
var grantChoices = []choice{
	{Value: clientstore.GrantAuthorizationCode, Name: "Authorization code", Hint: "People sign in here, in their browser. The usual choice."},
	{Value: clientstore.GrantRefreshToken, Name: "Refresh token", Hint: "Goes on without asking people again."},
	{Value: clientstore.GrantDeviceCode, Name: "Device code", Hint: "For tools without a browser: people type a code on another device."},
	{Value: clientstore.GrantClientCredentials, Name: "Client credentials", Hint: "Acts for itself, with nobody signed in."},
	{Value: clientstore.GrantTokenExchange, Name: "Token exchange", Hint: "Gets tokens for credentials of the OAuth 1.0a clients that oauth1_clients names, below."},
	{Value: clientstore.GrantJWTBearer, Name: "JWT bearer", Hint: "Names people who allowed it before, in what it signs with its keys, while they are away."},
	{Value: clientstore.GrantPassword, Name: "Password", Strict: true, Warning: "People type their passwords into the client; authorization code is safer (RFC 9700, 2.4)."},
}

// Words that several response types are warned of with.
const (
	tokenInAddress locale.Message = "Puts access tokens into the browser's address; code is safer (RFC 9700, 2.1.2)."
	idInAddress    locale.Message = "Puts what it says of people into the browser's address; code is safer."
)

// responseChoices are the response types, with the types that have them.
var responseChoices = []choice{
	{Value: "code", Name: locale.Foreign("code"), Hint: "Only a code goes through the browser. The usual choice."},
	{Value: "token", Name: locale.Foreign("token"), Warning: tokenInAddress, Fits: "not-oidc", Strict: true},
	{Value: "code id_token", Name: locale.Foreign("code id_token"), Warning: idInAddress, Fits: "not-oauth2", Strict: true},
	{Value: "code id_token token", Name: locale.Foreign("code id_token token"), Warning: tokenInAddress, Fits: "not-oauth2", Strict: true},
	{Value: "code token", Name: locale.Foreign("code token"), Warning: tokenInAddress, Fits: "not-oauth2", Strict: true},
	{Value: "id_token", Name: locale.Foreign("id_token"), Warning: idInAddress, Fits: "not-oauth2", Strict: true},
	{Value: "id_token token", Name: locale.Foreign("id_token token"), Warning: tokenInAddress, Fits: "not-oauth2", Strict: true},
}

// GrantChoices are the grant types with those that are chosen.
func (f clientForm) GrantChoices() []choice { return f.choices("grant", grantChoices, f.Grants) }

// ResponseChoices are the response types with those that are chosen.
func (f clientForm) ResponseChoices() []choice {
	return f.choices("response", responseChoices, f.Responses)
}

// choices are what this server permits, and what a client has nevertheless.
func (f clientForm) choices(field string, all []choice, chosen []string) []choice {
	var list []choice
	for _, c := range all {
		c.Field, c.Chosen = field, slices.Contains(chosen, c.Value)
		if !c.Strict || !f.strict || c.Chosen {
			list = append(list, c)
		}
	}
	return list
}

// Entry returns a field with what is wrong with it.
func (f clientForm) Entry(name string) entry {
	for _, one := range f.Faults {
		if one.Field == name {
			return entry{name, one.Reason}
		}
	}
	return entry{Name: name}
}

// presets are what the page of a server without clients offers.
var presets = map[string]clientForm{
	"modeling": {Type: clientstore.OAuth1},
	"native": {
		Type: clientstore.OIDC, Credentials: secretNone, Redirects: "http://127.0.0.1/callback",
		Grants: []string{clientstore.GrantAuthorizationCode, clientstore.GrantRefreshToken, clientstore.GrantDeviceCode},
		Scope:  "openid profile email offline_access",
	},
	"web": {Type: clientstore.OIDC, Scope: "openid profile email offline_access"},
}

// newClientForm is the form for a client of the type, with what most want.
func (h *handler) newClientForm(preset string, t clientstore.Type) clientForm {
	f, known := presets[preset]
	if !known {
		f.Type = t
	}
	switch f.Type {
	case clientstore.OAuth1, clientstore.OAuth2:
	default:
		f.Type = clientstore.OIDC
	}
	if f.Credentials == "" {
		f.Credentials = secretGenerated
	}
	if f.Grants == nil {
		f.Grants = []string{clientstore.GrantAuthorizationCode, clientstore.GrantRefreshToken}
	}
	f.Responses, f.Once, f.strict = []string{"code"}, clientstore.NewSubmission(), h.strict()
	return f
}

func (h *handler) strict() bool { return h.cfg.Clients.Policy() == clientstore.Strict }

// readClientForm reads what was filled in.
func (h *handler) readClientForm(form url.Values) clientForm {
	return clientForm{
		Type: clientstore.Type(form.Get("type")), Name: strings.TrimSpace(form.Get("name")), Credentials: form.Get("credentials"),
		Redirects: clean(form.Get("redirect_uris")), Grants: form["grant"], Responses: form["response"],
		Scope: strings.Join(strings.Fields(form.Get("scope")), " "), PublicKey: strings.TrimSpace(form.Get("public_key")),
		Further: clean(form.Get("further")), Once: form.Get("once"), strict: h.strict(),
	}
}

// clean brings lines into the one form of line endings.
func clean(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) }

// lines are the lines of a text that have something in them.
func lines(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// metadata is what the form registers. What does not fit the type was not seen
// and is left out.
func (f clientForm) metadata() (clientstore.Metadata, error) {
	m := clientstore.Metadata{RedirectURIs: lines(f.Redirects), Scope: f.Scope}
	if f.Type == clientstore.OAuth1 {
		if f.Credentials == secretKey {
			m.OAuth1PublicKey = f.PublicKey
		}
	} else {
		m.GrantTypes, m.ResponseTypes = slices.Clone(f.Grants), f.fitting()
		if f.Credentials == secretNone {
			m.TokenEndpointAuthMethod = clientstore.AuthNone
		}
	}
	for _, line := range lines(f.Further) {
		name, value, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || inForm[name] {
			return m, &clientstore.MetadataError{Field: "further", Reason: locale.Sprintf("%q is not name=value of a member that has no field of its own above", printable(line))}
		}
		if err := m.SetMember(name, value); err != nil {
			return m, err
		}
	}
	return m, nil
}

// fitting are the response types that the type may have.
func (f clientForm) fitting() []string {
	var list []string
	for _, c := range responseChoices {
		if slices.Contains(f.Responses, c.Value) && c.Fits != "not-"+string(f.Type) {
			list = append(list, c.Value)
		}
	}
	return list
}

// inForm are the members that have fields of their own.
var inForm = map[string]bool{
	"redirect_uris": true, "grant_types": true, "response_types": true, "scope": true, "oauth1_public_key": true,
}

// editClientForm is the form filled in with a client.
func (h *handler) editClientForm(c *clientstore.Client) (clientForm, error) {
	m := &c.Metadata
	further, err := furtherMembers(m)
	f := clientForm{
		Type: c.Type, Name: c.Name, Redirects: strings.Join(m.RedirectURIs, "\n"), Grants: m.GrantTypes, Responses: m.ResponseTypes,
		Scope: m.Scope, PublicKey: m.OAuth1PublicKey, Further: further, Key: c.ID, Version: c.Version, strict: h.strict(),
	}
	if m.OAuth1PublicKey != "" {
		f.Credentials = secretKey
	}
	return f, err
}

// furtherMembers writes the members that have no field, one a line.
func furtherMembers(m *clientstore.Metadata) (string, error) {
	encoded, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("encode client: %w", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(encoded, &members); err != nil {
		return "", fmt.Errorf("decode client: %w", err)
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if inForm[name] {
			continue
		}
		value := string(members[name])
		var text string
		if json.Unmarshal(members[name], &text) == nil && !strings.HasPrefix(text, `"`) {
			value = text
		}
		list = append(list, name+"="+value)
	}
	return strings.Join(list, "\n"), nil
}

// check says what is wrong with the form itself, before the store is asked.
func (f clientForm) check() []fault {
	var faults []fault
	if f.Name == "" {
		faults = append(faults, fault{"name", "Enter a name: people are asked to trust the client by it."})
	}
	if f.Type != clientstore.OAuth1 && len(f.Grants) == 0 {
		faults = append(faults, fault{"grant", "Choose at least one grant type."})
	}
	if f.Credentials == secretKey && f.PublicKey == "" {
		faults = append(faults, fault{"public_key", "Paste the public key in PEM, or choose a secret instead."})
	}
	return faults
}

// fieldNames are what the form calls the fields.
var fieldNames = map[string]locale.Message{
	"name": "Name", "type": "Type", "secret": "Secret", "secret_again": "Secret again", "redirect_uris": "Redirect URIs",
	"grant": "Grant types", "response": "Response types", "scope": "Scope", "public_key": "Public key", "further": "Further members",
	"reason": "Reason", "password_again": "Password again",
	"allowed_scope": "Scope", "allowed_grant": "Grant types", "allowed_response": "Response types", "until": "Until", "testers": "Test users",
	"functional_user": "Functional user", "trusted": "Trusted", "expires": "Expires", "overlap": "Overlap",
}

// fields are the inputs for members.
var fields = map[string]string{
	"client_name": "name", "type": "type", "client_secret": "secret", "redirect_uris": "redirect_uris", "grant_types": "grant",
	"response_types": "response", "scope": "scope", "oauth1_public_key": "public_key", "status_reason": "reason", "reason": "reason",
	"client_secret_expires_at": "expires", "overlap": "overlap", "further": "further",
}

// faultOf returns what a store says of a member as a fault of the input for it,
// and whether it is such a fault.
func faultOf(err error) (fault, bool) {
	wrong, ok := errors.AsType[*clientstore.MetadataError](err)
	if !ok {
		return fault{}, false
	}
	field, known := fields[wrong.Field]
	if known {
		return fault{field, ofThis(wrong.Reason)}, true
	}
	return fault{"further", locale.Sprintf("%s: %s", locale.Latin(wrong.Field), locale.Sentence(wrong.Reason))}, true
}

// ofThis makes a sentence of what a store says of a member, at the input for
// it.
func ofThis(reason locale.Message) locale.Message {
	verb, _, _ := strings.Cut(string(reason), " ")
	switch verb {
	case "is", "has", "contains", "lists", "begins", "lies":
		return locale.Sentence(locale.Sprintf("this %s", reason))
	default:
		return locale.Sentence(reason)
	}
}
