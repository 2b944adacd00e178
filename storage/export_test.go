package storage

// Explain is what [Open] says of a driver's error.
func Explain(url string, err error) error {
	t, parse := parseURL(url)
	if parse != nil {
		return parse
	}
	return t.explain(err)
}

// WaitPrepared waits until the statements that ran are compiled.
func WaitPrepared(db *DB) { db.preparing.Wait() }

// Waiting is how many wait for a transaction.
func (j *Joiner[T]) Waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.waiting)
}

// Flights is how many transactions may be under way.
func (j *Joiner[T]) Flights() int { return j.flights }
