package e2e

import (
	"slices"

	"countersign/clientstore"
	"countersign/storage/account"
)

// subject is whom an event happens to.
type subject string

const (
	theClient  subject = "client"
	theAccount subject = "account"
)

// event is what an administrator does, on the database, beside the server.
type event struct {
	name    string
	subject subject
	// stands tells that its subject may be used afterwards, although what it
	// was used for before is dead.
	stands bool
	// before tells that it is what comes before everything: no client becomes
	// pending later.
	before bool
	does   func(r *course)
}

var events = []event{
	{name: pending, subject: theClient, before: true, does: func(*course) {}},
	{name: disapproved, subject: theClient, does: (*course).disapprove},
	{name: removed, subject: theClient, does: func(r *course) { r.must(r.clients.Remove(r.t.Context(), administrator, r.c.ID)) }},
	{name: "client approved again", subject: theClient, stands: true, does: func(r *course) { r.disapprove(); r.approve() }},
	{name: "account disabled", subject: theAccount, does: (*course).disable},
	{name: "account removed", subject: theAccount, does: func(r *course) { r.must(r.accounts.Remove(r.t.Context(), administrator, r.u.ID)) }},
	{name: "account enabled again", subject: theAccount, stands: true, does: func(r *course) {
		r.disable()
		r.must(r.accounts.Enable(r.t.Context(), administrator, r.u.ID))
	}},
}

const (
	pending     = "client pending"
	disapproved = "client disapproved"
	removed     = "client removed"
)

// step is a step of a flow.
type step struct {
	name string
	// does returns what the step led to: done, or what came instead.
	does func(r *course) string
	// usually is what it leads to when nothing happened; done when empty.
	usually string
	// caller tells that a client is authenticated by it.
	caller bool
	// uses and gives are what the step needs of earlier ones and has for later
	// ones.
	uses, gives []thing
	// spoilt is what it leads to when what it uses is dead.
	spoilt string
}

// thing is what a step leaves behind.
type thing string

const (
	aSession       thing = "session"
	aPushedRequest thing = "pushed request"
	aCode          thing = "code"
	anAccessToken  thing = "access token"
	aRefreshToken  thing = "refresh token"
	aDeviceCode    thing = "device code"
	anAllowance    thing = "allowance"
)

// dies tells what an event kills.
var dies = map[subject][]thing{
	theClient:  {aPushedRequest, aCode, anAccessToken, aRefreshToken, aDeviceCode, anAllowance},
	theAccount: {aSession, aCode, anAccessToken, aRefreshToken, anAllowance},
}

// The outcomes that several steps have.
const (
	done         = "done"
	leadsNowhere = "a page that leads nowhere"
	signInPage   = "the sign-in page"
	invalidGrant = "400 invalid_grant"
	unknown      = "401 invalid_client"
	unapproved   = "400 unauthorized_client"
	noToken      = "401 invalid_token"
	inactive     = "inactive"
	noSubject    = "400 invalid_request"
	staleRequest = "redirected invalid_request_uri"
)

