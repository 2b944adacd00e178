package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// excused reports whether a fault explains that an operation failed.
func (r *record) excused(o *Op) bool {
	for _, f := range r.faults {
		tolerance, err := time.ParseDuration(f.arg("tolerance"))
		if err == nil && tolerance >= 0 && o.Start <= f.End+tolerance && o.End >= f.Start {
			return true
		}
	}
	return false
}

// ofClients reports whether an operation is one of the clients.
func ofClients(o *Op) bool { return o.Process >= 0 && o.Kind != "sql" && o.Kind != "audit" }

// checkRecovery looks for failures that no fault explains: two seconds after
// the death of a replica, and ten after the database is back, nothing fails any
// more, and a rolling restart fails nothing at all.
func checkRecovery(r *record) (found []violation) {
	for _, o := range r.ops {
		if ofClients(o) && o.Result == Unknown && !r.excused(o) {
			found = append(found, violation{"INV-20", "a request failed although no fault explains it", o})
		}
		if o.Kind == "probe" && fmt.Sprint(o.Status) != o.arg("want") {
			found = append(found, violation{"INV-20", "a replica does not say how it is", o})
		}
		if o.Kind == "start" && o.Result != OK {
			found = append(found, violation{"INV-20", "a replica did not come back", o})
		}
	}
	return append(found, r.killRatio()...)
}

// killRatio is the share of requests that a killed replica may cost in the
// minute that follows: one in a thousand.
func (r *record) killRatio() (found []violation) {
	requests, length := 0, time.Duration(0)
	for _, o := range r.ops {
		if ofClients(o) {
			requests++
			length = max(length, o.End)
		}
	}
	inMinute := float64(requests) / max(length.Minutes(), 0.01)
	for _, f := range r.faults {
		if f.Key != "NM-01" {
			continue
		}
		if lost := r.lostTo(f); float64(lost) > max(inMinute/1000, mostLost) {
			found = append(found, violation{"INV-20", fmt.Sprintf("a killed replica cost %d requests, of %.0f in a minute", lost, inMinute), f})
		}
	}
	return found
}

// mostLost is what was on its way at once: a slower lab than a thousand requests
// a minute for each of them proves nothing.
const mostLost = 12

// lostTo counts the requests whose outcome is unknown because of a fault.
func (r *record) lostTo(f *Op) (lost int) {
	for _, o := range r.ops {
		if ofClients(o) && o.Result == Unknown && o.Start <= f.End+afterKill && o.End >= f.Start {
			lost++
		}
	}
	return lost
}

// sound are operations that are right in every respect, so that a refusal is
// wrong.
var sound = map[string]bool{
	"authorize": true, "device": true, "allow_device": true, "client_credentials": true, "allow_consumer": true,
	"verify": true, "logout": true, "read_status": true, "jwks": true, "revoke": true, "sign_in": true, "burst": true, "rotate": true,
	"push": true, "disable": true, "enable": true,
}

// oneOf are operations of which one must be taken, however often it is sent.
var oneOf = map[string]bool{"redeem": true, "poll_device": true, "nonce": true, "verifier": true, "assertion": true, "pushed": true}

// checkVerdicts looks for faults of the machines that were told as faults of
// the client, the person or the token, and for answers that should not be.
func checkVerdicts(r *record) (found []violation) {
	suspended := r.everSuspended()
	for _, o := range r.ops {
		switch {
		case o.Status == http.StatusInternalServerError:
			found = append(found, violation{"INV-08", "answered 500", o})
		case o.Status == http.StatusServiceUnavailable && o.out("retry_after") == "":
			found = append(found, violation{"INV-08", "answered 503 without saying when to try again", o})
		case sound[o.Kind] && o.Result == Refused && !suspended(o):
			found = append(found, violation{"INV-08", "a request was refused in which nothing is wrong", o})
		}
	}
	return append(found, r.allRefused(suspended)...)
}

// everSuspended tells which operations are about a client that was disapproved
// in this run, or an account that was disabled: those may be refused.
func (r *record) everSuspended() func(*Op) bool {
	clients, accounts := map[string]bool{}, map[string]bool{}
	for _, o := range r.ops {
		switch o.Kind {
		case "disapprove":
			clients[o.Key] = true
		case "disable":
			accounts[o.Key] = true
		}
	}
	return func(o *Op) bool { return clients[o.Key] || clients[o.arg("client")] || accounts[o.arg("sub")] }
}

