package driver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 20 * time.Second
	bufferSize    = 16 << 10
)

// request is a request that was written once and may be sent many times.
type request struct {
	host string
	raw  []byte
}

// write writes a request. Header fields are whole lines.
func write(method string, u *url.URL, header []string, body string) *request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: countersign-bench\r\nAccept: */*\r\n", method, u.RequestURI(), u.Host)
	for _, line := range header {
		b.WriteString(line + "\r\n")
	}
	if body != "" || method == http.MethodPost {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return &request{u.Host, b.Bytes()}
}

// answer is an answer with its body read.
type answer struct {
	*http.Response
	body []byte
}

// connection is a worker's connection to the server. [http.Client] would take
// three times the processor time, which on a small machine the server lacks.
type connection struct {
	from   net.IP // the address that it comes from
	host   string // where it leads to
	conn   net.Conn
	reader *bufio.Reader
	sent   int64
}

// people counts those who came so far.
var people atomic.Uint32

// somewhere is an address that nobody came from lately: the whole of
// 127.0.0.0/8 is this machine, and each worker and each new browser comes from
// a network of its own, as people do.
func somewhere() net.IP {
	n := people.Add(1)
	return net.IPv4(127, byte(1+(n>>8)%250), byte(n), 1) //nolint:gosec // what is too large begins anew
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (c *connection) open(host string) error {
	dialer := net.Dialer{Timeout: dialTimeout, LocalAddr: &net.TCPAddr{IP: c.from}}
	conn, err := dialer.Dial("tcp", host)
	if err != nil {
		return err
	}
	c.host, c.conn, c.reader = host, conn, bufio.NewReaderSize(conn, bufferSize)
	return nil
}

// do sends a request, and sends it again on a new connection where the server
// had closed the one that was kept.
func (c *connection) do(r *request) (*answer, error) {
	c.sent++
	if c.host != r.host { // the endpoints of one server may be on several
		c.close()
	}
	kept := c.conn != nil
	a, err := c.exchange(r)
	if err != nil && kept {
		a, err = c.exchange(r)
	}
	return a, err
}

func (c *connection) exchange(r *request) (*answer, error) {
	if c.conn == nil {
		if err := c.open(r.host); err != nil {
			return nil, err
		}
	}
	_ = c.conn.SetDeadline(time.Now().Add(answerTimeout)) // what it cannot set, writing reports
	if _, err := c.conn.Write(r.raw); err != nil {
		c.close()
		return nil, err
	}
	return c.read()
}

func (c *connection) read() (*answer, error) {
	res, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.close()
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close() // it was read
	if err != nil || res.Close {
		c.close()
	}
	return &answer{res, body}, err
}
