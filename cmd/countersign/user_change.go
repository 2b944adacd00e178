package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"countersign/storage/account"
	"countersign/storage/audit"
)

func newUserSetPassword(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "set-password USERNAME", Short: "Replace a user's password; their sign-ins and tokens end", Args: oneArg,
		Example: `  countersign user set-password ada
  countersign user set-password ada --password-file ./password.txt -o json`,
	}
	password, out := addPassword(cmd), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		typed, err := password.read(cmd, p)
		if err != nil {
			return err
		}
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			a, err := findUser(ctx, s, args[0])
			if err != nil {
				return err
			}
			if err := s.accounts.SetPassword(ctx, actor(), a.ID, typed); err != nil {
				return err
			}
			p.talk("The password of %s is replaced.", printable(a.Username))
			return printAfter(ctx, p, out, s, a.ID)
		})
	}
	return cmd
}

func newUserPermit(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "permit USERNAME", Short: "Give a user permissions, or take them away", Args: oneArg,
		Example: `  countersign user permit ada --permission configure_server
  countersign user permit bob --revoke configure_server`,
	}
	var give, take []string
	cmd.Flags().StringArrayVar(&give, "permission", nil, "a `permission` to give (repeatable)")
	cmd.Flags().StringArrayVar(&take, "revoke", nil, "a `permission` to take away (repeatable)")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(give)+len(take) == 0 {
			return usagef(cmd, "nothing to change; give --permission or --revoke")
		}
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			changed, err := permit(ctx, s, args[0], give, take)
			if err != nil {
				return err
			}
			return errors.Join(printUser(p, out, changed), p.warnOfStranger(ctx, s, changed))
		})
	}
	return cmd
}

// permit gives the user permissions and takes others away.
func permit(ctx context.Context, s *stores, username string, give, take []string) (changed *account.Account, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context) error {
		a, err := findUser(ctx, s, username)
		if err != nil {
			return err
		}
		if err := s.accounts.SetPermissions(ctx, actor(), a.ID, permitted(a.Permissions, give, take)); err != nil {
			return err
		}
		changed, err = s.accounts.Get(ctx, a.ID)
		return err
	})
	return changed, err
}

// warnOfStranger tells whoever makes an administrator under four_eyes of
// another one who may sign in as this one, and so be two.
func (p *program) warnOfStranger(ctx context.Context, s *stores, a *account.Account) error {
	e, err := s.accounts.Stranger(ctx, a)
	if err != nil || e == nil {
		return err
	}
	did := "set the password of"
	if e.Action == "account.create" {
		did = "created"
	}
	name := printable(a.Username)
	p.talk("Warning: %s %s %s on %s, and may still sign in as them: under four_eyes, as a second administrator.\n"+
		"Fix: give %s another password by `countersign user set-password`, then remove what else signs in by `countersign user remove-factors`.",
		printable(e.ActorName), did, name, e.At.UTC().Format(time.RFC3339), name)
	return nil
}

func permitted(has []account.Permission, give, take []string) []account.Permission {
	list := slices.Clone(has)
	for _, p := range permissions(give) {
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return slices.DeleteFunc(list, func(p account.Permission) bool { return slices.Contains(take, string(p)) })
}

// switching is disabling or enabling an account.
type switching struct {
	verb, short, done string
	change            func(*account.Store, context.Context, audit.Actor, string) error
}

var (
	disabling = switching{
		"disable", "Refuse a user from now on; their sign-ins and tokens end for good",
		"is disabled; what was issued to them is dead", (*account.Store).Disable,
	}
	enabling = switching{"enable", "Let a disabled user sign in again", "may sign in again", (*account.Store).Enable}
)

func newUserSwitch(p *program, sw switching) *cobra.Command {
	cmd := &cobra.Command{
		Use: sw.verb + " USERNAME", Short: sw.short, Args: oneArg,
		Example: "  countersign user " + sw.verb + " ada -o json\n  countersign --data /var/lib/countersign user " + sw.verb + " bob",
	}
	cmd.Flags().Bool("yes", false, "accepted for scripts; this command does not ask")
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			a, err := findUser(ctx, s, args[0])
			if err != nil {
				return err
			}
			if err := sw.change(s.accounts, ctx, actor(), a.ID); err != nil {
				return err
			}
			p.talk("%s %s.", printable(a.Username), sw.done)
			if a, err = s.accounts.Get(ctx, a.ID); err != nil {
				return err
			}
			if a.DisabledAt != nil {
				return printUser(p, out, a)
			}
			return errors.Join(printUser(p, out, a), p.warnOfStranger(ctx, s, a))
		})
	}
	return cmd
}

func newUserRemove(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove USERNAME", Short: "Remove a user for good", Args: oneArg,
		Example: `  countersign user remove ada
  countersign user remove bob --yes -o json`,
	}
	confirm, out := addConfirmation(cmd), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			a, err := findUser(ctx, s, args[0])
			if err != nil {
				return err
			}
			impact := "This removes the user " + printable(a.Username) + " for good. Their sign-ins, consents and tokens end now."
			if err := confirm.ask(cmd, p, impact); err != nil {
				return err
			}
			if err := s.accounts.Remove(ctx, actor(), a.ID); err != nil {
				return err
			}
			p.talk("%s is removed.", printable(a.Username))
			return printRemovedUser(p, out, a)
		})
	}
	return cmd
}

func newUserRemoveFactors(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove-factors USERNAME", Short: "Remove the second factors of a user who has lost them", Args: oneArg,
		Long: "Removes the passkeys, the authenticator app and the recovery codes of a user who has lost them all.\n" +
			"Their password alone signs them in again, until they set up others. Make sure that it is they who ask.",
		Example: `  countersign user remove-factors ada
  countersign user remove-factors bob --yes -o json`,
	}
	confirm, out := addConfirmation(cmd), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			a, err := findUser(ctx, s, args[0])
			if err != nil {
				return err
			}
			has, err := s.accounts.HasSecondFactor(ctx, a.ID)
			if err != nil {
				return err
			}
			if !has {
				p.talk("%s has no second factor.", printable(a.Username))
				return printUser(p, out, a)
			}
			impact := "This removes the second factors of " + printable(a.Username) + ". Their password alone signs them in again."
			if err := confirm.ask(cmd, p, impact); err != nil {
				return err
			}
			if err := s.accounts.RemoveFactors(ctx, actor(), a.ID); err != nil {
				return err
			}
			p.talk("The second factors of %s are removed.", printable(a.Username))
			return printAfter(ctx, p, out, s, a.ID)
		})
	}
	return cmd
}
