// Package audit keeps the append-only record of who changed what, on what and
// from where. A store that changes something records it in the same
// transaction; the actor is a parameter of the change, so that no change can
// forget it.
package audit

import (
	"time"
)

// Via is the door by which a change came.
type Via string

// The doors.
const (
	ViaCLI    Via = "cli"
	ViaSetup  Via = "setup"
	ViaPages  Via = "pages" // a resource owner's own pages
	ViaAPI    Via = "api"
	ViaSystem Via = "system" // a job
	// ViaSettings is the Settings application.
	ViaSettings Via = "settings"
	// ViaRegistration is the registration endpoint, by which clients register
	// and change themselves.
	ViaRegistration Via = "registration"
)

// Actor is who makes a change, and from where.
type Actor struct {
	AccountID string // empty for the command line and for jobs
	Name      string // the username, or the operating system's user for the command line
	Via       Via
	IP        string
	RequestID string
}

// Event is one change. Before and After hold JSON without secrets; either may
// be empty.
type Event struct {
	ID         string    `gorm:"primaryKey" json:"id"`
	At         time.Time `json:"at"`
	ActorID    string    `json:"actor_id"`
	ActorName  string    `json:"actor_name"`
	Via        Via       `json:"via"`
	Action     string    `json:"action"` // noun.verb: client.approve
	TargetType string    `json:"target_type"`
	TargetID   string    `json:"target_id"`
	TargetName string    `json:"target_name"`
	Before     JSON      `json:"before,omitempty"`
	After      JSON      `json:"after,omitempty"`
	IP         string    `gorm:"column:ip" json:"ip"`
	RequestID  string    `json:"request_id"`
}

// TableName names the table.
func (Event) TableName() string { return "audit_events" }

// JSON is a JSON document kept as text.
type JSON string

// MarshalJSON writes the document itself, null when there is none.
func (j JSON) MarshalJSON() ([]byte, error) {
	if j == "" {
		return []byte("null"), nil
	}
	return []byte(j), nil
}

// Change is what a store reports: the target, and how it looked before and
// after. Before and After are encoded as JSON, nil for none; they must be
// types that hold no secrets.
type Change struct {
	Action                           string
	TargetType, TargetID, TargetName string
	Before, After                    any
}
