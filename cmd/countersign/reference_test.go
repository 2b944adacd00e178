package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

const commandsPreface = `# Commands

Made from what each command's ` + "`--help`" + ` says; change it there. ` + "`countersign man COMMAND`" + ` writes the same as a manual page,
` + "`countersign man --folder DIR`" + ` all of them, and ` + "`countersign completion bash|zsh|fish|powershell`" + ` what completes them in a shell.

* Data goes to standard output, everything else to standard error; neither has colours, so that there is nothing for ` + "`NO_COLOR`" + ` to turn off.
* ` + "`-o table|json|yaml`" + ` is the form of the data. ` + "`-q`" + ` prints what things are called by and nothing else, one a line, for the next command.
* A command that asks first takes ` + "`--yes`" + `, and needs it where standard input is no terminal.
* Secrets come from standard input or a file, never from an argument.
* What failed is told in a line for the cause and one for what to do. A command or flag that does not exist is told with one that is near, if there is one.

| exit status | meaning |
|---|---|
| 0 | done |
| 1 | it failed |
| 2 | the command line cannot be understood, or nobody confirmed |
| 3 | ` + "`client apply --dry-run --detailed-exitcode`" + ` found something to change |
`

// The reference of the commands is made of what they say of themselves.
func TestCommandReference(t *testing.T) {
	t.Parallel()
	root := newRoot(&program{})
	var b strings.Builder
	b.WriteString(commandsPreface)
	fmt.Fprintf(&b, "\nEvery command takes these:\n\n```text\n%s```\n", root.PersistentFlags().FlagUsages())
	var write func(*cobra.Command)
	write = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			if !c.IsAvailableCommand() || c.Name() == "help" {
				continue
			}
			fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n```text\n%s\n```\n", c.CommandPath(), c.Short, c.Example)
			if flags := c.LocalNonPersistentFlags(); flags.HasAvailableFlags() && c.Name() != "serve" && c.Name() != "doctor" && c.Parent().Name() != "config" {
				fmt.Fprintf(&b, "\n```text\n%s```\n", flags.FlagUsages())
			} else if flags.HasAvailableFlags() {
				b.WriteString("\nIts flags are the [settings](configuration.md).\n")
			}
			write(c)
		}
	}
	write(root)
	golden(t, "../../docs/commands.md", b.String())
}
