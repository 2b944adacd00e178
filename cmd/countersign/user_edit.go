package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"countersign/storage/account"
)

// contactFlags are what `user edit` corrects.
type contactFlags struct {
	name, email string
	verified    bool
}

func newUserEdit(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "edit USERNAME", Short: "Change a user's full name and e-mail address, at once", Args: oneArg,
		Long: "Changes the full name and the e-mail address of a user; an empty one is taken away. Applications learn\n" +
			"of it when they ask next, and nobody is signed out. Another address counts as not verified, unless you\n" +
			"say that it is.",
		Example: `  countersign user edit ada --name "Ada King" --email ada.king@example.org
  countersign user edit bob --email bob@example.org --email-verified -o json`,
	}
	var f contactFlags
	cmd.Flags().StringVar(&f.name, "name", "", "the person's full `name`; empty takes it away")
	cmd.Flags().StringVar(&f.email, "email", "", "the person's e-mail `address`; empty takes it away")
	cmd.Flags().BoolVar(&f.verified, "email-verified", false, "whether the address is known to be theirs")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c := f.contact(cmd)
		if c == (account.Contact{}) {
			return usagef(cmd, "nothing to change; give --name, --email or --email-verified")
		}
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			changed, err := setContact(ctx, s, args[0], c)
			if err != nil {
				return err
			}
			return printUser(p, out, changed)
		})
	}
	return cmd
}

// contact is what the flags that were given change.
func (f *contactFlags) contact(cmd *cobra.Command) account.Contact {
	var c account.Contact
	if cmd.Flags().Changed("name") {
		c.Name = &f.name
	}
	if cmd.Flags().Changed("email") {
		c.Email = &f.email
	}
	if cmd.Flags().Changed("email-verified") {
		c.EmailVerified = &f.verified
	}
	return c
}

// setContact corrects the user and returns them as they are then.
func setContact(ctx context.Context, s *stores, username string, c account.Contact) (changed *account.Account, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		a, err := findUser(ctx, s, username)
		if err != nil {
			return err
		}
		if err := s.accounts.SetContact(ctx, actor(), a.ID, c); err != nil {
			return err
		}
		if changed, err = s.accounts.Get(ctx, a.ID); err != nil {
			return err
		}
		if c.EmailVerified != nil && *c.EmailVerified && changed.Claims.Email == "" {
			return remedy(nil, fmt.Sprintf("%q has no e-mail address that could be verified; nothing was written", username), "give one with --email")
		}
		return nil
	})
	return changed, err
}
