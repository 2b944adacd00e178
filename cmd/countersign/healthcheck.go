package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"countersign/cmd/countersign/config"
)

// probeTimeout is how long the server may take to say that it is well.
const probeTimeout = 5 * time.Second

func newHealthcheck(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "healthcheck", Short: "Ask the running server whether it is ready; for containers without other tools", Args: noArgs,
		Example: `  countersign healthcheck
  countersign healthcheck --listen 127.0.0.1:8081`,
	}
	addServerSettings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := p.config(cmd)
		if err != nil {
			return err
		}
		if err := probe(cmd.Context(), cfg, "/readyz"); err != nil {
			return remedy(err, err.Error(), "start the server, or read its log; `countersign doctor` says more")
		}
		_, err = fmt.Fprintln(p.stdout, "ready")
		return err
	}
	return cmd
}

// probe asks the server on the configured address.
func probe(ctx context.Context, cfg *config.Config, path string) error {
	client, err := probeClient(cfg)
	if err != nil {
		return err
	}
	scheme := "http"
	if cfg.TLS() {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+dialable(cfg.Listen)+path, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no server answers on %s: %w", cfg.Listen, err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(res.Body, 200))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", cfg.Listen, err)
	}
	if answer := strings.TrimSpace(string(text)); res.StatusCode != http.StatusOK || answer != "ok" {
		return fmt.Errorf("the server on %s answered %s: %s", cfg.Listen, res.Status, printable(answer))
	}
	return nil
}

// dialable turns an address to listen on into one to connect to.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
