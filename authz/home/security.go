package home

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"countersign/authz/browser"
	"countersign/authz/page"
	"countersign/authz/protocol"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/interaction"
	"countersign/storage/session"
)

// The pages on which people change how they sign in.
const (
	pathSecurity       = "/account/security"
	pathTOTP           = "/account/authenticator"
	pathRemoveTOTP     = "/account/authenticator/remove"
	pathRecovery       = "/account/recovery-codes"
	authenticatorsName = "Countersign"
)

// freshFor is how long after a sign-in somebody may change how they sign in.
const freshFor = 10 * time.Minute

// fresh serves a page to who has signed in a short while ago, by a second
// factor if the account has one, and sends who has not to do so: whoever finds
// an open browser takes over no account.
func (h *Handler) fresh(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *http.Request, *security) error) error {
	return h.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, v *visit) error {
		s, err := h.security(r.Context(), v)
		if err != nil {
			return err
		}
		if h.cfg.Now().Sub(v.session.AuthTime) > freshFor || s.factors.Any() && !v.session.SecondFactor() {
			return h.confirm(w, r, v, r.URL.Path)
		}
		return serve(w, r, s)
	})
}

// security is a visit with what the account signs in with.
type security struct {
	*visit
	factors *account.Factors
}

func (h *Handler) security(ctx context.Context, v *visit) (*security, error) {
	factors, err := h.cfg.Accounts.Factors(ctx, v.account.ID)
	return &security{v, factors}, err
}

// confirm sends somebody to sign in again, and back to the page.
func (h *Handler) confirm(w http.ResponseWriter, r *http.Request, v *visit, path string) error {
	i, err := h.cfg.Interactions.Create(r.Context(), interaction.Waiting{
		ResumePath: path[len(h.cfg.IssuerPath):], Browser: h.cfg.Cookies.EnsureBrowser(w, r),
		Request: url.Values{interaction.Confirm: {"yes"}, "login_hint": {v.account.Username}},
	})
	if err != nil {
		return err
	}
	h.redirect(w, "/login?"+url.Values{"interaction": {i.ID}}.Encode())
	return nil
}

// Security serves GET /account/security.
func (h *Handler) Security(w http.ResponseWriter, r *http.Request) error {
	return h.signedIn(w, r, h.showSecurity)
}

func (h *Handler) showSecurity(w http.ResponseWriter, r *http.Request, v *visit) error {
	s, err := h.security(r.Context(), v)
	if err != nil {
		return err
	}
	p := page.Security{
		Person: v.person(), PasswordSet: h.moment(v.account.PasswordChangedAt), RecoveryCodes: s.factors.RecoveryCodes,
		PasskeysHere: h.cfg.Passkeys.Available(), Any: s.factors.Any(), Notice: notice(r), Demanded: h.demands(v.account) && !v.session.SecondFactor(),
	}
	if totp := s.factors.TOTP; totp != nil {
		p.Authenticator = &page.Factor{Since: h.moment(totp.CreatedAt), Used: h.used(totp.UsedAt)}
	}
	for _, k := range s.factors.Passkeys {
		p.Passkeys = append(p.Passkeys, page.Factor{ID: k.ID, Name: page.Plain(k.Name), Since: h.moment(k.CreatedAt), Used: h.used(k.UsedAt)})
	}
	return h.cfg.Pages.Render(w, r, http.StatusOK, p)
}

// demands reports whether the account needs a second factor for what it may.
func (h *Handler) demands(a *account.Account) bool {
	return h.cfg.AdminSecondFactor && a.Has(account.ConfigureServer)
}

func (h *Handler) used(at *time.Time) *page.Moment {
	if at == nil {
		return nil
	}
	m := h.moment(*at)
	return &m
}

