package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"countersign/cmd/countersign/bench/driver"
)

const (
	startsMeasured = 7
	idle           = 2 * time.Second // after which memory is read
)

// starts measures how long a server takes from its start to the first 200 on a
// migrated database, and the memory that it takes when nobody asks.
func starts(ctx context.Context, l *lab, o options, r *report) error {
	s := section{Title: "Start-up to the first 200, and idle", Head: []string{"database", "median ms", "least ms", "most ms", "resident MiB"}}
	for _, database := range o.databases {
		i := &installation{name: "start", binary: l.built.countersign, folder: l.folder, database: "sqlite://" + l.path("start.db")}
		if database == onPostgres {
			if err := l.postgres.create(ctx, "bench_start"); err != nil {
				return err
			}
			i.database = l.postgres.of("bench_start")
		}
		if err := i.install(ctx, 1); err != nil {
			return err
		}
		row, err := l.startOften(ctx, i)
		if err != nil {
			return err
		}
		s.Rows = append(s.Rows, append([]any{database}, row...))
	}
	r.note(s)
	info, err := os.Stat(l.built.countersign) //nolint:gosec // build made it
	if err != nil {
		return fmt.Errorf("measure the program: %w", err)
	}
	r.note(section{Title: "The program", Head: []string{"bytes of the binary"}, Rows: [][]any{{info.Size()}}})
	return nil
}

func (l *lab) startOften(ctx context.Context, i *installation) ([]any, error) {
	var times, memory []float64
	for range startsMeasured {
		begin := time.Now()
		pid, stop, err := l.start(ctx, i.command("serve"), "http://"+i.listen+"/.well-known/openid-configuration")
		if err != nil {
			return nil, err
		}
		times = append(times, float64(time.Since(begin).Microseconds())/1000)
		time.Sleep(idle)
		memory = append(memory, driver.Resident(pid))
		stop()
	}
	slices.Sort(times)
	slices.Sort(memory)
	return []any{fixed(times[len(times)/2]), fixed(times[0]), fixed(times[len(times)-1]), fixed(memory[len(memory)/2])}, nil
}
