package e2e

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAuthorizationCode is section 1.4 of the catalogue. CD-03 is
// [TestRaceForOneCode], CD-05 [TestRedirectURIOfTokenRequest], CD-08
// [TestLifeCycle].
func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		c, u := s.Client(), s.User()
		t.Run("CD-02 a second redemption ends what the first yielded", func(t *testing.T) {
			s := s.as(t)
			r := s.Request(c)
			code := s.Code(s.browse(), r, u)
			first := s.Exchange(c, code, r)
			wantTokens(t, first)
			wantActive(t, s.Introspect(c, first.str("access_token")))
			wantError(t, s.Exchange(c, code, r), http.StatusBadRequest, "invalid_grant")
			wantInactive(t, s.Introspect(c, first.str("access_token")))
			wantInactive(t, s.Introspect(c, first.str("refresh_token")))
			wantError(t, s.Refresh(c, first.str("refresh_token")), http.StatusBadRequest, "invalid_grant")
		})
		t.Run("CD-04 another client's code", func(t *testing.T) {
			s := s.as(t)
			other, r := s.Client(), s.Request(c)
			code := s.Code(s.browse(), r, u)
			wantError(t, s.Exchange(other, code, r), http.StatusBadRequest, "invalid_grant")
			wantTokens(t, s.Exchange(c, code, r)) // strangers cannot spend it
		})
		t.Run("CD-06 a code that was changed", func(t *testing.T) {
			s := s.as(t)
			r := s.Request(c)
			code := s.Code(s.browse(), r, u)
			flipped := "A"
			if strings.HasSuffix(code, "A") {
				flipped = "B"
			}
			for _, bad := range []string{code[:len(code)-1], code + "A", code[:len(code)-1] + flipped, strings.ToUpper(code), " " + code, code + " ", ""} {
				a := s.Exchange(c, bad, r)
				if a.Status != http.StatusBadRequest || a.str("error") != "invalid_grant" && a.str("error") != "invalid_request" {
					t.Errorf("code %q gets %d %s; want invalid_grant", bad, a.Status, a.Body)
				}
			}
			wantTokens(t, s.Exchange(c, code, r))
		})
		t.Run("CD-10 a scope at the token endpoint widens nothing", func(t *testing.T) {
			s := s.as(t)
			r := s.Request(c).With("scope", "openid")
			form := r.exchange(s.Code(s.browse(), r, u))
			form.Set("scope", "openid profile email api")
			a := s.Post(s.endpoint("token_endpoint"), c, form)
			if a.Status == http.StatusOK && a.str("scope") != "" && a.str("scope") != "openid" {
				t.Errorf("the scope is %q; want openid", a.str("scope"))
			}
			if a.Status != http.StatusOK {
				wantError(t, a, http.StatusBadRequest, "invalid_scope")
			}
		})
		t.Run("CD-11 code and refresh token are not each other", func(t *testing.T) {
			s := s.as(t)
			r := s.Request(c)
			wantError(t, s.Refresh(c, s.Code(s.browse(), r, u)), http.StatusBadRequest, "invalid_grant")
			wantError(t, s.Exchange(c, s.Tokens(c, u).refresh, r), http.StatusBadRequest, "invalid_grant")
		})
		t.Run("CD-16 nonce", func(t *testing.T) {
			s := s.as(t)
			r := s.Request(c).With("nonce", `n-"'<>&%20 ü`)
			if got := jwtClaims(t, s.tokensFor(c, u, r).id)["nonce"]; got != r.Get("nonce") {
				t.Errorf("nonce is %q; want %q", got, r.Get("nonce"))
			}
		})
		t.Run("CD-18 the page before the code sends no referrer", func(t *testing.T) {
			s := s.as(t)
			if p := s.browse().Open(s.Request(c).URL()); p.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("Referrer-Policy is %q", p.Header.Get("Referrer-Policy"))
			}
		})
	})
}

// TestCodeExpires is CD-01.
func TestCodeExpires(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database, setting{"CODE_LIFETIME", "1s"})
			c, u := s.Client(), s.User()
			r := s.Request(c)
			code := s.Code(s.browse(), r, u)
			time.Sleep(1100 * time.Millisecond)
			wantError(t, s.Exchange(c, code, r), http.StatusBadRequest, "invalid_grant")
		})
	}
}

