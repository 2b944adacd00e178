package storage

// Approved is the condition of a statement that is true of the client with the
// name while it may work: approved, and not until a time that is over. It takes
// the moment of the statement as @now.
func Approved(client string) string {
	return client + `.status = 'approved' AND (` + client + `.approved_until IS NULL OR ` + client + `.approved_until > @now)`
}
