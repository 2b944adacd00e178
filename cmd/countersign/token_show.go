package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"golang.org/x/oauth2"

	"countersign/authz/qr"
	"countersign/cmd/countersign/tokenclient"
)

// Black on white, whatever the terminal's colours: a camera wants dark modules
// on a light ground.
const blackOnWhite, ordinary = "\x1b[30;107m", "\x1b[0m"

// showDevice tells the person at the terminal where to allow it, in words and
// as a QR code.
func (p *program) showDevice(d *oauth2.DeviceAuthResponse) {
	p.talk("Open %s\nand enter the code %s", d.VerificationURI, d.UserCode)
	code, err := qr.Encode(d.VerificationURIComplete)
	if d.VerificationURIComplete == "" || err != nil { // the words will do
		return
	}
	p.talk("or scan this, and compare the code:")
	before, after := "", ""
	if isTerminal(p.stderr) {
		before, after = blackOnWhite, ordinary
	}
	for _, line := range code.Lines() {
		p.talk("%s%s%s", before, line, after)
	}
}

// oauth1Answer is the answer of OAuth 1.0a.
func oauth1Answer(c *tokenclient.Credentials, err error) (tokenAnswer, error) {
	if err != nil {
		return tokenAnswer{}, err
	}
	raw, err := c.Raw()
	return tokenAnswer{raw, func(tw *tabwriter.Writer) {
		row(tw, "oauth_token", c.Token)
		row(tw, "oauth_token_secret", c.Secret)
	}}, err
}

func printTokens(tw *tabwriter.Writer, t *tokenclient.Tokens) {
	row(tw, "token_type", t.TokenType)
	row(tw, "access_token", t.AccessToken)
	if !t.Expiry.IsZero() {
		row(tw, "expires", t.Expiry)
	}
	row(tw, "scope", t.Extra("scope"))
	if t.RefreshToken != "" {
		row(tw, "refresh_token", t.RefreshToken)
	}
	if t.ID == nil {
		return
	}
	row(tw, "id_token", "verified")
	printPart(tw, "header", t.ID.Header)
	printPart(tw, "claim", t.ID.Claims)
}

// printPart writes the members of a part of the ID token as JSON, with the
// moments among them as dates.
func printPart(tw *tabwriter.Writer, part string, values map[string]any) {
	shown := map[string]any{}
	for name, value := range values {
		encoded, err := json.Marshal(value)
		if err != nil {
			continue
		}
		text := string(encoded)
		if n, ok := value.(float64); ok && (name == "exp" || name == "iat" || name == "auth_time") {
			text = fmt.Sprintf("%d (%s)", int64(n), cell(time.Unix(int64(n), 0)))
		}
		shown["  "+part+" "+name] = text
	}
	members(tw, shown)
}
