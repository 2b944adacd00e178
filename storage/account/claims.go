package account

import (
	"maps"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"countersign/storage/locale"
)

// Claims are the OpenID Connect standard claims kept for an account (OpenID
// Connect Core 1.0, section 5.1), without sub. Empty members are not known and
// never sent.
type Claims struct {
	Name                string   `json:"name,omitempty"`
	GivenName           string   `json:"given_name,omitempty"`
	FamilyName          string   `json:"family_name,omitempty"`
	MiddleName          string   `json:"middle_name,omitempty"`
	Nickname            string   `json:"nickname,omitempty"`
	PreferredUsername   string   `json:"preferred_username,omitempty"`
	Profile             string   `json:"profile,omitempty"`
	Picture             string   `json:"picture,omitempty"`
	Website             string   `json:"website,omitempty"`
	Gender              string   `json:"gender,omitempty"`
	Birthdate           string   `json:"birthdate,omitempty"`
	Zoneinfo            string   `json:"zoneinfo,omitempty"`
	Locale              string   `json:"locale,omitempty"`
	Email               string   `json:"email,omitempty"`
	EmailVerified       bool     `json:"email_verified,omitempty"`
	PhoneNumber         string   `json:"phone_number,omitempty"`
	PhoneNumberVerified bool     `json:"phone_number_verified,omitempty"`
	Address             *Address `json:"address,omitempty"`
}

