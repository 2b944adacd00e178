package authz_test

import (
	"net/url"
	"time"

	"pgregory.net/rapid"

	"countersign/clientstore"
)

func (m *model) authorize(rt *rapid.T) {
	p, door := one(rt, "person", m.people), m.door(rt)
	c := one(rt, "client", where(m.apps, func(c *application) bool { return !c.machine && !c.device && !c.backend }))
	offline, hybrid := rapid.Bool().Draw(rt, "offline"), c.hybrid && rapid.Bool().Draw(rt, "hybrid")
	change := []string{"scope", "openid profile"}
	if offline {
		change[1] += " offline_access"
	}
	if hybrid {
		change = append(change, "response_type", "code token")
	}
	res := p.at(door).authorize(c.ask(change...))
	got := parametersOf(res)
	if ok := m.present(p) && c.approved && p.remembers(c); (got.Get("code") != "") != ok {
		rt.Fatalf("authorize %s: %s, Location %q; want a code: %v", c.name, res.Status, res.Header.Get("Location"), ok)
	} else if !ok {
		return
	}
	var until *sitting
	expires := m.now().Add(72 * time.Hour)
	if !offline {
		until, expires = p.sitting, earlier(m.now().Add(11*time.Minute), p.sitting.ExpiresAt)
	}
	code := &codeModel{value: got.Get("code"), bond: bind(p, c, until, expires), offline: offline, expires: m.now().Add(time.Minute)}
	m.codes = append(m.codes, code)
	if hybrid {
		m.papers = append(m.papers, &paper{value: got.Get("access_token"), bond: code.bond, expires: earlier(m.now().Add(10*time.Minute), expires)})
	}
}

// parametersOf are those that the client is sent, by query or fragment.
func parametersOf(res answer) url.Values {
	u, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		return nil
	}
	got := u.Query()
	if fragment, err := url.ParseQuery(u.EscapedFragment()); err == nil {
		for name, values := range fragment {
			got[name] = values
		}
	}
	return got
}

