package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"countersign/clientstore"
	"countersign/cmd/countersign/adminclient"
	"countersign/cmd/countersign/clientfile"
	"countersign/storage"
	"countersign/storage/audit"
)

// clientsFile is a clients file on disk, or standard input when the path is "-".
type clientsFile struct {
	p    *program
	path string
}

// application is a clients file that is being applied.
type application struct {
	file   *clientfile.File
	desk   fileDesk
	m      clientstore.Manifest
	places map[string]string // where generated secrets are written to, by handle
}

// application reads the file with the secrets that it refers to.
func (c *clientsFile) application(desk fileDesk) (*application, error) {
	f, err := c.parse()
	if err != nil {
		return nil, unusable(err)
	}
	a := &application{file: f, desk: desk, places: map[string]string{}}
	a.m = clientstore.Manifest{File: f.Owner, Prune: f.Prune}
	var faults []error
	for i := range f.Clients {
		d := f.Clients[i].Declared
		if d.Secret, err = c.secret(a, &f.Clients[i]); err != nil {
			cause, fix := explain(err)
			faults = append(faults, f.Fault(d.Handle, "secret", strings.TrimSuffix("secret: "+cause+"; "+fix, "; ")))
		}
		a.m.Clients = append(a.m.Clients, d)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, unusable(err)
	}
	return a, nil
}

// unusable is what is wrong with a file, a line each.
func unusable(err error) error {
	if _, ok := errors.AsType[*clientfile.FileError](err); !ok {
		return err
	}
	return remedy(err, "the clients file cannot be used; nothing was changed:\n  "+strings.ReplaceAll(err.Error(), "\n", "\n  "),
		"correct the above; `countersign client schema` prints what the file may say, docs/clients-as-a-file.md explains it")
}

func (c *clientsFile) parse() (*clientfile.File, error) {
	from, name := c.p.stdin, c.path
	if c.path == "-" {
		name = "standard input"
	} else {
		f, err := os.Open(c.path)
		if err != nil {
			return nil, remedy(err, fmt.Sprintf("read the clients file: %v", err), "check the path and that this user may read the file")
		}
		defer f.Close() //nolint:errcheck // only read
		from = f
	}
	content, err := io.ReadAll(io.LimitReader(from, clientfile.MaxSize+1))
	if err != nil {
		return nil, remedy(err, fmt.Sprintf("read the clients file: %v", err), "name a file that this user may read")
	}
	return clientfile.Parse(name, content)
}

// beside is a path that the file names, which starts from its folder.
func (c *clientsFile) beside(path string) string {
	if filepath.IsAbs(path) || c.path == "-" {
		return path
	}
	return filepath.Join(filepath.Dir(c.path), path)
}

// secret reads what a client's secret refers to. A file for a generated secret
// that is there already holds the one of an attempt before, which is taken if
// the client is registered now.
func (c *clientsFile) secret(a *application, client *clientfile.Client) (*clientstore.DeclaredSecret, error) {
	ref := client.Secret
	if ref == nil {
		return nil, nil //nolint:nilnil // no secret
	}
	d := &clientstore.DeclaredSecret{Overlap: ref.Overlap}
	var err error
	switch {
	case ref.File != "":
		d.Value, err = c.p.readSecret("client secret", c.beside(ref.File))
	case ref.Env != "":
		if d.Value = c.p.getenv(ref.Env); d.Value == "" {
			err = remedy(nil, "the environment variable "+ref.Env+" is not set", "set it, or refer to another")
		}
	default:
		path := c.beside(ref.WriteTo)
		a.places[client.Declared.Handle] = path
		d.Initial = true
		if _, absent := os.Stat(path); absent == nil {
			d.Value, _ = c.p.readSecret("client secret", path) // who needs it learns that it cannot be written
		}
	}
	return d, err
}

// plan compares the file with what there is.
func (a *application) plan(ctx context.Context) (*plannedFile, error) {
	p, err := a.desk.PlanFile(ctx, a.m)
	if err != nil {
		return nil, a.unusable(err)
	}
	return p, nil
}