// Address is the address claim (OpenID Connect Core 1.0, section 5.1.1).
type Address struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"street_address,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postal_code,omitempty"`
	Country       string `json:"country,omitempty"`
}

// SetClaim sets one claim from text: a member's name, or that of a member of
// the address after "address.". An empty value takes the claim away. Unknown
// names and values that do not fit are a [*FieldError].
func (c *Claims) SetClaim(name, value string) error {
	if flag, ok := claimFlags[name]; ok {
		set, err := strconv.ParseBool(value)
		if err != nil && value != "" {
			return &FieldError{Field: name, Reason: "Write true or false."}
		}
		*flag(c) = set
		return nil
	}
	if err := checkClaim(name, value); err != nil {
		return err
	}
	if text, ok := c.texts()[name]; ok {
		*text = value
		return nil
	}
	var address Address
	if c.Address != nil {
		address = *c.Address
	}
	text, ok := address.texts()[name]
	if !ok {
		return &FieldError{Field: name, Reason: locale.Sprintf("There is no such claim; there are %s.", strings.Join(claimNames(), ", "))}
	}
	*text = value
	c.Address = &address
	if address == (Address{}) {
		c.Address = nil
	}
	return nil
}

// check says what is wrong with the claims, and drops an address without
// members.
func (c *Claims) check() error {
	texts := c.texts()
	if c.Address != nil {
		maps.Copy(texts, c.Address.texts())
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if err := checkClaim(name, *texts[name]); err != nil {
			return err
		}
	}
	if c.Address != nil && *c.Address == (Address{}) {
		c.Address = nil
	}
	return nil
}

// claimTexts are the claims that are text, by name.
var claimTexts = map[string]func(*Claims) *string{
	"name":               func(c *Claims) *string { return &c.Name },
	"given_name":         func(c *Claims) *string { return &c.GivenName },
	"family_name":        func(c *Claims) *string { return &c.FamilyName },
	"middle_name":        func(c *Claims) *string { return &c.MiddleName },
	"nickname":           func(c *Claims) *string { return &c.Nickname },
	"preferred_username": func(c *Claims) *string { return &c.PreferredUsername },
	"profile":            func(c *Claims) *string { return &c.Profile },
	"picture":            func(c *Claims) *string { return &c.Picture },
	"website":            func(c *Claims) *string { return &c.Website },
	"gender":             func(c *Claims) *string { return &c.Gender },
	"birthdate":          func(c *Claims) *string { return &c.Birthdate },
	"zoneinfo":           func(c *Claims) *string { return &c.Zoneinfo },
	"locale":             func(c *Claims) *string { return &c.Locale },
	"email":              func(c *Claims) *string { return &c.Email },
	"phone_number":       func(c *Claims) *string { return &c.PhoneNumber },
}

// Text returns a claim that is text by its name, and nothing for any other name.
func (c *Claims) Text(name string) string {
	if text := claimTexts[name]; text != nil {
		return *text(c)
	}
	return ""
}

func (c *Claims) texts() map[string]*string {
	texts := make(map[string]*string, len(claimTexts))
	for name, text := range claimTexts {
		texts[name] = text(c)
	}
	return texts
}

// claimFlags are the claims that are true or false, by name.
var claimFlags = map[string]func(*Claims) *bool{
	"email_verified":        func(c *Claims) *bool { return &c.EmailVerified },
	"phone_number_verified": func(c *Claims) *bool { return &c.PhoneNumberVerified },
}

func (a *Address) texts() map[string]*string {
	return map[string]*string{
		"address.formatted": &a.Formatted, "address.street_address": &a.StreetAddress, "address.locality": &a.Locality,
		"address.region": &a.Region, "address.postal_code": &a.PostalCode, "address.country": &a.Country,
	}
}

// claimNames lists what SetClaim takes.
func claimNames() []string {
	var c Claims
	names := slices.Collect(maps.Keys(c.texts()))
	names = slices.AppendSeq(names, maps.Keys(claimFlags))
	names = slices.AppendSeq(names, maps.Keys((&Address{}).texts()))
	slices.Sort(names)
	return names
}

// Bounds of a claim, in bytes.
const (
	maxText  = 512
	maxURL   = 2048
	maxEmail = 254 // RFC 5321, section 4.5.3.1, less the brackets
)

var (
	zonePattern   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)
	localePattern = regexp.MustCompile(`^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$`)
	phonePattern  = regexp.MustCompile(`^\+?[0-9(][0-9 ().-]*(;ext=[0-9]+)?$`)
)

// claimRules are what a claim must look like beside being short text, and the
// sentence for one that does not.
var claimRules = map[string]struct {
	fits   func(string) bool
	reason locale.Message
}{
	"profile":      {isURL, "Use an address that begins with https:// or http://."},
	"picture":      {isURL, "Use an address that begins with https:// or http://."},
	"website":      {isURL, "Use an address that begins with https:// or http://."},
	"birthdate":    {isBirthdate, "Write the date as YYYY-MM-DD, 0000-MM-DD without the year, or YYYY."},
	"zoneinfo":     {zonePattern.MatchString, "Use a name of the time zone database, such as Europe/Paris."},
	"locale":       {localePattern.MatchString, "Use a language tag, such as en or fr-CA."},
	"email":        {isEmail, "Use one e-mail address, such as ada@example.com."},
	"phone_number": {phonePattern.MatchString, "Write the number with its country code, such as +1 425 555 1212."},
}

// checkClaim says what is wrong with the value of a claim.
func checkClaim(name, value string) error {
	limit := maxText
	if rule, ok := claimRules[name]; ok && value != "" && !rule.fits(value) {
		return &FieldError{Field: name, Reason: rule.reason}
	} else if ok {
		limit = maxURL
	}
	switch {
	case len(value) > limit:
		return &FieldError{Field: name, Reason: locale.Sprintf("Use at most %s bytes.", strconv.Itoa(limit))}
	case !utf8.ValidString(value):
		return &FieldError{Field: name, Reason: "Use valid UTF-8."}
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && !breaksLine(name, r) }):
		return &FieldError{Field: name, Reason: "Remove control characters."}
	}
	return nil
}

// breaksLine allows the lines of an address (OpenID Connect Core 1.0, section
// 5.1.1).
func breaksLine(name string, r rune) bool {
	return (name == "address.formatted" || name == "address.street_address") && (r == '\n' || r == '\r')
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil
}

// isBirthdate knows the three forms of OpenID Connect Core 1.0, section 5.1.
func isBirthdate(s string) bool {
	if _, err := time.Parse("2006", s); err == nil {
		return true
	}
	_, err := time.Parse(time.DateOnly, s) // the year 0000 is a leap year
	return err == nil
}

func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s && len(s) <= maxEmail
}
