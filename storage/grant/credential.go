package grant

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"countersign/storage"
	"countersign/storage/seal"
)

// KindOAuth1 is the kind of a grant by OAuth 1.0a, which has no name for it.
const KindOAuth1 = "oauth1"

// OutOfBand is the callback of a client that cannot be redirected to: the
// resource owner carries the verifier (RFC 5849, section 2.1).
const OutOfBand = "oob"

// CredentialKept is how long a grant of OAuth 1.0a outlives its credentials: so
// long their client can still be told that they have expired. Some ask for
// others only when they are told.
const CredentialKept = 30 * 24 * time.Hour

const (
	// maxTemporary is how many requests of one client may wait at once.
	maxTemporary = 1000
	// maxGuesses is how many wrong verifiers end a request.
	maxGuesses = 5
)

// Temporary are the temporary credentials of a client of OAuth 1.0a: a request
// for a resource owner's authorization (RFC 5849, section 2.1).
type Temporary struct {
	Hash      []byte
	ClientID  string
	Sealed    []byte
	Callback  string // a URI, or [OutOfBand]; empty before it is chosen
	Guesses   int64
	ExpiresAt time.Time
	DeniedAt  *time.Time
	SpentAt   *time.Time
	// WithoutVerifier tells a request of OAuth Core 1.0 before its revision A,
	// whose callback is chosen by who opens the authorization page, and whose
	// verifier is empty.
	WithoutVerifier bool
	// Permitted reports whether the client has been approved all the time since.
	Permitted bool
	// Grant is what the resource owner allowed, its ID empty until then.
	Grant Grant `gorm:"embedded;embeddedPrefix:grant_"`
	// Live reports whether that grant holds.
	Live bool
}

// Credential is a token and its shared secret.
type Credential struct{ Token, Secret string }

// TemporaryStart is what a request begins with.
type TemporaryStart struct {
	ClientID   string
	Credential Credential
	Callback   string // empty for one that is chosen later, which needs WithoutVerifier
	// WithoutVerifier begins a request of OAuth Core 1.0 before its revision A.
	WithoutVerifier bool
	ExpiresAt       time.Time
}

// StartTemporary keeps the request of a client if it is approved at this
// moment; otherwise [ErrNotPermitted]. [ErrTooMany] means that enough of them
// wait.
func (s *Store) StartTemporary(ctx context.Context, t TemporaryStart) error {
	c, hash := t.Credential, s.Hash(t.Credential.Token)
	args := map[string]any{
		"client": t.ClientID, "hash": hash, "callback": t.Callback, "without_verifier": t.WithoutVerifier,
		"now": s.db.Now(), "expires_at": t.ExpiresAt, "max": maxTemporary,
		"sealed": s.keys.Seal([]byte(c.Token+" "+c.Secret), temporaryPlace(hash)),
	}
	res := s.db.With(ctx).Exec(`
		INSERT INTO temporary_credentials (client_id, client_epoch, hash, sealed, callback, without_verifier, created_at, expires_at)
		SELECT c.id, c.epoch, @hash, @sealed, @callback, CAST(@without_verifier AS BOOLEAN), @now, @expires_at
		FROM clients c WHERE c.id = @client AND `+storage.Approved("c")+` AND @max > (SELECT count(*) FROM (
			SELECT 1 FROM temporary_credentials t WHERE t.client_id = @client AND t.expires_at > @now AND t.spent_at IS NULL LIMIT @max) waiting)`, args)
	if res.Error != nil || res.RowsAffected == 1 {
		return storage.Err("start request", res.Error)
	}
	var approved int64
	err := s.db.With(ctx).Raw(`SELECT count(*) FROM clients c WHERE c.id = @client AND `+storage.Approved("c"), args).Scan(&approved).Error
	if err == nil && approved == 1 {
		return fmt.Errorf("start request: %w", ErrTooMany)
	}
	return issued("start request", 0, err)
}

func temporaryPlace(hash []byte) string {
	return "temporary_credentials.sealed/" + hex.EncodeToString(hash)
}

func credentialPlace(hash []byte) string {
	return "token_credentials.sealed/" + hex.EncodeToString(hash)
}

