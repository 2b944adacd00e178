// Package backup writes a database into one file and reads it back: a backup,
// whose restoring brings back nothing that was taken back since, and an export,
// which moves an installation with everything that it holds to another
// database. See docs/decisions/0060-backup-restore-move.md.
package backup

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"time"

	"countersign/storage/seal"
)

// Kind is what a file is for.
type Kind string

// The kinds of file.
const (
	Backup Kind = "backup"
	Export Kind = "export"
)

// A file is three lines of text and the content: what it is, the [Header] as
// JSON, and a keyed hash of those two lines. The content is a SQLite database,
// compressed (RFC 1952); the header has its hash.
const (
	magic     = "countersign database 1\n"
	maxHeader = 64 << 10
)

// Header says what a file holds.
type Header struct {
	Kind      Kind             `json:"kind"`
	CreatedAt time.Time        `json:"created_at"` // everything before it is in the file, nothing after it
	Schema    int64            `json:"schema"`     // the newest migration
	Issuer    string           `json:"issuer"`     // as far as was known
	Program   string           `json:"program"`    // the release that wrote it
	Database  string           `json:"database"`   // the dialect that it was read from
	Rows      map[string]int64 `json:"rows"`       // by table
	Size      int64            `json:"size"`       // of the content, in bytes
	SHA256    string           `json:"sha256"`     // of the content, in hexadecimal
}

// FileError reports a file that cannot be used.
type FileError struct{ cause, Fix string }

func (e *FileError) Error() string { return e.cause }

func unusable(fix, format string, args ...any) error {
	return &FileError{fmt.Sprintf(format, args...), fix}
}

const anotherCopy = "take another copy of the file, or another backup; nothing was changed"

// authenticate returns the line that proves that who has the key-encryption key
// wrote the lines before it.
func authenticate(keys *seal.Keys, header []byte) string {
	return hex.EncodeToString(keys.Hash("backup header\x00"+magic+string(header))) + "\n"
}

// writeFile writes the header and the content.
func writeFile(w io.Writer, h Header, keys *seal.Keys, content io.Reader) error {
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err := io.WriteString(w, magic+string(line)+authenticate(keys, line)); err != nil {
		return err
	}
	_, err = io.Copy(w, content)
	return err
}

// readHeader reads the three lines and checks the hash.
func readHeader(r *bufio.Reader, keys *seal.Keys) (Header, error) {
	var h Header
	first, err := line(r, len(magic))
	if err != nil || string(first) != magic {
		return h, unusable("name a file that `countersign backup` or `countersign export` wrote", "this is no backup of Countersign, or one of a newer release")
	}
	header, err := line(r, maxHeader)
	if err != nil {
		return h, unusable(anotherCopy, "the file ends too early")
	}
	given, err := line(r, 2*sha256.Size+1)
	if err != nil {
		return h, unusable(anotherCopy, "the file ends too early")
	}
	if !hmac.Equal(given, []byte(authenticate(keys, header))) {
		return h, unusable("set COUNTERSIGN_SECRET_FILE to the key that was in use when the file was written; if it is that one, take another copy of the file. Nothing was changed",
			"the file was written with another key-encryption key, or its header was changed")
	}
	return h, json.Unmarshal(header, &h)
}

// line reads a line of at most limit bytes, with its end.
func line(r *bufio.Reader, limit int) ([]byte, error) {
	var b bytes.Buffer
	for b.Len() < limit {
		c, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		b.WriteByte(c)
		if c == '\n' {
			return b.Bytes(), nil
		}
	}
	return nil, errors.New("the line is too long")
}

// compress writes a file into w, compressed, and returns the size and the hash
// of what it wrote.
func compress(w io.Writer, path string) (size int64, sum string, err error) {
	from, err := os.Open(path) //nolint:gosec // our own
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = from.Close() }()
	counted := &summed{w: w, hash: sha256.New()}
	zip, err := gzip.NewWriterLevel(counted, gzip.BestSpeed)
	if err != nil {
		return 0, "", err
	}
	_, err = io.Copy(zip, from)
	err = errors.Join(err, zip.Close())
	return counted.size, hex.EncodeToString(counted.hash.Sum(nil)), err
}

type summed struct {
	w    io.Writer
	hash hash.Hash
	size int64
}

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	_, _ = s.hash.Write(p[:n]) // never fails
	s.size += int64(n)
	return n, err
}

// decompress writes the content into the file at path when it is what the
// header says.
func decompress(r io.Reader, h Header, path string) (err error) {
	sum := sha256.New()
	content := io.TeeReader(io.LimitReader(r, h.Size), sum)
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // our own
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	zip, err := gzip.NewReader(content)
	if err == nil {
		_, err = io.Copy(to, zip) //nolint:gosec // who wrote it has the key-encryption key
	}
	if _, rest := io.Copy(io.Discard, content); err == nil {
		err = rest
	}
	if _, ok := errors.AsType[*os.PathError](err); ok {
		return err // the disk, and not the file
	}
	if more, _ := r.Read(make([]byte, 1)); err != nil || more > 0 || !strings.EqualFold(hex.EncodeToString(sum.Sum(nil)), h.SHA256) {
		return unusable(anotherCopy, "the file is damaged: its content is not what its checksum says")
	}
	return nil
}
