package registration

import (
	"sync"
)

type waiters struct{ mu sync.Mutex }

func newWaiters() *waiters { return &waiters{} }
