package config

import (
	"strings"
	"testing"
)

func TestOSLCSettings(t *testing.T) {
	t.Parallel()
	yaml := file(t, `issuer: https://id.example.org/authentication
admin_listen: 127.0.0.1:9000
admin_url: https://admin.example.org
oslc_domain: https://models.example.org/oslc/
oslc_catalogs:
  - oslc_am:amServiceProviders=https://models.example.org/oslc/catalog
  - http://open-services.net/ns/cm#cmServiceProviders=https://models.example.org/cm
compat: teamwork-cloud
`)
	c, err := Load(Source{File: yaml})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Catalogs()) != 2 || c.OAuth1Realm != "TWC" || c.AdminBase() != "https://admin.example.org" || c.Compat != CompatTeamworkCloud {
		t.Errorf("catalogs %v, realm %q, administrators at %q, compat %q", c.Catalogs(), c.OAuth1Realm, c.AdminBase(), c.Compat)
	}
	c, err = Load(Source{File: yaml, Env: []string{"COUNTERSIGN_OAUTH1_REALM=Models 2.0", "COUNTERSIGN_OSLC_CATALOGS=oslc_rm:rmServiceProviders=https://a.example/c, oslc:x=https://b.example"}})
	if err != nil || c.OAuth1Realm != "Models 2.0" || len(c.Catalogs()) != 2 {
		t.Errorf("realm %q, catalogs %v, %v", c.OAuth1Realm, c.Catalogs(), err)
	}
	if c := Default(); c.OAuth1Realm != "Countersign" || c.AdminBase() != c.Issuer {
		t.Errorf("by default the realm is %q, administrators are at %q", c.OAuth1Realm, c.AdminBase())
	}
}

func TestOSLCFaults(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]string{
		"COMPAT=jazz":                      "teamwork-cloud",
		`OAUTH1_REALM=a"b`:                 "is not a realm",
		"OAUTH1_REALM=Küche":               "is not a realm",
		"OAUTH1_REALM=a, b":                "is not a realm",
		"OSLC_DOMAIN=models.example":       "absolute URL",
		"OSLC_DOMAIN=https://a.example/?x": "no query",
		"OSLC_DOMAIN=https://a.example//":  "slash",
		"OSLC_DOMAIN=%":                    "cannot be read",
		"OSLC_CATALOGS=https://a.example":  "property=URL",
		"OSLC_CATALOGS=x:y=https://a.test": "neither a URL nor a name",
		"ADMIN_URL=https://a.example":      "admin_listen",
	} {
		_, err := Load(Source{Env: []string{"COUNTERSIGN_" + env}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q in it", env, err, want)
		}
	}
	for env, want := range map[string]string{
		"http://admin.example": "must be https", "https://admin.example/": "slash", "%": "cannot be read", "http://localhost:9000": "",
	} {
		_, err := Load(Source{Env: []string{"COUNTERSIGN_ADMIN_LISTEN=127.0.0.1:9000", "COUNTERSIGN_ADMIN_URL=" + env}})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", env, err, want)
		}
	}
	c, err := Load(Source{Env: []string{"COUNTERSIGN_ADMIN_LISTEN=127.0.0.1:9000"}})
	if err != nil || !strings.Contains(strings.Join(c.Warnings(), " "), "admin_url") {
		t.Errorf("nothing warns of addresses that lead nowhere: %v", err)
	}
}

// Four eyes hold accounts, and who registers openly has none (AP-12).
func TestFourEyesAndOpenRegistration(t *testing.T) {
	t.Parallel()
	for env, warned := range map[string]bool{"COUNTERSIGN_REGISTRATION=open": true, "COUNTERSIGN_REGISTRATION=token": false} {
		c, err := Load(Source{Env: []string{"COUNTERSIGN_FOUR_EYES=true", env}})
		if err != nil || strings.Contains(strings.Join(c.Warnings(), " "), "four_eyes") != warned {
			t.Errorf("%s: warns %v, %v", env, c.Warnings(), err)
		}
	}
}
