package main

import "context"

const (
	writers  = 2   // that commit beside one another
	mostRows = 256 // of one commit
)

// joint keeps what came while the commit before was under way in one commit. A
// request is answered when its row is durable, not sooner.
type joint struct {
	store
	waiting chan waiting
}

type waiting struct {
	row  row
	done chan error
}

func joined(ctx context.Context, s store) store { //nolint:ireturn // it goes in another's place
	j := joint{s, make(chan waiting, mostRows*writers)}
	for range writers {
		go func() {
			for first := range j.waiting {
				j.commit(ctx, first)
			}
		}()
	}
	return j
}

func (j joint) commit(ctx context.Context, first waiting) {
	list := []waiting{first}
	for more := true; more && len(list) < mostRows; {
		select {
		case next := <-j.waiting:
			list = append(list, next)
		default:
			more = false
		}
	}
	rows := make([]row, len(list))
	for i, one := range list {
		rows[i] = one.row
	}
	err := j.store.keep(ctx, rows...)
	for _, one := range list {
		one.done <- err
	}
}

func (j joint) keep(_ context.Context, rows ...row) error {
	for _, one := range rows {
		done := make(chan error, 1)
		j.waiting <- waiting{one, done}
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}
