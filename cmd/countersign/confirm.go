package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// confirmation asks before what cannot be taken back.
type confirmation struct{ yes bool }

func addConfirmation(cmd *cobra.Command) *confirmation {
	c := &confirmation{}
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask")
	return c
}

// ask says what will happen and asks whether it shall. Without a terminal
// nobody can answer, so that --yes is needed.
func (c *confirmation) ask(cmd *cobra.Command, p *program, impact string) error {
	p.talk("%s", impact)
	if c.yes {
		return nil
	}
	if !isTerminal(p.stdin) {
		return &usageError{"this has to be confirmed, and standard input is no terminal", "repeat the command with --yes: " + cmd.CommandPath() + " … --yes"}
	}
	_, _ = fmt.Fprint(p.stderr, "Continue? Type yes: ") // a prompt that is not seen can still be answered
	line, err := bufio.NewReader(p.stdin).ReadString('\n')
	if err != nil || strings.ToLower(strings.TrimSpace(line)) != "yes" {
		return remedy(err, "not confirmed; nothing was changed", "repeat the command and type yes, or use --yes")
	}
	return nil
}

// count writes a number with its noun.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
