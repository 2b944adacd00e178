package authz_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"countersign/clientstore"
)

// meanwhile gives the user a second factor right before the first statement
// that begins as said: another browser was quicker.
func (w *world) meanwhile(begins string) {
	once := sync.Once{}
	w.db.SetHook(func(ctx context.Context, statement string) error {
		if strings.Contains(strings.NewReplacer(`"`, "", "`", "").Replace(statement), begins) {
			once.Do(func() {
				w.db.SetHook(nil)
				w.must(w.db.With(ctx).Exec(`INSERT INTO totp_authenticators (account_id, sealed, last_step, created_at, used_at) VALUES (?, ?, 1, ?, ?)`,
					w.user.ID, []byte("sealed"), w.db.Now(), w.db.Now()).Error)
			})
		}
		return nil
	})
}

// A sign-in with the password alone that is under way when the first factor
// comes is asked for it (AP-16).
func TestPasswordAloneWhileAFactorComes(t *testing.T) {
	each(t, func(w *world) {
		v := visitor{w, map[string]string{}}
		w.meanwhile("INSERT INTO sessions")
		res := v.signInAs("/login", w.user)
		if res.StatusCode != http.StatusSeeOther || !strings.Contains(res.Header.Get("Location"), "/login/second") {
			w.Errorf("%s %q; want the second step", res.Status, res.Header.Get("Location"))
		}
		if res := v.get("/account/security"); res.StatusCode == http.StatusOK {
			w.Error("the password alone signed in")
		}
	})
}

// So does the password grant (AP-16).
func TestPasswordGrantWhileAFactorComes(t *testing.T) {
	each(t, func(w *world) {
		a := w.everyWay()
		w.meanwhile("INSERT INTO grants")
		w.wantError(w.login(a), 400, "invalid_grant")
	})
}

// Guesses at the same moment are counted as those one after another are (AP-17).
func TestGuessingSecretsOfOAuth1AtOnce(t *testing.T) {
	each(t, func(w *world) {
		a := w.consumer("Tool", clientstore.Metadata{RedirectURIs: []string{callback}})
		requests := make([]*http.Request, 120)
		for n := range requests {
			s := begin(a)
			s.secret = fmt.Sprint("guess", n)
			requests[n] = w.signed(s)
		}
		var looked, refused atomic.Int64
		var group sync.WaitGroup
		for _, r := range requests {
			group.Go(func() {
				switch res := w.do(r); res.StatusCode {
				case http.StatusUnauthorized:
					looked.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
				default:
					w.Errorf("%s %s", res.Status, res.body)
				}
			})
		}
		group.Wait()
		if looked.Load() != 50 || refused.Load() != 70 {
			w.Errorf("%d guesses were looked at, %d refused; want 50 and 70", looked.Load(), refused.Load())
		}
	})
}
