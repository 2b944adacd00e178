package account_test

import (
	"reflect"
	"strings"
	"testing"

	"countersign/storage/account"
	"countersign/storage/storagetest"
)

func TestSetClaim(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, wantField string }{
		{"name", "Ada Lovelace", ""},
		{"name", "Ada\x00", "name"},
		{"name", "Ada\xff", "name"},
		{"name", "Ada\nLovelace", "name"},
		{"name", strings.Repeat("x", 513), "name"},
		{"nickname", "", ""},
		{"email", "ada@x.test", ""},
		{"email", "Ada <ada@x.test>", "email"},
		{"email", "ada", "email"},
		{"email", strings.Repeat("a", 250) + "@x.test", "email"},
		{"email_verified", "true", ""},
		{"email_verified", "", ""},
		{"email_verified", "yes", "email_verified"},
		{"birthdate", "1815-12-10", ""},
		{"birthdate", "0000-02-29", ""},
		{"birthdate", "1815", ""},
		{"birthdate", "10.12.1815", "birthdate"},
		{"birthdate", "1815-02-30", "birthdate"},
		{"website", "https://ada.test/~ada", ""},
		{"website", "javascript:alert(1)", "website"},
		{"picture", "http://ada.test/p.png", ""},
		{"picture", "//ada.test/p.png", "picture"},
		{"profile", "https://", "profile"},
		{"zoneinfo", "Europe/London", ""},
		{"zoneinfo", "America/Argentina/Buenos_Aires", ""},
		{"zoneinfo", "../../etc", "zoneinfo"},
		{"locale", "en-GB", ""},
		{"locale", "en_GB", ""},
		{"locale", "english please", "locale"},
		{"phone_number", "+1 (604) 555-1234;ext=5678", ""},
		{"phone_number", "call me", "phone_number"},
		{"address.country", "GB", ""},
		{"address.street_address", "12 St James's Square\nLondon", ""},
		{"address.region", "a\nb", "address.region"},
		{"address", "London", "address"},
		{"sub", "x", "sub"},
	} {
		t.Run(tt.name+"="+strings.ToValidUTF8(tt.value[:min(len(tt.value), 20)], ""), func(t *testing.T) {
			t.Parallel()
			var c account.Claims
			if got := faultyField(t, c.SetClaim(tt.name, tt.value)); got != tt.wantField {
				t.Errorf("fault in %q; want %q", got, tt.wantField)
			}
			if tt.wantField != "" && !reflect.DeepEqual(c, account.Claims{}) {
				t.Errorf("a refused value was set: %+v", c)
			}
		})
	}
}

func TestSetClaimSetsAndTakesAway(t *testing.T) {
	t.Parallel()
	var c account.Claims
	for _, set := range [][2]string{
		{"email", "ada@x.test"},
		{"email_verified", "true"},
		{"address.country", "GB"},
		{"address.locality", "London"},
		{"address.locality", ""},
	} {
		if err := c.SetClaim(set[0], set[1]); err != nil {
			t.Fatal(err)
		}
	}
	want := account.Claims{Email: "ada@x.test", EmailVerified: true, Address: &account.Address{Country: "GB"}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("claims are %+v; want %+v", c, want)
	}
	if err := c.SetClaim("address.country", ""); err != nil || c.Address != nil {
		t.Errorf("address is %+v, %v; want none", c.Address, err)
	}
}

func TestClaimsAreCheckedWhenKept(t *testing.T) {
	t.Parallel()
	s := open(t, storagetest.Open(t))
	bob := create(t, s, "bob")
	for field, c := range map[string]account.Claims{
		"email":           {Email: "bob"},
		"website":         {Website: "javascript:1"},
		"address.country": {Address: &account.Address{Country: "G\x00B"}},
	} {
		if err := s.SetClaims(t.Context(), operator, bob.ID, c); faultyField(t, err) != field {
			t.Errorf("SetClaims = %v; want a fault in %s", err, field)
		}
		r := account.Registration{Username: "eve", Password: goodPassword, Claims: c}
		if _, err := s.Create(t.Context(), operator, r); faultyField(t, err) != field {
			t.Errorf("Create = %v; want a fault in %s", err, field)
		}
	}
}
