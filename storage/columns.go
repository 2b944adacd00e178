package storage

import (
	"reflect"
	"strings"
	"sync"

	"gorm.io/gorm/schema"
)

// Columns names the columns of a record for a SELECT or RETURNING of our own,
// under the table's alias if that is not empty. It takes the place of *, whose
// meaning changes when a newer release adds a column: PostgreSQL refuses what
// was prepared before.
func Columns(alias string, record any) string {
	key := aliased{alias, reflect.TypeOf(record)}
	if known, ok := lists.Load(key); ok {
		return known.(string) //nolint:forcetypeassert // nothing else is stored
	}
	s, err := schema.Parse(record, &sync.Map{}, schema.NamingStrategy{})
	if err != nil {
		panic(err) // the record is one of ours
	}
	names := make([]string, len(s.DBNames))
	for i, name := range s.DBNames {
		names[i] = name
		if alias != "" {
			names[i] = alias + "." + name
		}
	}
	list := strings.Join(names, ", ")
	lists.Store(key, list)
	return list
}

type aliased struct {
	alias  string
	record reflect.Type
}

var lists sync.Map // by aliased
