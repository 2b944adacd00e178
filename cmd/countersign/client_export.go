package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"countersign/clientstore"
	"countersign/cmd/countersign/clientfile"
)

// exportedOwner is what a file calls itself whose clients belonged to none.
const exportedOwner = "clients.yaml"

func newClientExport(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "export [CLIENT_ID...]", Short: "Write clients as a file for `client apply`, without secrets",
		Example: `  countersign client export > clients.yaml
  countersign client export CLIENT_ID -o json --owner platform/clients.json
  countersign client export --server https://id.example.org`,
	}
	addServer(cmd)
	format, owner := "yaml", ""
	cmd.Flags().StringVarP(&format, "output", "o", format, "`form` of the file: yaml or json")
	cmd.Flags().StringVar(&owner, "owner", "", "the `name` of the file (default that of the file that all of the clients belong to, else "+exportedOwner+")")
	cmd.RunE = func(cmd *cobra.Command, keys []string) error {
		if format != "yaml" && format != "json" {
			return usagef(cmd, "unknown form %q of a clients file; use yaml or json", format)
		}
		return p.withClients(cmd, func(ctx context.Context, d clientDesk) error {
			clients, err := exported(ctx, d, keys)
			if err != nil {
				return err
			}
			nameFunctional(p, clients)
			if owner == "" {
				owner = ownerOf(clients)
			}
			write := clientfile.YAML
			if format == "json" {
				write = clientfile.JSON
			}
			content, err := write(owner, clients)
			if err != nil {
				return err
			}
			_, err = p.stdout.Write(content)
			return err
		})
	}
	return cmd
}

// exported returns the clients with the keys, or all.
func exported(ctx context.Context, d clientDesk, keys []string) ([]clientstore.Client, error) {
	var clients []clientstore.Client
	for _, key := range keys {
		c, err := findClient(ctx, d, key)
		if err != nil {
			return nil, err
		}
		clients = append(clients, *c)
	}
	if len(keys) > 0 {
		return clients, nil
	}
	docs, err := d.List(ctx, clientstore.Filter{})
	for i := range docs {
		clients = append(clients, *docs[i].Client())
	}
	return clients, err
}

// nameFunctional puts the names of accounts in the place of their identifiers. An
// account that is gone is left out.
func nameFunctional(p *program, clients []clientstore.Client) {
	for i := range clients {
		c := &clients[i]
		if c.Metadata.OAuth1FunctionalAccount != "" && c.FunctionalUsername == "" {
			p.talk("The functional account of %s is gone, and is left out.", title(c))
		}
		c.Metadata.OAuth1FunctionalAccount = c.FunctionalUsername
	}
}

// ownerOf is the file that all of the clients belong to.
func ownerOf(clients []clientstore.Client) string {
	for i := range clients {
		if clients[i].ManagedBy == "" || clients[i].ManagedBy != clients[0].ManagedBy {
			return exportedOwner
		}
	}
	if len(clients) == 0 {
		return exportedOwner
	}
	return clients[0].ManagedBy
}

func newClientSchema(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of clients files", Args: noArgs,
		Example: `  countersign client schema > clients.schema.json
  countersign client schema -o yaml | less`,
	}
	format := ""
	cmd.Flags().StringVarP(&format, "output", "o", "json", "`form` of the schema: json or yaml")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch format {
		case "json":
			text, err := clientfile.FileSchema().Text()
			if err != nil {
				return err
			}
			_, err = p.stdout.Write(text)
			return err
		case "yaml":
			return clientfile.WriteYAML(p.stdout, clientfile.FileSchema())
		default:
			return usagef(cmd, "unknown form %q of the schema; use json or yaml", format)
		}
	}
	return cmd
}

func newClientRelease(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "release CLIENT_ID", Short: "Take a client out of the hands of its clients file", Args: oneArg,
		Example: `  countersign client release CLIENT_ID
  countersign client release CLIENT_ID --yes -o json`,
	}
	addServer(cmd)
	confirm, out := addConfirmation(cmd), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withClients(cmd, func(ctx context.Context, d clientDesk) error {
			c, err := findClient(ctx, d, args[0])
			if err != nil {
				return err
			}
			if c.ManagedBy == "" {
				return remedy(nil, title(c)+" belongs to no clients file", "change it with `countersign client edit "+c.ID+"`")
			}
			if err := confirm.ask(cmd, p, releaseImpact(c)); err != nil {
				return err
			}
			if c, err = d.Release(ctx, c); err != nil {
				return err
			}
			return out.print(p.stdout, c.Document(), func(tw *tabwriter.Writer) {
				row(tw, "client_id", c.ID)
				row(tw, "client_name", c.Name)
				row(tw, "status", c.Status)
			})
		})
	}
	return cmd
}

func releaseImpact(c *clientstore.Client) string {
	return fmt.Sprintf("This takes %s out of the hands of the clients file %s; it goes on as it is. Take it out of the file as well: "+
		"as long as it is listed there as %s, the file registers another client in its place.", title(c), printable(c.ManagedBy), printable(c.ManagedHandle))
}
