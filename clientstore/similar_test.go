package clientstore_test

import (
	"slices"
	"testing"

	"countersign/storage"
	"countersign/storage/storagetest"
)

// TestSimilar looks for names that people could take for another.
func TestSimilar(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		for _, name := range []string{"Modeling Tool", "Report Writer", "A", "Pending Tool"} {
			c, _ := register(t, clients, webClient(name))
			if name == "Pending Tool" {
				continue
			}
			if _, err := clients.Approve(t.Context(), ada, c.ID); err != nil {
				t.Fatal(err)
			}
		}
		for name, want := range map[string][]string{
			"modelling-tool": {"Modeling Tool"},
			"Mоdеling Tооl":  {"Modeling Tool"}, // in Cyrillic letters
			"M0del1ng T00l":  {"Modeling Tool"},
			"Model":          nil,
			"Report Reader":  nil,
			"Pending Tool":   {"Pending Tool"}, // which waits as well
			"B":              nil,
			"!!!":            nil,
		} {
			c, _ := register(t, clients, webClient(name))
			found, err := clients.Similar(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if got := names(found); !slices.Equal(got, want) && len(got)+len(want) > 0 {
				t.Errorf("%s: %q; want %q", name, got, want)
			}
			if _, err := clients.Disapprove(t.Context(), ada, c.ID, "an example"); err != nil {
				t.Fatal(err)
			}
		}
	})
}
