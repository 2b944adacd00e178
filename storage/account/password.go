package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"countersign/storage"
	"countersign/storage/account/guess"
	"countersign/storage/locale"
)

const (
	minPassword              = 8    // characters
	minAdministratorPassword = 12   // characters
	maxPassword              = 1024 // bytes

	// scoredPassword bounds the work of scoring. What is weak is weak within
	// this many characters.
	scoredPassword = 64

	// How many bits of guessing a password must withstand. The score of
	// zxcvbn itself is made for attackers who hold the hashes; ours guess
	// through the throttle, some hundred times a day. Longer passwords
	// are only refused when they are in a common list, as written or
	// disguised, or made of the person's own names (ASVS 5.0, 6.2.4 and
	// 6.2.11).
	minBits     = 16
	minBitsLong = 12
	longFrom    = 12 // characters
)

// checkPassword says what is wrong with a new password for the account. There
// are no rules of composition, and the password is taken as it is: leading
// spaces, emoji and all (NIST SP 800-63B-4, section 3.1.1.2).
func checkPassword(password string, a *Account) error {
	fault := func(reason locale.Message) error { return &FieldError{Field: "password", Reason: reason} }
	length := utf8.RuneCountInString(password)
	switch {
	case !storage.IsText(password):
		return fault("Use text only; this one has bytes that no keyboard types.")
	case length < minAdministratorPassword && a.Has(ConfigureServer):
		return fault("Use at least 12 characters, because this account may configure the server; a few unrelated words are easy to remember.")
	case length < minPassword:
		return fault("Use at least 8 characters; a few unrelated words are easy to remember.")
	case len(password) > maxPassword:
		return fault("Use at most 1024 bytes.")
	case weak(password, length, a):
		return fault("This password is easy to guess: it is a common one, a simple pattern, or made of your own name. Use a few unrelated words.")
	}
	return nil
}

func weak(password string, length int, a *Account) bool {
	if length > scoredPassword {
		password = string([]rune(password)[:scoredPassword])
	}
	bits := guess.Bits(password, contextWords(a))
	if length >= longFrom {
		return bits < minBitsLong
	}
	return bits < minBits
}

// contextWords are what an attacker who knows the person and the place tries
// first.
func contextWords(a *Account) []string {
	words := []string{"countersign"}
	for _, s := range []string{
		a.Username, a.Claims.Name, a.Claims.GivenName, a.Claims.FamilyName,
		a.Claims.Nickname, a.Claims.PreferredUsername, a.Claims.Email,
	} {
		s = strings.ToLower(s)
		if s == "" {
			continue
		}
		words = append(words, s)
		words = append(words, strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })...)
	}
	return words
}

// possible reports whether the password could be anyone's. What is not was
// never accepted, and is not worth a hash.
func possible(password string) bool {
	return password != "" && len(password) <= maxPassword && storage.IsText(password)
}
