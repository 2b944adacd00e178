package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"countersign/clientstore"
	"countersign/cmd/countersign/adminclient"
	"countersign/storage"
)

// conditionFlags are what an approval is narrowed to.
type conditionFlags struct {
	scope, until               string
	grants, responses, testers []string
	lift                       bool
}

var conditionNames = []string{"scope", "grant", "response-type", "until", "test-user", "no-conditions"}

func (f *conditionFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.scope, "scope", "", "the most `scope` that it gets; empty for all that it is registered for")
	cmd.Flags().StringArrayVar(&f.grants, "grant", nil, "a grant `type` that it gets of its own (repeatable); empty for all")
	cmd.Flags().StringArrayVar(&f.responses, "response-type", nil, "a response `type` that it gets of its own (repeatable); empty for all")
	cmd.Flags().StringVar(&f.until, "until", "", "the last `day` of the approval in UTC, such as 2027-03-31, or an RFC 3339 time, or never")
	cmd.Flags().StringArrayVar(&f.testers, "test-user", nil, "the `name` of an account that may use it (repeatable); empty for everybody")
	cmd.Flags().BoolVar(&f.lift, "no-conditions", false, "lift every condition of the approval")
}

func (*conditionFlags) given(cmd *cobra.Command) bool {
	for _, name := range conditionNames {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			return true
		}
	}
	return false
}

// conditions are what the flags make of those that the client has, nil where
// none was given.
func (f *conditionFlags) conditions(ctx context.Context, cmd *cobra.Command, d clientDesk, c *clientstore.Client) (*clientstore.Conditions, error) {
	if !f.given(cmd) {
		return nil, nil //nolint:nilnil // documented
	}
	on := c.Conditions
	if f.lift {
		on = clientstore.Conditions{}
	}
	if cmd.Flags().Changed("scope") {
		on.Scope = f.scope
	}
	if cmd.Flags().Changed("grant") {
		on.GrantTypes = nonEmpty(f.grants)
	}
	if cmd.Flags().Changed("response-type") {
		on.ResponseTypes = nonEmpty(f.responses)
	}
	if err := f.readUntil(cmd, &on); err != nil {
		return nil, err
	}
	return &on, f.readTesters(ctx, cmd, d, &on)
}

// readUntil reads when the approval ends: a day lasts until it is over.
func (f *conditionFlags) readUntil(cmd *cobra.Command, on *clientstore.Conditions) error {
	if !cmd.Flags().Changed("until") {
		return nil
	}
	on.Until = nil
	if f.until == "" || f.until == "never" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, f.until)
	if err != nil {
		if at, err = time.Parse(time.DateOnly, f.until); err != nil {
			return usagef(cmd, "%q is neither a day such as 2027-03-31, nor an RFC 3339 time, nor never", f.until)
		}
		at = at.Add(24*time.Hour - time.Second)
	}
	on.Until = &at
	return nil
}

func (f *conditionFlags) readTesters(ctx context.Context, cmd *cobra.Command, d clientDesk, on *clientstore.Conditions) error {
	if !cmd.Flags().Changed("test-user") {
		return nil
	}
	on.TestAccounts, on.TestUsers = nil, nil
	for _, name := range nonEmpty(f.testers) {
		a, err := d.AccountNamed(ctx, name)
		if err != nil {
			return unknownUser(err, name)
		}
		on.TestAccounts = append(on.TestAccounts, a.ID)
	}
	return nil
}

// testerNames returns the usernames of the test users; who was removed, or whose
// name the credential does not cover, has none.
func testerNames(ctx context.Context, d clientDesk, on *clientstore.Conditions) (map[string]string, error) {
	names := map[string]string{}
	if on == nil {
		return names, nil
	}
	if len(on.TestUsers) == len(on.TestAccounts) {
		for i, id := range on.TestAccounts {
			names[id] = on.TestUsers[i]
		}
		return names, nil
	}
	for _, id := range on.TestAccounts {
		a, err := d.Account(ctx, id)
		p, refused := errors.AsType[*adminclient.RefusedError](err)
		switch {
		case err == nil:
			names[id] = a.Username
		case errors.Is(err, storage.ErrNotFound), refused && p.Status == http.StatusForbidden:
		default:
			return nil, err
		}
	}
	return names, nil
}

// conditionsInBrief says in a few words what an approval is narrowed to.
func conditionsInBrief(on *clientstore.Conditions) string {
	if on == nil {
		return ""
	}
	var list []string
	if on.Until != nil {
		list = append(list, "until "+on.Until.UTC().Format(time.DateOnly))
	}
	if len(on.TestAccounts) > 0 {
		list = append(list, count(int64(len(on.TestAccounts)), "test user"))
	}
	if on.Scope != "" || len(on.GrantTypes) > 0 || len(on.ResponseTypes) > 0 {
		list = append(list, "narrowed")
	}
	return strings.Join(list, ", ")
}

// conditionWords says for people what an approval is narrowed to, nothing where
// it is not. Test users are called by the names that there are.
func conditionWords(on *clientstore.Conditions, names map[string]string) string {
	if on == nil {
		return ""
	}
	var list []string
	say := func(what, value string) {
		if value != "" {
			list = append(list, what+value)
		}
	}
	if on.Until != nil {
		say("approved until ", on.Until.UTC().Format(time.RFC3339))
	}
	say("no more scope than ", on.Scope)
	say("no other grants than ", strings.Join(on.GrantTypes, " "))
	say("no other response types than ", strings.Join(on.ResponseTypes, ", "))
	var testers []string
	for _, id := range on.TestAccounts {
		testers = append(testers, cmp.Or(names[id], id))
	}
	say("test users only: ", strings.Join(testers, " "))
	return printable(strings.Join(list, "; "))
}
