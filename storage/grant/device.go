package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"countersign/storage"
)

// ErrTooMany reports that as many codes wait already as one client may have.
var ErrTooMany = errors.New("too many device codes wait")

// How many device codes of one client may wait that were asked for from one
// network, and from all of them. Anybody may register a client that nobody has
// approved, so that it has fewer.
const (
	maxDevices       = 100
	maxParked        = 5
	maxParkedOverall = 50
)

// Device is the request of a device that has no browser (RFC 8628): a device
// code for the device, and a user code for whoever owns it.
type Device struct {
	ClientID     string
	Scope        string // asked for, space-separated
	IP           string // where the device asks from
	PollInterval int64  // seconds
	PolledAt     *time.Time
	CreatedAt    time.Time
	ExpiresAt    time.Time
	DeniedAt     *time.Time
	SpentAt      *time.Time
	OpenedIn     string // the session in which the code was opened last
	DeniedBy     string // the account that refused it
	// Permitted reports whether the client is approved and was never
	// disapproved since; Parked, whether it waits for its first approval.
	Permitted, Parked bool
	// Grant is what somebody allowed, its ID empty until then.
	Grant Grant `gorm:"embedded;embeddedPrefix:grant_"`
	// Live reports whether that grant holds.
	Live bool
}

// DeviceStart is what a device's request is made of. Only hashes of the two
// codes are kept.
type DeviceStart struct {
	ClientID string
	// Client is the edition of the client that the request was judged by, nil for
	// whichever there is.
	Client       *Edition
	Scope        string
	IP           string
	Network      string
	DeviceCode   string
	UserCode     string // as [ReadUserCode] returns it
	PollInterval int64
	ExpiresAt    time.Time
}

// userHash is the hash under which a user code is kept. Such a code is short:
// the purpose keeps its hashes apart from those of tokens, and the key keeps
// whoever reads the table from trying all codes.
func (s *Store) userHash(userCode string) []byte { return s.keys.Hash("user code|" + userCode) }

// StartDevice keeps the request of a device if its client is approved at this
// moment, or pending: then it is parked, and nobody can allow it before the
// client is approved. Any other client, or another edition of it than the one that
// is asked for, is [ErrNotPermitted]. [ErrTooMany] means that the client has enough
// of them, [storage.ErrConflict] that the user code is taken.
func (s *Store) StartDevice(ctx context.Context, d DeviceStart) error {
	args := map[string]any{
		"client": d.ClientID, "scope": d.Scope, "ip": d.IP, "network": d.Network, "interval": d.PollInterval,
		"hash": s.Hash(d.DeviceCode), "user_hash": s.userHash(d.UserCode), "now": s.db.Now(), "expires_at": d.ExpiresAt,
		"max": maxDevices, "max_parked": maxParked, "max_overall": maxParkedOverall,
	}
	query := startDevice
	if d.Client != nil {
		query, args["version"], args["updated_at"] = startDevice+ofEdition, d.Client.Version, d.Client.UpdatedAt
	}
	kept, err := s.db.Exec(ctx, query, args)
	if err != nil || kept == 1 {
		return storage.Err("start device", err)
	}
	if d.Client != nil { // it may be another by now, which the caller has to read
		return fmt.Errorf("start device: %w", ErrNotPermitted)
	}
	may, err := storage.Select[int64](ctx, s.db, mayStart, args)
	if err == nil && first(may) == 1 {
		return fmt.Errorf("start device: %w", ErrTooMany)
	}
	return issued("start device", 0, err)
}

const waitingDevices = `(SELECT count(*) FROM (SELECT 1 FROM device_codes d
	WHERE d.client_id = @client AND d.spent_at IS NULL AND d.expires_at > @now`