// Credential returns the token and the secret of the request.
func (s *Store) Credential(t *Temporary) (Credential, error) {
	clear, err := s.keys.Open(t.Sealed, temporaryPlace(t.Hash))
	if err != nil {
		return Credential{}, err
	}
	token, secret, _ := strings.Cut(string(clear), " ")
	return Credential{token, secret}, nil
}

// TemporaryColumns are the columns that [Store.TemporaryQuery] selects.
var TemporaryColumns = append([]string{
	"hash", "client_id", "sealed", "callback", "without_verifier", "guesses", "expires_at", "denied_at", "spent_at", "permitted", "live",
}, grantColumns...)

var temporaryRow = `
	SELECT t.hash, t.client_id, t.sealed, t.callback, t.without_verifier, t.guesses, t.expires_at, t.denied_at, t.spent_at,
		(` + storage.Approved("c") + ` AND c.epoch = t.client_epoch) AS permitted, COALESCE(` + LiveRoot + `, false) AS live, ` + columns + `
	FROM temporary_credentials t JOIN clients c ON c.id = t.client_id
		LEFT JOIN grants g ON g.id = t.grant_id
		LEFT JOIN accounts a ON a.id = g.account_id
		LEFT JOIN sessions s ON s.id = g.session_id
	WHERE t.hash = `

// orNeighbour names the row with the hash or, where there is none, another of
// the table: to read it and find out takes as long, so that the time does not
// tell who holds a token that is nobody's.
func orNeighbour(table string) string {
	next := `(SELECT hash FROM ` + table + ` WHERE hash >= %s ORDER BY hash LIMIT 1)`
	return `COALESCE(` + fmt.Sprintf(next, "@token") + `, ` + fmt.Sprintf(next, "@first") + `)`
}

// lookup are the arguments of a query with [orNeighbour].
func (s *Store) lookup(token string) map[string]any {
	return map[string]any{"token": s.Hash(token), "first": []byte{}, "now": s.db.Now()}
}

// TemporaryQuery returns the query for the request with this token, for a
// statement that reads more than that, and the arguments that it takes. Where
// there is no such request its row is another's: hold the hash against it.
func (s *Store) TemporaryQuery(token string) (query string, args map[string]any) {
	return temporaryRow + orNeighbour("temporary_credentials"), s.lookup(token)
}

// Temporary returns the request whose token has the hash, whatever became of
// it; [storage.ErrNotFound] when there is none.
func (s *Store) Temporary(ctx context.Context, hash []byte) (*Temporary, error) {
	found, err := storage.Select[Temporary](ctx, s.db, temporaryRow+`@token`, map[string]any{"token": hash, "now": s.db.Now()})
	return one("get request", found, err)
}

// unanswered matches a request that nobody answered.
const unanswered = `hash = @hash AND grant_id IS NULL AND denied_at IS NULL AND spent_at IS NULL AND expires_at > @now`

// ChooseCallback settles where a request of OAuth Core 1.0 is answered, once: a
// choice that was made before, or a request that is of another kind, answered
// or expired, is [ErrSpent].
func (s *Store) ChooseCallback(ctx context.Context, hash []byte, callback string) error {
	n, err := s.db.Exec(ctx, `UPDATE temporary_credentials SET callback = @callback
		WHERE without_verifier AND callback = '' AND `+unanswered,
		map[string]any{"now": s.db.Now(), "hash": hash, "callback": callback})
	return decided("choose callback", n, err)
}

// AllowTemporary keeps what the resource owner allowed, and the hash of the
// verifier that proves it, empty for a request that has none, if at this moment the client is approved and the
// account's session is live; otherwise [ErrNotPermitted]. A request that was
// answered before, that expired, or whose client lost its approval meanwhile is
// [ErrSpent].
func (s *Store) AllowTemporary(ctx context.Context, hash []byte, g Grant, verifier string) error {
	args := s.grantArgs(g)
	args["hash"], args["verifier"] = hash, s.verifierHash(verifier)
	return s.db.InTx(ctx, func(ctx context.Context) error {
		n, err := s.db.Exec(ctx, insertGrant, args)
		if err := issued("allow request", n, err); err != nil {
			return err
		}
		n, err = s.db.Exec(ctx, `UPDATE temporary_credentials SET grant_id = @grant, verifier_hash = @verifier
			WHERE `+unanswered+` AND client_id = @client AND client_epoch = (SELECT client_epoch FROM grants WHERE id = @grant)`, args)
		return decided("allow request", n, err)
	})
}

