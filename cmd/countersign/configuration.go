package main

import (
	"text/tabwriter"

	"github.com/spf13/cobra"

	"countersign/cmd/countersign/config"
)

func newConfig(p *program) *cobra.Command {
	return noun("config", "Read the configuration as the server would", `  countersign config show
  countersign config check --config /etc/countersign.yaml`,
		newConfigShow(p), newConfigCheck(p))
}

func newConfigShow(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show", Short: "Show every setting and where its value comes from, without secrets", Args: noArgs,
		Example: `  countersign config show
  countersign config show --config /etc/countersign.yaml -o yaml`,
	}
	addServerSettings(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.config(cmd)
		if err != nil {
			return err
		}
		settings := cfg.Settings()
		return out.print(p.stdout, settings, func(tw *tabwriter.Writer) {
			row(tw, "SETTING", "VALUE", "FROM")
			for _, s := range settings {
				row(tw, s.Name, s.Value, s.Origin)
			}
		})
	}
	return cmd
}

func newConfigCheck(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "check", Short: "Say what is wrong with the configuration, and change nothing", Args: noArgs,
		Example: `  countersign config check
  countersign config check --config /etc/countersign.yaml --listen 0.0.0.0:8080`,
	}
	addServerSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.config(cmd)
		if err != nil {
			return err
		}
		for _, w := range cfg.Warnings() {
			p.talk("Warning: %s", w)
		}
		p.talk("Every setting is known and usable.")
		return nil
	}
	return cmd
}

// given are the settings that are not left at their defaults, with where each
// comes from, as the log tells of them at a start.
func given(cfg *config.Config) map[string]string {
	list := map[string]string{}
	for _, s := range cfg.Settings() {
		if s.Origin != config.Defaulted {
			list[s.Name] = s.Value + " (" + s.Origin + ")"
		}
	}
	return list
}