// ShowAuthenticator serves GET /account/authenticator: it offers a new secret,
// which counts once a code shows that an application knows it.
func (h *Handler) ShowAuthenticator(w http.ResponseWriter, r *http.Request) error {
	return h.fresh(w, r, func(w http.ResponseWriter, r *http.Request, s *security) error {
		if s.factors.TOTP != nil {
			h.redirect(w, pathSecurity)
			return nil
		}
		return h.cfg.Pages.Render(w, r, http.StatusOK, h.enrolment(s, account.NewTOTPSecret()))
	})
}

// enrolment is the page that shows a secret.
func (h *Handler) enrolment(s *security, secret []byte) page.Authenticator {
	key := account.TOTPKey(secret)
	return page.Authenticator{
		Person: s.person(), Key: page.Grouped(key), Scan: page.NewScan(h.otpauth(s.account.Username, key)),
		Sealed: h.cfg.Accounts.SealEnrolment(s.account.ID, secret),
	}
}

// otpauth is the address by which applications take a secret over. There is no
// standard for it; it is what all of them read.
func (h *Handler) otpauth(username, key string) string {
	name := h.cfg.Name
	if name == "" {
		name = authenticatorsName
	}
	return "otpauth://totp/" + url.PathEscape(name+":"+username) + "?" + url.Values{"secret": {key}, "issuer": {name}}.Encode()
}

// AddAuthenticator serves POST /account/authenticator.
func (h *Handler) AddAuthenticator(w http.ResponseWriter, r *http.Request) error {
	return h.fresh(w, r, h.addAuthenticator)
}

func (h *Handler) addAuthenticator(w http.ResponseWriter, r *http.Request, s *security) error {
	form, err := page.Form(r)
	if err != nil {
		return err
	}
	secret, err := h.cfg.Accounts.OpenEnrolment(s.account.ID, form.Get("enrolment"))
	if errors.Is(err, storage.ErrNotFound) { // it lay about for too long, or is another account's
		h.redirect(w, pathTOTP)
		return nil
	}
	if err != nil {
		return err
	}
	var codes []string
	err = h.strengthen(w, r, s, func(ctx context.Context) (method string, err error) {
		codes, err = h.cfg.Accounts.AddTOTP(ctx, browser.Actor(r, s.account), s.account, secret, form.Get("code"))
		return "otp", err
	})
	switch {
	case errors.Is(err, errUnconfirmed):
		return h.confirm(w, r, s.visit, r.URL.Path)
	case errors.Is(err, account.ErrWrongCode):
		p := h.enrolment(s, secret)
		p.Faults = []page.EntryFault{{Field: "code", Reason: "This is not the code of this moment. Enter the one that the app shows now, and check that the clock of your phone is right."}}
		return h.cfg.Pages.Render(w, r, http.StatusUnprocessableEntity, p)
	case errors.Is(err, storage.ErrConflict): // in another window
		h.redirect(w, pathSecurity)
		return nil
	case err != nil:
		return err
	case len(codes) == 0:
		return h.done(w, pathSecurity, page.NoticeAuthenticator)
	}
	return h.cfg.Pages.Render(w, r, http.StatusOK, page.RecoveryCodes{Person: s.person(), Codes: codes, Added: page.NoticeAuthenticator})
}

// errUnconfirmed reports that what let somebody change how they sign in does
// not hold any more.
var errUnconfirmed = errors.New("the session ended, or lacks the second factor that the account has by now")

// still returns the factors of the account as they are now, if the session may
// still change them. A request whose body comes slowly was let in long before.
func (h *Handler) still(ctx context.Context, r *http.Request, s *security) (*account.Factors, error) {
	now, err := h.cfg.Sessions.Get(ctx, h.cfg.Cookies.Session(r))
	if errors.Is(err, storage.ErrNotFound) || err == nil && now.ID != s.session.ID {
		return nil, errUnconfirmed
	}
	if err != nil {
		return nil, err
	}
	factors, err := h.cfg.Accounts.Factors(ctx, s.account.ID)
	if err == nil && factors.Any() && !now.SecondFactor() {
		return nil, errUnconfirmed
	}
	return factors, err
}

