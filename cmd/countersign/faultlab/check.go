package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// violation is an invariant that a history breaks, with an operation that
// shows it.
type violation struct {
	Invariant string `json:"invariant"`
	Says      string `json:"says"`
	Op        *Op    `json:"op,omitempty"`
}

func (v violation) String() string {
	if v.Op == nil {
		return v.Invariant + ": " + v.Says
	}
	return v.Invariant + ": " + v.Says + ": " + v.Op.String()
}

// checker finds violations of the invariants that it is named after.
type checker struct {
	invariants string
	name       string // of its folder in testdata
	check      func(*record) []violation
}

// checkers are all of them, by the numbers of research.
var checkers = []checker{
	{"INV-01 INV-03 INV-05 INV-06 INV-07 INV-18 INV-23", "lifespans", checkLifespans},
	{"INV-02 INV-11", "singleuse", checkSingleUse},
	{"INV-04", "forks", checkForks},
	{"INV-06", "approval", checkApproval},
	{"INV-08", "verdicts", checkVerdicts},
	{"INV-09", "rows", checkRows},
	{"INV-10", "audit", checkAudit},
	{"INV-12", "guesses", checkGuesses},
	{"INV-13", "signatures", checkSignatures},
	{"INV-14", "published", checkPublished},
	{"INV-15", "scopes", checkScopes},
	{"INV-16", "crosstalk", checkCrossTalk},
	{"INV-17", "clocks", checkClocks},
	{"INV-19", "baseline", checkBaseline},
	{"INV-20", "recovery", checkRecovery},
	{"INV-24", "secrets", checkSecrets},
	{"INV-25", "liveness", checkLiveness},
}

// checkAll runs every checker over a history.
func checkAll(ops []*Op) []violation {
	r := newRecord(ops)
	var all []violation
	for _, c := range checkers {
		all = append(all, c.check(r)...)
	}
	return all
}

// never is a time after every run.
const never = time.Duration(math.MaxInt64)

// lifespan is what a history tells of a family: from when it is alive, from
// when it may be dead, and from when it must be.
type lifespan struct {
	asked   time.Duration // the request that brought it was sent
	born    time.Duration // and answered
	client  string
	account string
	offline bool
	mayEnd  time.Duration
	ended   time.Duration
	why     string // the invariant by which it must be dead
}

// record is a history, ordered and indexed for the checkers.
type record struct {
	ops      []*Op // by their start
	faults   []*Op
	families map[string]*lifespan
}

func newRecord(ops []*Op) *record {
	r := &record{families: map[string]*lifespan{}}
	for _, o := range ops {
		if o.Kind == "fault" {
			r.faults = append(r.faults, o)
		} else {
			r.ops = append(r.ops, o)
		}
	}
	slices.SortStableFunc(r.ops, func(a, b *Op) int { return cmp.Compare(a.Start, b.Start) })
	for _, o := range r.ops {
		if o.Result == OK && (o.Kind == "redeem" || o.Kind == "poll_device") && r.families[o.arg("family")] == nil {
			r.families[o.arg("family")] = &lifespan{
				asked: o.Start, born: o.End, client: o.arg("client"), account: o.arg("sub"), offline: o.arg("offline") == "yes", mayEnd: never, ended: never,
			}
		}
	}
	for _, o := range r.ops {
		r.endings(o)
	}
	r.repeats()
	return r
}

// endings notes which families an operation ends, or may.
func (r *record) endings(o *Op) {
	if o.Kind == "disapprove" || o.Kind == "disable" {
		r.suspended(o)
		return
	}
	f := r.families[o.arg("family")]
	if f == nil {
		return
	}
	switch why, surely := f.ends(o); {
	case surely:
		f.endBy(o, why)
	case why != "":
		f.mayEndBy(o)
	}
}

// suspended ends what a client got before it was disapproved, or a person before
// their account was disabled. What nobody acknowledged may come true later.
func (r *record) suspended(o *Op) {
	if o.Result == Refused {
		return
	}
	latest := o.End
	if o.Result == Unknown {
		latest += lateAtMost
	}
	for _, f := range r.families {
		switch {
		case o.Kind == "disapprove" && f.client != o.Key, o.Kind == "disable" && f.account != o.Key, f.asked >= latest:
		case o.Result == OK && f.born < o.Start:
			f.endBy(o, "INV-06")
		default:
			f.mayEndBy(o)
		}
	}
}

// ends tells by which invariant an operation ends the family, empty when it
// cannot, and whether it surely did.
func (f *lifespan) ends(o *Op) (why string, surely bool) {
	switch o.Kind {
	case "revoke":
		return "INV-05", o.Result == OK
	case "reuse":
		return "INV-03", o.Result == Refused
	case "logout":
		if !f.offline {
			return "INV-23", o.Result == OK
		}
	case "redeem", "poll_device":
		if o.Start != f.asked { // a code that was used again
			return "INV-03", o.Result == Refused && o.Start > f.born
		}
	}
	return "", false
}

func (f *lifespan) mayEndBy(o *Op) { f.mayEnd = min(f.mayEnd, o.Start) }

