package clientstore

import (
	"slices"
	"testing"
)

// TX-09: what a client sends of itself neither gives nor takes away whose
// tokens it may exchange, unless it gives up the grant type.
func TestExchangeIsAnAdministratorsDecision(t *testing.T) {
	t.Parallel()
	given := Metadata{GrantTypes: []string{GrantTokenExchange}, OAuth1Clients: []string{"tool"}}
	for name, tt := range map[string]struct{ sent, before, want []string }{
		"nothing sent":       {nil, []string{"tool"}, []string{"tool"}},
		"another sent":       {[]string{"other"}, []string{"tool"}, []string{"tool"}},
		"one sent, none had": {[]string{"other"}, nil, nil},
	} {
		before, m := given, given
		before.OAuth1Clients, m.OAuth1Clients = tt.before, tt.sent
		m.keepDecisions(&before)
		if !slices.Equal(m.OAuth1Clients, tt.want) {
			t.Errorf("%s: %q; want %q", name, m.OAuth1Clients, tt.want)
		}
	}
	m := Metadata{GrantTypes: []string{GrantAuthorizationCode}}
	if m.keepDecisions(&given); m.OAuth1Clients != nil {
		t.Errorf("without the grant type: %q", m.OAuth1Clients)
	}
	for name, has := range map[string][]string{"gives itself": nil, "had before": {GrantTokenExchange}} {
		c, before := Client{Type: OAuth2, Metadata: given}, Client{Metadata: Metadata{GrantTypes: has}}
		if err := c.checkRegistrant(&before); (err == nil) != (has != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
