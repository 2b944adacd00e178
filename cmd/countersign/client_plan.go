package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"countersign/clientstore"
)

// planRows writes what was done, a client a line.
func planRows(tw *tabwriter.Writer, p *appliedFile) {
	row(tw, "HANDLE", "KEY", "NAME", "STATUS", "DONE", "SECRET")
	for _, s := range p.Steps {
		status := string(s.Status)
		if s.Action == clientstore.Remove {
			status = ""
		}
		secret := s.ClientSecret
		if s.SecretFile != "" {
			secret = "written to " + s.SecretFile
		}
		row(tw, s.Handle, s.ClientID, s.ClientName, status, doneWords[s.Action], secret)
	}
}

var (
	doneWords = map[clientstore.Action]string{
		clientstore.Create: "registered", clientstore.Adopt: "adopted", clientstore.Change: "changed", clientstore.Remove: "removed",
		clientstore.Keep: "nothing", clientstore.Orphan: "nothing",
	}
	signs = map[clientstore.Action]string{
		clientstore.Create: "+", clientstore.Adopt: ">", clientstore.Change: "~", clientstore.Remove: "-", clientstore.Keep: " ", clientstore.Orphan: "?",
	}
	secretWords = map[clientstore.SecretChange]string{
		clientstore.SecretGenerated: "is generated", clientstore.SecretSet: "is set", clientstore.SecretRotated: "changed",
		clientstore.SecretTaken: "is the one that it has, and the file's from now on", clientstore.SecretLeft: "stays, and is not the file's any more",
	}
)

// writePlan writes a plan for people: what is registered (+), adopted (>),
// changed (~) and removed (-), member by member.
func writePlan(w io.Writer, p *clientstore.PlanDocument) {
	for i := range p.Steps {
		writeStep(w, &p.Steps[i])
	}
	line(w, "Clients file %s: %s.", printable(p.Owner), summary(p))
}

func line(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...) // where else to complain
}

func writeStep(w io.Writer, s *clientstore.StepDocument) {
	if s.Action == clientstore.Keep && len(s.Notes) == 0 {
		return
	}
	name := printable(s.ClientName)
	if s.Action != clientstore.Create {
		name = title(&clientstore.Client{ID: s.ClientID, Name: s.ClientName})
	}
	line(w, "%s %s: %s, %s, %s", signs[s.Action], s.Handle, name, s.Type, s.Status)
	for _, d := range s.Differences {
		if s.Action == clientstore.Create && (d.Member == "status" || strings.HasPrefix(d.Member, "managed_")) {
			continue // the heading says so
		}
		writeDifference(w, d)
	}
	if s.Secret != "" {
		line(w, "    ~ secret: %s", secretWords[s.Secret])
	}
	if s.Impact != nil {
		line(w, "    ! %s, which die now", live(*s.Impact))
	}
	if s.Action == clientstore.Orphan {
		line(w, "    ! the file does not list it any more; --prune removes it, `countersign client release %s` gives it to the administrators", s.ClientID)
	}
	writeNotes(w, s)
}

func writeNotes(w io.Writer, s *clientstore.StepDocument) {
	notes := s.Notes
	if s.Changes() {
		notes = slices.Concat(s.Warnings, notes)
	}
	for _, note := range notes {
		line(w, "    ! %s", printable(note))
	}
}

func writeDifference(w io.Writer, d clientstore.Difference) {
	before, after := shown(d.Before), shown(d.After)
	switch {
	case before == "":
		line(w, "    + %s: %s", d.Member, after)
	case after == "":
		line(w, "    - %s: %s", d.Member, before)
	default:
		line(w, "    ~ %s: %s → %s", d.Member, before, after)
	}
}

// shown is a value of a member, empty for none.
func shown(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return printable(v)
	}
	text := cell(value)
	if text == "-" { // an empty list
		return ""
	}
	return printable(text)
}

// counts says how many steps do each thing.
func counts(p *clientstore.PlanDocument) map[clientstore.Action]int64 {
	n := map[clientstore.Action]int64{}
	for i := range p.Steps {
		n[p.Steps[i].Action]++
	}
	return n
}

// summary says what a plan comes to, in a few words.
func summary(p *clientstore.PlanDocument) string {
	if !p.Changes {
		return "nothing to do"
	}
	n := counts(p)
	var parts []string
	for _, a := range []struct {
		action clientstore.Action
		word   string
	}{
		{clientstore.Create, "to register"},
		{clientstore.Adopt, "to adopt"},
		{clientstore.Change, "to change"},
		{clientstore.Remove, "to remove"},
		{clientstore.Keep, "as it is"},
	} {
		if n[a.action] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[a.action], a.word))
		}
	}
	return strings.Join(parts, ", ")
}

// impactOf says what a plan does, for the question whether it shall.
func impactOf(p *clientstore.PlanDocument) string {
	n := counts(p)
	var parts []string
	for _, a := range []struct {
		action clientstore.Action
		verb   string
	}{
		{clientstore.Create, "registers"}, {clientstore.Adopt, "takes over"}, {clientstore.Change, "changes"}, {clientstore.Remove, "removes for good"},
	} {
		if n[a.action] > 0 {
			parts = append(parts, a.verb+" "+count(n[a.action], "client"))
		}
	}
	text := strings.Join(parts, ", ")
	var ended clientstore.Impact
	for i := range p.Steps {
		if impact := p.Steps[i].Impact; impact != nil {
			ended.Tokens += impact.Tokens
			ended.Accounts += impact.Accounts
		}
	}
	if ended.Tokens > 0 {
		text += "; " + live(ended) + " die for good"
	}
	return text
}
