package clientstore

import (
	"encoding/json"

	"countersign/storage/seal"
)

// nobodysKey is a public key of the usual size, whose private key was thrown
// away.
const nobodysKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAt4aDaoCL8I7spFzTOkS2
oTWiPERJo5bUuVecR95ehwz1Fp46351Kla75sqwqCN6csv2OGBbOpfKD8NdWbn+m
mctlg57GYSCQqC4WBh3xvHkYExPHRd+3/Q7Goax/08ZORJRofwG7QE18NxGO0vWp
ppT95cDaD6Kz+ulbngnI/w6jBvEgdu7prOOSy4j1ECZ7WbgDMRU6DeD4ma521hAV
hpdkDDPHCNrlWHTKXtemoEWSGYwaxkt7RKOoUGE7bOFBiCOhSIqsf7Rgz+AJh5H6
EmPNljbt2WyVNfdiBFP3UfU7wJmjDOEfg7cF+yxBOKN+/QwpnSSVcOcLTk2evTZu
pwIDAQAB
-----END PUBLIC KEY-----`

// Stranger is what a signature is held against where there is no client, no
// secret or no key, so that nobody learns by time what there is. Nothing that
// it verifies counts.
type Stranger struct{ metadata, secrets []byte }

// Stranger makes one. It has a secret that nobody knows.
func (s *Store) Stranger() (*Stranger, error) {
	c := &Client{ID: newKey(), Type: OAuth1, Metadata: Metadata{
		RedirectURIs: []string{"https://nobody.invalid/callback"}, OAuth1SignatureMethods: secretMethods, OAuth1PublicKey: nobodysKey,
	}}
	kept := Secret{ID: c.ID, CreatedAt: s.db.Now()}
	s.sealSecret(c, &kept, seal.NewToken(seal.ClientSecret))
	metadata, err := json.Marshal(c.Metadata)
	if err != nil {
		return nil, err
	}
	secrets, err := json.Marshal([]Secret{kept})
	return &Stranger{metadata, secrets}, err
}

// Client reads the stranger, which takes the work that reading a client takes.
func (s *Stranger) Client() (*Client, error) {
	c := &Client{Type: OAuth1}
	if err := json.Unmarshal(s.metadata, &c.Metadata); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(s.secrets, &c.Secrets); err != nil {
		return nil, err
	}
	c.ID = c.Secrets[0].ID
	return c, nil
}