// strengthen adds a factor as one change with what follows from it: the
// session is from now on one of that factor, under another cookie (LG-01), and
// if it is the first, those that were begun without one end. It fails with
// [errUnconfirmed] when the session may not any more.
func (h *Handler) strengthen(w http.ResponseWriter, r *http.Request, s *security, add func(context.Context) (method string, err error)) error {
	var cookie string
	err := h.cfg.Tx.InTx(r.Context(), func(ctx context.Context) error {
		before, err := h.still(ctx, r, s)
		if err != nil {
			return err
		}
		method, err := add(ctx)
		if err != nil {
			return err
		}
		var begun *session.Session
		begun, cookie, err = h.cfg.Sessions.Start(ctx, session.SignIn{
			AccountID: s.account.ID, AccountEpoch: s.account.Epoch, ACR: protocol.ACRMulti, AMR: methodsWith(s.session.AMR, method, session.MultiFactor),
			IP: browser.Address(r), UserAgent: r.UserAgent(), Replaces: h.cfg.Cookies.Session(r),
		})
		if err != nil || before.Any() {
			return err
		}
		_, err = h.cfg.Sessions.EndOthers(ctx, begun)
		return err
	})
	if err == nil {
		h.cfg.Cookies.SetSession(w, cookie)
	}
	return err
}

// methodsWith are the methods of a sign-in with those that were shown since.
func methodsWith(amr []string, further ...string) []string {
	all := slices.Clone(amr)
	for _, m := range further {
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// AskRemoveAuthenticator serves GET /account/authenticator/remove.
func (h *Handler) AskRemoveAuthenticator(w http.ResponseWriter, r *http.Request) error {
	return h.fresh(w, r, func(w http.ResponseWriter, r *http.Request, s *security) error {
		if s.factors.TOTP == nil {
			h.redirect(w, pathSecurity)
			return nil
		}
		return h.cfg.Pages.Render(w, r, http.StatusOK, page.RemoveFactor{
			Person: s.person(), Kind: page.KindAuthenticator, Last: len(s.factors.Passkeys) == 0, Demanded: h.demands(s.account),
		})
	})
}

// RemoveAuthenticator serves POST /account/authenticator/remove.
func (h *Handler) RemoveAuthenticator(w http.ResponseWriter, r *http.Request) error {
	return h.fresh(w, r, func(w http.ResponseWriter, r *http.Request, s *security) error {
		err := h.cfg.Accounts.RemoveTOTP(r.Context(), browser.Actor(r, s.account), s.account)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		return h.done(w, pathSecurity, page.NoticeFactorRemoved)
	})
}

// AskRecoveryCodes serves GET /account/recovery-codes.
func (h *Handler) AskRecoveryCodes(w http.ResponseWriter, r *http.Request) error {
	return h.fresh(w, r, func(w http.ResponseWriter, r *http.Request, s *security) error {
		if !s.factors.Any() {
			h.redirect(w, pathSecurity)
			return nil
		}
		return h.cfg.Pages.Render(w, r, http.StatusOK, page.RecoveryCodes{Person: s.person(), Left: s.factors.RecoveryCodes})
	})
}

// NewRecoveryCodes serves POST /account/recovery-codes: it shows new ones, this
// once.
func (h *Handler) NewRecoveryCodes(w http.ResponseWriter, r *http.Request) error {
	return h.fresh(w, r, func(w http.ResponseWriter, r *http.Request, s *security) error {
		if !s.factors.Any() {
			h.redirect(w, pathSecurity)
			return nil
		}
		codes, err := h.cfg.Accounts.NewRecoveryCodes(r.Context(), browser.Actor(r, s.account), s.account)
		if err != nil {
			return err
		}
		return h.cfg.Pages.Render(w, r, http.StatusOK, page.RecoveryCodes{Person: s.person(), Codes: codes})
	})
}
