package tryout

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// decode shows what the tokens say, and checks the ID token as a client has to
// (OpenID Connect Core 1.0, section 3.1.3.7). It belongs to the step that
// brought them.
func (p *Party) decode(run *Run, t tokens) error {
	at := len(run.Steps) - 1
	if d, ok := decoded("id_token", t.id); ok {
		checks, err := p.check(run, t)
		if err != nil {
			return err
		}
		run.Steps[at].Decoded, run.Steps[at].Checks = append(run.Steps[at].Decoded, d), checks
	} else if t.id != "" { // only the client has the key that opens it
		run.Steps[at].Checks = []Check{{"encrypted", true}}
	}
	if d, ok := decoded("access_token", t.access); ok {
		run.Steps[at].Decoded = append(run.Steps[at].Decoded, d)
	}
	run.Steps[at].Failed = run.Steps[at].refuted()
	return nil
}

// decoded reads a JSON Web Token that is signed, without judging it.
func decoded(name, token string) (Decoded, bool) {
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return Decoded{}, false
	}
	header, headerErr := base64.RawURLEncoding.DecodeString(parts[0])
	claims, claimsErr := base64.RawURLEncoding.DecodeString(parts[1])
	if headerErr != nil || claimsErr != nil || !json.Valid(header) || !json.Valid(claims) {
		return Decoded{}, false
	}
	return Decoded{name, indented(header), indented(claims)}, true
}

func indented(document []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, document, "", "  ") != nil {
		return ""
	}
	return b.String()
}

// leeway is how far two clocks may be apart.
const leeway = time.Minute

// check makes the checks of an ID token, against the keys that the server
// publishes.
func (p *Party) check(run *Run, t tokens) ([]Check, error) {
	keys, err := p.keys(run)
	if err != nil {
		return nil, err
	}
	signed, malformed := jose.ParseSignedCompact(t.id, p.Algorithms)
	if malformed != nil {
		return []Check{{"signature", false}}, nil //nolint:nilerr // it is what the check says
	}
	header := signed.Signatures[0].Protected
	var payload []byte
	for _, key := range keys.Key(header.KeyID) {
		if verified, err := signed.Verify(key); err == nil {
			payload = verified
		}
	}
	var claims struct {
		Issuer   string `json:"iss"`
		Audience any    `json:"aud"`
		Nonce    string `json:"nonce"`
		Expires  int64  `json:"exp"`
		AtHash   string `json:"at_hash"`
	}
	if payload == nil || json.Unmarshal(payload, &claims) != nil {
		return []Check{{"signature", false}}, nil //nolint:nilerr // likewise
	}
	list := []Check{
		{"signature", true},
		{"issuer", claims.Issuer == p.Issuer},
		{"audience", names(claims.Audience, run.ClientID)},
		{"expiry", p.Now().Before(time.Unix(claims.Expires, 0).Add(leeway))},
	}
	if run.Nonce != "" {
		list = append(list, Check{"nonce", claims.Nonce == run.Nonce})
	}
	if claims.AtHash != "" {
		list = append(list, Check{"at_hash", claims.AtHash == leftHalf(header.Algorithm, t.access)})
	}
	return list, nil
}

// names reports whether an aud names the client.
func names(aud any, client string) bool {
	switch aud := aud.(type) {
	case string:
		return aud == client
	case []any:
		return slices.Contains(aud, any(client))
	default:
		return false
	}
}

// leftHalf is the hash by which an ID token binds an access token (OpenID
// Connect Core 1.0, section 3.1.3.6).
func leftHalf(alg, token string) string {
	hash := crypto.SHA512 // of EdDSA with Ed25519
	switch {
	case strings.HasSuffix(alg, "256"):
		hash = crypto.SHA256
	case strings.HasSuffix(alg, "384"):
		hash = crypto.SHA384
	}
	h := hash.New()
	h.Write([]byte(token))
	sum := h.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// keys reads the keys that the server publishes. The step that it is part of
// stays the last but one: what follows is about the tokens.
func (p *Party) keys(run *Run) (*jose.JSONWebKeySet, error) {
	req, err := http.NewRequestWithContext(p.For.Context(), http.MethodGet, p.Issuer+"/.well-known/jwks.json", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("write request of the test: %w", err)
	}
	a, err := p.ask(run, "keys", req)
	if err != nil {
		return nil, err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(a.body.Bytes(), &set); err != nil {
		return nil, fmt.Errorf("read the keys of the server: %w", err)
	}
	return &set, nil
}
