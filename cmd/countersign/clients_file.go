package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"countersign/authz/outbound"
	"countersign/clientstore"
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
	file    *clientfile.File
	clients *clientstore.Store
	m       clientstore.Manifest
	places  map[string]string // where generated secrets are written to, by handle
	users   map[string]string // the names of the accounts that the file names, by identifier
}

// application reads the file with the secrets that it refers to.
func (c *clientsFile) application(ctx context.Context, s *stores) (*application, error) {
	f, err := c.parse()
	if err != nil {
		return nil, unusable(err)
	}
	a := &application{file: f, clients: s.clients, places: map[string]string{}, users: map[string]string{}}
	a.m = clientstore.Manifest{
		File: f.Owner, Prune: f.Prune,
		Sector: func(ctx context.Context, before, m *clientstore.Metadata) (*clientstore.Sector, error) {
			return outbound.Sector(ctx, s.outbound, before, m)
		},
	}
	var faults []error
	for i := range f.Clients {
		d := f.Clients[i].Declared
		if d.Secret, err = c.secret(a, &f.Clients[i]); err != nil {
			cause, fix := explain(err)
			faults = append(faults, f.Fault(d.Handle, "secret", strings.TrimSuffix("secret: "+cause+"; "+fix, "; ")))
		}
		if err := a.nameAccount(ctx, s, &d); err != nil {
			cause, fix := explain(err)
			if fix == "" {
				return nil, err
			}
			faults = append(faults, f.Fault(d.Handle, functionalMember, functionalMember+": "+cause+"; "+fix))
		}
		a.m.Clients = append(a.m.Clients, d)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, unusable(err)
	}
	return a, nil
}

// functionalMember names an account. A file names it by its username, which is
// the same on every server.
const functionalMember = "oauth1_functional_account"

// nameAccount puts the identifier of the account in the place of its name.
func (a *application) nameAccount(ctx context.Context, s *stores, d *clientstore.Declared) error {
	name := d.Metadata.OAuth1FunctionalAccount
	if name == "" {
		return nil
	}
	account, err := findUser(ctx, s, name)
	if err != nil {
		return err
	}
	a.users[account.ID] = account.Username
	d.Metadata.OAuth1FunctionalAccount = account.ID
	return nil
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

// plan compares the file with the database.
func (a *application) plan(ctx context.Context) (*clientstore.Plan, error) {
	p, err := a.clients.Plan(ctx, a.m)
	if err != nil {
		return nil, unusable(a.file.Locate(err))
	}
	for i := range p.Steps {
		for j, d := range p.Steps[i].Differences {
			if d.Member == functionalMember {
				p.Steps[i].Differences[j] = clientstore.Difference{Member: d.Member, Before: a.username(d.Before), After: a.username(d.After)}
			}
		}
	}
	return p, nil
}

// username is what people call an account; one that the file does not name
// keeps its identifier.
func (a *application) username(id any) any { //nolint:ireturn // as a difference has it
	if text, ok := id.(string); ok && a.users[text] != "" {
		return a.users[text]
	}
	return id
}

// apply makes the plan come true, and writes generated secrets where the file
// says. [storage.ErrConflict] says that somebody else changed a client since it
// was planned.
func (a *application) apply(ctx context.Context, by audit.Actor, p *clientstore.Plan) ([]clientstore.Applied, error) {
	var files []string
	done, err := a.clients.Apply(ctx, by, p, func(done []clientstore.Applied) error {
		for _, d := range done {
			path := a.places[d.Handle]
			if d.Secret == "" || path == "" {
				continue
			}
			if err := writeSecret(path, d.Secret); err != nil {
				return a.file.Fault(d.Handle, "secret", err.Error())
			}
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		for _, path := range files { // what they hold is nobody's secret
			err = errors.Join(err, os.Remove(path))
		}
		return nil, unusable(a.file.Locate(err))
	}
	return done, nil
}

// writeSecret makes a file for its owner alone. It never writes over one.
func writeSecret(path, secret string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the clients file names it
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write_to: %s is there already; remove it, or name another file", path)
	}
	if err != nil {
		return fmt.Errorf("write_to: %w; name a file that this user may make", err)
	}
	if _, err = f.WriteString(secret + "\n"); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write_to: %w", err), os.Remove(path))
	}
	return nil
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
	a, err := s.clients.application(ctx, s.stores)
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
	if p.Changes() {
		if _, err := a.apply(ctx, audit.Actor{Name: "clients file", Via: audit.ViaSystem}, p); err != nil {
			return err
		}
	}
	s.log.InfoContext(ctx, "the clients file was applied", "file", a.file.Name, "owner", p.File, "changes", summary(p))
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