// unusable says where in the file an error of a desk comes from.
func (a *application) unusable(err error) error {
	if refused, ok := errors.AsType[*adminclient.RefusedError](err); ok {
		err = a.locate(refused)
	}
	return unusable(a.file.Locate(err))
}

// locate says where in the file the members are that a server refused.
func (a *application) locate(refused *adminclient.RefusedError) error {
	var faults []error
	for _, fault := range refused.Errors {
		path := strings.Split(strings.TrimPrefix(fault.Pointer, "#/"), "/")
		if len(path) < 2 || path[0] != "clients" {
			continue
		}
		member := strings.Join(path[2:], ".")
		faults = append(faults, a.file.Fault(path[1], member, strings.TrimPrefix(member+": ", ": ")+fault.Detail))
	}
	if len(faults) == 0 || len(faults) < len(refused.Errors) {
		return refused
	}
	return errors.Join(faults...)
}

// apply makes the plan come true, and writes generated secrets where the file
// says. [storage.ErrConflict] says that somebody else changed a client since it
// was planned.
func (a *application) apply(ctx context.Context, p *plannedFile) (*appliedFile, error) {
	files, err := a.reserve(p)
	if err != nil {
		return nil, unusable(err)
	}
	done, err := a.desk.ApplyFile(ctx, p, files.write)
	if err != nil {
		return nil, files.drop(a.unusable(err))
	}
	return a.shown(done), nil
}

// checkClientsFile reads the clients file, if there is one; whether it can be
// applied is for `client apply --dry-run` to say.
func checkClientsFile(_ context.Context, pt *patient) finding {
	path := pt.cfg.ClientsFile
	if path == "" {
		return found(skipped, "clients_file is not set", "")
	}
	f, err := (&clientsFile{pt.program, path}).parse()
	if err != nil {
		cause, fix := explain(unusable(err))
		return found(failed, cause, fix)
	}
	return finef("%s, %s", path, count(int64(len(f.Clients)), "client"))
}

// attempts is how often a server plans anew when others change its clients at
// the same moment, as replicas do that start together.
const attempts = 10

// applyClients makes the server's clients what its clients file says.
func (s *server) applyClients(ctx context.Context) error {
	a, err := s.clients.application(databaseFiles{s.stores, audit.Actor{Name: "clients file", Via: audit.ViaSystem}})
	if err != nil {
		return err
	}
	if a.m.Prune && len(a.m.Clients) == 0 {
		return remedy(nil, fmt.Sprintf("the clients file %s has prune: true and no clients; a server does not remove all of them by itself", a.file.Name),
			"if it is meant, run `countersign client apply --prune -f "+a.file.Name+"` once and take prune out of the file")
	}
	for range attempts {
		if err = s.applyOnce(ctx, a); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	return err
}

func (s *server) applyOnce(ctx context.Context, a *application) error {
	p, err := a.plan(ctx)
	if err != nil {
		return err
	}
	for i := range p.Steps {
		step := &p.Steps[i]
		if step.Secret == clientstore.SecretGenerated && a.places[step.Handle] == "" {
			return unusable(a.file.Fault(step.Handle, "secret", "secret: is missing, and a server has nowhere to show one that it generates; "+
				"write secret: {file: PATH}, {env: NAME} or {write_to: PATH}, or run `countersign client apply` first"))
		}
		for _, note := range step.Notes {
			s.log.WarnContext(ctx, "a client is not what the clients file says", "handle", step.Handle, "note", note)
		}
	}
	if p.Changes {
		if _, err := a.apply(ctx, p); err != nil {
			return err
		}
	}
	s.log.InfoContext(ctx, "the clients file was applied", "file", a.file.Name, "owner", p.Owner, "changes", summary(&p.PlanDocument))
	return nil
}

// reloadClients applies the clients file again. What cannot be applied leaves
// the clients as they are.
func (s *server) reloadClients(ctx context.Context) {
	if err := s.applyClients(ctx); err != nil {
		cause, fix := explain(err)
		s.log.ErrorContext(ctx, "the clients file was not applied; the clients stay as they are", "cause", cause, "fix", fix)
	}
}
