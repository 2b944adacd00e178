package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"countersign/clientstore"
	"countersign/storage"
)

// rotateFlags are those of `client rotate-secret`.
type rotateFlags struct {
	typed            *secretFlags
	overlap, expires time.Duration
	confirm, reject  string // a secret that waits
	out              *output
}

func newClientRotateSecret(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate-secret CLIENT_ID", Short: "Give a client a new secret; it is printed this once", Args: oneArg,
		Long: "Gives a client a new secret, and prints it this once. Under four_eyes an administrator's secret of an\n" +
			"approved client works when another administrator has confirmed it, within seven days: by --confirm,\n" +
			"in Settings or by the API. `countersign client show` names the secret that waits.",
		Example: `  countersign client rotate-secret CLIENT_ID --overlap 24h
  countersign client rotate-secret CLIENT_ID --secret-stdin --expires-in 8760h < secret.txt
  countersign client rotate-secret CLIENT_ID --confirm SECRET_ID --server https://id.example.org`,
	}
	f := &rotateFlags{typed: addSecret(cmd)}
	cmd.Flags().DurationVar(&f.overlap, "overlap", 0, "how long the old secrets stay valid, such as 24h")
	cmd.Flags().DurationVar(&f.expires, "expires-in", 0, "when the new secret ends, such as 8760h (default never)")
	cmd.Flags().StringVar(&f.confirm, "confirm", "", "let the secret with this `identifier` work, which another administrator made")
	cmd.Flags().StringVar(&f.reject, "reject", "", "forget the secret with this `identifier`, which waits")
	addServer(cmd)
	f.out = addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.check(cmd); err != nil {
			return err
		}
		return p.withClients(cmd, func(ctx context.Context, d clientDesk) error {
			c, err := findClient(ctx, d, args[0])
			if err != nil {
				return err
			}
			if f.confirm != "" || f.reject != "" {
				return f.decide(ctx, p, d, c)
			}
			return f.rotate(ctx, p, d, c)
		})
	}
	return cmd
}

func (f *rotateFlags) check(cmd *cobra.Command) error {
	if f.overlap < 0 || f.expires < 0 {
		return usagef(cmd, "a duration is negative; give one like 24h")
	}
	given := 0
	for _, name := range []string{"confirm", "reject", "secret-stdin", "client-secret-file", "overlap", "expires-in"} {
		if cmd.Flags().Changed(name) {
			given++
		}
	}
	if (f.confirm != "" || f.reject != "") && given > 1 {
		return usagef(cmd, "--confirm and --reject decide about a secret as it was made; give one of them alone")
	}
	return nil
}

// rotate makes a new secret.
func (f *rotateFlags) rotate(ctx context.Context, p *program, d clientDesk, c *clientstore.Client) error {
	secret, err := f.typed.read(p)
	if err != nil {
		return err
	}
	c, generated, err := d.RotateSecret(ctx, c.ID, secretRotation{secret, f.overlap, f.expires})
	if err != nil {
		return err
	}
	if generated != "" {
		p.talk("The secret cannot be shown again; keep it now.")
	}
	if w := c.Waiting; w != nil {
		p.talk("It does not work yet: another administrator confirms it by %s UTC, with `countersign client rotate-secret %s --confirm %s`, or in Settings. "+
			"Until then the client keeps the secrets that it has.", w.ExpiresAt.UTC().Format("2006-01-02 15:04"), c.ID, w.ID)
	}
	return printClient(p, f.out, c, generated)
}

// decide decides about a secret that waits.
func (f *rotateFlags) decide(ctx context.Context, p *program, d clientDesk, c *clientstore.Client) error {
	decide, id := d.ConfirmSecret, f.confirm
	if f.reject != "" {
		decide, id = d.RejectSecret, f.reject
	}
	after, err := decide(ctx, c.ID, id)
	if errors.Is(err, storage.ErrNotFound) {
		return remedy(err, fmt.Sprintf("no secret %q of %s waits", id, title(c)), "`countersign client show "+c.ID+"` names the one that does, if there is one")
	}
	if err != nil {
		return err
	}
	return printClient(p, f.out, after, "")
}
