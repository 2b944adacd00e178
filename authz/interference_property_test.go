package authz_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign/storage/storagetest"
)

// deed is one thing that a person has happen, in a life that others live
// beside them.
type deed struct {
	who  int
	what string
}

// life is a person with what two clients hold of theirs.
type life struct {
	*world
	codes, refreshes, all []string
	told                  []string
}

// INV-16: what people get does not depend on what others do meanwhile. Two
// lives that are lived in turns go as each of them does alone.
func TestPropertyPeopleDoNotDisturbOneAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storagetest.Open(t))
	kinds := []string{"authorize", "authorize", "redeem", "redeem again", "refresh", "refresh again", "revoke", "sign out", "sign in", "withdraw", "password", "disable", "wait"}
	storagetest.Property(t, func(rt *rapid.T) {
		deeds := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) deed {
			return deed{rapid.IntRange(0, 1).Draw(rt, "who"), rapid.SampledFrom(kinds).Draw(rt, "what")}
		}), 1, 30).Draw(rt, "deeds")
		together := w.lives(deeds, 0, 1)
		for who := range 2 {
			if alone := w.lives(deeds, who)[who]; !slices.Equal(alone, together[who]) {
				rt.Fatalf("%v: person %d, beside the other:\n%s\nalone:\n%s", deeds, who, strings.Join(together[who], "\n"), strings.Join(alone, "\n"))
			}
		}
	})
}

// lives has the people live, and returns what each was told.
func (w *world) lives(deeds []deed, who ...int) map[int][]string {
	w.Helper()
	people := map[int]*life{}
	for _, n := range who {
		mine := *w
		var err error
		mine.user, err = w.accounts.Create(w.Context(), admin, accountOf(w))
		w.must(err)
		people[n] = &life{world: &mine}
		people[n].settle()
	}
	for _, d := range deeds {
		if d.what == "wait" {
			w.clock.Advance(7 * time.Second)
		} else if l := people[d.who]; l != nil {
			l.told = append(l.told, d.what+": "+l.do(d.what))
		}
	}
	told := map[int][]string{}
	for n, l := range people {
		for _, token := range l.all {
			l.told = append(l.told, fmt.Sprint(l.active(w.web, token)))
		}
		told[n] = l.told
	}
	return told
}

// settle signs the person in, with consent to the client.
func (l *life) settle() {
	l.Helper()
	var err error
	l.user, err = l.accounts.Get(l.Context(), l.user.ID)
	l.must(err)
	l.must(l.grants.RememberConsent(l.Context(), l.user.ID, l.web.ID, l.web.Metadata.Scope, l.web.ConsentDigest))
	l.signIn()
}

// do does one thing, and says how it went.
func (l *life) do(what string) string {
	switch what {
	case "authorize":
		code := l.authorize(l.web.ask()).sent().Get("code")
		l.codes = append(l.codes, code)
		return fmt.Sprint(code != "")
	case "redeem":
		return l.keep(l.post("/token", l.web, redemption(nth(l.codes, 1))))
	case "redeem again":
		return l.keep(l.post("/token", l.web, redemption(nth(l.codes, 2))))
	case "refresh":
		return l.keep(l.refresh(l.web, nth(l.refreshes, 1)))
	case "refresh again":
		return l.keep(l.refresh(l.web, nth(l.refreshes, 2)))
	case "revoke":
		return l.post("/revoke", l.web, url.Values{"token": {nth(l.all, 1)}}).Status
	default:
		return l.decideOn(what)
	}
}

// decide does what is the person's own to do.
func (l *life) decideOn(what string) string {
	var err error
	switch what {
	case "sign out":
		err = l.sessions.End(l.Context(), l.session.ID)
	case "sign in":
		l.settle()
	case "withdraw":
		err = l.grants.WithdrawConsent(l.Context(), l.user.ID, l.web.ID)
	case "password":
		err = l.accounts.SetPassword(l.Context(), admin, l.user.ID, "incorrect horse battery staple")
	case "disable":
		l.must(l.accounts.Disable(l.Context(), admin, l.user.ID))
		err = l.accounts.Enable(l.Context(), admin, l.user.ID)
	}
	return fmt.Sprint(err)
}

// nth is the last but so many of the list, or something that is none of it.
func nth(list []string, last int) string {
	if len(list) < last || list[len(list)-last] == "" {
		return "none"
	}
	return list[len(list)-last]
}

func (l *life) keep(res answer) string {
	for name, list := range map[string]*[]string{"access_token": &l.all, "refresh_token": &l.refreshes} {
		if token := res.str(name); token != "" {
			*list = append(*list, token)
		}
	}
	return fmt.Sprint(res.StatusCode, res.json["error"], res.json["scope"], res.json["expires_in"], res.json["refresh_token"] != nil)
}
