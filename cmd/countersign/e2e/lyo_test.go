package e2e

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lyo is the OAuth client of Eclipse Lyo 5 (OslcOAuthClient, with net.oauth and
// Apache's HttpClient 4), byte for byte: the order of parameters and headers,
// nonces that count nanoseconds, a GET for the request token without a callback,
// and no verifier. Java is not here, but what it sends is.
type lyo struct {
	t             testing.TB
	consumer      *consumer
	token, secret string // of the request token, then of the access token
}

// parameters are names and values in turn, in the order in which they are sent.
type parameters []string

// percentEncode is OAuth.percentEncode.
func percentEncode(s string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
}

// formEncode is OAuth.formEncode.
func (p parameters) formEncode() string {
	var pairs []string
	for pair := range slices.Chunk(p, 2) {
		pairs = append(pairs, percentEncode(pair[0])+"="+percentEncode(pair[1]))
	}
	return strings.Join(pairs, "&")
}

// header is OAuthMessage.getAuthorizationHeader.
func (p parameters) header(realm string) string {
	into := `OAuth realm="` + percentEncode(realm) + `"`
	for pair := range slices.Chunk(p, 2) {
		into += ", " + percentEncode(pair[0]) + `="` + percentEncode(pair[1]) + `"`
	}
	return into
}

// addRequired is OAuthMessage.addRequiredParameters.
func (l *lyo) addRequired(method, address string, p parameters) parameters {
	p = append(p, "oauth_consumer_key", l.consumer.Key, "oauth_signature_method", "HMAC-SHA1",
		"oauth_timestamp", strconv.FormatInt(time.Now().Unix(), 10), "oauth_nonce", strconv.FormatInt(time.Now().UnixNano()%1e15, 10), "oauth_version", "1.0")
	var sorted []string
	for pair := range slices.Chunk(p, 2) {
		sorted = append(sorted, percentEncode(pair[0])+"="+percentEncode(pair[1]))
	}
	slices.Sort(sorted)
	mac := hmac.New(sha1.New, []byte(percentEncode(l.consumer.Secret)+"&"+percentEncode(l.secret)))
	mac.Write([]byte(method + "&" + percentEncode(address) + "&" + percentEncode(strings.Join(sorted, "&"))))
	return append(p, "oauth_signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// send writes a request as Apache's HttpClient does, and reads the answer.
func (l *lyo) send(line, address, before, body string) (int, string) {
	l.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		l.t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", u.Host)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the answer is read
	_, err = fmt.Fprintf(conn, "%s HTTP/1.1\r\n%sHost: %s\r\nConnection: Keep-Alive\r\nUser-Agent: Apache-HttpClient/4.5.14 (Java/17.0.9)\r\nAccept-Encoding: gzip,deflate\r\n\r\n%s",
		line, before, u.Host, body)
	if err != nil {
		l.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	text, err := io.ReadAll(res.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// take is OAuthClient.invoke: any 2xx is a success with a form of credentials.
func (l *lyo) take(status int, body string) (problem string) {
	l.t.Helper()
	form, err := url.ParseQuery(body)
	if err != nil {
		l.t.Fatalf("%v: %s", err, body)
	}
	if status/100 != 2 {
		return form.Get("oauth_problem")
	}
	l.token, l.secret = form.Get("oauth_token"), form.Get("oauth_token_secret")
	if l.token == "" || l.secret == "" {
		l.t.Fatalf("no credentials: %s", body)
	}
	return ""
}

// requestToken is getRequestTokenResponse with GET, and returns where the person
// is sent to, or the problem.
func (l *lyo) requestToken() (authorize, problem string) {
	l.t.Helper()
	l.token, l.secret = "", ""
	at := l.consumer.RequestToken
	path := strings.TrimPrefix(at, at[:strings.Index(at[8:], "/")+8])
	status, body := l.send("GET "+path+"?"+l.addRequired("GET", at, nil).formEncode(), at, "", "")
	if problem = l.take(status, body); problem != "" {
		return "", problem
	}
	return l.consumer.Authorize + "?oauth_token=" + l.token + "&oauth_callback=" + url.QueryEscape(l.consumer.Callback), ""
}

// accessToken is getAccessToken with POST, in the body, without a verifier.
func (l *lyo) accessToken() (problem string) {
	l.t.Helper()
	at := l.consumer.AccessToken
	path := strings.TrimPrefix(at, at[:strings.Index(at[8:], "/")+8])
	body := l.addRequired("POST", at, parameters{"oauth_token", l.token}).formEncode()
	return l.take(l.send("POST "+path, at, fmt.Sprintf("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(body)), body))
}

// getResource is getResource of OslcOAuthClient.
func (l *lyo) getResource(at string) (int, string) {
	l.t.Helper()
	header := l.addRequired("GET", at, parameters{"oauth_token", l.token}).header("Jazz")
	path := strings.TrimPrefix(at, at[:strings.Index(at[8:], "/")+8])
	return l.send("GET "+path, at, "Accept: application/rdf+xml\r\nOSLC-Core-Version: 2.0\r\nAuthorization: "+header+"\r\n", "")
}

// TestLyoClient is refused by default, and served where an administrator set
// oauth1_without_verifier.
func TestLyoClient(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *server) {
		u, b := s.User(), s.browse()
		strict := &lyo{t: t, consumer: s.consumer("HMAC-SHA1")}
		if _, problem := strict.requestToken(); problem != "parameter_rejected" {
			t.Errorf("by default the client is answered %q; want parameter_rejected", problem)
		}

		l := &lyo{t: t, consumer: s.consumer("HMAC-SHA1", "--set", "oauth1_without_verifier=true")}
		if _, problem := l.requestToken(); problem != "" {
			t.Fatalf("no request token: %s", problem)
		}
		if problem := l.accessToken(); problem != "additional_authorization_required" {
			t.Errorf("before anybody allowed it: %q", problem)
		}
		authorize, _ := l.requestToken() // it restarts the dance
		p := b.Open(authorize)
		if p.asksToSignIn() {
			p = b.SignIn(p, u.Username, u.password)
		}
		if !strings.Contains(p.Text(), "Only continue if you started this yourself") {
			t.Errorf("the page does not warn: %s", p.Text())
		}
		if p = b.Decide(p, "allow"); p.Callback == nil || p.Callback.Query().Get("oauth_token") != l.token || p.Callback.Query().Has("oauth_verifier") {
			t.Fatalf("allowed: %v %s", p.Callback, p.Text())
		}
		if problem := l.accessToken(); problem != "" {
			t.Fatalf("no access token: %s", problem)
		}
		s.canaries.add("token secret", l.secret)
		resource := s.exampleServer(s.resourceClient()) + "/models"
		if status, body := l.getResource(resource); status != http.StatusOK || !strings.Contains(body, `"sub":"`+u.ID+`"`) {
			t.Errorf("the resource: %d %s", status, body)
		}
		s.disapprove(&client{ID: l.consumer.Key})
		if status, body := l.getResource(resource); status != http.StatusUnauthorized {
			t.Errorf("after the disapproval: %d %s", status, body)
		}
	})
}
