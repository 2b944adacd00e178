package clientstore

import (
	"context"

	"gorm.io/gorm"
)

// ListStatement returns the statement of [Store.List] with its values.
func (s *Store) ListStatement(ctx context.Context, f Filter) (statement string, values []any, err error) {
	query, err := s.selected(s.db.With(ctx).Session(&gorm.Session{DryRun: true}), f)
	if err != nil {
		return "", nil, err
	}
	done := query.Find(&[]Client{}).Statement
	return done.SQL.String(), done.Vars, nil
}
