package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"countersign/cmd/countersign/config"
	"countersign/storage"
	"countersign/storage/account"
)

// passwordFlags say where a password comes from.
type passwordFlags struct {
	stdin bool
	file  string
}

func addPassword(cmd *cobra.Command) *passwordFlags {
	f := &passwordFlags{}
	cmd.Flags().BoolVar(&f.stdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().StringVar(&f.file, "password-file", "", "read the password from a `file`")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "password-file")
	return f
}

func (f *passwordFlags) read(cmd *cobra.Command, p *program) (string, error) {
	switch {
	case f.stdin:
		return p.readSecret("password", "-")
	case f.file != "":
		return p.readSecret("password", f.file)
	case isTerminal(p.stdin):
		return p.typeSecret("password")
	default:
		return "", usagef(cmd, "the password is missing; give it with --password-stdin or --password-file")
	}
}

// userFlags are what a new account is made of.
type userFlags struct {
	username, name, email string
	permissions, claims   []string
	password              *passwordFlags
}

func newUserCreate(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "create --username NAME", Short: "Create a user", Args: noArgs,
		Example: `  countersign user create --username ada --name "Ada" --email ada@example.org --permission configure_server
  countersign user create --username bob --password-stdin --claim locale=de -o json < password.txt`,
	}
	var f userFlags
	cmd.Flags().StringVar(&f.username, "username", "", "the `name` to sign in with")
	cmd.Flags().StringVar(&f.name, "name", "", "the person's full `name`")
	cmd.Flags().StringVar(&f.email, "email", "", "the person's e-mail `address`")
	cmd.Flags().StringArrayVar(&f.permissions, "permission", nil, "a `permission`, such as configure_server (repeatable)")
	cmd.Flags().StringArrayVar(&f.claims, "claim", nil, "a standard claim as `name=value` (repeatable)")
	f.password = addPassword(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := f.registration(cmd, p)
		if err != nil {
			return err
		}
		return p.withStores(cmd, func(ctx context.Context, s *stores) error {
			a, err := s.accounts.Create(ctx, actor(), r)
			if errors.Is(err, storage.ErrConflict) {
				return remedy(err, fmt.Sprintf("a user named %q exists already", r.Username), "choose another --username, or change that user with `countersign user edit`, `set-password` or `permit`")
			}
			if err != nil {
				return err
			}
			if err := p.warnUnadministered(ctx, s, a); err != nil {
				return err
			}
			return printUser(p, out, a)
		})
	}
	return cmd
}

// warnUnadministered says that nobody can administer the server, because the
// account that closed its set-up, or those before it, may not.
func (p *program) warnUnadministered(ctx context.Context, s *stores, a *account.Account) error {
	nobody, err := s.accounts.Unadministered(ctx)
	if err != nil || !nobody {
		return err
	}
	p.talk("Warning: nobody can administer this server in the browser; its set-up is closed, since there is an account.\n"+
		"Fix: countersign user permit %s --permission configure_server", printable(a.Username))
	return nil
}

func (f *userFlags) registration(cmd *cobra.Command, p *program) (account.Registration, error) {
	r := account.Registration{Username: f.username, Permissions: permissions(f.permissions)}
	if f.username == "" {
		return r, usagef(cmd, "--username is missing; give the name to sign in with")
	}
	for _, c := range f.claims {
		name, value, ok := strings.Cut(c, "=")
		if !ok {
			return r, usagef(cmd, "--claim %q is not of the form name=value", c)
		}
		if err := setClaim(&r.Claims, name, value); err != nil {
			return r, usagef(cmd, "--claim %s: %v", name, err)
		}
	}
	if f.name != "" {
		r.Claims.Name = f.name
	}
	if f.email != "" {
		r.Claims.Email = f.email
	}
	var err error
	r.Password, err = f.password.read(cmd, p)
	return r, err
}

func permissions(names []string) []account.Permission {
	list := make([]account.Permission, len(names))
	for i, n := range names {
		list[i] = account.Permission(n)
	}
	return list
}

// setClaim sets a claim by its name: text as it is, and what is not text, such
// as email_verified and address, as JSON.
func setClaim(c *account.Claims, name, value string) error {
	known := claimNames()
	if !slices.Contains(known, name) {
		if near := config.Nearest(name, known); near != "" {
			return fmt.Errorf("unknown claim; did you mean %s?", near)
		}
		return fmt.Errorf("unknown claim; there are %s", strings.Join(known, ", "))
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	for _, candidate := range [][]byte{text, []byte(value)} {
		doc, err := json.Marshal(map[string]json.RawMessage{name: candidate})
		if err != nil { // the value is no JSON
			break
		}
		attempt := *c
		dec := json.NewDecoder(bytes.NewReader(doc))
		dec.DisallowUnknownFields()
		if dec.Decode(&attempt) == nil {
			*c = attempt
			return nil
		}
	}
	return fmt.Errorf("%q does not fit this claim; email_verified is true or false, address is a JSON object", value)
}

func claimNames() []string {
	var names []string
	for f := range reflect.TypeFor[account.Claims]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
