package driver

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// unanswered is the outcome of what got no answer.
const unanswered = "none"

// Flood posts wrong passwords to the sign-in page, so many a second whatever
// becomes of them, each from a network of its own and for an account of its
// own, which nothing slows down. The function that it returns ends it and
// tells how many got which status.
func Flood(s *Server, perSecond int) (end func() map[string]int, err error) {
	to, err := url.Parse(s.Issuer + "/login")
	if err != nil {
		return nil, err
	}
	f := &flood{to: to, counts: map[string]int{}}
	f.group.Go(func() {
		ticker := time.NewTicker(time.Second / time.Duration(perSecond))
		defer ticker.Stop()
		for range ticker.C {
			if f.over.Load() {
				return
			}
			f.group.Go(f.post)
		}
	})
	return func() map[string]int {
		f.over.Store(true)
		f.group.Wait()
		return f.counts
	}, nil
}

type flood struct {
	to    *url.URL
	over  atomic.Bool
	group sync.WaitGroup

	mu     sync.Mutex
	counts map[string]int
}

func (f *flood) post() {
	c := &connection{from: somewhere()}
	defer c.close()
	form := url.Values{"username": {rand.Text()}, "password": {rand.Text()}}
	a, err := c.do(write(http.MethodPost, f.to, []string{formType, "Origin: " + f.to.Scheme + "://" + f.to.Host, "Accept-Language: en"}, form.Encode()))
	outcome := unanswered
	if err == nil {
		outcome = strconv.Itoa(a.StatusCode)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[outcome]++
}
