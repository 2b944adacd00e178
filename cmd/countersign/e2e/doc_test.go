// Package e2e drives the whole program: the real binary on a port of
// 127.0.0.1, on SQLite and on PostgreSQL, with clients and browsers that are
// not ours. It knows of the program what its documentation says, and nothing
// of its packages but storage/storagetest, which lends PostgreSQL databases.
package e2e
