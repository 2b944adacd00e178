package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"countersign/storage"
	"countersign/storage/account"
)

func newUser(p *program) *cobra.Command {
	return noun("user", "Manage the accounts of people", `  countersign user create --username ada --permission configure_server
  countersign user list -o json`,
		newUserCreate(p), newUserList(p), newUserShow(p), newUserEdit(p), newUserSetPassword(p),
		newUserPermit(p), newUserRemoveFactors(p), newUserSwitch(p, disabling), newUserSwitch(p, enabling), newUserRemove(p))
}

// userView is an account as the command line prints it.
type userView struct {
	ID                string               `json:"id"`
	Username          string               `json:"username"`
	Name              string               `json:"name"`
	Email             string               `json:"email"`
	Permissions       []account.Permission `json:"permissions"`
	Disabled          bool                 `json:"disabled"`
	DisabledAt        *time.Time           `json:"disabled_at,omitempty"`
	Claims            account.Claims       `json:"claims"`
	CreatedAt         time.Time            `json:"created_at"`
	UpdatedAt         time.Time            `json:"updated_at"`
	PasswordChangedAt time.Time            `json:"password_changed_at"`
	LastSignInAt      *time.Time           `json:"last_sign_in_at,omitempty"`
}

func viewUser(a *account.Account) userView {
	v := userView{
		ID: a.ID, Username: a.Username, Name: a.Claims.Name, Email: a.Claims.Email,
		Permissions: a.Permissions, Disabled: a.DisabledAt != nil, DisabledAt: a.DisabledAt, Claims: a.Claims,
		CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt, PasswordChangedAt: a.PasswordChangedAt, LastSignInAt: a.LastSignInAt,
	}
	if v.Permissions == nil {
		v.Permissions = []account.Permission{}
	}
	return v
}

// printUser prints one account.
func printUser(p *program, out *output, a *account.Account) error {
	view := viewUser(a)
	doc, err := document(view)
	if err != nil {
		return err
	}
	return out.print(p.stdout, view, func(tw *tabwriter.Writer) {
		members(tw, doc, "username", "id", "name", "email", "permissions", "disabled")
	})
}

// printAfter prints an account as it is now.
func printAfter(ctx context.Context, p *program, out *output, s *stores, id string) error {
	a, err := s.accounts.Get(ctx, id)
	if err != nil {
		return err
	}
	return printUser(p, out, a)
}

// removedUser is an account as it was before it was removed.
type removedUser struct {
	userView

	Removed bool `json:"removed"`
}

// printRemovedUser prints an account that was just removed.
func printRemovedUser(p *program, out *output, a *account.Account) error {
	return out.print(p.stdout, removedUser{viewUser(a), true}, func(tw *tabwriter.Writer) {
		row(tw, "username", a.Username)
		row(tw, "id", a.ID)
		row(tw, "removed", true)
	})
}

// withStores runs a command on the configured database, beside a server that
// may be running.
func (p *program) withStores(cmd *cobra.Command, do func(context.Context, *stores) error) (err error) {
	if err := p.databaseOnly(cmd); err != nil {
		return err
	}
	cfg, err := p.config(cmd)
	if err != nil {
		return err
	}
	// What is risky about the database's settings is for serve and doctor to say.
	s, err := openStores(cmd.Context(), cfg, slog.New(slog.DiscardHandler), migrateNew)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.db.Close()) }()
	return do(cmd.Context(), s)
}

// findUser returns the account with the username.
func findUser(ctx context.Context, s *stores, username string) (*account.Account, error) {
	a, err := s.accounts.Find(ctx, username)
	return a, unknownUser(err, username)
}

// unknownUser explains that there is no user of this name.
func unknownUser(err error, username string) error {
	if errors.Is(err, storage.ErrNotFound) {
		return remedy(err, fmt.Sprintf("no user is named %q", username), "`countersign user list` shows all")
	}
	return err
}

func newUserList(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List all users", Args: noArgs,
		Example: `  countersign user list
  countersign user list -o json`,
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			accounts, err := s.accounts.List(ctx)
			if err != nil {
				return err
			}
			views := make([]userView, len(accounts))
			for i := range accounts {
				views[i] = viewUser(&accounts[i])
			}
			return out.print(p.stdout, views, func(tw *tabwriter.Writer) {
				row(tw, "USERNAME", "NAME", "EMAIL", "PERMISSIONS", "STATE", "LAST SIGN-IN")
				for _, v := range views {
					row(tw, v.Username, v.Name, v.Email, joinPermissions(v.Permissions), state(v), v.LastSignInAt)
				}
			})
		})
	}
	return cmd
}

func joinPermissions(list []account.Permission) []string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = string(p)
	}
	return texts
}

func state(v userView) string {
	if v.Disabled {
		return "disabled"
	}
	return "enabled"
}

func newUserShow(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show USERNAME", Short: "Show a user", Args: oneArg,
		Example: `  countersign user show ada
  countersign user show ada -o json`,
	}
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			a, err := findUser(ctx, s, args[0])
			if err != nil {
				return err
			}
			return printUser(p, out, a)
		})
	}
	return cmd
}
