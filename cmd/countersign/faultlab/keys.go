package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keyCache are the server's keys as an application has them: fetched a while
// ago, up to the age that it may keep them for.
type keyCache struct {
	call    *caller
	lab     *lab
	process int

	mu      sync.Mutex
	set     jose.JSONWebKeySet
	fetched time.Time
}

// algorithms are what ID tokens may be signed with.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA}

// verify checks an ID token and notes whose it is.
func (k *keyCache) verify(ctx context.Context, raw string, o *Op, nonce string) {
	signed, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil || len(signed.Signatures) != 1 {
		o.Out["verified"] = "no: it is no JWT"
		return
	}
	kid := signed.Signatures[0].Header.KeyID
	o.Out["kid"] = kid
	set, usable := k.keys(ctx)
	if !usable {
		return // nobody had keys that one may still use: nothing is proven
	}
	found := set.Key(kid)
	if len(found) == 0 {
		o.Out["verified"] = "no: the key is not among those that were published"
		return
	}
	payload, err := signed.Verify(found[0])
	if err != nil {
		o.Out["verified"] = "no: " + err.Error()
		return
	}
	var claims struct {
		Issuer   string   `json:"iss"`
		Subject  string   `json:"sub"`
		Nonce    string   `json:"nonce"`
		Audience audience `json:"aud"`
		Expires  int64    `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		o.Out["verified"] = "no: " + err.Error()
		return
	}
	o.Out["id_sub"], o.Out["id_client"] = claims.Subject, strings.Join(claims.Audience, " ")
	o.Out["verified"] = "yes"
	if claims.Issuer != k.call.base || nonce != "" && claims.Nonce != nonce {
		o.Out["verified"] = "no: another issuer or nonce"
	}
}

// audience is one name or a list of them.
type audience []string

// UnmarshalJSON reads either.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// keys returns what the application has, and whether it may still use it.
func (k *keyCache) keys(ctx context.Context) (jose.JSONWebKeySet, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.fetched) > jwksAge {
		k.fetch(ctx)
	}
	return k.set, time.Since(k.fetched) <= jwksAge
}

func (k *keyCache) fetch(ctx context.Context) {
	asked := time.Now()
	o := k.lab.history.begin(k.process, "jwks", "")
	a := k.call.get(ctx, pathKeys, "")
	a.note(o)
	var set jose.JSONWebKeySet
	if o.Result == OK {
		if err := json.Unmarshal(a.Body, &set); err != nil {
			o.Result, o.Error, o.Status = Refused, err.Error(), http.StatusOK
		} else {
			k.set, k.fetched = set, asked
			o.Out["kids"] = kids(set)
		}
	}
	k.lab.history.done(o)
}

func kids(set jose.JSONWebKeySet) string {
	var all []string
	for _, key := range set.Keys {
		all = append(all, key.KeyID)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