// The steps.
var (
	toAuthorize    = step{name: "authorize", does: (*course).open}
	toPush         = step{name: "push", caller: true, does: (*course).push, gives: []thing{aPushedRequest}}
	toBringPushed  = step{name: "authorize", does: (*course).open, uses: []thing{aPushedRequest}, spoilt: leadsNowhere}
	toAllowPushed  = step{name: "consent", does: (*course).consent, uses: []thing{aSession, aPushedRequest}, gives: []thing{aCode}, spoilt: staleRequest}
	toSignIn       = step{name: "sign in", does: (*course).signIn, gives: []thing{aSession}}
	toConsent      = step{name: "consent", does: (*course).consent, uses: []thing{aSession}, gives: []thing{aCode, anAccessToken}, spoilt: signInPage}
	toRedeem       = step{name: "redeem", caller: true, does: (*course).redeem, uses: []thing{aCode}, gives: []thing{anAccessToken, aRefreshToken}, spoilt: invalidGrant}
	toRefresh      = step{name: "refresh", caller: true, does: (*course).refresh, uses: []thing{aRefreshToken}, gives: []thing{anAccessToken}, spoilt: invalidGrant}
	toLogIn        = step{name: "password", caller: true, does: (*course).logIn, gives: []thing{anAccessToken, aRefreshToken}}
	toActForItself = step{name: "client credentials", caller: true, does: (*course).ownToken, gives: []thing{anAccessToken}}
	toExchange     = step{name: "exchange", caller: true, does: (*course).exchange, uses: []thing{anAccessToken}, gives: []thing{anAccessToken}, spoilt: noSubject}
	toBegin        = step{name: "device authorization", caller: true, does: (*course).begin, gives: []thing{aDeviceCode}}
	toPollEarly    = step{name: "poll too early", caller: true, does: (*course).poll, uses: []thing{aDeviceCode}, usually: "400 authorization_pending", spoilt: invalidGrant}
	toVisit        = step{name: "open device page", does: (*course).visit}
	toSignInThere  = step{name: "sign in", does: (*course).signIn, uses: []thing{aDeviceCode}, gives: []thing{aSession}, spoilt: leadsNowhere}
	toAllow        = step{name: "allow", does: (*course).allow, uses: []thing{aDeviceCode, aSession}, gives: []thing{anAllowance}, spoilt: leadsNowhere}
	toPoll         = step{name: "poll", caller: true, does: (*course).poll, uses: []thing{aDeviceCode, anAllowance}, gives: []thing{anAccessToken, aRefreshToken}, spoilt: invalidGrant}
	toIntrospect   = step{name: "introspect", caller: true, does: (*course).introspect, uses: []thing{anAccessToken}, spoilt: inactive}
	toRevoke       = step{name: "revoke", caller: true, does: (*course).revoke, uses: []thing{anAccessToken}, spoilt: done}
	toUserinfo     = step{name: "userinfo", does: (*course).userinfo, uses: []thing{anAccessToken}, spoilt: noToken}
	toSignOut      = step{name: "sign out", does: (*course).signOut, uses: []thing{aSession}, spoilt: done}
	toRead         = step{name: "read registration", does: (*course).readRegistration}
	toUpdate       = step{name: "update registration", does: (*course).updateRegistration}
)

// flow is a way through the server.
type flow struct {
	name         string
	registration clientstore.Metadata // what its client has beyond the usual
	asks         map[string]string    // parameters of its authorization request
	registers    bool                 // the client registers itself
	impersonal   bool                 // no account has to do with it
	steps        []step
}

// moment names the moment before the step.
func (f *flow) moment(before int) string {
	if before == len(f.steps) {
		return "at the end"
	}
	return "before " + f.steps[before].name
}

const everyScope = "openid profile email offline_access api"

var flows = []*flow{
	{name: "code", steps: []step{toAuthorize, toSignIn, toConsent, toRedeem, toRefresh}},
	{name: "code of a public client", registration: clientstore.Metadata{TokenEndpointAuthMethod: clientstore.AuthNone, ApplicationType: clientstore.Web}, steps: []step{toAuthorize, toSignIn, toConsent, toRedeem, toRefresh}},
	{
		name: "code, private_key_jwt", registration: clientstore.Metadata{TokenEndpointAuthMethod: clientstore.AuthPrivateKeyJWT, JWKS: clientKeys()},
		steps: []step{toAuthorize, toSignIn, toConsent, toRedeem, toRefresh},
	},
	{name: "code, JWT access token", registration: clientstore.Metadata{AccessTokenFormat: clientstore.FormatJWT}, steps: []step{toAuthorize, toSignIn, toConsent, toRedeem, toUserinfo}},
	{name: "id_token", asks: map[string]string{"response_type": "id_token"}, steps: []step{toAuthorize, toSignIn, toConsent}},
	{name: "code id_token", asks: map[string]string{"response_type": "code id_token"}, steps: []step{toAuthorize, toSignIn, toConsent, toRedeem}},
	{name: "code token", asks: map[string]string{"response_type": "code token"}, steps: []step{toAuthorize, toSignIn, toConsent, toRedeem, toUserinfo}},
	{name: "id_token token", asks: map[string]string{"response_type": "id_token token"}, steps: []step{toAuthorize, toSignIn, toConsent, toUserinfo}},
	{name: "code id_token token", asks: map[string]string{"response_type": "code id_token token"}, steps: []step{toAuthorize, toSignIn, toConsent, toRedeem}},
	{name: "pushed request", steps: []step{toPush, toBringPushed, toSignIn, toAllowPushed, toRedeem}},
	{name: "request object", registration: clientstore.Metadata{JWKS: clientKeys()}, asks: map[string]string{"request": "signed"}, steps: []step{toAuthorize, toSignIn, toConsent, toRedeem}},
	{name: "password", steps: []step{toLogIn, toRefresh}},
	{name: "client credentials", impersonal: true, steps: []step{toActForItself, toIntrospect}},
	{name: "client credentials, client_secret_jwt", impersonal: true, registration: clientstore.Metadata{TokenEndpointAuthMethod: clientstore.AuthSecretJWT}, steps: []step{toActForItself}},
	{name: "token exchange", steps: []step{toLogIn, toExchange, toUserinfo}},
	{name: "token exchange, JWT access token", registration: clientstore.Metadata{AccessTokenFormat: clientstore.FormatJWT}, steps: []step{toLogIn, toExchange, toIntrospect}},
	{name: "device", steps: []step{toBegin, toVisit, toSignInThere, toAllow, toPoll}},
	{name: "device of a public client", registration: clientstore.Metadata{TokenEndpointAuthMethod: clientstore.AuthNone}, steps: []step{toBegin, toVisit, toSignInThere, toAllow, toPoll}},
	{name: "device that polls", steps: []step{toBegin, toPollEarly}},
	{name: "introspection", steps: []step{toLogIn, toIntrospect}},
	{name: "revocation", steps: []step{toLogIn, toRevoke}},
	{name: "userinfo", steps: []step{toLogIn, toUserinfo}},
	{name: "logout", steps: []step{toAuthorize, toSignIn, toConsent, toRedeem, toSignOut}},
	{name: "registration", registers: true, impersonal: true, steps: []step{toRead, toUpdate}},
}

