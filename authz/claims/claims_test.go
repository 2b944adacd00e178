package claims_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/authz/claims"
	"countersign/storage/account"
)

// example is the example of OpenID Connect Core 1.0, section 5.5.
const example = `{
	"userinfo": {
		"given_name": {"essential": true},
		"nickname": null,
		"email": {"essential": true},
		"email_verified": {"essential": true},
		"picture": null,
		"http://example.info/claims/groups": null
	},
	"id_token": {
		"auth_time": {"essential": true},
		"acr": {"values": ["urn:mace:incommon:iap:silver"]}
	}
}`

func TestParse(t *testing.T) {
	t.Parallel()
	r, err := claims.Parse(example)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.Userinfo(), " "); got != "email email_verified given_name http://example.info/claims/groups nickname picture" {
		t.Errorf("userinfo: %s", got)
	}
	if got := strings.Join(r.IDToken(), " "); got != "acr auth_time" {
		t.Errorf("ID token: %s", got)
	}
	if w, ok := r.InIDToken("auth_time"); !ok || !w.Essential || w.Limited {
		t.Errorf("auth_time: %+v, %v", w, ok)
	}
	if w, ok := r.InIDToken("acr"); !ok || w.Essential || !w.Limited || !slices.Equal(w.Values, []string{"urn:mace:incommon:iap:silver"}) {
		t.Errorf("acr: %+v, %v", w, ok)
	}
	if w, ok := r.InUserinfo("nickname"); !ok || w.Essential {
		t.Errorf("nickname: %+v, %v", w, ok)
	}
	if _, ok := r.InIDToken("nickname"); ok {
		t.Error("nickname was not asked for in the ID token")
	}
}

