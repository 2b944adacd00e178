package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"countersign/clientstore"
	"countersign/storage/grant"
	"countersign/storage/seal"
)

// keyVariable is the environment variable with Countersign's key, in hex.
const keyVariable = "COUNTERSIGN_SECRET"

// same reads a token from Countersign's own database by the statement that its
// introspection runs there, and by nothing else of it. Clients have the floor's
// secret all the same, and tokens are got from Countersign.
type same struct {
	postgres
	tokens     *grant.Store // which knows the hash of a token
	statement  string
	parameters []uint32 // types
	columns    int
	// Where among the columns those stand that are read.
	whose, scope, expires int
}

// openSame learns the statement from the store that runs it, for a client that
// the store has read before.
func openSame(ctx context.Context, address, client string) (store, error) { //nolint:ireturn // there are several
	db, keys, err := openTheirs(ctx, address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	s := &same{tokens: grant.New(db, keys)}
	db.SetHook(func(_ context.Context, statement string) error {
		s.statement = statement
		return nil
	})
	clients := clientstore.New(db, clientstore.Config{})
	for range 2 { // the first time the client is read as well
		if _, err := clients.Inquire(ctx, client, s.tokens, seal.NewToken(seal.AccessToken)); err != nil {
			return nil, err
		}
	}
	if s.pool, err = newPool(ctx, address); err != nil {
		return nil, err
	}
	return s, s.pool.AcquireFunc(ctx, s.describe)
}

func (s *same) describe(c *pgxpool.Conn) error {
	described, err := c.Conn().Prepare(context.Background(), s.statement, s.statement)
	if err != nil {
		return fmt.Errorf("prepare the statement of introspection: %w", err)
	}
	s.parameters, s.columns = described.ParamOIDs, len(described.Fields)
	for i, f := range described.Fields {
		switch f.Name {
		case "token_grant_client_id":
			s.whose = i
		case "token_scope":
			s.scope = i
		case "token_expires_at":
			s.expires = i
		}
	}
	return nil
}

func (*same) client(context.Context, string) ([]byte, error) {
	return nil, errors.New("tokens are got from Countersign")
}

func (s *same) read(ctx context.Context, caller, token string) (found row, kept []byte, err error) {
	now, hash := time.Now(), s.tokens.Hash(token)
	values := make([]any, len(s.parameters))
	for i, kind := range s.parameters {
		switch kind {
		case pgtype.TimestamptzOID:
			values[i] = now
		case pgtype.ByteaOID:
			values[i] = hash
		default:
			values[i] = caller
		}
	}
	into := make([]any, s.columns) // nil is left out
	into[s.whose], into[s.scope], into[s.expires] = &found.client, &found.scope, &found.expires
	err = s.pool.QueryRow(ctx, s.statement, values...).Scan(into...)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fmt.Errorf("no client %s", caller)
	}
	return found, mac(secret), err
}
