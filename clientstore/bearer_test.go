package clientstore

import "testing"

// JB-05: an administrator lets a client act for people who are not there.
func TestJB05ActingForTheAbsentIsAnAdministratorsDecision(t *testing.T) {
	t.Parallel()
	for name, has := range map[string][]string{"gives itself": nil, "had before": {GrantJWTBearer}} {
		c := Client{Type: OAuth2, Metadata: Metadata{GrantTypes: []string{GrantJWTBearer}}}
		if err := c.checkRegistrant(&Client{Metadata: Metadata{GrantTypes: has}}); (err == nil) != (has != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
