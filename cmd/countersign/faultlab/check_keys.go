package main

import (
	"slices"
	"strings"
)

// checkSignatures looks at whether every ID token verified with the keys that
// its application had.
func checkSignatures(r *record) (found []violation) {
	for _, o := range r.ops {
		if strings.HasPrefix(o.out("verified"), "no") {
			found = append(found, violation{"INV-13", "an ID token does not verify", o})
		}
	}
	return found
}

// checkPublished looks at whether each key was published before it signed, for
// as long as applications keep what they fetched, and stays so.
func checkPublished(r *record) (found []violation) {
	var fetches []*Op
	for _, o := range r.ops {
		if o.Kind == "jwks" && o.Result == OK {
			fetches = append(fetches, o)
		}
	}
	signed := map[string]bool{}
	for _, o := range r.ops {
		kid := o.out("kid")
		if kid == "" || signed[kid] {
			continue
		}
		signed[kid] = true
		found = append(found, unpublished(o, kid, fetches)...)
	}
	return found
}

// unpublished looks for a fetch without the key that o was signed with, of those
// that should have brought it.
func unpublished(o *Op, kid string, fetches []*Op) []violation {
	for _, f := range fetches {
		if f.Start <= o.End-jwksAge || slices.Contains(strings.Fields(f.out("kids")), kid) {
			continue
		}
		if f.Start < o.End {
			return []violation{{"INV-14", "a key signs that was not published long enough", o}}
		}
		return []violation{{"INV-14", "a key that signed is published no more", f}}
	}
	return nil
}
