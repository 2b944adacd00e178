package main

import (
	"bufio"
	"bytes"
	"context"
	"strings"
	"time"
)

// measured are the measurements that tell what a replica holds.
var measured = map[string]string{
	"go_goroutines": "goroutines", "process_open_fds": "files", "go_sql_open_connections": "connections", "process_resident_memory_bytes": "memory",
}

// measure notes what each replica holds.
func (l *lab) measure(ctx context.Context, when string) {
	call := newCaller("", "10.1.201.1")
	for _, r := range l.replicas {
		o := l.history.begin(-1, "resources", r.name, "when", when)
		a := call.get(ctx, "http://"+r.private+"/metrics", "")
		a.note(o)
		lines := bufio.NewScanner(bytes.NewReader(a.Body))
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), " ")
			name, _, _ = strings.Cut(name, "{")
			if into := measured[name]; into != "" {
				o.Out[into] = value
			}
		}
		l.history.done(o)
	}
}

// settle is how long replicas have to give back what a fault made them hold.
const settle = 10 * time.Second