// verifierHash is the hash under which a verifier is kept. One that is carried
// by hand is short: the purpose keeps its hashes apart from those of tokens.
func (s *Store) verifierHash(verifier string) []byte { return s.keys.Hash("verifier|" + verifier) }

// DenyTemporary refuses a request. One that was answered before, or that
// expired, is [ErrSpent].
func (s *Store) DenyTemporary(ctx context.Context, hash []byte) error {
	n, err := s.db.Exec(ctx, `UPDATE temporary_credentials SET denied_at = @now WHERE `+unanswered,
		map[string]any{"now": s.db.Now(), "hash": hash})
	return decided("deny request", n, err)
}

// ErrVerifier reports a verifier that is not the request's.
var ErrVerifier = errors.New("wrong verifier")

// RedeemTemporary spends a request that the resource owner allowed, and issues
// token credentials, as one. Of several at once all but one get [ErrSpent]; a
// grant that holds no more is [ErrNotPermitted]. A wrong verifier is
// [ErrVerifier], and the fifth of them ends the request.
func (s *Store) RedeemTemporary(ctx context.Context, token, verifier string, c Credential, until time.Time) error {
	old, hash := s.Hash(token), s.Hash(c.Token)
	args := map[string]any{
		"now": s.db.Now(), "old": old, "verifier": s.verifierHash(verifier), "max": maxGuesses,
		"credential": hash, "sealed": s.keys.Seal([]byte(c.Secret), credentialPlace(hash)), "credential_expires_at": until,
	}
	err := s.exchange(ctx, "redeem request", exchange{
		spend: `UPDATE temporary_credentials SET spent_at = @now
			WHERE hash = @old AND spent_at IS NULL AND grant_id IS NOT NULL AND verifier_hash = @verifier AND guesses < @max`,
		yields: `
	INSERT INTO token_credentials (grant_id, hash, sealed, created_at, expires_at)
	SELECT l.grant_id, @credential, @sealed, @now, @credential_expires_at FROM l`,
		args: args,
	})
	if !errors.Is(err, ErrSpent) {
		return err
	}
	res := s.db.With(ctx).Exec(`UPDATE temporary_credentials SET guesses = guesses + 1
		WHERE hash = @old AND spent_at IS NULL AND verifier_hash <> @verifier`, args)
	if res.Error != nil {
		return storage.Err("count guess", res.Error)
	}
	if res.RowsAffected == 1 {
		return fmt.Errorf("redeem request: %w", ErrVerifier)
	}
	return err
}

// Signer is what token credentials stand for, as they are read for a decision.
type Signer struct {
	Hash      []byte
	Sealed    []byte
	CreatedAt time.Time
	ExpiresAt time.Time
	Grant     Grant `gorm:"embedded;embeddedPrefix:grant_"`
	Username  string
	// Live reports whether the credentials are good at the moment of the
	// statement.
	Live bool
}

// NobodysSigner returns token credentials that nobody has, for who opens them
// where there are none, so that the time does not tell.
func (s *Store) NobodysSigner() Signer {
	hash := s.Hash(seal.NewToken(seal.TokenCredential))
	return Signer{Hash: hash, Sealed: s.keys.Seal([]byte(seal.NewToken(seal.CredentialSecret)), credentialPlace(hash))}
}

// Secret returns the shared secret of token credentials.
func (s *Store) Secret(c *Signer) (string, error) {
	clear, err := s.keys.Open(c.Sealed, credentialPlace(c.Hash))
	return string(clear), err
}

// SignerColumns are the columns that [Store.SignerQuery] selects.
var SignerColumns = append([]string{"hash", "sealed", "created_at", "expires_at", "username", "live"}, grantColumns...)

// SignerQuery returns the query for the token credentials with this token, for
// a statement that reads more than that, and the arguments that it takes. Where
// there are none its row is of others: hold the hash against it.
func (s *Store) SignerQuery(token string) (query string, args map[string]any) {
	return `
		SELECT t.hash, t.sealed, t.created_at, t.expires_at, a.username, ` + columns + `,
			COALESCE(t.expires_at > @now AND ` + LiveRoot + `, false) AS live
		FROM token_credentials t JOIN grants g ON g.id = t.grant_id` + Standing + `
		WHERE t.hash = ` + orNeighbour("token_credentials"), s.lookup(token)
}
