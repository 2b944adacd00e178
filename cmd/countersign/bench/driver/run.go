package driver

import (
	"errors"
	"fmt"
	"maps"
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
	DriverCPU   float64            `json:"driver_cpu_ms_per_operation"`
	Memory      map[string]float64 `json:"peak_memory_mib"` // by process
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

var errOver = errors.New("the run is over")

// run is a run that goes on.
type run struct {
	server    *Server
	load      Load
	workers   []*worker
	measuring atomic.Bool
	over      atomic.Bool
	group     sync.WaitGroup

	mu     sync.Mutex
	times  []time.Duration
	sent   int64
	failed int64
	first  error
}

// Run puts the load on the server and returns what it cost. [UnsupportedError] says
// that the server cannot do it.
func Run(server *Server, load Load) (*Result, error) {
	r := &run{server: server, load: load}
	defer r.close()
	if err := r.setup(); err != nil {
		return nil, fmt.Errorf("set up %s on %s: %w", load.Scenario.Name, server.Name, err)
	}
	for _, w := range r.workers {
		r.group.Go(func() { r.work(w) })
	}
	time.Sleep(load.Warm)
	result, err := r.measure()
	r.group.Wait()
	if err != nil {
		return nil, err
	}
	r.summarize(result)
	return result, nil
}

func (r *run) close() {
	for _, w := range r.workers {
		w.conn.close()
	}
}

func (r *run) setup() error {
	var group sync.WaitGroup
	places := make(chan struct{}, settingUp)
	faults := make([]error, r.load.Concurrency)
	for i := range r.load.Concurrency {
		w := &worker{server: r.server, number: i, conn: &connection{from: somewhere(), over: &r.over}}
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

func (r *run) work(w *worker) {
	var times []time.Duration
	var failed, before int64
	var first error
	measuring := false
	for !r.over.Load() && failed < mostRefused {
		if !measuring && r.measuring.Load() {
			measuring, before = true, w.conn.sent
		}
		begin := time.Now()
		err := w.step()
		switch {
		case r.over.Load():
		case err != nil:
			failed++
			if first == nil {
				first = err
			}
			time.Sleep(time.Millisecond)
		case measuring:
			times = append(times, time.Since(begin))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times, r.failed = append(r.times, times...), r.failed+failed
	r.sent += w.conn.sent - before
	if r.first == nil {
		r.first = first
	}
}

// reading is what was used so far.
type reading struct {
	at         time.Time
	cpu        map[string]float64
	own, all   float64
	statements int64
}

func (r *run) read() (reading, error) {
	_, own, _ := stat(os.Getpid())
	now := reading{at: time.Now(), cpu: map[string]float64{}, own: float64(own * tick), all: busy()}
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

func (r *run) measure() (*Result, error) {
	before, err := r.read()
	if err != nil {
		return nil, err
	}
	memory := map[string]float64{}
	r.measuring.Store(true)
	for end := before.at.Add(r.load.For); time.Now().Before(end); {
		time.Sleep(min(time.Second, time.Until(end)))
		for _, p := range r.server.Processes {
			memory[p.Name] = max(memory[p.Name], Memory(p.PID))
		}
	}
	r.over.Store(true)
	after, err := r.read()
	if err != nil {
		return nil, err
	}
	result := &Result{
		Server: r.server.Name, Scenario: r.load.Scenario.Name, Concurrency: r.load.Concurrency,
		Seconds: after.at.Sub(before.at).Seconds(), CPU: after.cpu, Memory: memory,
		DriverCPU: after.own - before.own, Statements: float64(after.statements - before.statements),
	}
	result.Others = after.all - before.all - result.DriverCPU
	for name := range result.CPU {
		result.CPU[name] -= before.cpu[name]
		result.Others -= result.CPU[name]
	}
	result.Others = max(0, result.Others/1000/result.Seconds)
	return result, nil
}

// summarize divides what was measured by the operations.
func (r *run) summarize(result *Result) {
	slices.Sort(r.times)
	quantile := func(q float64) float64 {
		if len(r.times) == 0 {
			return 0
		}
		return float64(r.times[int(q*float64(len(r.times)-1))].Microseconds()) / 1000
	}
	n := math.Max(1, float64(len(r.times)))
	result.Operations, result.Errors = len(r.times), r.failed
	result.PerSecond = float64(len(r.times)) / result.Seconds
	result.P50, result.P95, result.P99 = quantile(.5), quantile(.95), quantile(.99)
	result.Requests = float64(r.sent) / n
	result.DriverCPU /= n
	result.Statements /= n
	for name := range maps.Keys(result.CPU) {
		result.CPU[name] /= n
	}
	if r.first != nil {
		result.FirstError = r.first.Error()
	}
}
