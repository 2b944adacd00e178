package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"countersign/storage"
	"countersign/storage/locale"
)

const maxUsername = 128 // bytes

// usernameKey returns the one form of all spellings of a username: "Ada",
// "ADA", full-width letters and a space that a phone's keyboard appended are
// one account and one throttle. It does not check the username.
func usernameKey(username string) string {
	// Folding may leave what composes anew, and composing what folds anew;
	// the second round is where both come to rest (Unicode Standard, section
	// 3.13, D146).
	key := strings.TrimSpace(username)
	for range 2 {
		key = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(key)))
	}
	return strings.TrimSpace(key)
}

// checkUsername says what is wrong with a username for a new account.
func checkUsername(username string) error {
	fault := func(reason locale.Message) error { return &FieldError{Field: "username", Reason: reason} }
	key := usernameKey(username)
	switch {
	case key == "":
		return fault("Enter a username.")
	case len(username) > maxUsername:
		return fault("Use at most 128 bytes.")
	case !utf8.ValidString(username):
		return fault("Use valid UTF-8.")
	case strings.TrimSpace(username) != username || strings.TrimSpace(norm.NFKC.String(username)) != norm.NFKC.String(username):
		return fault("Remove the space at its beginning or end.")
	case strings.ContainsFunc(username, invisible):
		return fault("Remove control characters and characters that cannot be seen.")
	}
	return nil
}

// invisible reports characters with which two usernames could look the same
// and not be.
func invisible(r rune) bool {
	return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// storable reports whether something may be kept under s.
func storable(s string) bool { return s != "" && storage.IsText(s) }
