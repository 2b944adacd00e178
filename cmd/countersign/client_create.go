package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"countersign/clientstore"
)

// clientFlags are a client's metadata on the command line.
type clientFlags struct {
	name, scope             string
	redirects, grants, kept []string
	responses               []string
	public                  bool
	consumer                consumerFlags
}

func addClientFlags(cmd *cobra.Command) *clientFlags {
	f := &clientFlags{}
	cmd.Flags().StringVar(&f.name, "name", "", "the `name` that people see")
	cmd.Flags().StringArrayVar(&f.redirects, "redirect-uri", nil, "a redirect `URI` (repeatable)")
	cmd.Flags().StringArrayVar(&f.grants, "grant", nil, "a grant `type` (repeatable; default authorization_code and refresh_token)")
	cmd.Flags().StringArrayVar(&f.responses, "response-type", nil, "a response `type` (repeatable; default code)")
	cmd.Flags().StringVar(&f.scope, "scope", "", "the `scopes` that it may ask for, with spaces between")
	cmd.Flags().StringArrayVar(&f.kept, "set", nil, "any other metadata as `member=value` (repeatable; RFC 7591, section 2)")
	cmd.Flags().BoolVar(&f.public, "public", false, "make a client that cannot keep a secret")
	f.consumer.add(cmd)
	return f
}

// apply writes the flags that were given over m.
func (f *clientFlags) apply(cmd *cobra.Command, m *clientstore.Metadata) error {
	given := cmd.Flags().Changed
	if given("redirect-uri") {
		m.RedirectURIs = nonEmpty(f.redirects)
	}
	if given("grant") {
		m.GrantTypes = nonEmpty(f.grants)
	}
	if given("response-type") {
		m.ResponseTypes = nonEmpty(f.responses)
	}
	if given("scope") {
		m.Scope = f.scope
	}
	if f.public {
		m.TokenEndpointAuthMethod = clientstore.AuthNone
	}
	for _, entry := range f.kept {
		member, value, ok := strings.Cut(entry, "=")
		if !ok {
			return usagef(cmd, "--set %q is not of the form member=value", entry)
		}
		if err := m.SetMember(member, value); err != nil {
			return err
		}
	}
	return nil
}

// nonEmpty lets `--redirect-uri ""` say that there are none.
func nonEmpty(list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" })
}

func checkChoice(cmd *cobra.Command, flag, value string, choices ...string) error {
	if value == "" || slices.Contains(choices, value) {
		return nil
	}
	return usagef(cmd, "--%s %q is not known; use %s", flag, value, strings.Join(choices, ", "))
}

// secretFlags say where a typed secret comes from.
type secretFlags struct {
	stdin bool
	file  string
}

func addSecret(cmd *cobra.Command) *secretFlags {
	f := &secretFlags{}
	cmd.Flags().BoolVar(&f.stdin, "secret-stdin", false, "read the client's secret from standard input")
	cmd.Flags().StringVar(&f.file, "client-secret-file", "", "read the client's secret from a `file`")
	cmd.MarkFlagsMutuallyExclusive("secret-stdin", "client-secret-file")
	return f
}

// read returns the typed secret, empty when none was given.
func (f *secretFlags) read(p *program) (string, error) {
	switch {
	case f.stdin:
		return p.readSecret("client secret", "-")
	case f.file != "":
		return p.readSecret("client secret", f.file)
	default:
		return "", nil
	}
}

func newClientCreate(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "create --name NAME", Short: "Register a client; its secret is printed this once", Args: noArgs,
		Example: `  countersign client create --type oidc --name Modeler --redirect-uri https://modeler.example.org/callback --approve
  countersign client create --type oidc --name "Desktop tool" --public --redirect-uri http://127.0.0.1/callback -o json`,
	}
	var clientType string
	var approve bool
	cmd.Flags().StringVar(&clientType, "type", string(clientstore.OIDC), "the client's `type`: oauth1, oauth2 or oidc")
	cmd.Flags().BoolVar(&approve, "approve", false, "approve it at once")
	addServer(cmd)
	flags, typed, out := addClientFlags(cmd), addSecret(cmd), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := flags.registration(cmd, clientType)
		if err != nil {
			return err
		}
		if r.Secret, err = typed.read(p); err != nil {
			return err
		}
		return p.withClients(cmd, func(ctx context.Context, d clientDesk) error {
			if err := flags.consumer.apply(ctx, cmd, d, &r.Metadata); err != nil {
				return err
			}
			register := d.Register
			if approve {
				register = d.RegisterApproved
			}
			c, secret, err := register(ctx, r)
			if err != nil {
				return err
			}
			return printRegistered(p, out, c, secret)
		})
	}
	return cmd
}

func (f *clientFlags) registration(cmd *cobra.Command, clientType string) (clientstore.Registration, error) {
	r := clientstore.Registration{Type: clientstore.Type(clientType), Name: f.name}
	if err := checkType(cmd, clientType); err != nil {
		return r, err
	}
	if r.Name == "" {
		return r, usagef(cmd, "--name is missing; give the name that people see when they are asked to consent")
	}
	return r, f.apply(cmd, &r.Metadata)
}

func checkType(cmd *cobra.Command, clientType string) error {
	return checkChoice(cmd, "type", clientType, string(clientstore.OAuth1), string(clientstore.OAuth2), string(clientstore.OIDC))
}

// printRegistered prints a client that was just registered, and what is left
// to do.
func printRegistered(p *program, out *output, c *clientstore.Client, secret string) error {
	warn(p, c)
	if c.Status == clientstore.Pending {
		p.talk("The client is pending; approve it with: countersign client approve %s", c.ID)
	}
	if secret != "" {
		p.talk("The secret cannot be shown again; keep it now.")
	}
	return printClient(p, out, c, secret)
}
