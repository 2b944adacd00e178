// Package tryout is a relying party that the server has built in: with it an
// administrator tries a client out, and sees each request and each answer. It
// knows the server by its endpoints alone, and reaches nothing but them. See
// docs/decisions/0051-test-this-client.md.
package tryout

import (
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"countersign/clientstore"
)

// Flow is how a client gets its tokens in a test.
type Flow string

// The flows.
const (
	Code              Flow = "code"               // RFC 6749, section 4.1, with RFC 7636
	Device            Flow = "device"             // RFC 8628
	ClientCredentials Flow = "client_credentials" // RFC 6749, section 4.4
	OAuth1            Flow = "oauth1"             // RFC 5849
)

// Flows returns those that the client can be tested with: what it is
// registered for, and what it can prove itself in without keys of its own.
func Flows(c *clientstore.Client) []Flow {
	m := &c.Metadata
	if c.Type == clientstore.OAuth1 {
		if signatureMethod(c) == "" {
			return nil
		}
		return []Flow{OAuth1}
	}
	var list []Flow
	if slices.Contains(m.ResponseTypes, "code") && slices.Contains(m.GrantTypes, clientstore.GrantAuthorizationCode) {
		list = append(list, Code)
	}
	if slices.Contains(m.GrantTypes, clientstore.GrantDeviceCode) && m.TokenEndpointAuthMethod != clientstore.AuthPrivateKeyJWT {
		list = append(list, Device)
	}
	if slices.Contains(m.GrantTypes, clientstore.GrantClientCredentials) {
		list = append(list, ClientCredentials)
	}
	return list
}

// Party is the relying party, for one request of the administrator.
type Party struct {
	Issuer string
	// Server serves the endpoints, in this process.
	Server http.Handler
	// For is the request of the administrator, in whose name the server is asked.
	For *http.Request
	// Algorithms are those that ID tokens may be signed by.
	Algorithms []jose.SignatureAlgorithm
	Now        func() time.Time
}

// Next is what the test waits for.
type Next string

// What a test may wait for.
const (
	Nothing  Next = ""         // it is over
	Browser  Next = "browser"  // the browser's way to the server and back
	Exchange Next = "exchange" // being told to exchange what came back
	Poll     Next = "poll"     // being told to ask for the device's tokens
)

// Run is a test as it is kept between the steps.
type Run struct {
	Flow        Flow
	ClientID    string
	AuthMethod  string // token_endpoint_auth_method, or the signature method of OAuth 1.0a
	Pushes      bool   // it pushes its requests (RFC 9126)
	Scope       string
	Claims      string // the claims parameter
	RedirectURI string

	Secret    string // that the client proves itself by, empty for none
	SecretID  string // of the one that was made for the test
	Assertion string // by which a client with a key of its own proves itself, once

	State, Nonce, Verifier string
	Code                   string
	DeviceCode, UserCode   string
	Token, TokenSecret     string // temporary credentials

	Next    Next
	Address string // where the browser goes
	Steps   []Step
	// Tokens are those that were issued. They end with the test.
	Tokens []string
}

// Step is one step of a test, to be shown.
type Step struct {
	// Kind says what is done in it: push, authorize, answer, token, device,
	// poll, refresh, userinfo, introspect, revoke, request_token, access_token,
	// verify or keys.
	Kind     string
	Request  *Message
	Response *Message
	Decoded  []Decoded
	Checks   []Check
	Failed   bool
}

// Message is a request or an answer.
type Message struct {
	Line   string // method and address, or the status
	Fields []Field
	Body   string // where it is none of fields
}

// Field is a parameter, a member or a header.
type Field struct {
	Name, Value string
	Secret      bool // not to be read over somebody's shoulder
}

// Decoded is a token that was decoded.
type Decoded struct{ Name, Header, Claims string }

// Check is something that a client has to look at, by what it is: state, iss,
// signature, alg, issuer, audience, nonce, expiry, at_hash.
type Check struct {
	What string
	OK   bool
}
