// Package session keeps the browser sessions of people who signed in. Only a
// keyed hash of a session's cookie is kept.
package session

import (
	"slices"
	"time"
)

// Session is one browser's sign-in.
type Session struct {
	ID           string     `gorm:"primaryKey" json:"id"` // the sid claim
	Hash         []byte     `json:"-"`
	AccountID    string     `json:"account_id"`
	AccountEpoch int64      `json:"-"`
	AuthTime     time.Time  `json:"auth_time"`
	ACR          string     `gorm:"column:acr" json:"acr"`
	AMR          []string   `gorm:"column:amr;serializer:json" json:"amr"`
	IP           string     `gorm:"column:ip" json:"ip"`
	UserAgent    string     `json:"user_agent"`
	CreatedAt    time.Time  `json:"created_at"`
	LastSeenAt   time.Time  `json:"last_seen_at"`
	ExpiresAt    time.Time  `json:"expires_at"` // absolute
	EndedAt      *time.Time `json:"ended_at"`
}

// MultiFactor is the method that a session lists beside others when somebody
// signed in with more than one factor (RFC 8176, section 2).
const MultiFactor = "mfa"

// SecondFactor reports whether somebody signed in to this session with more
// than a password. What an account has done otherwise, or could do, is nothing
// to it.
func (s *Session) SecondFactor() bool { return slices.Contains(s.AMR, MultiFactor) }
