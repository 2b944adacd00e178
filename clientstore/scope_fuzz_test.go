package clientstore

import (
	"slices"
	"strings"
	"testing"
)

// What a request is about is a part of what is registered and, where it asks
// for something, of that; who asks for what was settled gets the same; who asks
// for less gets no more.
func FuzzSettleScope(f *testing.F) {
	f.Add("openid profile api", "profile openid", "api", true)
	f.Add("openid offline_access", "", "", false)
	f.Add("a b", "c a", "c", true)
	f.Add("b  a b ", " c", "c", true)
	f.Fuzz(func(t *testing.T, registered, asked, withheld string, refreshes bool) {
		c := &Client{Metadata: Metadata{Scope: registered}}
		c.withheld.scope = scopes(withheld)
		if kept, _ := split(c.withheld.scope, scopes(registered)); len(kept) > 0 {
			return // what is withheld is not in the scope any more
		}
		if refreshes {
			c.Metadata.GrantTypes = []string{GrantRefreshToken}
		}
		got, unregistered := c.SettleScope(asked)
		if unregistered != "" {
			if got != nil || slices.Contains(scopes(registered), unregistered) || !slices.Contains(scopes(asked), unregistered) {
				t.Fatalf("%q of %q: %q, and %q is not registered", asked, registered, got, unregistered)
			}
			return
		}
		within := func(a, b []string) bool {
			return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
		}
		if !within(got, scopes(registered)) || !within(scopes(asked), append(scopes(registered), scopes(withheld)...)) {
			t.Fatalf("%q of %q without %q: %q", asked, registered, withheld, got)
		}
		if len(got) == 0 {
			return
		}
		again, _ := c.SettleScope(strings.Join(got, " "))
		if !slices.Equal(again, got) {
			t.Fatalf("%q of %q without %q: %q, and then %q", asked, registered, withheld, got, again)
		}
		if fewer, _ := c.SettleScope(got[0]); !within(fewer, got) {
			t.Fatalf("%q yields %q, and %q yields %q", asked, got, got[0], fewer)
		}
	})
}

// A made-up place in a list is a place or none, and a place is read as it was
// written.
func FuzzPlace(f *testing.F) {
	f.Add("ByName", "Name\x00abc")
	f.Add("", "\x00")
	f.Add("created", "2026-01-01T00:00:00Z\x003bdknkc7ihvjwwq22tb2whdbko")
	f.Fuzz(func(t *testing.T, order, cursor string) {
		s := Sort(order)
		key, id, ok := s.place(cursor)
		if !ok {
			return
		}
		if !wellFormedKey(id) || !strings.HasSuffix(cursor, "\x00"+id) {
			t.Fatalf("%q of %q is %v, %q", cursor, order, key, id)
		}
		if err := (Filter{Sort: ByName, After: cursor}).check(); err != nil && !s.byTime() && !s.byUse() {
			t.Fatalf("%q is a place, and refused: %v", cursor, err)
		}
	})
}
