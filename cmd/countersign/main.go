// Countersign is an authorization server for OAuth and OpenID Connect in which
// no client works until an administrator has approved it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	exit := run(ctx, process{os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(exit)
}
