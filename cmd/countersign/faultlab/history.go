package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
	"time"
)

// Outcome is what a client knows of an operation afterwards.
type Outcome string

// The outcomes. What timed out, was cut off or was answered 5xx may have
// happened or not: it is unknown, never failed.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused"
	Unknown Outcome = "unknown"
)

// Op is an operation of a client, a fault, or something that was read from the
// database afterwards. Secrets stand in it as fingerprints.
type Op struct {
	Process   int               `json:"process"`
	Kind      string            `json:"op"`
	Key       string            `json:"key,omitempty"`
	Args      map[string]string `json:"args,omitempty"`
	Start     time.Duration     `json:"start"` // since the run began
	End       time.Duration     `json:"end"`
	Replica   string            `json:"replica,omitempty"`
	Status    int               `json:"status,omitempty"`
	Result    Outcome           `json:"result"`
	Error     string            `json:"error,omitempty"`
	Out       map[string]string `json:"out,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
}

// arg returns what was asked for, empty for nothing.
func (o *Op) arg(name string) string { return o.Args[name] }

// out returns what was answered, empty for nothing.
func (o *Op) out(name string) string { return o.Out[name] }

func (o *Op) String() string {
	b, err := json.Marshal(o)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// History is what was done in a run, each line written as it ended.
type History struct {
	began time.Time

	mu  sync.Mutex
	ops []*Op
	w   *bufio.Writer
}

func newHistory(w io.Writer) *History {
	return &History{began: time.Now(), w: bufio.NewWriter(w)}
}

// since is how long the run has lasted.
func (h *History) since() time.Duration { return time.Since(h.began) }

// begin notes the start of an operation.
func (h *History) begin(process int, kind, key string, args ...string) *Op {
	o := &Op{Process: process, Kind: kind, Key: key, Args: map[string]string{}, Out: map[string]string{}}
	for i := 0; i+1 < len(args); i += 2 {
		o.Args[args[i]] = args[i+1]
	}
	o.Start = h.since()
	return o
}

// done notes the end of an operation.
func (h *History) done(o *Op) {
	if o.End == 0 {
		o.End = h.since()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, o)
	line, err := json.Marshal(o)
	if err == nil {
		_, err = h.w.Write(append(line, '\n'))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the history cannot be written:", err)
	}
}

// all returns the operations in the order in which they ended.
func (h *History) all() []*Op {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*Op(nil), h.ops...)
}

func (h *History) flush() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.w.Flush()
}

// readHistory reads the lines of a run.
func readHistory(r io.Reader) ([]*Op, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	var ops []*Op
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 || lines.Bytes()[0] == '#' {
			continue
		}
		o := &Op{}
		if err := json.Unmarshal(lines.Bytes(), o); err != nil {
			return nil, fmt.Errorf("line %d of the history: %w", n, err)
		}
		ops = append(ops, o)
	}
	return ops, lines.Err()
}

// fingerprint returns the fingerprint of a secret, empty for none.
func fingerprint(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:8])
}

// vault keeps the secrets of a run, to be looked for in logs.
type vault struct {
	mu     sync.Mutex
	values map[string]string // secret → what it is
}

// keep remembers a secret and returns its fingerprint.
func (v *vault) keep(kind, secret string) string {
	if secret == "" {
		return ""
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.values == nil {
		v.values = map[string]string{}
	}
	v.values[secret] = kind
	return fingerprint(secret)
}

func (v *vault) all() map[string]string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.values)
}
