package conformance

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// plan is one of the certification's plans.
type plan struct {
	name, title string
	variants    []variant
	modules     []module
}

// variant is what a plan runs its modules with.
type variant struct {
	responseType string
	formPost     bool
	auth         string // token_endpoint_auth_method
}

func (v variant) name() string {
	if v.responseType == "" {
		return "result"
	}
	return v.responseType
}

// module is one requirement, by the name that the certification gives it.
type module struct {
	name, requires string
	run            func(r *run)
	// only are the response types that it applies to, nil for all.
	only []string
	// long says that it waits for half a minute or more.
	long bool
}

func (m module) applies(v variant) bool {
	return m.only == nil || slices.Contains(m.only, v.responseType)
}

// outcome is how a module ended.
type outcome string

const (
	passed outcome = "pass"
	// seen is a module for which the certification wants a picture of a page:
	// what it is to show was looked for.
	seen outcome = "pass, page checked"
	// refused is a module that the certification skips, because what it is
	// about is not offered: that it is not, and is refused, was checked.
	refused outcome = "not offered, refused"
	failed  outcome = "FAIL"
)

// run is one module being run: it fails the test, or ends with its outcome.
type run struct {
	*testing.T
	variant

	op      *provider
	outcome outcome
	slots   chan struct{}
}

// has reports whether the response type has the word.
func (v variant) has(word string) bool { return slices.Contains(strings.Fields(v.responseType), word) }

// front reports whether the response comes by the fragment when nothing else
// is asked for.
func (v variant) front() bool { return v.has("token") || v.has("id_token") }

// want fails the module, and goes on.
func (r *run) want(ok bool, format string, args ...any) { //nolint:revive // an assertion
	r.Helper()
	if !ok {
		r.Errorf(format, args...)
	}
}

// test runs the plan on both databases, every module as a test of its own.
func (p plan) test(t *testing.T) {
	t.Parallel()
	for _, database := range []string{sqlite, postgres} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			op := providers[database]()
			for _, v := range p.variants {
				t.Run(v.name(), func(t *testing.T) {
					for _, m := range p.modules {
						if m.applies(v) {
							t.Run(m.name, func(t *testing.T) {
								t.Parallel()
								p.one(t, op, database, v, m)
							})
						}
					}
				})
			}
		})
	}
}

func (p plan) one(t *testing.T, op *provider, database string, v variant, m module) {
	t.Helper()
	r := &run{T: t, variant: v, op: op, outcome: passed, slots: slots}
	if m.long {
		r.slots = longSlots
	}
	t.Cleanup(func() {
		if t.Failed() {
			r.outcome = failed
		}
		results.add(cell{p.name, m.name, v.name()}, database, r.outcome)
	})
	r.slots <- struct{}{}
	defer func() { <-r.slots }()
	r.checkProvider()
	m.run(r)
}

// The modules that may be at work at once. Those that wait leave their slot to
// others, and those that wait long do not queue for it.
var (
	slots     = make(chan struct{}, 6)
	longSlots = make(chan struct{}, 4)
)

func (r *run) wait(f func()) {
	<-r.slots
	f()
	r.slots <- struct{}{}
}

func (r *run) sleep(d time.Duration) { r.wait(func() { time.Sleep(d) }) }

// cell is a place in the document.
type cell struct{ plan, module, variant string }

// results are what the modules ended with, on each database.
var results = &record{outcomes: map[cell]map[string]outcome{}}

type record struct {
	mu       sync.Mutex
	outcomes map[cell]map[string]outcome
}

func (r *record) add(c cell, database string, o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outcomes[c] == nil {
		r.outcomes[c] = map[string]outcome{}
	}
	r.outcomes[c][database] = o
}

// of returns the outcome of a cell, and whether the module ran on both
// databases.
func (r *record) of(c cell) (outcome, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, onSQLite := r.outcomes[c][sqlite]
	b, onPostgres := r.outcomes[c][postgres]
	if a != b {
		return failed, onSQLite && onPostgres
	}
	return a, onSQLite && onPostgres
}
