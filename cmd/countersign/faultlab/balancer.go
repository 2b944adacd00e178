package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// replicaHeader tells which replica answered.
const replicaHeader = "Lab-Replica"

// What a balancer has patience for.
const (
	dialPatience   = time.Second
	answerPatience = 15 * time.Second
	probeEvery     = 250 * time.Millisecond
)

// backend is a replica as the balancer sees it.
type backend struct {
	*toxics
	name, address string
	down          atomic.Bool
}

// balancer sends each request to the next replica that is ready, without
// stickiness. It sends none twice: only a connection that cannot be made is
// tried elsewhere, since nothing was sent.
type balancer struct {
	backends []*backend
	turn     atomic.Uint64
	server   *http.Server
	listener net.Listener
}

func openBalancer(ctx context.Context) (*balancer, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &balancer{listener: l}
	b.server = &http.Server{Handler: b, ReadHeaderTimeout: 5 * time.Second}
	return b, nil
}

// run balances until ctx ends.
func (b *balancer) run(ctx context.Context) {
	for _, one := range b.backends {
		go one.probe(ctx)
	}
	go func() { _ = b.server.Serve(b.listener) }() // it ends with the run
	<-ctx.Done()
	_ = b.server.Close()
}

func (b *balancer) url() string { return "http://" + b.listener.Addr().String() }

// ServeHTTP passes a request on.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one, conn, err := b.connect(r.Context())
	if err != nil {
		http.Error(w, "no replica can be reached", http.StatusBadGateway)
		return
	}
	defer func() { _ = conn.Close() }()
	w.Header().Set(replicaHeader, one.name)
	if err := conn.SetDeadline(time.Now().Add(answerPatience)); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	res, err := exchange(conn, r)
	if err != nil {
		http.Error(w, "the replica broke off: "+err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = res.Body.Close() }()
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.StatusCode)
	if _, err := io.Copy(w, res.Body); err != nil {
		panic(http.ErrAbortHandler) // the client must not take half an answer for one
	}
}

func exchange(conn net.Conn, r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.Close = true
	if err := out.Write(conn); err != nil {
		return nil, err
	}
	return http.ReadResponse(bufio.NewReader(conn), out)
}

var errNobody = errors.New("no replica can be reached")

// connect connects to the next replica that can be reached, those that are
// ready first.
func (b *balancer) connect(ctx context.Context) (*backend, net.Conn, error) {
	first := int(b.turn.Add(1) % uint64(len(b.backends))) //nolint:gosec // less than a handful
	for _, wantDown := range []bool{false, true} {
		for i := range b.backends {
			one := b.backends[(first+i)%len(b.backends)]
			if one.down.Load() != wantDown {
				continue
			}
			if conn, err := one.dial(ctx); err == nil {
				return one, conn, nil
			}
			one.down.Store(true)
		}
	}
	return nil, nil, errNobody
}

func (b *backend) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	if a, _ := b.state(); a.cut {
		<-ctx.Done()
		return nil, errPartitioned
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", b.address)
	if err != nil {
		return nil, err
	}
	return b.wrap(conn), nil
}

// probe asks the replica whether it is ready, until ctx ends.
func (b *backend) probe(ctx context.Context) {
	client := &http.Client{Timeout: dialPatience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return b.dial(ctx) },
	}}
	for tick := time.NewTicker(probeEvery); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
			b.down.Store(!ready(ctx, client, "http://"+b.address))
		}
	}
}

// ready reports whether a server says that it is.
func ready(ctx context.Context, client *http.Client, base string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close() // nothing in it matters
	return res.StatusCode == http.StatusOK
}
