package main

import (
	"errors"
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
	var b strings.Builder
	kinds, total := r.tallies()
	fmt.Fprintln(&b, "operation\tok\trefused\tunknown")
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(&b, "%s\t%d\t%d\t%d\n", kind, kinds[kind].ok, kinds[kind].refused, kinds[kind].unknown)
	}
	fmt.Fprintf(&b, "all\t%d\t%d\t%d\n\n", total.ok, total.refused, total.unknown)
	fmt.Fprintln(&b, "fault\ttimes\trequests failed\tlast failure after its end")
	for _, line := range r.faultLines() {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "\n%d violations\n", len(found))
	for _, v := range found[:min(len(found), mostShown)] {
		fmt.Fprintln(&b, v)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, err := io.WriteString(w, b.String())
	return errors.Join(err, w.Flush())
}

// mostShown is how many violations are printed; `-check` finds all of them again.
const mostShown = 50

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

// damage is what a kind of fault did.
type damage struct {
	times, failed int
	longest       time.Duration // from its end to the last request that failed
}

// faultLines tells for each kind of fault how often it struck, how many requests
// failed of it, and how long after its end the last of them was sent. A failure
// is of the fault that struck last before it.
func (r *record) faultLines() (lines []string) {
	all := map[string]*damage{}
	for _, f := range r.faults {
		if all[f.Key] == nil {
			all[f.Key] = &damage{}
		}
		all[f.Key].times++
	}
	for _, o := range r.ops {
		if f := r.cause(o); f != nil && ofClients(o) && o.Result == Unknown {
			d := all[f.Key]
			d.failed++
			d.longest = max(d.longest, o.Start-f.End)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		d := all[id]
		lines = append(lines, fmt.Sprintf("%s\t%d\t%d\t%v", id, d.times, d.failed, d.longest.Round(time.Millisecond)))
	}
	return lines
}

// cause is the fault that struck last before an operation ended.
func (r *record) cause(o *Op) (last *Op) {
	for _, f := range r.faults {
		if f.Start <= o.End && (last == nil || f.Start > last.Start) {
			last = f
		}
	}
	return last
}

// afterDatabase is how long replicas may take to serve again when the database
// takes connections.
const afterDatabase = 10 * time.Second
