package authz_test

import (
	"time"

	"pgregory.net/rapid"
)

func (m *model) signIn(rt *rapid.T) {
	one(rt, "person", m.signedOut()).arrive()
}

func (m *model) signOut(rt *rapid.T) {
	p, door := one(rt, "person", m.signedIn()), m.door(rt)
	door.must(door.sessions.End(door.Context(), p.sitting.ID))
	p.sitting.ended = true
}

// toggleClient has an administrator disapprove a client, or approve it again.
func (m *model) toggleClient(rt *rapid.T) {
	c, door := one(rt, "client", m.apps), m.door(rt)
	var err error
	if c.approved {
		_, err = door.clients.Disapprove(door.Context(), admin, c.ID, "")
		c.epoch++
	} else {
		_, err = door.clients.Approve(door.Context(), admin, c.ID)
	}
	door.must(err)
	c.approved = !c.approved
}

func (m *model) toggleAccount(rt *rapid.T) {
	p, door := one(rt, "person", m.people), m.door(rt)
	if p.enabled {
		door.must(door.accounts.Disable(door.Context(), admin, p.world.user.ID))
		p.epoch++
	} else {
		door.must(door.accounts.Enable(door.Context(), admin, p.world.user.ID))
	}
	p.enabled = !p.enabled
}

func (m *model) changePassword(rt *rapid.T) {
	p, door := one(rt, "person", m.people), m.door(rt)
	door.must(door.accounts.SetPassword(door.Context(), admin, p.world.user.ID, "incorrect horse battery staple"))
	p.epoch++
}

// withdraw has a person disconnect an application, or connect it again.
func (m *model) withdraw(rt *rapid.T) {
	p, door := one(rt, "person", m.people), m.door(rt)
	c := one(rt, "client", where(m.apps, func(c *application) bool { return !c.machine }))
	if !p.remembers(c) {
		m.allow(p, c)
		return
	}
	door.must(door.grants.WithdrawConsent(door.Context(), p.world.user.ID, c.ID))
	p.allows[c] = false
	m.endBetween(p, c)
}

// rotateKeys replaces a signing key at once. What the old one signed verifies
// at every replica until it expires (INV-13).
func (m *model) rotateKeys(rt *rapid.T) {
	door := m.door(rt)
	_, err := door.signing.Rotate(door.Context(), admin, true, "ES256")
	door.must(err)
	for _, id := range m.ids {
		if m.now().Before(id.expires) {
			m.door(rt).verify(id.client.app, id.value)
		}
	}
}

// purge deletes what can matter no more. It must not be noticed, but that a
// used refresh token that has expired ends nothing any more.
func (m *model) purge(rt *rapid.T) {
	door := m.door(rt)
	for _, purge := range []func() (int64, error){
		func() (int64, error) { return door.grants.Purge(door.Context(), 10_000) },
		func() (int64, error) { return door.sessions.Purge(door.Context(), 10_000) },
	} {
		_, err := purge()
		door.must(err)
	}
	for _, t := range m.papers {
		t.purged = t.purged || t.refresh && t.used != nil && !m.now().Before(t.expires)
	}
}

// wait lets time go by, after which a job may come along.
func (m *model) wait(rt *rapid.T) {
	m.doors[0].clock.Advance(rapid.SampledFrom([]time.Duration{
		3 * time.Second, 7 * time.Second, 17 * time.Second, 67 * time.Second, 7 * time.Minute, 23 * time.Minute, 131 * time.Minute, 11 * time.Hour, 31 * time.Hour,
	}).Draw(rt, "time"))
	if rapid.Bool().Draw(rt, "purge") {
		m.purge(rt)
	}
}