func (m *model) redeem(rt *rapid.T) {
	code, proof := one(rt, "code", m.codes), verifier
	by := m.caller(rt, code.bond.client)
	if rapid.IntRange(0, 7).Draw(rt, "wrong proof") == 0 {
		proof = "aBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	}
	ok := by == code.bond.client && !code.spent && m.holds(code.bond) && m.now().Before(code.expires)
	again := by == code.bond.client && by.approved && code.spent && proof == verifier
	res := m.door(rt).post("/token", by.app, redemption(code.value, "code_verifier", proof))
	want(rt, "redeem", res, ok && proof == verifier)
	code.spent = code.spent || ok // a wrong proof burns it
	code.bond.ended = code.bond.ended || again
	if ok && proof == verifier {
		m.keep(m.hand(res, code.bond))
		if (res.str("refresh_token") != "") != code.offline {
			rt.Fatalf("RT-16: offline is %v: %s", code.offline, res.body)
		}
	}
}

func (m *model) keep(t *paper) {
	if t != nil {
		m.papers = append(m.papers, t)
	}
}

func (m *model) refresh(rt *rapid.T) {
	t := one(rt, "refresh token", m.refreshTokens())
	b := t.bond
	by := m.caller(rt, b.client)
	mine := by == b.client && by.approved && !t.purged
	fresh := mine && m.live(t)
	repeated := mine && t.used != nil && m.now().Sub(*t.used) <= 10*time.Second && m.holds(b)
	res := m.door(rt).refresh(by.app, t.value)
	want(rt, "refresh", res, fresh || repeated)
	if !fresh && !repeated {
		b.ended = b.ended || mine && t.used != nil
		return
	}
	next := m.hand(res, b)
	switch {
	case next == nil, b.client.keeps != (next.value == t.value), repeated && next.value != t.next.value:
		rt.Fatalf("INV-04: refresh: %s", res.body)
	case b.client.keeps:
		t.expires = next.expires
	case fresh:
		now := m.now()
		t.used, t.next = &now, next
		m.keep(next)
	}
}

func (m *model) revoke(rt *rapid.T) {
	t := one(rt, "token", m.papers)
	by := m.caller(rt, t.bond.client)
	res := m.door(rt).post("/revoke", by.app, url.Values{"token": {t.value}})
	// To whom it does not belong it may be gone as well.
	if by != t.bond.client {
		if m.live(t) {
			want(rt, "revoke another's", res, false)
		}
		return
	}
	want(rt, "revoke", res, by.approved)
	switch {
	case !by.approved:
	case t.refresh:
		t.bond.ended = t.bond.ended || !t.purged
	default:
		t.revoked = true
	}
}

func (m *model) actAlone(rt *rapid.T) {
	c := one(rt, "client", where(m.apps, func(c *application) bool { return c.machine }))
	res := m.door(rt).post("/token", c.app, url.Values{"grant_type": {clientstore.GrantClientCredentials}})
	want(rt, "client credentials", res, c.approved)
	if c.approved {
		m.hand(res, bind(nil, c, nil, m.now().Add(10*time.Minute)))
	}
}

// actForSomebody has a client sign whom it acts for, whether they are there or
// not.
func (m *model) actForSomebody(rt *rapid.T) {
	c, p, door := one(rt, "client", where(m.apps, func(c *application) bool { return c.absent })), one(rt, "person", m.people), m.door(rt)
	res := door.bear(c.app, testKeys()["ES256"].sign(door.T, door.assertion(c.ID, map[string]any{"sub": p.world.user.ID}), nil))
	ok := c.approved && p.enabled && p.remembers(c)
	want(rt, "assertion", res, ok)
	if ok {
		m.hand(res, bind(p, c, nil, m.now().Add(10*time.Minute)))
	}
}

// exchange has a client narrow a token of its own to another client, or that
// other one get a token for it.
func (m *model) exchange(rt *rapid.T) {
	exchangers := where(m.apps, func(c *application) bool { return c.exchange })
	t := one(rt, "subject", m.subjects())
	by, door := one(rt, "exchanger", exchangers), m.door(rt)
	audience := one(rt, "audience", exchangers)
	own := by == t.bond.client
	res := door.exchange(by.app, typeAccessToken, t.value, "audience", audience.ID)
	ok := by.approved && m.live(t) && audience.approved &&
		(own && (t.audience == nil || t.audience == audience) || !own && t.audience == by && t.bond.parent == nil)
	want(rt, "exchange", res, ok)
	if !ok {
		return
	}
	made := &paper{value: res.str("access_token"), bond: t.bond, audience: audience, expires: earlier(m.now().Add(10*time.Minute), t.expires)}
	if !own {
		made.bond = bind(t.bond.person, by, nil, made.expires)
		made.bond.parent = t
	}
	m.keep(made)
}

func (m *model) askDevice(rt *rapid.T) {
	c, door := one(rt, "client", where(m.apps, func(c *application) bool { return c.device })), m.door(rt)
	offline, scope := rapid.Bool().Draw(rt, "offline"), "openid profile"
	if offline {
		scope += " offline_access"
	}
	res := door.post("/device_authorization", c.app, url.Values{"scope": {scope}})
	want(rt, "ask for a device", res, c.approved)
	if c.approved {
		m.asked = append(m.asked, &deviceModel{
			device: res.str("device_code"), user: res.str("user_code"), client: c, clientEpoch: c.epoch, offline: offline, expires: m.now().Add(10 * time.Minute),
		})
	}
}

func (m *model) answerDevice(rt *rapid.T) {
	p, d := one(rt, "person", m.signedIn()), one(rt, "device", m.answerable())
	if d.denied = rapid.IntRange(0, 4).Draw(rt, "deny") == 0; d.denied {
		p.at(m.door(rt)).decide(d.user, "deny")
		return
	}
	p.at(m.door(rt)).decide(d.user, "allow")
	var until *sitting
	expires := d.expires.Add(72 * time.Hour)
	if !d.offline {
		until, expires = p.sitting, earlier(d.expires.Add(10*time.Minute), p.sitting.ExpiresAt)
	}
	d.bond = bind(p, d.client, until, expires)
	p.allows[d.client] = true
}

func (m *model) poll(rt *rapid.T) {
	d := one(rt, "device", m.asked)
	by := m.caller(rt, d.client)
	mine := by == d.client && by.approved
	ok := mine && d.bond != nil && !d.spent && m.now().Before(d.expires) && m.holds(d.bond)
	res := m.door(rt).poll(by.app, d.device)
	want(rt, "poll", res, ok)
	if mine && d.spent {
		d.bond.ended = true
	}
	if ok {
		d.spent = true
		m.keep(m.hand(res, d.bond))
	}
}
