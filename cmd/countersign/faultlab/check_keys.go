package main

import (
	"slices"
	"strings"
	"time"
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

// checkPublished looks at whether each key was published long enough before it
// signed, and stays so.
func checkPublished(r *record) (found []violation) {
	var fetches []*Op
	for _, o := range r.ops {
		if o.Kind == "jwks" && o.Result == OK {
			fetches = append(fetches, o)
		}
	}
	if len(fetches) == 0 {
		return nil
	}
	known := strings.Fields(fetches[0].out("kids")) // from before the run, for as long as one likes
	published := map[string]time.Duration{}
	for _, o := range fetches {
		for _, kid := range strings.Fields(o.out("kids")) {
			if _, ok := published[kid]; !ok {
				published[kid] = o.Start
			}
		}
	}
	signed := map[string]bool{}
	for _, o := range r.ops {
		kid := o.out("kid")
		if kid == "" || signed[kid] {
			continue
		}
		signed[kid] = true
		since, ok := published[kid]
		if !slices.Contains(known, kid) && (!ok || o.End-since < jwksAge) {
			found = append(found, violation{"INV-14", "a key signs that was not published long enough", o})
		}
		for _, f := range fetches {
			if ok && f.Start > max(since, o.End) && !slices.Contains(strings.Fields(f.out("kids")), kid) {
				found = append(found, violation{"INV-14", "a key that signed is published no more", f})
				break
			}
		}
	}
	return found
}
