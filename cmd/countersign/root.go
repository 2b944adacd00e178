package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"countersign/cmd/countersign/config"
)

// settingFlag marks the flags that are settings of the configuration.
const settingFlag = "countersign_setting"

func newRoot(p *program) *cobra.Command {
	root := &cobra.Command{
		Use:   "countersign",
		Short: "An authorization server in which no client works until an administrator approved it",
		Example: `  countersign serve
  countersign client create --type oidc --name Modeler --redirect-uri http://127.0.0.1/callback --public --approve`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().StringVar(&p.configFile, "config", "", "YAML `file` with settings")
	addSettings(root.PersistentFlags(), func(k config.Key) bool { return everywhere[k.Name] })
	root.AddCommand(newServe(p), newUser(p), newClient(p), newToken(p), newKeys(p), newAPIKey(p), newMigrate(p),
		newLogin(p), newLogout(p), newBackup(p), newRestore(p), newExport(p), newImport(p),
		newAudit(p), newConfig(p), newDoctor(p), newHealthcheck(p), newMan(p), newVersion(p))
	nounWithoutVerb(root)
	return root
}

// everywhere are the settings that find the database.
var everywhere = map[string]bool{"data": true, "database": true, "database_file": true, "secret_file": true}

// addServerSettings gives a command the flags of all other settings.
func addServerSettings(cmd *cobra.Command) {
	addSettings(cmd.Flags(), func(k config.Key) bool { return !everywhere[k.Name] })
}

func addSettings(flags *pflag.FlagSet, which func(config.Key) bool) {
	for _, k := range config.Keys() {
		if k.Flag == "" || !which(k) {
			continue
		}
		usage := k.Usage
		if k.Default != "" && k.Default != "0" {
			usage += fmt.Sprintf(" (default %s)", k.Default)
		}
		flags.String(k.Flag, "", usage)
		if f := flags.Lookup(k.Flag); f.Annotations == nil {
			f.Annotations = map[string][]string{settingFlag: {k.Name}}
		}
	}
}

// noun groups the commands on one kind of thing.
func noun(use, short, example string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: example}
	cmd.AddCommand(verbs...)
	nounWithoutVerb(cmd)
	return cmd
}

// nounWithoutVerb makes a noun alone, or with a verb that it does not know, a
// usage error. Cobra would print the help and report success.
func nounWithoutVerb(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "%s needs a command: %s", cmd.CommandPath(), strings.Join(verbs(cmd), ", "))
		}
		hint := "it has " + strings.Join(verbs(cmd), ", ")
		if near := config.Nearest(args[0], verbs(cmd)); near != "" {
			hint = "did you mean " + near + "?"
		}
		return usagef(cmd, "unknown command %q for %s; %s", args[0], cmd.CommandPath(), hint)
	}
}

func verbs(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// secretSources are the flags by which the command takes what somebody tried to
// give as an argument. A client's secret goes before the key-encryption key,
// which every command knows as --secret-file.
func secretSources(cmd *cobra.Command, tried string) []string {
	candidates := map[string][]string{
		"secret":        {"secret-stdin", "client-secret-file"},
		"client-secret": {"secret-stdin", "client-secret-file"},
		"password":      {"password-stdin", "password-file"},
	}[tried]
	known := func(name string) bool { return cmd.Flags().Lookup(name) != nil }
	if tried == "secret" && !known("client-secret-file") {
		candidates = []string{"secret-file"}
	}
	var list []string
	for _, name := range candidates {
		if known(name) {
			list = append(list, "--"+name)
		}
	}
	return list
}

func flagError(cmd *cobra.Command, err error) error {
	unknown, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return usagef(cmd, "%v", err)
	}
	if from := secretSources(cmd, unknown); len(from) > 0 {
		return usagef(cmd, "there is no flag --%s, because every user of the machine can read arguments; use %s",
			unknown, strings.Join(from, " or "))
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := config.Nearest(unknown, names); near != "" {
		return usagef(cmd, "unknown flag --%s; did you mean --%s?", unknown, near)
	}
	return usagef(cmd, "unknown flag --%s of %s", unknown, cmd.CommandPath())
}
