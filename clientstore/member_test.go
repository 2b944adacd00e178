package clientstore

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestSetMember(t *testing.T) {
	t.Parallel()
	yes, hour := true, int64(3600)
	tests := []struct {
		name, value string
		want        Metadata
	}{
		{"redirect_uris", "https://a.example/ https://b.example/", Metadata{RedirectURIs: []string{"https://a.example/", "https://b.example/"}}},
		{"redirect_uris", `["https://a.example/x,y"]`, Metadata{RedirectURIs: []string{"https://a.example/x,y"}}},
		{"grant_types", "password, refresh_token", Metadata{GrantTypes: []string{"password", "refresh_token"}}},
		{"response_types", "code id_token,code", Metadata{ResponseTypes: []string{"code id_token", "code"}}},
		{"contacts", "Ada <ada@x.test>, bob@x.test", Metadata{Contacts: []string{"Ada <ada@x.test>", "bob@x.test"}}},
		{"contacts", "", Metadata{}},
		{"scope", "openid email", Metadata{Scope: "openid email"}},
		{"logo_uri", `"https://a.example/\u0061"`, Metadata{LogoURI: "https://a.example/a"}},
		{"require_auth_time", "true", Metadata{RequireAuthTime: true}},
		{"require_auth_time", "false", Metadata{}},
		{"refresh_token_rotation", "true", Metadata{RefreshTokenRotation: &yes}},
		{"refresh_token_rotation", "", Metadata{}},
		{"default_max_age", "3600", Metadata{DefaultMaxAge: &hour}},
		{"default_max_age", "", Metadata{}},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			t.Parallel()
			var m Metadata
			if err := m.SetMember(tt.name, tt.value); err != nil || !reflect.DeepEqual(m, tt.want) {
				t.Errorf("got %+v, %v; want %+v", m, err, tt.want)
			}
		})
	}
}

func TestSetMemberRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, value, field, reason string }{
		{"redirect_uris", `["a"`, "redirect_uris", "JSON array"},
		{"redirect_uris", `["a"] ["b"]`, "redirect_uris", "JSON array"},
		{"logo_uri", `"a`, "logo_uri", "JSON string"},
		{"require_auth_time", "yes", "require_auth_time", "neither true nor false"},
		{"refresh_token_rotation", "1", "refresh_token_rotation", "neither true nor false"},
		{"default_max_age", "1h", "default_max_age", "whole number"},
		{"redirect_uri", "x", "redirect_uri", "did you mean redirect_uris?"},
		{"Scope", "x", "Scope", "did you mean scope?"},
		{"REDIRECT_URIS", "x", "REDIRECT_URIS", "did you mean redirect_uris?"},
		{"jwks_url", "x", "jwks_url", "did you mean jwks_uri?"},
		{"jwks", "{", "jwks", "is not JSON"},
		{"x\ny", "x", `"x\ny"`, "not a metadata member"},
		{"", "x", "", "not a metadata member"},
		{"client_name", "x", "client_name", "--name"},
	}
	for _, tt := range tests {
		var m Metadata
		fault, ok := errors.AsType[*MetadataError](m.SetMember(tt.name, tt.value))
		if !ok || fault.Field != tt.field || !strings.Contains(fault.Reason.String(), tt.reason) || !reflect.DeepEqual(m, Metadata{}) {
			t.Errorf("%s=%s: %v, %+v; want a refusal of %s that says %q", tt.name, tt.value, fault, m, tt.field, tt.reason)
		}
	}
}

// DC-09: what a registration cannot claim.
func TestSetMemberIsNotForEverything(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"approved", "status", "owner", "client_id", "client_secret", "role", "is_first_party", "skip_consent", "created_at",
		"trusted", "type", "epoch", "version", "secrets", "status_reason",
	} {
		var m Metadata
		fault, ok := errors.AsType[*MetadataError](m.SetMember(name, "true"))
		if !ok || !strings.Contains(fault.Reason.String(), "not a registration's to set") || !reflect.DeepEqual(m, Metadata{}) {
			t.Errorf("%s: %v", name, fault)
		}
	}
}

func TestSetMemberKnowsEveryMember(t *testing.T) {
	t.Parallel()
	for f := range reflect.TypeFor[Metadata]().Fields() {
		var m Metadata
		if err := m.SetMember(memberName(f), ""); err != nil {
			t.Errorf("%s: %v", memberName(f), err)
		}
	}
}