// expect is the table: what the step leads to when the event happened at the
// moment.
func (f *flow) expect(e event, moment, at int) string {
	s := f.steps[at]
	if e.subject == theClient && !e.stands {
		if refused := f.refused(e, s); refused != "" {
			return refused
		}
	}
	if e.subject == theAccount && !e.stands && slices.Contains(s.gives, aSession) {
		return signInPage
	}
	if e.subject == theAccount && !e.stands && s.name == toLogIn.name {
		return invalidGrant
	}
	if f.spoils(e, moment, at) {
		if e.subject == theAccount && slices.Contains(s.uses, aSession) && (s.spoilt == leadsNowhere || s.spoilt == staleRequest) {
			return signInPage
		}
		return s.spoilt
	}
	return f.usual(at)
}

func (f *flow) usual(at int) string {
	if usually := f.steps[at].usually; usually != "" {
		return usually
	}
	return done
}

// refused is what a step leads to for a client that is not approved, empty for
// what it leads to anyway.
func (f *flow) refused(e event, s step) string {
	switch {
	case e.name == pending && (s.name == toBegin.name || s.name == toPollEarly.name):
		return "" // the device waits for the approval as well
	case s.caller && (e.name == removed || f.registration.TokenEndpointAuthMethod == clientstore.AuthNone):
		return unknown
	case s.caller:
		return unapproved
	case s.name == toUserinfo.name:
		return noToken
	case s.name == toRead.name && e.name == removed, s.name == toUpdate.name && e.name == removed:
		return noToken
	case s.name == toUpdate.name && e.name == disapproved:
		return "403 access_denied"
	case s.name == toAuthorize.name && e.name != removed, s.name == toVisit.name, f.registers:
		return "" // whoever it is signs in first
	default:
		return leadsNowhere
	}
}

// spoils reports whether the event kills what the step uses: an earlier step
// had given it.
func (f *flow) spoils(e event, moment, at int) bool {
	if f.impersonal && e.subject == theAccount {
		return false
	}
	return slices.ContainsFunc(f.steps[at].uses, func(needed thing) bool {
		if needed == aPushedRequest && !e.stands { // the person learns of the client first
			return false
		}
		return slices.Contains(dies[e.subject], needed) && slices.ContainsFunc(f.steps[:moment], func(earlier step) bool {
			return slices.Contains(earlier.gives, needed)
		})
	})
}

// lives reports whether a token that was issued before the event is good after
// it.
func (f *flow) lives(e event) bool { return f.impersonal && e.subject == theAccount }

// metadata is the registration of the flow's client.
func (f *flow) metadata() clientstore.Metadata {
	m := f.registration
	m.RedirectURIs, m.PostLogoutRedirectURIs, m.Scope = []string{webRedirect}, []string{farewell}, everyScope
	m.ResponseTypes = []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"}
	m.GrantTypes = []string{clientstore.GrantAuthorizationCode, clientstore.GrantRefreshToken, clientstore.GrantDeviceCode, clientstore.GrantPassword}
	if m.TokenEndpointAuthMethod != clientstore.AuthNone {
		m.GrantTypes = append(m.GrantTypes, clientstore.GrantClientCredentials, clientstore.GrantTokenExchange)
	}
	return m
}

const farewell = "https://rp.example/bye"

// cheap is what hashing costs where hashing is not tested.
var cheap = account.HashCost{Memory: 64, Passes: 1}
