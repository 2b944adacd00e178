package main

import (
	"context"
	"io"
	"net"
	"time"
)

// relay is the line from a replica to the database.
type relay struct {
	*toxics
	listener net.Listener
	target   func() string
}

// openRelay listens on an address of its own and passes on to what target names
// at that moment.
func openRelay(ctx context.Context, target func() string, d *dice) (*relay, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{toxics: newToxics(d), listener: l, target: target}
	go r.run()
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) close() { _ = r.listener.Close() } // the run is over

func (r *relay) run() {
	for {
		in, err := r.listener.Accept()
		if err != nil {
			return
		}
		go r.pass(in)
	}
}

func (r *relay) pass(in net.Conn) {
	out, err := net.DialTimeout("tcp", r.target(), 5*time.Second) //nolint:noctx // it has its own end
	if err != nil {
		_ = in.Close() // who asked sees that nobody is there
		return
	}
	ill := r.wrap(out)
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(ill, in) // either side may end it
		abort(in)
		_ = ill.Close()
		close(done)
	}()
	_, _ = io.Copy(in, ill)
	abort(in)
	_ = ill.Close()
	<-done
}

// abort closes a connection so that the other side learns of it at once.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
