package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"countersign/clientstore"
	"countersign/storage"
)

func newClient(p *program) *cobra.Command {
	return noun("client", "Manage registered clients", `  countersign client create --type oidc --name Modeler --redirect-uri https://modeler.example.org/callback --approve
  countersign client disapprove CLIENT_ID --reason "reported as stolen"`,
		newClientCreate(p), newClientList(p), newClientShow(p), newClientEdit(p), newClientRotateSecret(p),
		newClientDecision(p, approving), newClientDecision(p, disapproving), newClientDecision(p, removing),
		newClientFailures(p), newClientApply(p), newClientExport(p), newClientSchema(p), newClientRelease(p), newInitialToken(p))
}

// findClient returns the client with the key.
func findClient(ctx context.Context, d clientDesk, id string) (*clientstore.Client, error) {
	c, err := d.Get(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, remedy(err, fmt.Sprintf("no client has the key %q", id), "`countersign client list` shows all")
	}
	return c, err
}

// printClient prints a client, with the secret that was just made for it.
func printClient(p *program, out *output, c *clientstore.Client, secret string) error {
	return printDocument(p, out, shownClient{document: c.Document().WithSecret(secret)})
}

// printDocument prints a client with the names of its functional account and its
// test users, as far as they are known.
func printDocument(p *program, out *output, c shownClient) error {
	view := c.document
	doc, err := document(view)
	if err != nil {
		return err
	}
	delete(doc, "secrets") // the JSON has them
	if w := view.Waiting; w != nil {
		doc["secret_waiting"] = fmt.Sprintf("%s, made by %s, to be confirmed by %s", w.ID, w.CreatedBy, w.WaitsUntil.Format(time.RFC3339))
	}
	if c.functional != "" {
		doc["oauth1_functional_account"] = c.functional
	}
	if asked := requested(view.Requested); asked != "" {
		doc["requested"] = "it asked " + asked
	}
	if words := conditionWords(view.Conditions, c.testers); words != "" {
		doc["conditions"] = words
	}
	return out.print(p.stdout, view, func(tw *tabwriter.Writer) {
		members(tw, doc, "client_id", "client_secret", "client_name", "type", "status", "status_reason", "conditions",
			"redirect_uris", "grant_types", "response_types", "scope", "token_endpoint_auth_method")
	})
}

// removedClient is a client as it was before it was removed.
type removedClient struct {
	clientstore.Document

	Removed bool `json:"removed"`
}

// printRemovedClient prints a client that was just removed.
func printRemovedClient(p *program, out *output, c *clientstore.Client) error {
	return out.print(p.stdout, removedClient{c.Document(), true}, func(tw *tabwriter.Writer) {
		row(tw, "client_id", c.ID)
		row(tw, "client_name", c.Name)
		row(tw, "removed", true)
	})
}

// warn says what is risky about a client.
func warn(p *program, c *clientstore.Client) {
	for _, w := range c.Warnings() {
		p.talk("Warning: %s", printable(w.String()))
	}
}

// sorts are the orders of the list.
var sorts = []string{
	string(clientstore.ByName), string(clientstore.ByNameBack), string(clientstore.Oldest), string(clientstore.Newest),
	string(clientstore.LeastUsed), string(clientstore.LastUsed),
}

// lastUse says when a client was last used, which is known to within some
// minutes.
func lastUse(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return at.UTC().Format("2006-01-02 15:04")
}

func newClientList(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List clients by name", Args: noArgs,
		Example: `  countersign client list --status pending
  countersign client list --type oidc --search modeler -o json
  countersign client list --sort used`,
	}
	var f struct{ clientType, status, search, sort string }
	cmd.Flags().StringVar(&f.clientType, "type", "", "only this `type`: oauth1, oauth2 or oidc")
	cmd.Flags().StringVar(&f.status, "status", "", "only this `status`: pending, approved or disapproved")
	cmd.Flags().StringVar(&f.search, "search", "", "only with this `text` in name, key or redirect URIs")
	cmd.Flags().StringVar(&f.sort, "sort", "name", "the `order`: name, created or used, with a minus sign before it for the other way around")
	addServer(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		filter := clientstore.Filter{
			Type: clientstore.Type(f.clientType), Status: clientstore.Status(f.status), Search: f.search, Sort: clientstore.Sort(f.sort),
		}
		if err := checkType(cmd, f.clientType); err != nil {
			return err
		}
		if err := checkChoice(cmd, "status", f.status, string(clientstore.Pending), string(clientstore.Approved), string(clientstore.Disapproved)); err != nil {
			return err
		}
		if err := checkChoice(cmd, "sort", f.sort, sorts...); err != nil {
			return err
		}
		return p.withClients(cmd, func(ctx context.Context, d clientDesk) error {
			docs, err := d.List(ctx, filter)
			if err != nil {
				return err
			}
			return out.print(p.stdout, docs, func(tw *tabwriter.Writer) {
				row(tw, "KEY", "NAME", "TYPE", "STATUS", "LAST USE", "CONDITIONS", "GRANTS")
				for _, d := range docs {
					row(tw, d.ClientID, d.ClientName, d.Type, d.Status, lastUse(d.UsedAt), conditionsInBrief(d.Conditions), grantsOf(&d))
				}
			})
		})
	}
	return cmd
}

// grantsOf names the grants of a client; OAuth 1.0a has one that has no name.
func grantsOf(d *clientstore.Document) []string {
	if d.Type == clientstore.OAuth1 {
		return []string{"three-legged"}
	}
	return d.GrantTypes
}

func newClientShow(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show CLIENT_ID", Short: "Show a client", Args: oneArg,
		Example: `  countersign client show CLIENT_ID
  countersign client show CLIENT_ID -o json`,
	}
	addServer(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return p.withClients(cmd, func(ctx context.Context, d clientDesk) error {
			c, err := findClient(ctx, d, args[0])
			if err != nil {
				return err
			}
			warn(p, c)
			v, err := d.Revision(ctx, c)
			if err != nil {
				return err
			}
			waiting, err := d.WaitingSecret(ctx, c.ID)
			if err != nil {
				return err
			}
			doc := c.Document()
			doc.Waiting = waiting
			functional, err := functionalUser(ctx, d, c)
			if err != nil {
				return err
			}
			testers, err := testerNames(ctx, d, &c.Conditions)
			if err != nil {
				return err
			}
			return printShown(p, out, shownClient{doc, functional, testers}, v)
		})
	}
	return cmd
}
