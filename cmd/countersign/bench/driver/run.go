package driver

import (
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Result is what one run cost.
type Result struct {
	Server      string             `json:"server"`
	Scenario    string             `json:"scenario"`
	Concurrency int                `json:"concurrency"`
	Seconds     float64            `json:"seconds"`
	Operations  int                `json:"operations"`
	PerSecond   float64            `json:"per_second"`
	P50         float64            `json:"p50_ms"`
	P95         float64            `json:"p95_ms"`
	P99         float64            `json:"p99_ms"`
	Requests    float64            `json:"requests_per_operation"`
	Errors      int64              `json:"errors"`
	FirstError  string             `json:"first_error,omitempty"`
	CPU         map[string]float64 `json:"cpu_ms_per_operation"` // by process
	// Slices are the same of each slice of the run, for comparing it with one of
	// another server that took turns with it.
	Slices    []map[string]float64 `json:"cpu_ms_per_operation_by_slice"`
	DriverCPU float64              `json:"driver_cpu_ms_per_operation"`
	Memory    map[string]float64   `json:"peak_memory_mib"` // by process
	// Others are the processors that were busy with what is not of this run.
	Others float64 `json:"others_cores"`
	// Statements are those that the database ran for one operation, 0 where
	// nobody counts them.
	Statements float64 `json:"statements_per_operation,omitempty"`
}

// Load is what one run does.
type Load struct {
	Scenario    Scenario
	Concurrency int
	Warm, For   time.Duration
	// Count tells how many statements the database has run; nil for a server
	// whose are not counted.
	Count func() (int64, error)
}

const (
	settingUp   = 8   // workers that are set up at once: to sign in is dear
	mostRefused = 200 // operations of one worker after which it gives up
)

// Running is a load that is set up. It is put on its server a slice at a time, so
// that servers which are compared can take turns on a machine that is not equally
// fast at all times.
type Running struct {
	server    *Server
	load      Load
	workers   []*worker
	measuring atomic.Bool
	paused    atomic.Bool

	used   reading // of all slices
	memory map[string]float64
	slices []map[string]float64
}

// Run puts the load on the server in one slice and returns what it cost.
// [UnsupportedError] says that the server cannot do it.
func Run(server *Server, load Load) (*Result, error) {
	r, err := Open(server, load)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := r.Slice(load.Warm, load.For); err != nil {
		return nil, err
	}
	return r.Result(), nil
}

// Open sets a load up: who signs in is signed in afterwards, and who needs a token
// has one. [UnsupportedError] says that the server cannot do it.
func Open(server *Server, load Load) (*Running, error) {
	r := &Running{server: server, load: load, used: reading{cpu: map[string]float64{}}, memory: map[string]float64{}}
	if err := r.setup(); err != nil {
		r.Close()
		return nil, fmt.Errorf("set up %s on %s: %w", load.Scenario.Name, server.Name, err)
	}
	return r, nil
}

// Close closes the connections of the load.
func (r *Running) Close() {
	for _, w := range r.workers {
		w.conn.close()
	}
}

func (r *Running) setup() error {
	var group sync.WaitGroup
	places := make(chan struct{}, settingUp)
	faults := make([]error, r.load.Concurrency)
	for i := range r.load.Concurrency {
		w := &worker{server: r.server, number: i, conn: &connection{from: somewhere()}}
		r.workers = append(r.workers, w)
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			faults[i] = r.load.Scenario.setup(w)
		})
	}
	group.Wait()
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// Slice puts the load on the server and measures it, once it was there for a while.
func (r *Running) Slice(warm, measured time.Duration) error {
	r.paused.Store(false)
	var group sync.WaitGroup
	for _, w := range r.workers {
		group.Go(func() { r.work(w) })
	}
	time.Sleep(warm)
	before := r.operations()
	used, err := r.measure(measured)
	r.paused.Store(true)
	group.Wait()
	if err != nil {
		return err
	}
	r.used.add(used)
	one, n := map[string]float64{}, math.Max(1, float64(r.operations()-before))
	for name, ms := range used.cpu {
		one[name] = ms / n
	}
	r.slices = append(r.slices, one)
	return nil
}

