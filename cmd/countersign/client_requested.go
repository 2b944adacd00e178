package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"countersign/clientstore"
)

// requested says what a client asked for that only an administrator gives, to
// go on after "it asked"; nothing where it asked for nothing.
func requested(r *clientstore.Requested) string {
	if r == nil {
		return ""
	}
	var list []string
	if r.Trusted {
		list = append(list, "to be trusted")
	}
	if r.FunctionalUser != "" {
		list = append(list, fmt.Sprintf("to act for the user %q without anybody's consent", r.FunctionalUser))
	}
	if r.Key != "" {
		list = append(list, fmt.Sprintf("for the key %q", r.Key))
	}
	if len(r.Callbacks) > 0 {
		list = append(list, "to send people back to "+strings.Join(r.Callbacks, " and "))
	}
	return printable(strings.Join(list, ", "))
}

// approvalImpact says what an approval begins, and what it does not.
func approvalImpact(c *clientstore.Client, i clientstore.Impact) string {
	text := fmt.Sprintf("This lets %s work: %s.", title(c), mayAsk(c))
	if i.Tokens > 0 {
		text = fmt.Sprintf("%s has %s, for which this decision holds from the next request on. ", title(c), live(i)) + text
	}
	text += comesBack(i, "")
	if c.Type == clientstore.OAuth1 {
		text += " " + callbackImpact(c)
	}
	if asked := requested(&c.Requested); asked != "" {
		text += " It asked " + asked + "; that it asked has no effect."
	}
	return text
}

// mayAsk says what an approval lets a client have.
func mayAsk(c *clientstore.Client) string {
	switch {
	case c.Metadata.Scope != "":
		return "it may ask people for " + c.Metadata.Scope
	case c.Type == clientstore.OAuth1:
		return "it may ask people to let it act for them, in all that the services that take its tokens allow; OAuth 1.0a has no scopes"
	default:
		return "it gets tokens without a scope; what they open is for each service to decide"
	}
}

func callbackImpact(c *clientstore.Client) string {
	if len(c.Metadata.RedirectURIs) == 0 {
		return "It has no redirect URI, so that people carry a code to it by hand; give --redirect-uri for each address that it may send people back to."
	}
	return "It may send people back to " + printable(cell(c.Metadata.RedirectURIs)) + "."
}

// approvalFlags are what an administrator decides about a client beside that it
// may work.
type approvalFlags struct {
	consumerFlags
	conditionFlags
	redirects []string
}

func (f *approvalFlags) add(cmd *cobra.Command) {
	f.consumerFlags.add(cmd)
	f.conditionFlags.add(cmd)
	cmd.Flags().StringArrayVar(&f.redirects, "redirect-uri", nil, "a further redirect `URI` that the client gets (repeatable)")
}

func (f *approvalFlags) given(cmd *cobra.Command) bool {
	return f.edits(cmd) || f.conditionFlags.given(cmd)
}

// edits reports whether the client itself is to be changed.
func (f *approvalFlags) edits(cmd *cobra.Command) bool {
	return f.consumerFlags.given(cmd) || len(f.redirects) > 0
}

// edit is what the flags change of c beside approving it, nil for nothing, and
// the client that they make of it.
func (f *approvalFlags) edit(ctx context.Context, cmd *cobra.Command, d clientDesk, c *clientstore.Client) (*clientstore.Wanted, *clientstore.Client, error) {
	if !f.edits(cmd) {
		return nil, c, nil
	}
	edited := *c
	m := &edited.Metadata
	m.RedirectURIs = slices.Concat(m.RedirectURIs, nonEmpty(f.redirects))
	if err := f.apply(ctx, cmd, d, m); err != nil {
		return nil, nil, err
	}
	wanted := edited.Wanted()
	return &wanted, &edited, nil
}
