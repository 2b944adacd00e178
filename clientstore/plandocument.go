package clientstore

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
)

// PlanDocument is a plan as it is shown and sent: by the command line, and by the
// administration's API.
type PlanDocument struct {
	Owner   string         `json:"owner"`
	Changes bool           `json:"changes"`
	Applied bool           `json:"applied"`
	Steps   []StepDocument `json:"steps"`
}

// StepDocument is what a plan does with one client.
type StepDocument struct {
	Handle       string       `json:"handle"`
	Action       Action       `json:"action"`
	Type         Type         `json:"type"`
	ClientID     string       `json:"client_id,omitempty"` // not yet known of one that is to be created
	ClientName   string       `json:"client_name"`
	Status       Status       `json:"status"`
	Differences  []Difference `json:"differences,omitempty"`
	Secret       SecretChange `json:"secret,omitempty"`
	ClientSecret string       `json:"client_secret,omitempty"` // a generated one, this once
	Notes        []string     `json:"notes,omitempty"`
	Warnings     []string     `json:"warnings,omitempty"`
	Impact       *Impact      `json:"impact,omitempty"`
}

// Changes reports whether the step changes anything.
func (s *StepDocument) Changes() bool { return s.Action != Keep && s.Action != Orphan }

// Document shows the plan, with what was done of it.
func (p *Plan) Document(done []Applied) PlanDocument {
	d := PlanDocument{Owner: p.File, Changes: p.Changes(), Applied: len(done) > 0, Steps: make([]StepDocument, len(p.Steps))}
	for i := range p.Steps {
		s := &p.Steps[i]
		d.Steps[i] = s.document()
		if n := slices.IndexFunc(done, func(a Applied) bool { return a.Handle == s.Handle && a.Client != nil }); n >= 0 {
			d.Steps[i].ClientID, d.Steps[i].ClientSecret = done[n].Client.ID, done[n].Secret
		}
	}
	return d
}

func (s *Step) document() StepDocument {
	c := s.After // as the step leaves it, or as it was when it is removed
	if c == nil {
		c = s.Before
	}
	d := StepDocument{
		Handle: s.Handle, Action: s.Action, Type: c.Type, ClientID: c.ID, ClientName: c.Name, Status: c.Status,
		Differences: s.Differences, Secret: s.Secret, Notes: s.Notes, Warnings: s.Warnings(), Impact: s.Impact,
	}
	if s.Before == nil {
		d.ClientID = ""
	}
	return d
}

// Tag names the plan: one that does anything else, or to clients that were
// changed meanwhile, has another. How many tokens it ends does not count, nor
// what a secret is.
func (p *Plan) Tag() (string, error) {
	d, versions := p.Document(nil), make([]int64, len(p.Steps))
	for i := range p.Steps {
		d.Steps[i].Impact = nil
		if before := p.Steps[i].Before; before != nil {
			versions[i] = before.Version
		}
	}
	encoded, err := json.Marshal([]any{d, versions})
	if err != nil {
		return "", fmt.Errorf("encode plan: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return base64.RawURLEncoding.EncodeToString(sum[:18]), nil
}
