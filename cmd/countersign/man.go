package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "man [COMMAND...]", Short: "Write the manual page of a command, or all of them into a folder",
		Example: `  countersign man client create | man -l -
  countersign man --folder /usr/local/share/man/man1`,
	}
	folder := cmd.Flags().String("folder", "", "write the pages of all commands into this `folder`, which is made")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *folder != "" {
			if err := os.MkdirAll(*folder, 0o755); err != nil { //nolint:gosec // manuals are for everybody
				return remedy(err, err.Error(), "choose a folder that this user may make")
			}
			return manuals(cmd.Root(), *folder)
		}
		of, rest, err := cmd.Root().Find(args)
		if err != nil || len(rest) > 0 {
			return usagef(cmd, "there is no command %q", strings.Join(args, " "))
		}
		return manual(p.stdout, of)
	}
	return cmd
}

// manuals writes the page of the command, and of all below it.
func manuals(cmd *cobra.Command, folder string) error {
	name := filepath.Join(folder, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1")
	var text strings.Builder
	if err := manual(&text, cmd); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(text.String()), 0o644); err != nil { //nolint:gosec // manuals are for everybody
		return remedy(err, err.Error(), "choose a folder that this user may write to")
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			if err := manuals(c, folder); err != nil {
				return err
			}
		}
	}
	return nil
}

// manual writes the page in the macros of man(7).
func manual(w io.Writer, cmd *cobra.Command) error {
	var b strings.Builder
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1 \"\" countersign\n", strings.ToUpper(roff(name)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))
	if cmd.Long != "" {
		fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", roff(cmd.Long))
	}
	options(&b, "OPTIONS", cmd.NonInheritedFlags())
	options(&b, "OPTIONS OF EVERY COMMAND", cmd.InheritedFlags())
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(cmd.Example))
	}
	fmt.Fprintf(&b, ".SH EXIT STATUS\n%s\n", exitWords)
	also(&b, cmd)
	_, err := io.WriteString(w, b.String())
	return err
}

// exitWords say what the exit statuses mean.
const exitWords = "0 when it is done, 1 when it failed, 2 when the command line cannot be understood or nobody confirmed it,\n" +
	"3 when client apply \\-\\-dry\\-run \\-\\-detailed\\-exitcode found something to change."

func options(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		value, usage := pflag.UnquoteUsage(f)
		names := "--" + f.Name
		if f.Shorthand != "" {
			names = "-" + f.Shorthand + ", " + names
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(names+" "+value)), roff(usage))
	})
}

// also names the commands above and below.
func also(b *strings.Builder, cmd *cobra.Command) {
	var pages []string
	if cmd.HasParent() {
		pages = append(pages, cmd.Parent().CommandPath())
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			pages = append(pages, c.CommandPath())
		}
	}
	if len(pages) == 0 {
		return
	}
	for i, page := range pages {
		pages[i] = ".BR " + roff(strings.ReplaceAll(page, " ", "-")) + " (1)"
	}
	b.WriteString(".SH SEE ALSO\n" + strings.Join(pages, "\n") + "\n")
}

// roff escapes what the formatter would read: hyphens that are to be typed, and
// dots and apostrophes that begin a line.
func roff(text string) string {
	text = strings.NewReplacer("\\", "\\e", "-", "\\-").Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = "\\&" + line
		}
	}
	return strings.Join(lines, "\n")
}
