package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"countersign/clientstore"
	"countersign/cmd/countersign/adminclient"
	"countersign/cmd/countersign/config"
	"countersign/cmd/countersign/listen"
	"countersign/storage"
	"countersign/storage/account"
	"countersign/storage/backup"
)

// usageError reports a command line that cannot be understood.
type usageError struct{ cause, fix string }

func (e *usageError) Error() string { return e.cause }

// remedyError is an error with what to do about it.
type remedyError struct {
	cause string
	fix   string
	err   error // may be nil
}

func (e *remedyError) Error() string { return e.cause }

func (e *remedyError) Unwrap() error { return e.err }

// remedy builds an error that a person can act on.
func remedy(err error, cause, fix string) error { return &remedyError{cause, fix, err} }

// configError holds all that is wrong with the configuration.
type configError struct{ err error }

func (e *configError) Error() string { return e.err.Error() }

func (e *configError) Unwrap() error { return e.err }

// explain puts an error into a line for its cause and one for its remedy.
func explain(err error) (cause, fix string) {
	if e, ok := errors.AsType[*usageError](err); ok {
		return e.cause, e.fix
	}
	if e, ok := errors.AsType[*remedyError](err); ok {
		return e.cause, e.fix
	}
	if e, ok := errors.AsType[*adminclient.RefusedError](err); ok {
		return e.Error(), e.Remedy
	}
	if e, ok := errors.AsType[*configError](err); ok {
		return "the configuration cannot be used:\n  " + strings.ReplaceAll(e.Error(), "\n", "\n  "),
			"correct the above; docs/configuration.md describes every setting"
	}
	return err.Error(), knownFix(err)
}

func knownFix(err error) string {
	if e, ok := errors.AsType[*listen.InUseError](err); ok {
		return fmt.Sprintf("stop that program, or set another port with --%s or %s%s",
			strings.ReplaceAll(e.Key, "_", "-"), config.EnvPrefix, strings.ToUpper(e.Key))
	}
	if _, ok := errors.AsType[*account.FieldError](err); ok {
		return "give another value; the command's --help shows examples"
	}
	if _, ok := errors.AsType[*clientstore.MetadataError](err); ok {
		return "correct that member; `countersign client create --help` shows examples"
	}
	if e, ok := errors.AsType[*clientstore.ManagedError](err); ok {
		return fmt.Sprintf("change that file and run `countersign client apply -f FILE`; `countersign client disapprove %s` stops the client at once; "+
			"`countersign client release %s` takes it out of the file's hands", e.ID, e.ID)
	}
	if e, ok := errors.AsType[*backup.FileError](err); ok {
		return e.Fix
	}
	if _, ok := errors.AsType[*storage.MovedError](err); ok {
		return "use the database that the export was imported into; if it never was and never will be, run `countersign export --reopen`"
	}
	if _, ok := errors.AsType[*storage.ReplacedError](err); ok {
		return "start the server again"
	}
	switch {
	case errors.Is(err, account.ErrLastAdministrator):
		return "give another account the permission first: countersign user permit USERNAME --permission configure_server"
	case errors.Is(err, storage.ErrConflict):
		return "look at the present state with `show` and repeat the command"
	case errors.Is(err, storage.ErrUnavailable):
		return "check that the database runs and is reachable; `countersign doctor` says more"
	default:
		return ""
	}
}

// usagef builds a usage error that points at the command's help.
func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...), "see `" + cmd.CommandPath() + " --help`"}
}

// noArgs and oneArg check positional arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef(cmd, "%s takes no argument, but got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

func oneArg(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef(cmd, "%s takes one argument, but got %d", cmd.CommandPath(), len(args))
	}
	return nil
}