// TestNothingReadableInDatabase is CD-17: no secret of any kind that anybody was
// given is in the database as it is.
func TestNothingReadableInDatabase(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := start(t, database, setting{"REGISTRATION", "open"})
			c, u, b := s.Client(), s.User(), s.browse()
			s.Tokens(c, u)
			s.handOut(b, c, u)
			s.canaries.add("code", s.Code(b, s.Request(c), u))
			for _, cookie := range []string{"cs_session", "cs_browser", "cs_device"} {
				s.canaries.add(cookie, b.Cookie(cookie))
			}
			typed := s.canaries.add("typed secret", "typed secret "+newVerifier())
			s.CLI(typed+"\n", "client", "create", "--type", "oidc", "--name", "Typed", "--secret-stdin", "--redirect-uri", webRedirect)
			dump := s.dump()
			if !strings.Contains(dump, c.Name) {
				t.Fatal("the dump is not one")
			}
			for what, value := range s.canaries.all() {
				for _, form := range encoded(value) {
					if what != "code verifier" && strings.Contains(dump, form) {
						t.Errorf("the database holds a %s", what)
					}
				}
			}
		})
	}
}

// handOut has the server give out secrets of every kind that the code flow has
// not: to devices, to who registers clients, to who pushes requests, to consumers
// of OAuth 1.0a and to administrators.
func (s *server) handOut(b *browser, c *client, u *user) {
	s.t.Helper()
	codes := s.startDevice(s.PublicClient("--grant", deviceGrant))
	s.canaries.add("user code", codes.str("user_code"))
	s.canaries.add("user code without its dash", strings.ReplaceAll(codes.str("user_code"), "-", ""))
	made := s.enrol("", "Robot")
	pushed := s.Post(s.endpoint("pushed_authorization_request_endpoint"), c, s.Request(c).Values).str("request_uri")
	consumer := s.consumer("HMAC-SHA1")
	printed := func(member string, command ...string) string {
		value, _ := mustJSON[map[string]any](s.t, s.CLI("", append(command, "-o", "json")...))[member].(string) // "" fails below
		return value
	}
	for what, value := range map[string]string{
		"device code":               codes.str("device_code"),
		"registration access token": made.str("registration_access_token"),
		"registered secret":         made.str("client_secret"),
		"pushed request":            pushed[strings.LastIndexByte(pushed, ':')+1:],
		"initial access token":      printed("token", "client", "initial-token", "create", "--name", "pipeline"),
		"API key":                   printed("api_key", "api-key", "create", "--name", "robot", "--username", s.administrator().Username),
		"consumer secret":           consumer.Secret,
		"token of a consumer":       s.credentials(b, u, consumer).Token,
	} {
		if len(value) < 20 {
			s.t.Errorf("the %s is %q", what, value)
		}
		s.canaries.add(what, value)
	}
}

// encoded are the forms of a secret that anybody can read it from.
func encoded(value string) []string {
	raw := []byte(value)
	return []string{
		value, strings.ToLower(value), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
		base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
	}
}

// dump returns every value of every table as text.
func (s *server) dump() string {
	s.t.Helper()
	db, ctx := s.database(), context.Background()
	var tables []string
	query := "SELECT name FROM sqlite_master WHERE type = 'table'"
	if db.Dialect() == "postgres" {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
	}
	if err := db.With(ctx).Raw(query).Scan(&tables).Error; err != nil {
		s.t.Fatal(err)
	}
	var dump strings.Builder
	for _, table := range tables {
		var rows []map[string]any
		if err := db.With(ctx).Raw("SELECT * FROM " + table).Scan(&rows).Error; err != nil {
			s.t.Fatal(err)
		}
		for _, row := range rows {
			for _, value := range row {
				if raw, ok := value.([]byte); ok {
					value = string(raw)
				}
				dump.WriteString(strings.ToValidUTF8(fmt.Sprint(value), "?"))
				dump.WriteByte('\n')
			}
		}
	}
	return dump.String()
}