var (
	startDevice = `
	INSERT INTO device_codes (client_id, client_epoch, hash, user_hash, scope, ip, network, poll_interval, created_at, expires_at)
	SELECT c.id, c.epoch, @hash, @user_hash, @scope, @ip, @network, @interval, @now, @expires_at
	FROM clients c WHERE c.id = @client AND (
		(` + storage.Approved("c") + ` AND @max > ` + waitingDevices + ` AND d.network = @network LIMIT @max) w))
		OR (c.status = 'pending' AND @max_parked > ` + waitingDevices + ` AND d.network = @network LIMIT @max_parked) w)
			AND @max_overall > ` + waitingDevices + ` LIMIT @max_overall) w)))`
	mayStart = `SELECT count(*) FROM clients c WHERE c.id = @client AND (c.status = 'pending' OR ` + storage.Approved("c") + `)`
)

// DeviceColumns are the columns that [Store.DeviceQuery] selects.
var DeviceColumns = append([]string{
	"client_id", "scope", "ip", "poll_interval", "polled_at", "created_at", "expires_at", "denied_at", "spent_at",
	"opened_in", "denied_by", "permitted", "parked", "live",
}, grantColumns...)

var deviceRow = `
	SELECT d.client_id, d.scope, d.ip, d.poll_interval, d.polled_at, d.created_at, d.expires_at, d.denied_at, d.spent_at,
		d.opened_in, d.denied_by, (` + storage.Approved("c") + ` AND c.epoch = d.client_epoch) AS permitted,
		(c.status = 'pending' AND c.epoch = d.client_epoch) AS parked, COALESCE(` + LiveRoot + `, false) AS live, ` + columns + `
	FROM device_codes d JOIN clients c ON c.id = d.client_id
		LEFT JOIN grants g ON g.id = d.grant_id
		LEFT JOIN accounts a ON a.id = g.account_id
		LEFT JOIN sessions s ON s.id = g.session_id`

var (
	deviceByCode     = deviceRow + ` WHERE d.hash = @device`
	deviceByUserCode = deviceRow + ` WHERE d.user_hash = @user`
)

// DeviceQuery returns the query for the device's request with this device
// code, for a statement that reads more than that, and the arguments that it
// takes.
func (s *Store) DeviceQuery(deviceCode string) (query string, args map[string]any) {
	return deviceByCode, map[string]any{"device": s.Hash(deviceCode), "now": s.db.Now()}
}

// UserCodeQuery is [Store.DeviceQuery] by the user code, whatever became of the
// request.
func (s *Store) UserCodeQuery(userCode string) (query string, args map[string]any) {
	return deviceByUserCode, map[string]any{"user": s.userHash(userCode), "now": s.db.Now()}
}

// undecided matches the request of a device that nobody answered.
const undecided = `user_hash = @user AND grant_id IS NULL AND denied_at IS NULL AND spent_at IS NULL AND expires_at > @now`

// Permission is what somebody allows a device.
type Permission struct {
	Grant Grant
	// Remembered tells that it is a consent from now on, to a client that looks
	// as the digest says: see [Store.RememberConsent].
	Remembered bool
	Digest     string
	// Note is written along with it.
	Note storage.Part
}

// AllowDevice keeps what somebody allowed the device, if at this moment the
// client is approved and the account's session is live; otherwise
// [ErrNotPermitted]. A request that was answered before, that expired, or whose
// client lost its approval meanwhile is [ErrSpent].
func (s *Store) AllowDevice(ctx context.Context, userCode string, p Permission) error {
	args := s.grantArgs(p.Grant)
	args["user"], args["digest"] = s.userHash(userCode), p.Digest
	if s.db.Dialect() == storage.PostgreSQL {
		return s.allowInOne(ctx, p, args)
	}
	return s.db.InTx(ctx, func(ctx context.Context) error { return s.allowInTurn(ctx, p, args) })
}

// allowing decides for the device if the grant may be given, and keeps the grant
// if there was something to decide. It locks the client first, as the grant will
// do anyway, because who removes a client comes to its devices from there.
var allowing = `
	WITH p AS (SELECT c.id AS client, c.epoch` + grantable + ` FOR KEY SHARE OF c),
	d AS (UPDATE device_codes SET grant_id = @grant FROM p WHERE ` + undecided + ` AND client_id = p.client AND client_epoch = p.epoch RETURNING 1),
	g AS (` + insertGrant + ` AND ` + wasDecided + `)`

const wasDecided = `EXISTS (SELECT 1 FROM d)`

