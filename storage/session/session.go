// Package session keeps the browser sessions of people who signed in. Only a
// keyed hash of a session's cookie is kept.
package session

import (
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
