package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"countersign/authz/logout"
	"countersign/authz/picture"
)

const (
	purgeEvery  = time.Minute
	rotateEvery = time.Hour
	// sendEvery is how soon after a sign-out applications learn of it.
	sendEvery = time.Second
	// watchEvery is how soon a server stops whose database was taken from it.
	watchEvery = 2 * time.Second
	// fetchEvery is how soon after an approval a client's logo is fetched.
	fetchEvery = 2 * time.Second
	// tellEvery is how soon somebody is told of what waits for approval.
	tellEvery = 2 * time.Second
	// noteEvery is how soon administrators see what a client was refused.
	noteEvery = time.Second
	// countEvery is how old the measurement of what waits may be, and
	// mostCounted where counting stops.
	countEvery  = 15 * time.Second
	mostCounted = 10_000
	// followEvery is how long the time of a machine whose clock was set may be
	// wrong.
	followEvery = 10 * time.Second
	// analyzeEvery is how long PostgreSQL may use the plans of a table's
	// beginnings once the table has grown.
	analyzeEvery = 5 * time.Second
	// lastNotes bounds the writing of what is left when the server stops.
	lastNotes = 5 * time.Second
	// purgeBatch bounds what one statement deletes, so that it never holds
	// back a request for long.
	purgeBatch = 500
	// purgeRounds bounds one run; what is left waits for the next.
	purgeRounds = 200
	// purgeRest is how much longer than it takes to delete a batch nothing is
	// deleted then: who is served meanwhile has the database for themselves six
	// sevenths of the time. What could not be deleted that way in purgePatience is
	// deleted without rest: more comes than goes.
	purgeRest     = 6
	purgePatience = time.Hour
)

// work does the regular work until ctx ends.
func (s *server) work(ctx context.Context) {
	var group errgroup.Group
	for _, j := range []struct {
		name     string
		interval time.Duration
		run      func(context.Context) error
	}{
		{"purge", purgeEvery, s.purge},
		{"rotate_keys", rotateEvery, s.rotateKeys},
		{"send_logout_tokens", sendEvery, s.sendLogoutTokens(s.sender())},
		{"fetch_logos", fetchEvery, s.fetchLogos(picture.NewFetcher(picture.FetcherConfig{Logos: s.stores.logos, HTTP: s.stores.pictures, Log: s.log}))},
		{"count_waiting", countEvery, s.countWaiting},
		{"follow_clock", followEvery, s.followClock(s.stores.db.FollowClock)},
		{"analyze", analyzeEvery, s.analyze},
	} {
		group.Go(func() error {
			every(ctx, j.interval, func(ctx context.Context) {
				begin := time.Now()
				if err := j.run(ctx); ctx.Err() == nil { // a run that a stop ended says nothing
					end := time.Now()
					s.metrics.Job(j.name, end, end.Sub(begin), err)
				}
			})
			return nil
		})
	}
	group.Go(func() error {
		notices := s.notices()
		every(ctx, tellEvery, func(ctx context.Context) {
			if err := notices.Send(ctx); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "telling of what waits for approval failed; it is tried again in two seconds", "cause", err.Error())
			}
		})
		return nil
	})
	group.Go(func() error {
		s.noteFailures(ctx)
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		s.keepUses(ctx)
		return nil
	})
	_ = group.Wait() // none returns an error
}

// keepUses writes down, at the end, which clients and secrets were used since
// the last purge: requests have ended by then.
func (s *server) keepUses(ctx context.Context) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastNotes)
	defer cancel()
	if err := s.stores.clients.KeepUses(last); err != nil {
		s.log.WarnContext(last, "which clients were used in the last minute is not written down", "cause", err.Error())
	}
}

// followClock keeps the time by the database's, and says when that differs from
// this machine's.
func (s *server) followClock(ask func(context.Context) (time.Duration, error)) func(context.Context) error {
	var told time.Duration
	return func(ctx context.Context) error {
		skew, err := ask(ctx)
		if err != nil {
			return err
		}
		if (skew - told).Abs() > time.Second {
			told = skew
			s.log.WarnContext(ctx, "this machine's clock and the database's differ; the database's counts: let both keep time by NTP", "database_ahead", skew.String())
		}
		return nil
	}
}

// analyze has the database look again at tables that have outgrown its plans.
func (s *server) analyze(ctx context.Context) error {
	tables, err := s.stores.db.Analyze(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "having PostgreSQL look at tables that have grown failed; it is tried again in five seconds", "cause", err.Error())
	}
	if len(tables) > 0 {
		s.log.InfoContext(ctx, "PostgreSQL plans anew for tables that have grown", "tables", tables)
	}
	return err
}

