package storage

// WithoutNUL is a column of text that holds JSON, for PostgreSQL's operators
// that read the members of it. They refuse all of an object in which a NUL is
// escaped anywhere, whichever member is asked for, and with it the statement: no
// row may keep others from being read, or itself from being stopped. Such a NUL
// is read as U+FFFD. The object stays one, and a text that spells the escape
// behind a backslash is read as another: no URI, scope or algorithm does, and a
// software_id that does is of no other client.
func WithoutNUL(column string) string { return `replace(` + column + `, '\u0000', '\ufffd')` }