// allowInOne is [Store.AllowDevice] as one PostgreSQL statement.
func (s *Store) allowInOne(ctx context.Context, p Permission, args map[string]any) error {
	query := allowing + p.Note.After(wasDecided, args)
	if p.Remembered {
		query += `, r AS (` + addConsent(wasDecided) + `)`
	}
	found, err := storage.Select[struct{ Permitted, Decided int64 }](ctx, s.db, query+`
		SELECT (SELECT count(*) FROM p) AS permitted, (SELECT count(*) FROM d) AS decided`, args)
	o := first(found)
	if err := issued("allow device", o.Permitted, err); err != nil {
		return err
	}
	return decided("allow device", o.Decided, nil)
}

// allowInTurn is [Store.AllowDevice] as statements of one SQLite transaction.
func (s *Store) allowInTurn(ctx context.Context, p Permission, args map[string]any) error {
	n, err := s.db.Exec(ctx, insertGrant, args)
	if err := issued("allow device", n, err); err != nil {
		return err
	}
	n, err = s.db.Exec(ctx, `UPDATE device_codes SET grant_id = @grant WHERE `+undecided+`
		AND client_id = @client AND client_epoch = (SELECT client_epoch FROM grants WHERE id = @grant)`, args)
	if err := decided("allow device", n, err); err != nil {
		return err
	}
	if err := s.db.ExecPart(ctx, p.Note); err != nil || !p.Remembered {
		return storage.Err("allow device", err)
	}
	return s.RememberConsent(ctx, p.Grant.AccountID, p.Grant.ClientID, p.Grant.Scope, p.Digest)
}

// DenyDevice refuses the device for the account. A request that was answered
// before, or that expired, is [ErrSpent].
func (s *Store) DenyDevice(ctx context.Context, userCode, accountID string) error {
	n, err := s.db.Exec(ctx, `UPDATE device_codes SET denied_at = @now, denied_by = @account WHERE `+undecided,
		map[string]any{"now": s.db.Now(), "user": s.userHash(userCode), "account": accountID})
	return decided("deny device", n, err)
}

// OpeningDevice notes that the code was opened in the session, which may be told
// from now on what becomes of it.
func (s *Store) OpeningDevice(userCode, sessionID string) storage.Part {
	return storage.Part{
		Statements: []string{`UPDATE device_codes SET opened_in = @opened_in WHERE user_hash = @user`},
		Args:       map[string]any{"user": s.userHash(userCode), "opened_in": sessionID},
	}
}

// PollDevice notes that the device asked, and how long it has to wait before it
// asks again. It is false when another request did so since the device was
// read.
func (s *Store) PollDevice(ctx context.Context, deviceCode string, read *Device, interval int64) (bool, error) {
	before := `polled_at IS NULL`
	args := map[string]any{"now": s.db.Now(), "device": s.Hash(deviceCode), "interval": interval, "read_interval": read.PollInterval}
	if read.PolledAt != nil {
		before, args["before"] = `polled_at = @before`, *read.PolledAt
	}
	kept, err := s.db.Exec(ctx, `UPDATE device_codes SET polled_at = @now, poll_interval = @interval
		WHERE hash = @device AND poll_interval = @read_interval AND `+before, args)
	return kept == 1, storage.Err("poll device", err)
}

// RedeemDevice spends a device code that somebody allowed and issues what it
// yields, as one: see [Store.Redeem].
func (s *Store) RedeemDevice(ctx context.Context, deviceCode string, i Issue) error {
	args := s.issueArgs(i)
	args["old"] = s.Hash(deviceCode)
	return s.exchange(ctx, "redeem device code", exchange{
		spend: `UPDATE device_codes SET spent_at = @now WHERE hash = @old AND spent_at IS NULL AND grant_id IS NOT NULL`,
		args:  args, refresh: i.RefreshToken != "",
	})
}

// decided restates that a decision found nothing to decide.
func decided(doing string, rows int64, err error) error {
	switch {
	case err != nil:
		return storage.Err(doing, err)
	case rows == 0:
		return fmt.Errorf("%s: %w", doing, ErrSpent)
	default:
		return nil
	}
}
