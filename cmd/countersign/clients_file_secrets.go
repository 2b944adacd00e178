package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"countersign/clientstore"
)

// secretFiles are the files that generated secrets are written to, by handle.
// They are made before anything is applied: what cannot be written down is not
// made.
type secretFiles map[string]*os.File

// reserve makes the files for the secrets that the plan generates.
func (a *application) reserve(p *plannedFile) (secretFiles, error) {
	files := secretFiles{}
	for _, s := range p.Steps {
		path := a.places[s.Handle]
		if s.Secret != clientstore.SecretGenerated || path == "" {
			continue
		}
		f, err := reserveSecret(path)
		if err != nil {
			return nil, files.drop(a.file.Fault(s.Handle, "secret", err.Error()))
		}
		files[s.Handle] = f
	}
	return files, nil
}

// reserveSecret makes a file for its owner alone. It never takes one that is
// there.
func reserveSecret(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the clients file names it
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("write_to: %s is there already; remove it, or name another file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("write_to: %w; name a file that this user may make", err)
	}
	return f, nil
}

// write writes the secrets that were generated, and closes the files.
func (files secretFiles) write(secrets map[string]string) error {
	for handle, f := range files {
		_, err := f.WriteString(secrets[handle] + "\n")
		if err == nil {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("%s: write_to: %w", handle, err)
		}
	}
	return nil
}

// drop removes the files, whose secrets are nobody's, and returns the error that
// is why.
func (files secretFiles) drop(err error) error {
	for _, f := range files {
		_ = f.Close() // it may be closed
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// appliedFile is what was done by a clients file, as whoever applied it sees it.
type appliedFile struct {
	*clientstore.PlanDocument

	Steps []appliedStep `json:"steps"`
}

// appliedStep has a generated secret, or the file that it was written to.
type appliedStep struct {
	clientstore.StepDocument

	SecretFile string `json:"client_secret_file,omitempty"`
}

// shown leaves out the secrets that were written to files: what is printed ends
// up in the logs of pipelines.
func (a *application) shown(p *clientstore.PlanDocument) *appliedFile {
	shown := &appliedFile{PlanDocument: p, Steps: make([]appliedStep, len(p.Steps))}
	for i, s := range p.Steps {
		shown.Steps[i].StepDocument = s
		if path := a.places[s.Handle]; path != "" && s.ClientSecret != "" {
			shown.Steps[i].ClientSecret, shown.Steps[i].SecretFile = "", path
		}
	}
	return shown
}
