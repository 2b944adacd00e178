package main

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// step is what happened to a client's approval, for the model: it was set, or
// may have been, or a request showed it.
type step struct {
	set      bool
	unknown  bool
	approved bool
}

// approvals is the model: a register with the client's status.
var approvals = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{true} },
	Step: func(approved, in, out any) []any {
		s, _ := in.(step) // that is what goes in
		switch {
		case s.set && s.unknown:
			return []any{approved, s.approved}
		case s.set:
			return []any{s.approved}
		case out == approved:
			return []any{approved}
		default:
			return nil
		}
	},
}).ToModel()

const modelPatience = 30 * time.Second

// checkApproval holds what administrators set and what requests showed against
// a register that all replicas share: a decision holds for all that starts
// after its answer.
func checkApproval(r *record) (found []violation) {
	history := map[string][]porcupine.Operation{}
	for _, o := range r.ops {
		if event, ok := approvalStep(o); ok {
			history[o.Key] = append(history[o.Key], event)
		}
	}
	for client, ops := range history {
		switch porcupine.CheckOperationsTimeout(approvals, ops, modelPatience) {
		case porcupine.Ok:
		case porcupine.Illegal:
			found = append(found, violation{"INV-06", "the approval of " + client + " is not one register", nil})
		case porcupine.Unknown:
			found = append(found, violation{"INV-06", "whether the approval of " + client + " is one register could not be decided in time", nil})
		}
	}
	return found
}

// lateAtMost is how long after a client gave up its decision may still come
// true: a frozen replica wakes, a statement waits for a lock.
const lateAtMost = time.Minute

// approvalStep is an operation as the model takes it. What may have been set is
// set within a minute, or never; what was refused set nothing.
func approvalStep(o *Op) (e porcupine.Operation, ok bool) {
	e = porcupine.Operation{ClientId: o.Process, Input: step{}, Call: int64(o.Start), Return: int64(o.End)}
	switch {
	case (o.Kind == "approve" || o.Kind == "disapprove") && o.Result != Refused:
		e.Input = step{set: true, unknown: o.Result == Unknown, approved: o.Kind == "approve"}
		if o.Result == Unknown {
			e.Return += int64(lateAtMost)
		}
		return e, true
	case o.Kind == "read_status" && o.Result == OK:
		e.Output = o.out("status") == "approved"
		return e, true
	case o.Kind == "client_credentials" && o.arg("toggled") == "yes" && o.Result != Unknown:
		e.Output = o.Result == OK
		return e, true
	}
	return e, false
}

// checkAudit holds acknowledged decisions against the audit record: one row for
// each, none without one, and for unknown outcomes at most one.
func checkAudit(r *record) []violation {
	t := trail{rows: map[string][]*Op{}, acked: map[string]bool{}, unknown: map[string]int{}}
	for _, o := range r.ops {
		if o.Kind == "audit" {
			t.rows[o.RequestID] = append(t.rows[o.RequestID], o)
		}
	}
	for _, o := range r.ops {
		if o.Kind == "approve" || o.Kind == "disapprove" {
			t.decided(o)
		}
	}
	t.findUnmade()
	return t.found
}

// trail is the audit record beside what was decided.
type trail struct {
	rows    map[string][]*Op // by request
	acked   map[string]bool  // by request
	unknown map[string]int   // by decision and client
	found   []violation
}

// decided holds a decision against its rows.
func (t *trail) decided(o *Op) {
	rows := len(t.rows[o.RequestID])
	switch o.Result {
	case OK:
		t.acked[o.RequestID] = true
		if rows != 1 {
			t.add(o, fmt.Sprintf("an acknowledged decision has %d rows in the audit record", rows))
		}
	case Unknown:
		t.unknown[o.Kind+" "+o.Key]++
	case Refused:
		if rows != 0 {
			t.add(o, "a refused decision is in the audit record")
		}
	}
}

// findUnmade looks for rows of what was neither acknowledged nor unknown.
func (t *trail) findUnmade() {
	recorded := map[string]int{}
	for id, rows := range t.rows {
		if t.acked[id] {
			continue
		}
		for _, row := range rows {
			thing := row.arg("action") + " " + row.Key
			if recorded[thing]++; recorded[thing] > t.unknown[thing] {
				t.add(row, "the audit record has a decision that nobody made")
			}
		}
	}
}

func (t *trail) add(o *Op, says string) { t.found = append(t.found, violation{"INV-10", says, o}) }
