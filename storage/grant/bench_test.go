package grant_test

import (
	"testing"

	"countersign/storage"
	"countersign/storage/grant"
	"countersign/storage/storagetest"
)

// The steps of the token path, each with the statements that it costs. A
// database that names itself by COUNTERSIGN_TEST_POSTGRES is as durable as its
// server is set to be.
func BenchmarkStep(b *testing.B) {
	for _, step := range []struct {
		name string
		run  func(w *world) func()
	}{
		{"client_credentials", clientCredentials},
		{"authorize", func(w *world) func() { return func() { w.issueCode(true) } }},
		{"redeem", func(w *world) func() { return func() { w.tokens() } }},
		{"refresh", refreshes},
		{"read_token", readToken},
	} {
		for _, open := range []func(testing.TB) *storage.DB{storagetest.Open, storagetest.OpenPostgres} {
			db := open(b)
			b.Run(step.name+"/"+string(db.Dialect()), func(b *testing.B) {
				w := &world{TB: b, db: db, clock: storagetest.Clock(db), grants: grant.New(db, storagetest.Keys(b))}
				w.populate()
				run := step.run(w)
				b.ReportAllocs()
				for b.Loop() {
					run()
				}
			})
		}
	}
}

func clientCredentials(w *world) func() {
	by := w.edition()
	return func() {
		w.made++
		g := w.newCode(true).Grant
		g.Kind, g.AccountID, g.SessionID, g.AuthTime = "client_credentials", "", "", nil
		w.must(w.grants.IssueToClient(w.Context(), g, by, w.issue()))
	}
}

func refreshes(w *world) func() {
	token := w.tokens().RefreshToken
	return func() { token = w.rotate(token).RefreshToken }
}

func readToken(w *world) func() {
	token := w.tokens().AccessToken
	return func() {
		_, err := w.grants.AccessToken(w.Context(), token)
		w.must(err)
	}
}
