package main

import (
	"context"
	"errors"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"countersign/clientstore"
	"countersign/storage"
)

// errChanges is the answer of a dry run that found something to do, for who
// asked for it by exit status.
var errChanges = errors.New("there is something to do")

// applyFlags are those of `client apply`.
type applyFlags struct {
	path                    string
	prune, dryRun, detailed bool
	confirm                 *confirmation
	out                     *output
}

func newClientApply(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Make the clients of a file what it says", Args: noArgs,
		Long: "Makes the clients of a file what it says: registers, changes and decides about them, all or none.\n" +
			"It shows what it would do, and asks. docs/clients-as-a-file.md explains the file, `countersign client schema` prints its schema.",
		Example: `  countersign client apply -f clients.yaml --dry-run
  countersign client apply -f clients.yaml --prune --yes
  countersign client apply -f clients.yaml --server https://id.example.org`,
	}
	f := &applyFlags{}
	cmd.Flags().StringVarP(&f.path, "file", "f", "", "the clients `file`, YAML or JSON; - reads standard input")
	cmd.Flags().BoolVar(&f.prune, "prune", false, "remove clients that belonged to the file and are not listed any more")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "show what would be done, and do nothing")
	cmd.Flags().BoolVar(&f.detailed, "detailed-exitcode", false, "with --dry-run: exit with 3 when there is something to do")
	addServer(cmd)
	f.confirm, f.out = addConfirmation(cmd), addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.path == "" {
			return usagef(cmd, "--file is missing; name the clients file, or - for standard input")
		}
		if f.detailed && !f.dryRun {
			return usagef(cmd, "--detailed-exitcode is for --dry-run")
		}
		return p.withClients(cmd, func(ctx context.Context, d clientDesk) error {
			a, err := (&clientsFile{p, f.path}).application(d)
			if err != nil {
				return err
			}
			a.m.Prune = a.m.Prune || f.prune
			plan, err := a.plan(ctx)
			if err != nil {
				return err
			}
			if f.dryRun {
				return f.show(p, &plan.PlanDocument)
			}
			return f.apply(ctx, cmd, p, a, plan)
		})
	}
	return cmd
}

// show prints the plan.
func (f *applyFlags) show(p *program, plan *clientstore.PlanDocument) error {
	if err := f.out.print(p.stdout, plan, func(tw *tabwriter.Writer) { writePlan(tw, plan) }); err != nil {
		return err
	}
	if f.detailed && plan.Changes {
		return errChanges
	}
	return nil
}

// apply shows the plan, asks and applies it.
func (f *applyFlags) apply(ctx context.Context, cmd *cobra.Command, p *program, a *application, plan *plannedFile) error {
	writePlan(p.stderr, &plan.PlanDocument)
	done := a.shown(&plan.PlanDocument)
	if plan.Changes {
		if err := f.confirm.ask(cmd, p, "This "+impactOf(&plan.PlanDocument)+"."); err != nil {
			return err
		}
		var err error
		if done, err = a.apply(ctx, plan); errors.Is(err, storage.ErrConflict) {
			done, err = f.again(ctx, a, err)
		}
		if err != nil {
			return err
		}
	}
	for _, s := range done.Steps {
		if s.ClientSecret != "" {
			p.talk("The secret of %s cannot be shown again; keep it now.", s.Handle)
		}
	}
	return f.out.print(p.stdout, done, func(tw *tabwriter.Writer) { planRows(tw, done) })
}

// again looks whether somebody else applied the same file meanwhile.
func (*applyFlags) again(ctx context.Context, a *application, conflict error) (*appliedFile, error) {
	plan, err := a.plan(ctx)
	if err != nil {
		return nil, err
	}
	if plan.Changes {
		return nil, remedy(conflict, "a client was changed by somebody else meanwhile; nothing was written", "repeat the command and look at what it would do now")
	}
	return a.shown(&plan.PlanDocument), nil
}
