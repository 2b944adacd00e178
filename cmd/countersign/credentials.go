package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"countersign/cmd/countersign/tokenclient"
)

// signIn is what `countersign login` got for one server.
type signIn struct {
	Issuer       string    `json:"issuer"`
	ClientID     string    `json:"client_id"`
	Username     string    `json:"username"`
	Scope        string    `json:"scope"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	ExpiresAt    time.Time `json:"expires_at"`
}

// signIns are the person's, by the address of the server.
type signIns struct {
	Servers map[string]signIn `json:"servers"`
}

// credentialsPath is the file in the person's own configuration folder.
func (p *program) credentialsPath() (string, error) {
	dir := p.getenv("XDG_CONFIG_HOME")
	switch home := p.getenv("HOME"); {
	case dir != "":
	case home == "":
		return "", remedy(nil, "there is no folder to keep the sign-in in: HOME is not set", "set HOME or XDG_CONFIG_HOME")
	case runtime.GOOS == "darwin":
		dir = filepath.Join(home, "Library", "Application Support")
	default:
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "countersign", "credentials.json"), nil
}

// loadSignIns reads the file. One that others could read is not used: they
// might have.
func (p *program) loadSignIns() (signIns, error) {
	kept := signIns{Servers: map[string]signIn{}}
	path, err := p.credentialsPath()
	if err != nil {
		return kept, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return kept, nil
	}
	if err != nil {
		return kept, fmt.Errorf("read the sign-ins: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return kept, remedy(nil, fmt.Sprintf("other users of this machine may read the tokens in %s (mode %04o)", path, info.Mode().Perm()),
			"chmod 600 "+path+", or remove the file and run `countersign login` again")
	}
	content, err := os.ReadFile(path) //nolint:gosec // the person's own folder
	if err == nil {
		err = json.Unmarshal(content, &kept)
	}
	if err != nil || kept.Servers == nil {
		return kept, remedy(err, fmt.Sprintf("%s cannot be read as the file that `countersign login` writes", path), "remove it and run `countersign login` again")
	}
	return kept, nil
}

// saveSignIn keeps the sign-in for the server, or forgets it when it is nil.
// The file is written elsewhere and then put in place, so that it is never
// half.
func (p *program) saveSignIn(server string, s *signIn) error {
	kept, err := p.loadSignIns()
	if err != nil {
		return err
	}
	delete(kept.Servers, server)
	if s != nil {
		kept.Servers[server] = *s
	}
	content, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the sign-ins: %w", err)
	}
	path, err := p.credentialsPath()
	if err != nil {
		return err
	}
	return writePrivately(path, append(content, '\n'))
}

// writePrivately replaces a file that nobody else may read.
func writePrivately(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return remedy(err, fmt.Sprintf("make the folder for the sign-in: %v", err), "let this user write there, or set XDG_CONFIG_HOME")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".credentials-*") // with mode 0600
	if err != nil {
		return remedy(err, fmt.Sprintf("keep the sign-in: %v", err), "let this user write there, or set XDG_CONFIG_HOME")
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error says more
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	return nil
}

// renewer renews the tokens of a sign-in.
type renewer struct {
	p      *program
	server string
	signIn
}

// signedIn returns the sign-in for the server.
func (p *program) signedIn(server string) (*renewer, error) {
	kept, err := p.loadSignIns()
	if err != nil {
		return nil, err
	}
	s, ok := kept.Servers[server]
	if !ok {
		return nil, notSignedIn(nil, "nobody is signed in at "+server, server)
	}
	return &renewer{p, server, s}, nil
}

func notSignedIn(err error, cause, server string) error {
	return remedy(err, cause, "run `countersign login --server "+server+"`, or set COUNTERSIGN_API_KEY_FILE")
}

// token returns the access token, a new one when it is over or was refused.
func (r *renewer) token(ctx context.Context, refused bool) (string, error) { //nolint:revive // what became of the last one
	if !refused && time.Until(r.ExpiresAt) > untilExpiry {
		return r.AccessToken, nil
	}
	if r.RefreshToken == "" {
		return "", notSignedIn(nil, "the sign-in at "+r.server+" has ended", r.server)
	}
	client, err := tokenclient.New(ctx, tokenclient.Config{Issuer: r.Issuer, ClientID: r.ClientID, HTTP: r.p.http(), Now: time.Now})
	if err != nil {
		return "", remedy(err, err.Error(), "check that the server runs and can be reached")
	}
	tokens, err := client.Refresh(ctx, r.RefreshToken)
	if e, ok := errors.AsType[*tokenclient.RefusedError](err); ok {
		return "", notSignedIn(err, fmt.Sprintf("the sign-in at %s has ended: %v", r.server, e), r.server)
	}
	if err != nil {
		return "", err
	}
	r.take(tokens)
	return r.AccessToken, r.p.saveSignIn(r.server, &r.signIn)
}

// take keeps tokens that were just issued.
func (s *signIn) take(t *tokenclient.Tokens) {
	s.AccessToken, s.ExpiresAt = t.AccessToken, t.Expiry.UTC()
	if t.RefreshToken != "" {
		s.RefreshToken = t.RefreshToken
	}
	if scope, ok := t.Extra("scope").(string); ok && scope != "" {
		s.Scope = scope
	}
}
