package account

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// A device cookie is a statement of ours that an account signed in from a
// browser: BASE64URL(account|device|issued) "." BASE64URL(HMAC). It gives no
// access. It only chooses the throttle, so that strangers who guess cannot
// lock the owner out of the browsers that she uses (OWASP, Slow Down Online
// Guessing Attacks with Device Cookies). It outlives a change of the password
// for the same reason: under attack, the owner needs it most after that.
const (
	deviceLifetime = 365 * 24 * time.Hour
	maxDevice      = 512 // bytes; ours are shorter
)

// knownDevice returns the identifier of the device when the cookie is a
// genuine one of this account, else "".
func (s *Store) knownDevice(cookie, accountID string) string {
	if len(cookie) > maxDevice {
		return ""
	}
	payload, sum, _ := strings.Cut(cookie, ".")
	body, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return ""
	}
	mac, err := base64.RawURLEncoding.DecodeString(sum)
	if err != nil || !hmac.Equal(mac, s.cfg.Keys.Device(string(body))) {
		return ""
	}
	part := strings.Split(string(body), "|")
	if len(part) != 3 || part[0] != accountID {
		return ""
	}
	issued, err := strconv.ParseInt(part[2], 10, 64)
	if err != nil || s.db.Now().Sub(time.Unix(issued, 0)) > deviceLifetime {
		return ""
	}
	return part[1]
}

// deviceCookie makes the cookie; an empty device is a new one.
func (s *Store) deviceCookie(accountID, device string) string {
	if device == "" {
		device = rand.Text()
	}
	body := strings.Join([]string{accountID, device, strconv.FormatInt(s.db.Now().Unix(), 10)}, "|")
	return base64.RawURLEncoding.EncodeToString([]byte(body)) + "." +
		base64.RawURLEncoding.EncodeToString(s.cfg.Keys.Device(body))
}
