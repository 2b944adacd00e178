package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// tally counts the outcomes of a kind of operation.
type tally struct{ ok, refused, unknown int }

// report prints what was done, what was done to it, and what was found.
func report(ops []*Op, found []violation, out io.Writer) error {
	r := newRecord(ops)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	kinds, total := r.tallies()
	fmt.Fprintln(w, "operation\tok\trefused\tunknown")
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", kind, kinds[kind].ok, kinds[kind].refused, kinds[kind].unknown)
	}
	fmt.Fprintf(w, "all\t%d\t%d\t%d\n\n", total.ok, total.refused, total.unknown)
	fmt.Fprintln(w, "fault\ttimes\tfailed meanwhile\tlongest to recover")
	for _, line := range r.faultLines() {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, "\n%d violations\n", len(found))
	for i, v := range found {
		if i == mostShown {
			fmt.Fprintf(w, "and %d more\n", len(found)-i)
			break
		}
		fmt.Fprintln(w, v)
	}
	return w.Flush()
}

const mostShown = 2000

func (r *record) tallies() (kinds map[string]tally, total tally) {
	kinds = map[string]tally{}
	for _, o := range r.ops {
		if !ofClients(o) {
			continue
		}
		t := kinds[o.Kind]
		for _, into := range []*tally{&t, &total} {
			switch o.Result {
			case OK:
				into.ok++
			case Refused:
				into.refused++
			case Unknown:
				into.unknown++
			}
		}
		kinds[o.Kind] = t
	}
	return kinds, total
}

// faultLines tells for each kind of fault how often it struck, what failed
// meanwhile, and how long after its end a request that failed was sent.
func (r *record) faultLines() (lines []string) {
	type summary struct {
		times, failed int
		longest       time.Duration
	}
	all := map[string]*summary{}
	for _, f := range r.faults {
		s := all[f.Key]
		if s == nil {
			s = &summary{}
			all[f.Key] = s
		}
		s.times++
		for _, o := range r.ops {
			if !ofClients(o) || o.Result != Unknown || o.End < f.Start || o.Start > f.End+afterDatabase {
				continue
			}
			s.failed++
			s.longest = max(s.longest, o.Start-f.End)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		s := all[id]
		lines = append(lines, strings.Join([]string{id, fmt.Sprint(s.times), fmt.Sprint(s.failed), s.longest.Round(time.Millisecond).String()}, "\t"))
	}
	return lines
}

// afterDatabase is how long replicas may take to serve again when the database
// takes connections.
const afterDatabase = 10 * time.Second
