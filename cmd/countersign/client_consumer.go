package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"countersign/clientstore"
	"countersign/cmd/countersign/adminclient"
	"countersign/storage"
)

// consumerFlags are what only an administrator decides about a client of OAuth
// 1.0a.
type consumerFlags struct {
	trusted    bool
	functional string
}

func (f *consumerFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.trusted, "trusted", false, "people are not asked whether this OAuth 1.0a client may act for them")
	cmd.Flags().StringVar(&f.functional, "functional-user", "", "the `name` of the user as whom this OAuth 1.0a client acts without a token; empty for none")
}

func (*consumerFlags) given(cmd *cobra.Command) bool {
	return cmd.Flags().Changed("trusted") || cmd.Flags().Changed("functional-user")
}

// apply writes the flags that were given over m. A user is named as people
// know them and kept by identifier.
func (f *consumerFlags) apply(ctx context.Context, cmd *cobra.Command, d clientDesk, m *clientstore.Metadata) error {
	if cmd.Flags().Changed("trusted") {
		m.OAuth1Trusted = f.trusted
	}
	if !cmd.Flags().Changed("functional-user") {
		return nil
	}
	m.OAuth1FunctionalAccount = ""
	if f.functional == "" {
		return nil
	}
	a, err := d.AccountNamed(ctx, f.functional)
	if err != nil {
		return unknownUser(err, f.functional)
	}
	m.OAuth1FunctionalAccount = a.ID
	return nil
}

// functionalUser names the functional account of c, for people.
func functionalUser(ctx context.Context, d clientDesk, c *clientstore.Client) (string, error) {
	id := c.Metadata.OAuth1FunctionalAccount
	if id == "" {
		return "", nil
	}
	a, err := d.Account(ctx, id)
	if p, ok := errors.AsType[*adminclient.RefusedError](err); ok && p.Status == http.StatusForbidden {
		// The credential does not cover more than the client says.
		if c.FunctionalUsername == "" {
			return id, nil
		}
		return fmt.Sprintf("%s (%s)", c.FunctionalUsername, id), nil
	}
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Sprintf("%s, who was removed", id), nil
	}
	if err != nil {
		return "", err
	}
	if a.DisabledAt != nil {
		return fmt.Sprintf("%s (%s), who is disabled", a.Username, id), nil
	}
	return fmt.Sprintf("%s (%s)", a.Username, id), nil
}
