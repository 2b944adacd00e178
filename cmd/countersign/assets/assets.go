// Package assets holds the style sheet, the script and the pictures of the
// pages. Their names carry a hash of their content, so that browsers may keep
// them for good.
package assets

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"countersign/authz/prepared"
)

// Prefix is where the assets live, under the issuer's path.
const Prefix = "/assets/"

//go:embed files
var files embed.FS

// catalog knows every asset by its hashed name, and the hashed name of each.
type catalog struct {
	hashed map[string]string
	served map[string]*prepared.Content
}

var all = load()

// Path returns the path of the asset with this name, such as style.css, under
// the issuer's path. It panics when there is none: templates are tried by
// tests before anybody meets them.
func Path(name string) string {
	hashed, ok := all.hashed[name]
	if !ok {
		panic("no asset is named " + strconv.Quote(name))
	}
	return Prefix + hashed
}

// Handler serves the assets at [Path].
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, Prefix)
	asset, known := all.served[name]
	if !ok || !known {
		http.NotFound(w, r)
		return
	}
	answer(asset, w, r)
}

// answer serves the asset. Its name changes with its content.
func answer(asset *prepared.Content, w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "An asset can only be read.", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	asset.ServeHTTP(w, r)
}

// load reads the embedded files. Style sheets come last, because they name
// other assets and are hashed with the names those were given.
func load() catalog {
	c := catalog{hashed: map[string]string{}, served: map[string]*prepared.Content{}}
	var sheets []string
	entries, err := fs.ReadDir(files, "files")
	must(err)
	for _, entry := range entries {
		if path.Ext(entry.Name()) == ".css" {
			sheets = append(sheets, entry.Name())
			continue
		}
		c.add(entry.Name(), read(entry.Name()))
	}
	for _, sheet := range sheets {
		body := read(sheet)
		for _, name := range slices.Sorted(maps.Keys(c.hashed)) {
			body = bytes.ReplaceAll(body, []byte(`url("`+name+`")`), []byte(`url("`+c.hashed[name]+`")`))
		}
		c.add(sheet, body)
	}
	return c
}

func (c catalog) add(name string, body []byte) {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	c.hashed[name] = hashed
	c.served[hashed] = prepared.New(mediaType(ext), body)
}

// mediaType does not ask the operating system, whose answer differs from
// machine to machine.
func mediaType(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".webp":
		return "image/webp"
	default:
		return mime.TypeByExtension(ext)
	}
}

func read(name string) []byte {
	body, err := files.ReadFile("files/" + name)
	must(err)
	return body
}

// must stops a program whose embedded files cannot be read, which a build
// cannot produce.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
