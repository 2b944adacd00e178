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
func checkAudit(r *record) (found []violation) {
	rows := map[string][]*Op{} // by request
	acked, unknown, recorded := map[string]bool{}, map[string]int{}, map[string]int{}
	for _, o := range r.ops {
		if o.Kind == "audit" {
			rows[o.RequestID] = append(rows[o.RequestID], o)
		}
	}
	for _, o := range r.ops {
		if o.Kind != "approve" && o.Kind != "disapprove" {
			continue
		}
		switch o.Result {
		case OK:
			acked[o.RequestID] = true
			if n := len(rows[o.RequestID]); n != 1 {
				found = append(found, violation{"INV-10", fmt.Sprintf("an acknowledged decision has %d rows in the audit record", n), o})
			}
		case Unknown:
			unknown[o.Kind+" "+o.Key]++
		case Refused:
			if len(rows[o.RequestID]) != 0 {
				found = append(found, violation{"INV-10", "a refused decision is in the audit record", o})
			}
		}
	}
	for id, of := range rows {
		if acked[id] {
			continue
		}
		for _, row := range of {
			thing := row.arg("action") + " " + row.Key
			if recorded[thing]++; recorded[thing] > unknown[thing] {
				found = append(found, violation{"INV-10", "the audit record has a decision that nobody made", row})
			}
		}
	}
	return found
}
