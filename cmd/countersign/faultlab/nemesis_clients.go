package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Processes of the history beside the workers.
const (
	processBurst = 300
	processGuess = 400
	processPest  = 500
)

// direct returns a caller that reaches one replica, whatever the balancer thinks.
func (l *lab) direct(r *replica, from string) *caller {
	call := newCaller(l.balancer.url(), from)
	call.http.Timeout = callPatience
	call.http.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, r.address)
	}}
	return call
}

// burstClients is how many ask at once.
const burstClients = 60

// burst has many clients ask one replica at once until ctx ends, and waits for
// their answers.
func (l *lab) burst(ctx context.Context, r *replica) {
	var asking sync.WaitGroup
	for i := range burstClients {
		asking.Go(func() {
			call := l.direct(r, fmt.Sprintf("10.3.%d.1", i))
			for ctx.Err() == nil {
				o := l.history.begin(processBurst+i, "burst", r.name)
				a := call.post(context.WithoutCancel(ctx), pathToken, l.cast.confidential, url.Values{"grant_type": {"client_credentials"}, "scope": {"api"}})
				a.note(o)
				l.vault.keep("access token", a.str("access_token"))
				l.history.done(o)
				sleep(ctx, 200*time.Millisecond)
			}
		})
	}
	asking.Wait()
}

// floodSignIns is NM-17: many guess the password of one account, from many
// addresses. Its owner, on a device that is known, gets in; so does everybody
// else.
func (l *lab) floodSignIns(ctx context.Context) error {
	owner := newCaller(l.balancer.url(), "10.1.203.1")
	l.signIn(ctx, owner, l.cast.victim)
	healed := l.fault("NM-17", l.cast.victim.Username, unexcused)
	defer healed()
	var guessing sync.WaitGroup
	for i := range 10 {
		guessing.Go(func() {
			call := newCaller(l.balancer.url(), fmt.Sprintf("10.2.%d.1", i))
			for n := 0; ctx.Err() == nil; n++ {
				wrong := *l.cast.victim
				wrong.password = fmt.Sprintf("guess %d of %d", n, i)
				l.guess(context.WithoutCancel(ctx), call, &wrong, processGuess+i)
				sleep(ctx, 200*time.Millisecond)
			}
		})
	}
	for ctx.Err() == nil {
		l.signIn(context.WithoutCancel(ctx), owner, l.cast.victim)
		sleep(ctx, time.Second)
	}
	guessing.Wait()
	return nil
}

// guess tries a password and notes whether it was looked at.
func (l *lab) guess(ctx context.Context, call *caller, who *person, process int) {
	o := l.history.begin(process, "guess", who.ID)
	p := call.open(ctx, "/login?switch=1")
	f := p.form("password", "")
	if f == nil {
		p.note(o)
		l.history.done(o)
		return
	}
	o.Start = l.history.since()
	p = call.submit(ctx, p, f, "username", who.Username, "password", who.password)
	p.note(o)
	switch p.Status {
	case http.StatusUnprocessableEntity:
		o.Out["evaluated"] = "yes"
	case http.StatusTooManyRequests:
		o.Out["evaluated"] = "no"
	}
	l.history.done(o)
}

// signIn signs a person in, who may be signed in already, with a password that
// is right.
func (l *lab) signIn(ctx context.Context, call *caller, who *person) {
	o := l.history.begin(processGuess+99, "sign_in", who.ID)
	p := call.open(ctx, "/login?switch=1")
	if f := p.form("password", ""); f != nil {
		p = call.submit(ctx, p, f, "username", who.Username, "password", who.password)
	}
	p.note(o)
	l.history.done(o)
}

// pesterReplicas is NM-18: clients who send their headers and bodies a byte at a
// time, or far too much. Nobody else notices.
func (l *lab) pesterReplicas(ctx context.Context) error {
	healed := l.fault("NM-18", "all", unexcused)
	defer healed()
	var pests sync.WaitGroup
	for i := range slowClients {
		r := l.replicas[i%len(l.replicas)]
		text := "POST /token HTTP/1.1\r\nHost: " + r.address + "\r\n"
		if i%2 == 1 {
			text += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\n"
		}
		pests.Go(func() { dawdle(ctx, r.address, text) })
	}
	call := newCaller(l.balancer.url(), "10.1.204.1")
	for ctx.Err() == nil {
		for _, size := range []int{100 << 10, 4 << 20} {
			o := l.history.begin(processPest, "oversized", "", "size", fmt.Sprint(size))
			a := call.post(context.WithoutCancel(ctx), pathToken, nil, url.Values{"grant_type": {strings.Repeat("x", size)}})
			if a.note(o); a.Err != nil || a.Status == http.StatusBadGateway { // it stopped listening, which is as good as an answer
				o.Result = Refused
			}
			l.history.done(o)
		}
		sleep(ctx, 200*time.Millisecond)
	}
	pests.Wait()
	return nil
}

// slowClients is how many dawdle at once.
const slowClients = 300

// dawdle begins a request and goes on a byte at a time, with its headers or its
// body.
func dawdle(ctx context.Context, address, begin string) {
	for ctx.Err() == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			sleep(ctx, time.Second)
			continue
		}
		_, err = io.WriteString(conn, begin)
		for err == nil && ctx.Err() == nil {
			sleep(ctx, 500*time.Millisecond)
			_, err = io.WriteString(conn, "x")
		}
		_ = conn.Close()
	}
}
