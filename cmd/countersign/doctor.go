package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"countersign/cmd/countersign/config"
)

// The outcomes of a check.
const (
	fine    = "ok"
	warning = "warning"
	failed  = "failed"
	skipped = "skipped"
)

// finding is the outcome of a check, with what to do about it.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// patient is what the doctor examines.
type patient struct {
	cfg     *config.Config
	program *program
	// running tells whether a server of ours answers on the configured
	// address; some checks need one and others need to know.
	running bool
}

// examination is one check. It returns what it found.
type examination struct {
	name  string
	check func(ctx context.Context, pt *patient) finding
}

// examinations are all checks in their order.
var examinations = []examination{
	{"data folder", checkDataFolder},
	{"key-encryption key", checkKeyFile},
	{"database", checkDatabase},
	{"administrators", checkAdministrators},
	{"clients file", checkClientsFile},
	{"ports", checkPorts},
	{"https", checkHTTPS},
	{"tls certificate", checkCertificate},
	{"issuer", checkIssuer},
}

func newDoctor(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look for what keeps the server from working, and say how to fix it", Args: noArgs,
		Example: `  countersign doctor
  countersign doctor --config /etc/countersign.yaml -o json`,
	}
	addServerSettings(cmd)
	out := addOutput(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		findings := p.examine(cmd)
		err := out.print(p.stdout, findings, func(tw *tabwriter.Writer) {
			for _, f := range findings {
				row(tw, f.Status, f.Check, f.Detail)
				if f.Fix != "" {
					row(tw, "", "", "Fix: "+f.Fix)
				}
			}
		})
		if err != nil {
			return err
		}
		return verdict(findings)
	}
	return cmd
}

// verdict is an error when a check failed.
func verdict(findings []finding) error {
	var bad int64
	for _, f := range findings {
		if f.Status == failed {
			bad++
		}
	}
	if bad > 0 {
		return remedy(nil, count(bad, "check")+" failed", "do what is said above and run `countersign doctor` again")
	}
	return nil
}

func (p *program) examine(cmd *cobra.Command) []finding {
	cfg, err := p.config(cmd)
	if err != nil {
		cause, fix := explain(err)
		return []finding{{"configuration", failed, cause, fix}}
	}
	return (&patient{cfg: cfg, program: p, running: probe(cmd.Context(), cfg, "/livez") == nil}).examine(cmd.Context())
}

// examine makes all checks.
func (pt *patient) examine(ctx context.Context) []finding {
	findings := []finding{{"configuration", fine, "every setting is known and usable", ""}}
	for _, w := range pt.cfg.Warnings() {
		findings = append(findings, finding{"configuration", warning, w, ""})
	}
	for _, e := range examinations {
		f := e.check(ctx, pt)
		f.Check = e.name
		findings = append(findings, f)
	}
	return findings
}

// found builds findings.
func found(status, detail, fix string) finding {
	return finding{Status: status, Detail: detail, Fix: fix}
}

func finef(format string, args ...any) finding {
	return finding{Status: fine, Detail: fmt.Sprintf(format, args...)}
}