// allRefused looks for things of which no use was taken, nor may have been.
func (r *record) allRefused(suspended func(*Op) bool) (found []violation) {
	last, taken := map[string]*Op{}, map[string]bool{}
	for _, o := range r.ops {
		if !oneOf[o.Kind] || suspended(o) {
			continue
		}
		thing := o.Kind + " " + o.Key
		last[thing] = o
		taken[thing] = taken[thing] || o.Result != Refused
	}
	for thing, o := range last {
		if !taken[thing] {
			found = append(found, violation{"INV-08", "something that is good once was not taken at all", o})
		}
	}
	return found
}

// checkLiveness looks whether, in the calm at the end, everything works.
func checkLiveness(r *record) (found []violation) {
	calm := time.Duration(-1)
	for _, o := range r.ops {
		if o.Kind == "calm" {
			calm = o.Start
		}
	}
	if calm < 0 {
		return []violation{{"INV-25", "the run has no calm at its end", nil}}
	}
	works := map[string]bool{}
	for _, o := range r.ops {
		if o.Start >= calm && o.Result == OK {
			works[o.Kind] = true
		}
	}
	for _, kind := range strings.Fields("authorize redeem refresh introspect revoke device poll_device client_credentials assertion verifier verify logout sign_in push pushed disable enable") {
		if !works[kind] {
			found = append(found, violation{"INV-25", "nothing of the kind " + kind + " succeeds although all is well", nil})
		}
	}
	return found
}

// checkSecrets looks at what the search of the logs found.
func checkSecrets(r *record) (found []violation) {
	for _, o := range r.ops {
		if o.Kind == "canary" && o.out("found") != "" {
			found = append(found, violation{"INV-24", "a log holds a secret: " + o.out("found"), o})
		}
	}
	return found
}

// checkBaseline compares what replicas hold before and after.
func checkBaseline(r *record) (found []violation) {
	before := map[string]*Op{}
	for _, o := range r.ops {
		if o.Kind != "resources" {
			continue
		}
		if o.arg("when") == "before" {
			before[o.Key] = o
			continue
		}
		for name, slack := range map[string]float64{"goroutines": 40, "files": 20, "connections": 8} {
			was, now := number(before[o.Key], name), number(o, name)
			if now > was+slack {
				found = append(found, violation{"INV-19", fmt.Sprintf("%s has %v %s; it had %v", o.Key, now, name, was), o})
			}
		}
	}
	return found
}

func number(o *Op, name string) float64 {
	if o == nil {
		return 0
	}
	n, err := strconv.ParseFloat(o.out(name), 64)
	if err != nil {
		return 0
	}
	return n
}

// checkGuesses counts the passwords of one account that were looked at, over
// all replicas, against what the delays leave room for: five at once, and then
// one after 2 seconds, 4, 8 and so on.
func checkGuesses(r *record) (found []violation) {
	first, evaluated := map[string]time.Duration{}, map[string]int{}
	for _, o := range r.ops {
		if o.Kind != "guess" || o.out("evaluated") != "yes" {
			continue
		}
		if _, ok := first[o.Key]; !ok {
			first[o.Key] = o.Start
		}
		evaluated[o.Key]++
		if most := guessesWithin(o.End - first[o.Key]); evaluated[o.Key] > most {
			found = append(found, violation{"INV-12", fmt.Sprintf("%d passwords were tried; %d at most may be", evaluated[o.Key], most), o})
		}
	}
	return found
}

// guessesWithin is how many guesses the delays leave room for.
func guessesWithin(d time.Duration) int {
	n, wait := 5, 2*time.Second
	for ; d >= wait && n < 50; n++ {
		d -= wait
		wait *= 2
	}
	return n
}

// checkClocks looks for what was taken after it had expired by the clock of
// the database. That replicas disagree on what has not, checkVerdicts sees.
func checkClocks(r *record) (found []violation) {
	for _, o := range r.ops {
		if o.Kind == "expired" && o.Result == OK {
			found = append(found, violation{"INV-17", "taken more than a minute after it expired", o})
		}
	}
	return found
}