func (f *lifespan) endBy(o *Op, why string) {
	f.mayEndBy(o)
	if o.End < f.ended {
		f.ended, f.why = o.End, why
	}
}

// repeats notes refresh tokens that were tried again after the grace: had the
// first try been heard, the family is dead.
func (r *record) repeats() {
	first := map[string]time.Duration{}
	for _, o := range r.ops {
		if o.Kind != "refresh" {
			continue
		}
		began, again := first[o.Key]
		if !again {
			first[o.Key] = o.Start
			continue
		}
		if f := r.families[o.arg("family")]; f != nil && o.End-began > refreshGrace-time.Second {
			f.mayEndBy(o)
		}
	}
}

// shows tells what an operation says about its family: alive, dead or nothing.
func shows(o *Op) (alive, dead bool) {
	switch o.Kind {
	case "introspect":
		return o.Result == OK && o.out("active") == "yes", o.Result == OK && o.out("active") == "no"
	case "userinfo", "refresh":
		return o.Result == OK, o.Result == Refused
	}
	return false, false
}

// checkLifespans holds what every replica says of a family against when it
// lived: an acknowledged token survives (INV-01, INV-07, INV-18), and what was
// acknowledged to be over is over, everywhere and at once (INV-03, INV-05,
// INV-06, INV-23).
func checkLifespans(r *record) (found []violation) {
	tried := map[string]bool{}
	for _, o := range r.ops {
		f := r.families[o.arg("family")]
		if f == nil {
			continue
		}
		alive, dead := shows(o)
		switch {
		case alive && o.Start > f.ended:
			found = append(found, violation{f.why, fmt.Sprintf("alive %v after its end was acknowledged", (o.Start - f.ended).Round(time.Millisecond)), o})
		case dead && o.End < f.mayEnd && o.Start > f.born:
			found = append(found, violation{deadOf(o, tried[o.Key]), "dead, although nothing had ended it", o})
		case o.Kind == "reuse" && o.Result == OK:
			found = append(found, violation{"INV-03", "a refresh token that was replaced long ago yields tokens", o})
		}
		if o.Kind == "refresh" {
			tried[o.Key] = true
		}
	}
	return found
}

// deadOf is the invariant by which a token should have been alive.
func deadOf(o *Op, tried bool) string {
	switch {
	case o.Kind == "refresh" && tried:
		return "INV-18"
	case o.Kind == "refresh":
		return "INV-01"
	default:
		return "INV-07"
	}
}

// checkSingleUse counts what single-use things yielded.
func checkSingleUse(r *record) (found []violation) {
	invariant := map[string]string{"redeem": "INV-02", "poll_device": "INV-02", "verifier": "INV-02", "pushed": "INV-02", "nonce": "INV-11", "assertion": "INV-11"}
	yielded := map[string]int{}
	for _, o := range r.ops {
		if invariant[o.Kind] == "" || o.Result != OK {
			continue
		}
		thing := o.Kind + " " + o.Key
		if yielded[thing]++; yielded[thing] > 1 {
			found = append(found, violation{invariant[o.Kind], "something that is good once was taken again", o})
		}
	}
	return found
}

// checkForks looks for a refresh token with two successors.
func checkForks(r *record) (found []violation) {
	successor := map[string]string{}
	for _, o := range r.ops {
		if o.Kind != "refresh" || o.Result != OK {
			continue
		}
		if before, ok := successor[o.Key]; ok && before != o.out("refresh") {
			found = append(found, violation{"INV-04", "a refresh token has a second successor", o})
		}
		successor[o.Key] = o.out("refresh")
	}
	return found
}

// checkRows looks at what the queries of the database found.
func checkRows(r *record) (found []violation) {
	for _, o := range r.ops {
		if o.Kind == "sql" && o.out("rows") != "0" {
			found = append(found, violation{o.arg("invariant"), "the database holds " + o.out("rows") + " " + o.Key, o})
		}
	}
	return found
}

// checkScopes holds what was granted against what was asked for.
func checkScopes(r *record) (found []violation) {
	for _, o := range r.ops {
		asked := strings.Fields(o.arg("scope"))
		if o.Result != OK || len(asked) == 0 {
			continue
		}
		for _, s := range strings.Fields(o.out("scope")) {
			if !slices.Contains(asked, s) {
				found = append(found, violation{"INV-15", "the scope " + s + " was granted that nobody asked for", o})
			}
		}
	}
	return found
}

// checkCrossTalk looks for answers about somebody else.
func checkCrossTalk(r *record) (found []violation) {
	for _, o := range r.ops {
		for _, name := range []string{"sub", "id_sub"} {
			if got := o.out(name); got != "" && o.arg("sub") != "" && got != o.arg("sub") {
				found = append(found, violation{"INV-16", "an answer about another account", o})
			}
		}
		for _, name := range []string{"client", "id_client"} {
			if got := o.out(name); got != "" && o.arg("client") != "" && got != o.arg("client") {
				found = append(found, violation{"INV-16", "an answer about another client", o})
			}
		}
	}
	return found
}
