package clientstore

import (
	"bufio"
	"encoding/json"
	"io"
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

// browser reads URLs as browsers do (URL Standard), by Node's own reader.
type browser struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

// whatBrowsersRead is one URL as a browser reads it.
type whatBrowsersRead struct {
	Protocol, Origin, Hostname, Username, Password, Hash string
	Refused                                              bool
}

const reader = `
require("readline").createInterface({input: process.stdin}).on("line", (line) => {
  try {
    const {protocol, origin, hostname, username, password, hash} = new URL(JSON.parse(line));
    console.log(JSON.stringify({protocol, origin, hostname, username, password, hash}));
  } catch {
    console.log(JSON.stringify({refused: true}));
  }
});`

// newBrowser starts Node, nil where it is not there: what else is checked does not
// need it.
func newBrowser(tb testing.TB) *browser {
	tb.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		return nil
	}
	cmd := exec.CommandContext(tb.Context(), node, "--eval", reader)
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // what it had to say, it said
	})
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	return &browser{in, lines}
}

func (b *browser) read(t *testing.T, uri string) whatBrowsersRead {
	t.Helper()
	line, err := json.Marshal(uri)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	var read whatBrowsersRead
	if !b.out.Scan() {
		t.Fatalf("%q: Node has nothing to say: %v", uri, b.out.Err())
	}
	if err := json.Unmarshal(b.out.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// wantSame checks that a browser goes where Go, and whoever approved the client,
// reads the URI to lead.
func (b *browser) wantSame(t *testing.T, uri string, u *url.URL) {
	t.Helper()
	if b == nil {
		return
	}
	read := b.read(t, uri)
	origin := "null" // of applications on the device
	if u.Scheme == "https" || u.Scheme == "http" {
		port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
		origin = u.Scheme + "://" + strings.TrimSuffix(u.Host, port)
	}
	if read.Refused || read.Protocol != u.Scheme+":" || read.Origin != origin || read.Username+read.Password+read.Hash != "" {
		t.Fatalf("%q was accepted: Go reads %s, and browsers %+v", uri, origin, read)
	}
}
