// Package failure keeps what clients were last refused, for the administrators
// who have to find out why: the endpoint, the cause and, of OAuth 1.0a, what
// this server took to be signed.
//
// What is noted waits in memory and is written in the background, a batch at a
// time, whether there is such a client or not. So the answer never waits for
// it, nobody can tell by time whether a client exists, and a flood neither
// stops the server nor fills the database.
package failure

import (
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// Kept is how many failures of one client are kept, the newest.
	Kept = 50
	// Lifetime is how long they are.
	Lifetime = 30 * 24 * time.Hour
	// waiting is how many may wait to be written; what comes while as many do
	// is dropped.
	waiting = 512
	// maxText bounds a text, and maxBaseString a base string, in bytes.
	maxText       = 1024
	maxBaseString = 8 << 10
)

// Failure is a request of a client that was refused.
type Failure struct {
	ID       string    `json:"-"`
	At       time.Time `json:"at"`
	ClientID string    `json:"client_id"`
	// Endpoint is its path, under the issuer's.
	Endpoint string `json:"endpoint"`
	// Code is in the words of the protocol, such as signature_invalid.
	Code string `json:"code"`
	// Cause and Remedy are for people, a sentence or two each; Remedy may be
	// empty.
	Cause  string `json:"cause"`
	Remedy string `json:"remedy,omitempty"`
	// RedirectURI is the address that it asked to be answered at and has not
	// registered, empty where another thing was refused.
	RedirectURI string `json:"-"`
	// RequestID is what the log knows the request by.
	RequestID string `json:"request_id,omitempty"`
	// Address is the network address that it came from.
	Address string `json:"address,omitempty"`
	// BaseString is what this server took to be signed (RFC 5849, section
	// 3.4.1), empty where nothing was.
	BaseString string `json:"base_string,omitempty" gorm:"-"`
	Sealed     []byte `json:"-" gorm:"column:base_string"`
}

// TableName is the table of the record.
func (Failure) TableName() string { return "client_failures" }

// Split parts the advice that a client is given into its first sentence, which
// says the cause, and the others, which say the remedy.
func Split(advice string) (cause, remedy string) {
	cause, remedy, found := strings.Cut(advice, ". ")
	if found {
		cause += "."
	}
	return cause, remedy
}

// bounded is the failure as it can be kept: no text is longer than it should
// be, or one that a database would not take.
func (f Failure) bounded() Failure {
	for _, text := range []*string{&f.Endpoint, &f.Code, &f.Cause, &f.Remedy, &f.RedirectURI, &f.RequestID, &f.Address} {
		*text = cut(*text, maxText)
	}
	f.BaseString = cut(f.BaseString, maxBaseString)
	return f
}

func cut(text string, most int) string {
	if len(text) > most {
		for most > 0 && !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "�"), "\x00", "�")
}
