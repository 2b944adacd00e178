package main

import (
	"sync"
	"time"
)

// dice are random numbers that come again with the same seed (splitmix64).
type dice struct {
	mu    sync.Mutex
	state uint64
}

func newDice(seed uint64) *dice { return &dice{state: seed} }

// fork returns dice of another player, who does not disturb the first.
func (d *dice) fork() *dice { return newDice(d.next()) }

func (d *dice) next() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1.
func (d *dice) below(n int) int { return int(d.next() % uint64(n)) } //nolint:gosec // n is small and positive

// between returns a duration of at least low and less than high.
func (d *dice) between(low, high time.Duration) time.Duration {
	return low + time.Duration(d.next()%uint64(high-low)) //nolint:gosec // high is above low
}
