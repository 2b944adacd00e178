package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"countersign/storage/seal"
	"countersign/storage/storagetest"
)

// A flag that every command takes means the same everywhere: none has one of its
// own by that name or letter.
func TestNoFlagHidesAGlobalOne(t *testing.T) {
	t.Parallel()
	root := newRoot(&program{})
	global, letters := map[string]*pflag.Flag{}, map[string]*pflag.Flag{}
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) {
		global[f.Name] = f
		if f.Shorthand != "" {
			letters[f.Shorthand] = f
		}
	})
	if global["secret-file"] == nil || global["data"] == nil {
		t.Fatalf("the global flags are %v", global)
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, flags := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
			flags.VisitAll(func(f *pflag.Flag) {
				if g := global[f.Name]; g != nil && g != f {
					t.Errorf("%s has a flag --%s of its own", cmd.CommandPath(), f.Name)
				}
				if g := letters[f.Shorthand]; g != nil && g != f {
					t.Errorf("%s has a flag -%s of its own", cmd.CommandPath(), f.Shorthand)
				}
			})
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(root)
}

// --secret-file names the key-encryption key wherever it stands, and the
// client's secret comes from --client-secret-file.
func TestKeyEncryptionKeyByFlag(t *testing.T) {
	t.Parallel()
	storagetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		m := newMachine(t, "DATABASE="+url)
		key, typed := filepath.Join(m.dir, "key"), filepath.Join(m.dir, "typed")
		for file, content := range map[string]string{key: seal.GenerateKey(), typed: "a secret that an administrator typed 1"} {
			if err := os.WriteFile(file, []byte(content+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		create := []string{"client", "create", "--name", "Tool", "--redirect-uri", "https://rp.example/cb", "--secret-file", key}
		made := m.object("", create...)
		if secret := text(made["client_secret"]); !strings.HasPrefix(secret, "cs_cs_") {
			t.Errorf("made with the secret %q; want a generated one", secret)
		}
		if got := m.object("", append(create, "--client-secret-file", typed)...); got["client_secret"] != nil {
			t.Errorf("made with the secret %v; want the typed one, which is not printed", got["client_secret"])
		}
		rotate := []string{"client", "rotate-secret", text(made["client_id"]), "--secret-file", key}
		if got := m.object("", rotate...); !strings.HasPrefix(text(got["client_secret"]), "cs_cs_") {
			t.Errorf("rotated to %v; want a generated secret", got["client_secret"])
		}
		if got := m.object("", append(rotate, "--client-secret-file", typed)...); got["client_secret"] != nil {
			t.Errorf("rotated to %v; want the typed one", got["client_secret"])
		}
		m.refused(exitUsage, "", append(rotate, "--client-secret-file", typed, "--confirm", "x"), "one of them alone")
		m.refused(exitFailure, "", []string{"client", "list", "--secret-file", typed}, "64 hexadecimal digits")
	})
}

// Who gives a secret as an argument is told what the command reads it by.
func TestSecretsAsArguments(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, tt := range []struct{ command, flag, want string }{
		{"client create", "--secret", "--secret-stdin or --client-secret-file"},
		{"client rotate-secret", "--client-secret", "--secret-stdin or --client-secret-file"},
		{"token get", "--client-secret", "--secret-stdin or --client-secret-file"},
		{"user set-password", "--password", "--password-stdin or --password-file"},
		{"serve", "--secret", "use --secret-file\n"},
		{"user list", "--password", "unknown flag --password"},
	} {
		m.refused(exitUsage, "", append(strings.Fields(tt.command), tt.flag, "x"), tt.want, "Fix:")
	}
}

// What the commands' help shows can be typed: the command is there, knows the
// flags, and takes the arguments.
func TestExamplesOfHelpParse(t *testing.T) {
	t.Parallel()
	var tried int
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			for _, args := range commandsOf(line) {
				tried++
				if err := understood(args); err != nil {
					t.Errorf("%s --help: %q: %v", cmd.CommandPath(), strings.TrimSpace(line), err)
				}
			}
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newRoot(&program{}))
	if tried < 100 {
		t.Errorf("tried %d examples", tried)
	}
	for _, wrong := range []string{"client initial-token revoke ID --log-level debug", "client initial-token revoke", "client initial-token", "sevre", "serve now"} {
		if understood(strings.Fields(wrong)) == nil {
			t.Errorf("understood %q", wrong)
		}
	}
}

var (
	shellWord = regexp.MustCompile(`(?:"[^"]*"|'[^']*'|[^\s"'])+`)
	quotes    = strings.NewReplacer(`"`, "", `'`, "")
)

// commandsOf are the arguments of each call of the program in a line of a shell.
func commandsOf(line string) [][]string {
	var calls [][]string
	inside := false
	words := shellWord.FindAllString(line, -1)
	for i, word := range words {
		switch {
		case word == "countersign" && !inside:
			calls, inside = append(calls, []string{}), true
		case strings.HasPrefix(word, "#"), word == "|", word == "&&", word == ";", word == ">", word == "<":
			inside = false
		case inside && (i == 0 || words[i-1] != "<"):
			calls[len(calls)-1] = append(calls[len(calls)-1], quotes.Replace(word))
		}
	}
	return calls
}

// understood parses a command line as the program does, and runs nothing.
func understood(args []string) error {
	cmd, rest, err := newRoot(&program{}).Find(args)
	if err != nil {
		return err
	}
	if cmd.HasSubCommands() {
		return fmt.Errorf("%s is no command", cmd.CommandPath())
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if err := cmd.ValidateFlagGroups(); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
