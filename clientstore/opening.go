package clientstore

import (
	"context"
	"strings"

	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/grant"
)

// Opening is somebody who is signed in, with the request of the device whose
// user code they typed.
type Opening struct {
	// Visit has the client of the device, its ID empty when there is no request.
	Visit  `gorm:"embedded"`
	Claims account.Claims `gorm:"serializer:json"`
	Device grant.Device   `gorm:"embedded;embeddedPrefix:device_"`
}

// Open reads, in one statement, the session that has the hash with the device's
// request that has the user code, whatever became of that, and with its client,
// of whatever status. Ask [session.Store.Live] about the session's age. Without
// a session it is [storage.ErrNotFound], whatever the code.
func (s *Store) Open(ctx context.Context, sessionHash []byte, devices *grant.Store, userCode string) (*Opening, error) {
	query, args := devices.UserCodeQuery(userCode)
	args["session"] = sessionHash
	found, err := storage.Select[Opening](ctx, s.db, s.text(statementKey{"opening", true}, func() string { return opening(query) }), args)
	if err == nil && len(found) == 0 {
		err = storage.ErrNotFound
	}
	if err != nil {
		return nil, storage.Err("get session and device", err)
	}
	o := &found[0]
	if o.Client.ID == "" {
		return o, nil
	}
	return o, s.complete(ctx, &o.Client)
}

// opening reads of the client what tells whether it is still what is remembered:
// who it is, the statement itself finds.
func opening(device string) string {
	return `SELECT ` + editionColumns + `, ` + visitorColumns + `, a.claims` + prefixed("x", "device_", grant.DeviceColumns) + `
		FROM ` + visitor + `
		LEFT JOIN (` + device + `) x ON true
		LEFT JOIN clients client ON client.id = x.client_id
		LEFT JOIN consents co ON co.account_id = a.id AND co.client_id = x.client_id
		WHERE s.hash = @session AND s.ended_at IS NULL AND s.expires_at > @now`
}

// prefixed lists columns of a table, each with its prefix, as what follows others.
func prefixed(table, prefix string, columns []string) string {
	var b strings.Builder
	for _, c := range columns {
		b.WriteString(", " + table + "." + c + " AS " + prefix + c)
	}
	return b.String()
}