func TestParseWishes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		wish       string
		want       []string
		wantLimits bool
	}{
		"nothing special":        {`{}`, nil, false},
		"one value":              {`{"value":"248289761001"}`, []string{"248289761001"}, true},
		"several values":         {`{"values":["a","b","a"]}`, []string{"a", "b"}, true},
		"one value and several":  {`{"values":["b"],"value":"a"}`, []string{"a", "b"}, true},
		"value that is a number": {`{"value":1}`, nil, true},
		"value null":             {`{"value":null}`, nil, true},
		"no acceptable value":    {`{"values":[]}`, nil, true},
		"members to be ignored":  {`{"purpose":"x","max_age":[1]}`, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := claims.Parse(`{"id_token":{"sub":` + tt.wish + `}}`)
			if err != nil {
				t.Fatal(err)
			}
			if w, _ := r.InIDToken("sub"); !slices.Equal(w.Values, tt.want) || w.Limited != tt.wantLimits {
				t.Errorf("%+v; want %q, limited: %v", w, tt.want, tt.wantLimits)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"nothing":                    "",
		"an empty object":            "{}",
		"unknown members":            `{"verified_claims":[1],"userinfo":{}}`,
		"a member in other case":     `{"UserInfo":"x"}`,
		"blanks around":              " {} ",
		"claims with a language tag": `{"userinfo":{"name#ja-Kana-JP":null}}`,
		"JW-13 unknown, nested deep": `{"x":` + strings.Repeat("[", 4000) + strings.Repeat("]", 4000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := claims.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.IDToken()) != 0 {
				t.Errorf("asks for %q", r.IDToken())
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"no JSON":                        "name",
		"null":                           "null",
		"a list":                         "[]",
		"a string":                       `"userinfo"`,
		"two values":                     "{}{}",
		"an end missing":                 `{"userinfo":{`,
		"userinfo null":                  `{"userinfo":null}`,
		"userinfo a list":                `{"userinfo":["name"]}`,
		"id_token a string":              `{"id_token":"acr"}`,
		"a wish that is true":            `{"userinfo":{"name":true}}`,
		"a wish that is a string":        `{"userinfo":{"name":"Ada"}}`,
		"essential that is text":         `{"userinfo":{"name":{"essential":"true"}}}`,
		"essential null":                 `{"userinfo":{"name":{"essential":null}}}`,
		"values that is no list":         `{"id_token":{"acr":{"values":"1"}}}`,
		"JW-13 userinfo twice":           `{"userinfo":{},"userinfo":{"email":null}}`,
		"JW-13 a claim twice":            `{"userinfo":{"email":null,"email":{}}}`,
		"JW-13 essential twice":          `{"userinfo":{"email":{"essential":true,"essential":false}}}`,
		"JW-13 nested deep in a wish":    `{"userinfo":{"name":` + strings.Repeat("[", 3000) + strings.Repeat("]", 3000) + `}}`,
		"JW-13 lists nested deep":        `{"x":` + strings.Repeat("[", 8000),
		"longer than anybody needs":      `{"x":"` + strings.Repeat("x", 8<<10) + `"}`,
		"a number that none can hold":    `{"userinfo":{"name":{"essential":1e400}}}`,
		"a comment":                      `{/* */}`,
		"a trailing comma":               `{"userinfo":{},}`,
		"a wish that is a list of wants": `{"userinfo":{"name":[{}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if r, err := claims.Parse(raw); !errors.Is(err, claims.ErrMalformed) || r.Userinfo() == nil || len(r.Userinfo()) > 0 {
				t.Errorf("Parse = %v, %v; want a refusal", r, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, raw := range []string{example, "", "{}", "null", `{"userinfo":{"a":{"values":[null,1,"x"],"value":{}}}}`, `{"id_token":{"acr":{"essential":true,"essential":false}}}`} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r, err := claims.Parse(raw)
		if err != nil {
			if !errors.Is(err, claims.ErrMalformed) {
				t.Errorf("Parse(%q) = %v", raw, err)
			}
			return
		}
		if raw != "" && !json.Valid([]byte(raw)) {
			t.Errorf("Parse accepts %q, which is not JSON", raw)
		}
		for _, name := range append(r.Userinfo(), r.IDToken()...) {
			_, a := r.InUserinfo(name)
			_, b := r.InIDToken(name)
			if !a && !b {
				t.Errorf("Parse(%q) lists %q, which nobody asked for", raw, name)
			}
		}
	})
}

var full = account.Claims{
	Name: "Jane Doe", GivenName: "Jane", FamilyName: "Doe", MiddleName: "Q", Nickname: "JD", PreferredUsername: "j.doe",
	Profile: "https://example.com/jane", Picture: "https://example.com/jane.jpg", Website: "https://jane.example",
	Gender: "female", Birthdate: "0000-10-31", Zoneinfo: "Europe/Berlin", Locale: "de-DE",
	Email: "jane@example.com", EmailVerified: true, PhoneNumber: "+1 425 555 1212",
	Address: &account.Address{Locality: "Berlin", Country: "DE"},
}

func TestForScope(t *testing.T) {
	t.Parallel()
	for scope, want := range map[string]int{
		"openid": 0, "openid profile": 14, "email": 2, "address": 1, "phone": 2, "offline_access read:all": 0,
		"phone address email profile openid": 19, "Profile": 0,
	} {
		if got := claims.ForScope(strings.Fields(scope)).Names(); len(got) != want || !slices.IsSorted(got) {
			t.Errorf("%s stands for %q; want %d claims", scope, got, want)
		}
	}
	if got := claims.Supported(); len(got) != 19 {
		t.Errorf("%d claims are supported: %q", len(got), got)
	}
}

// TestSelect compares what is sent with what OpenID Connect Core 1.0, section
// 5.1, says of each claim.
func TestSelect(t *testing.T) {
	t.Parallel()
	updated := time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)
	for name, tt := range map[string]struct {
		names  []string
		claims account.Claims
		at     time.Time
		want   string
	}{
		"everything": {claims.Supported(), full, updated, `{
			"name":"Jane Doe","given_name":"Jane","family_name":"Doe","middle_name":"Q","nickname":"JD","preferred_username":"j.doe",
			"profile":"https://example.com/jane","picture":"https://example.com/jane.jpg","website":"https://jane.example",
			"gender":"female","birthdate":"0000-10-31","zoneinfo":"Europe/Berlin","locale":"de-DE","updated_at":1767323045,
			"email":"jane@example.com","email_verified":true,"phone_number":"+1 425 555 1212","phone_number_verified":false,
			"address":{"locality":"Berlin","country":"DE"}}`},
		"nothing known": {claims.Supported(), account.Claims{}, time.Time{}, `{"preferred_username":"jane"}`},
		"empty values":  {claims.Supported(), account.Claims{Name: " ", Address: &account.Address{}, EmailVerified: true}, time.Time{}, `{"preferred_username":"jane"}`},
		"some":          {[]string{"email", "name"}, full, updated, `{"email":"jane@example.com","name":"Jane Doe"}`},
		"nothing":       {nil, full, updated, `{}`},
		"names of the protocol, unknown ones and language tags": {[]string{"sub", "iss", "aud", "password_hash", "name#ja", "Name", ""}, full, updated, `{}`},
	} {
		t.Run("UI-06 "+name, func(t *testing.T) {
			t.Parallel()
			selected := claims.Select(claims.NewSet(tt.names), tt.claims, "jane", tt.at)
			encoded, err := selected.Encode()
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := errors.Join(json.Unmarshal(encoded, &got), json.Unmarshal([]byte(tt.want), &want)); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}