// work does one operation after the other until the load pauses. What ended while
// it was measured counts.
func (r *Running) work(w *worker) {
	for !r.paused.Load() && w.failed < mostRefused {
		begin, sent := time.Now(), w.conn.sent
		err := w.step()
		switch {
		case err != nil:
			w.failed++
			if w.first == nil {
				w.first = err
			}
			time.Sleep(time.Millisecond)
		case r.measuring.Load():
			w.times = append(w.times, time.Since(begin))
			w.sent += w.conn.sent - sent
			w.done.Add(1)
		}
	}
}

func (r *Running) operations() (n int64) {
	for _, w := range r.workers {
		n += w.done.Load()
	}
	return n
}

// reading is what was used so far.
type reading struct {
	at         time.Time
	cpu        map[string]float64
	own, all   float64
	statements int64
	took       time.Duration // between two readings
}

func (u *reading) add(v *reading) {
	for name, ms := range v.cpu {
		u.cpu[name] += ms
	}
	u.own, u.all, u.statements, u.took = u.own+v.own, u.all+v.all, u.statements+v.statements, u.took+v.took
}

// since makes it what was used after another reading.
func (u *reading) since(v *reading) {
	u.took, u.own, u.all, u.statements = u.at.Sub(v.at), u.own-v.own, u.all-v.all, u.statements-v.statements
	for name := range u.cpu {
		u.cpu[name] -= v.cpu[name]
	}
}

func (r *Running) read() (*reading, error) {
	_, own, _ := stat(os.Getpid())
	now := &reading{at: time.Now(), cpu: map[string]float64{}, own: float64(own * tick), all: busy()}
	for _, p := range r.server.Processes {
		now.cpu[p.Name] = CPU(p.PID)
	}
	if r.load.Count == nil {
		return now, nil
	}
	var err error
	now.statements, err = r.load.Count()
	return now, err
}

func (r *Running) measure(measured time.Duration) (*reading, error) {
	before, err := r.read()
	if err != nil {
		return before, err
	}
	r.measuring.Store(true)
	for end := before.at.Add(measured); time.Now().Before(end); {
		time.Sleep(min(time.Second, time.Until(end)))
		for _, p := range r.server.Processes {
			r.memory[p.Name] = max(r.memory[p.Name], Memory(p.PID))
		}
	}
	r.measuring.Store(false)
	after, err := r.read()
	after.since(before)
	return after, err
}

// Result is what all slices cost, divided by their operations.
func (r *Running) Result() *Result {
	result := &Result{
		Server: r.server.Name, Scenario: r.load.Scenario.Name, Concurrency: r.load.Concurrency,
		Seconds: r.used.took.Seconds(), CPU: map[string]float64{}, Slices: r.slices, Memory: r.memory,
	}
	var times []time.Duration
	var sent int64
	for _, w := range r.workers {
		times, sent, result.Errors = append(times, w.times...), sent+w.sent, result.Errors+w.failed
		if w.first != nil {
			result.FirstError = w.first.Error()
		}
	}
	result.describe(times)
	n := math.Max(1, float64(len(times)))
	others := r.used.all - r.used.own
	for name, ms := range r.used.cpu {
		result.CPU[name] = ms / n
		others -= ms
	}
	result.Others = max(0, others/1000/result.Seconds)
	result.Requests, result.DriverCPU, result.Statements = float64(sent)/n, r.used.own/n, float64(r.used.statements)/n
	return result
}

// describe says how many operations there were, and how long they took.
func (result *Result) describe(times []time.Duration) {
	slices.Sort(times)
	quantile := func(q float64) float64 {
		if len(times) == 0 {
			return 0
		}
		return float64(times[int(q*float64(len(times)-1))].Microseconds()) / 1000
	}
	result.Operations, result.PerSecond = len(times), float64(len(times))/result.Seconds
	result.P50, result.P95, result.P99 = quantile(.5), quantile(.95), quantile(.99)
}
