package account

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// A device cookie is a list of statements of ours, separated by "~", each that
// an account signed in from this browser:
// BASE64URL(account|device|issued) "." BASE64URL(HMAC). It gives no access. It
// only chooses the throttle, so that strangers who guess cannot lock the owner
// out of the browsers that she uses (OWASP, Slow Down Online Guessing Attacks
// with Device Cookies). It outlives a change of the password for the same
// reason: under attack, the owner needs it most after that.
const (
	deviceLifetime  = 365 * 24 * time.Hour
	deviceSeparator = "~"
	maxStatements   = 5 // people who share a browser
	maxDevice       = 2048
)

// statement is one account's part of a device cookie.
type statement struct {
	accountID, device string
	encoded           string
}

// statements returns what the cookie says that is genuine and not too old.
// Anything else in it is ignored; so is a cookie that is longer than ours.
func (s *Store) statements(cookie string) []statement {
	if cookie == "" || len(cookie) > maxDevice {
		return nil
	}
	var list []statement
	for _, encoded := range strings.SplitN(cookie, deviceSeparator, maxStatements+1) {
		if st, ok := s.readStatement(encoded); ok {
			list = append(list, st)
		}
	}
	return list
}

func (s *Store) readStatement(encoded string) (statement, bool) {
	payload, sum, _ := strings.Cut(encoded, ".")
	body, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return statement{}, false
	}
	mac, err := base64.RawURLEncoding.DecodeString(sum)
	if err != nil || !hmac.Equal(mac, s.cfg.Keys.Device(string(body))) || encode(body, mac) != encoded {
		return statement{}, false // of all that reads as one of ours, one is
	}
	part := strings.Split(string(body), "|")
	if len(part) != 3 {
		return statement{}, false
	}
	issued, err := strconv.ParseInt(part[2], 10, 64)
	if err != nil || s.db.Now().Sub(time.Unix(issued, 0)) > deviceLifetime {
		return statement{}, false
	}
	return statement{accountID: part[0], device: part[1], encoded: encoded}, true
}

func encode(body, mac []byte) string {
	return base64.RawURLEncoding.EncodeToString(body) + "." + base64.RawURLEncoding.EncodeToString(mac)
}

// knownDevice returns the identifier of the device when the cookie says that
// the account signed in from it, else "".
func (s *Store) knownDevice(cookie, accountID string) string {
	for _, st := range s.statements(cookie) {
		if st.accountID == accountID {
			return st.device
		}
	}
	return ""
}

// deviceCookie returns the cookie with a fresh statement about the account in
// front; an empty device is a new one. What the cookie said of others stays,
// but for the one that signed in longest ago when there are too many.
func (s *Store) deviceCookie(cookie, accountID, device string) string {
	if device == "" {
		device = rand.Text()
	}
	body := strings.Join([]string{accountID, device, strconv.FormatInt(s.db.Now().Unix(), 10)}, "|")
	parts := []string{encode([]byte(body), s.cfg.Keys.Device(body))}
	for _, st := range s.statements(cookie) {
		if st.accountID != accountID && len(parts) < maxStatements {
			parts = append(parts, st.encoded)
		}
	}
	return strings.Join(parts, deviceSeparator)
}
