package main

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// build is what the binary knows of itself.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// version and commit are those of a release, as the linker is told.
var version, commit string

func readBuild() build {
	b := build{Version: "unknown", Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = cmp.Or(version, info.Main.Version)
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func newVersion(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "version", Short: "Show which release this is", Args: noArgs,
		Example: `  countersign version
  countersign version -o json`,
	}
	out := addOutput(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		b := readBuild()
		return out.print(p.stdout, b, func(tw *tabwriter.Writer) {
			row(tw, "version", b.Version)
			row(tw, "commit", b.Commit)
			row(tw, "date", b.Date)
			row(tw, "go", b.Go+" "+b.Platform)
		})
	}
	return cmd
}
