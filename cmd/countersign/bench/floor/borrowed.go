package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/grant"
	"countersign/storage/seal"
	"countersign/storage/session"
)

// borrowed are Countersign's stores on its own database, called as its handlers
// call them: each method here is as many statements as there, and the same. Clients
// have the floor's secret all the same.
type borrowed struct {
	clients  *clientstore.Store
	grants   *grant.Store
	sessions *session.Store
	accounts *account.Store
	people   []account.Account
	next     *atomic.Int64 // whose session the next one is
}

// openTheirs opens Countersign's database with the key of the environment.
func openTheirs(ctx context.Context, address string) (*storage.DB, *seal.Keys, error) {
	key, err := hex.DecodeString(os.Getenv(keyVariable))
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", keyVariable, err)
	}
	keys, err := seal.New(key)
	if err != nil {
		return nil, nil, err
	}
	db, err := storage.Open(ctx, storage.Config{URL: address})
	return db, keys, err
}

// openBorrowed opens the stores, for the accounts that are in the database.
func openBorrowed(ctx context.Context, address string) (*borrowed, error) {
	db, keys, err := openTheirs(ctx, address)
	if err != nil {
		return nil, err
	}
	b := borrow(db, keys)
	b.people, err = b.accounts.List(ctx)
	return b, err
}

func borrow(db *storage.DB, keys *seal.Keys) *borrowed {
	return &borrowed{
		clients: clientstore.New(db, clientstore.Config{Keys: keys}), grants: grant.New(db, keys), sessions: session.New(db, session.Config{Keys: keys}),
		accounts: account.New(db, account.Config{Keys: keys}), next: &atomic.Int64{},
	}
}

// begin makes a session for each account in turn.
func (b *borrowed) begin(ctx context.Context) (string, error) {
	a := &b.people[int(b.next.Add(1))%len(b.people)]
	_, cookie, err := b.sessions.Start(ctx, session.SignIn{AccountID: a.ID, AccountEpoch: a.Epoch, ACR: "1", AMR: []string{"pwd"}})
	return cookie, err
}

func (b *borrowed) authorize(ctx context.Context, cookie string, asked url.Values) (string, error) {
	v, err := b.clients.Visit(ctx, asked.Get("client_id"), b.sessions.Hash(cookie))
	if err != nil {
		return "", err
	}
	code := seal.NewToken(seal.AuthorizationCode)
	g := given(byCode, v.Client.ID, &v.Session, asked.Get("scope"))
	g.Nonce = asked.Get("nonce")
	return code, b.grants.Authorize(ctx, grant.Answer{
		Grant: g, Code: code, RedirectURI: asked.Get("redirect_uri"), RedirectURISent: true,
		CodeChallenge: asked.Get("code_challenge"), CodeChallengeMethod: "S256", CodeExpiresAt: time.Now().Add(time.Minute),
	})
}

// given is what somebody gives a client in a session.
func given(kind, client string, s *session.Session, scope string) grant.Grant {
	return grant.Grant{
		ID: grant.NewID(), Kind: kind, ClientID: client, AccountID: s.AccountID, SessionID: s.ID, Subject: s.AccountID, Scope: scope,
		ACR: s.ACR, AMR: strings.Join(s.AMR, " "), AuthTime: &s.AuthTime, Offline: true, ExpiresAt: time.Now().Add(24 * time.Hour),
	}
}

func (b *borrowed) userinfo(ctx context.Context, token string) (person, error) {
	t, err := b.grants.AccessToken(ctx, token)
	if err != nil {
		return person{}, err
	}
	return person{t.Grant.Subject, t.Username, t.Username}, nil
}

func (b *borrowed) start(ctx context.Context, by caller, scope, address string) (device, user string, err error) {
	if !right(mac(secret), by.secret) {
		return "", "", errCaller
	}
	c := b.clients.Recall(by.id)
	if c == nil { // the first time
		if c, err = b.clients.InUse(ctx, by.id); err != nil {
			return "", "", err
		}
	}
	edition := c.Edition()
	d := grant.DeviceStart{
		ClientID: by.id, Client: &edition, Scope: scope, IP: address, Network: address, PollInterval: 5, ExpiresAt: time.Now().Add(10 * time.Minute),
		DeviceCode: seal.NewToken(seal.DeviceCode), UserCode: grant.NewUserCode(),
	}
	return d.DeviceCode, grant.ShowUserCode(d.UserCode), b.grants.StartDevice(ctx, d)
}

func (b *borrowed) visit(ctx context.Context, cookie, user string) (visit, error) {
	code, _ := grant.ReadUserCode(user)
	found, err := b.clients.Open(ctx, b.sessions.Hash(cookie), b.grants, code)
	if err != nil {
		return visit{}, err
	}
	return visit{
		Name: found.Username, UserCode: user, Client: found.Client.Name, From: found.Device.IP, Scopes: strings.Fields(found.Device.Scope), found: found,
	}, nil
}

func (b *borrowed) open(ctx context.Context, v visit, address string) error {
	code, _ := grant.ReadUserCode(v.UserCode)
	return b.accounts.GuessRight(ctx, v.found.Session.AccountID, address, b.grants.OpeningDevice(code, v.found.Session.ID))
}

func (b *borrowed) allow(ctx context.Context, v visit, address string) error {
	code, _ := grant.ReadUserCode(v.UserCode)
	s, c := &v.found.Session, &v.found.Client
	return b.grants.AllowDevice(ctx, code, grant.Permission{
		Grant: given(byDevice, c.ID, s, v.found.Device.Scope), Remembered: true, Digest: c.ConsentOf(s.AccountEpoch),
		Note: b.accounts.Noting(account.Activity{AccountID: s.AccountID, Kind: account.Consented, ClientName: c.Name, IP: address}),
	})
}

func (b *borrowed) read(ctx context.Context, by caller, kind, presented string) (x exchanged, err error) {
	if !right(mac(secret), by.secret) {
		return x, errCaller
	}
	var g grant.Grant
	switch kind {
	case byCode:
		found, err := b.clients.Redeem(ctx, by.id, b.grants, presented)
		if err != nil {
			return x, err
		}
		g, x.challenge = found.Code.Grant, found.Code.CodeChallenge
	case byRefresh:
		found, err := b.clients.Renew(ctx, by.id, b.grants, presented)
		if err != nil {
			return x, err
		}
		g = found.Token.Grant
	default:
		found, err := b.clients.Poll(ctx, by.id, b.grants, presented)
		if err != nil {
			return x, err
		}
		g = found.Device.Grant
	}
	x.grant, x.account, x.scope, x.nonce = g.ID, g.AccountID, g.Scope, g.Nonce
	return x, nil
}

func (b *borrowed) issue(ctx context.Context, kind, presented string, x exchanged) (access, refresh string, err error) {
	i := grant.Issue{
		AccessToken: seal.NewToken(seal.AccessToken), AccessTokenExpiresAt: time.Now().Add(time.Hour), Scope: x.scope,
		RefreshToken: seal.NewToken(seal.RefreshToken), RefreshTokenExpiresAt: time.Now().Add(24 * time.Hour),
	}
	switch kind {
	case byCode:
		err = b.grants.Redeem(ctx, presented, i)
	case byRefresh:
		err = b.grants.Rotate(ctx, presented, i)
	default:
		err = b.grants.RedeemDevice(ctx, presented, i)
	}
	return i.AccessToken, i.RefreshToken, err
}