func (s *server) rotateKeys(ctx context.Context) error {
	err := s.stores.keys.RotateDue(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "rotating signing keys failed; it is tried again in an hour", "cause", err.Error())
	}
	return err
}

func (s *server) sendLogoutTokens(sender *logout.Sender) func(context.Context) error {
	return func(ctx context.Context) error {
		err := sender.Send(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "delivering logout tokens failed; it is tried again in a second", "cause", err.Error())
		}
		return err
	}
}

func (s *server) fetchLogos(fetcher *picture.Fetcher) func(context.Context) error {
	return func(ctx context.Context) error {
		err := fetcher.Fetch(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "fetching logos failed; it is tried again in two seconds", "cause", err.Error())
		}
		return err
	}
}

// countWaiting measures what waits for somebody.
func (s *server) countWaiting(ctx context.Context) error {
	clients, err := s.stores.clients.Pending(ctx)
	if err != nil {
		return err
	}
	tokens, err := s.stores.signOut.Waiting(ctx, mostCounted)
	if err != nil {
		return err
	}
	s.metrics.Waiting(clients, tokens)
	return nil
}

// noteFailures writes what clients were refused until ctx ends, and then what is
// left: requests have ended by then.
func (s *server) noteFailures(ctx context.Context) {
	var lost int64 // in the flood that goes on, if one does
	note := func(ctx context.Context) {
		dropped, err := s.stores.failures.Flush(ctx)
		switch {
		case dropped > 0 && lost == 0:
			s.log.WarnContext(ctx, "more requests are refused than can be noted; `client failures` lacks some")
		case dropped == 0 && lost > 0:
			s.log.WarnContext(ctx, "refused requests are noted again", "dropped", lost)
			lost = 0
		}
		lost += dropped
		s.metrics.Unnoted(dropped)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "noting refused requests failed; those of this second are lost", "cause", err.Error())
		}
	}
	every(ctx, noteEvery, note)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastNotes)
	defer cancel()
	note(last)
}

// every runs job now and then at each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, job func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		job(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// purger deletes what is past, at most limit of it.
type purger func(ctx context.Context, limit int) (int64, error)

// purge deletes what expired from every store, in small batches.
func (s *server) purge(ctx context.Context) error {
	var faults []error
	for _, one := range []struct {
		records string
		purge   purger
	}{
		{"registrations", s.stores.clients.Purge}, // before grants, which show that a client was used
		{"grants", s.stores.grants.Purge},
		{"interactions", s.stores.interactions.Purge},
		{"sessions", s.stores.sessions.Purge},
		{"accounts", s.stores.accounts.Purge},
		{"signing_keys", s.stores.keys.Purge},
		{"used_jtis", s.stores.used.Purge},
		{"pushed_requests", s.stores.pushed.Purge},
		{"api_keys", s.stores.apiKeys.Purge},
		{"idempotency_keys", s.stores.once.Purge},
		{"tryouts", s.stores.tryouts.Purge},
		{"logout_deliveries", s.stores.signOut.Purge},
		{"client_failures", s.stores.failures.Purge},
		{"client_logos", s.stores.logos.Purge},
	} {
		n, err := s.behind.drain(ctx, one.records, one.purge)
		s.metrics.Purged(one.records, n)
		if err != nil && !errors.Is(err, context.Canceled) {
			faults = append(faults, err)
			s.log.ErrorContext(ctx, "deleting expired records failed; it is tried again in a minute", "records", one.records, "cause", err.Error())
		}
	}
	if err := s.stores.db.Vacuum(ctx); err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "giving space back failed; it is tried again in a minute", "cause", err.Error())
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// backlogs are the records of which a run left some, and since when.
type backlogs map[string]time.Time

// drain deletes what it can of the records in one run, and returns how many
// those were. Between two batches it rests.
func (b *backlogs) drain(ctx context.Context, records string, one purger) (total int64, err error) {
	rest := time.Duration(purgeRest)
	since, behind := (*b)[records]
	if behind && time.Since(since) > purgePatience {
		rest = 0
	}
	for range purgeRounds {
		begun := time.Now()
		n, err := one(ctx, purgeBatch)
		total += n
		if err != nil {
			return total, err
		}
		if n < purgeBatch {
			delete(*b, records)
			return total, nil
		}
		select {
		case <-ctx.Done():
			return total, nil
		case <-time.After(rest * time.Since(begun)):
		}
	}
	if !behind {
		b.begin(records)
	}
	return total, nil
}

func (b *backlogs) begin(records string) {
	if *b == nil {
		*b = backlogs{}
	}
	(*b)[records] = time.Now()
}
