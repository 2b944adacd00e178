// Command floor is the least that a token server can spend on this machine: it
// checks a client, makes a token and keeps it, with the same number of statements as
// Countersign and nothing else; or it reads tokens in Countersign's database, and
// takes people through the flows there, by the very statements that Countersign uses.
// It has no use beside being measured: who holds its one secret may do everything, and who
// comes without a session gets one.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8099", "`address` to listen on")
	postgres := flag.String("postgres", "", "`URL` of a PostgreSQL database")
	file := flag.String("sqlite", "", "`file` of a SQLite database, in the place of PostgreSQL")
	same := flag.String("same", "", "a `client` in that PostgreSQL database, which is Countersign's, to use it by its statements")
	like := flag.String("like", "", "`issuer` of Countersign, whose documents are answered byte for byte")
	join := flag.Bool("join", false, "join the commits of requests that come together")
	flag.Parse()
	if err := serve(options{*listen, *postgres, *file, *same, *like, *join}); err != nil {
		slog.Error("the floor ended", "cause", err.Error())
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	listen, postgres, file, same, like string
	join                               bool
}

func serve(o options) error {
	ctx := context.Background()
	kept, err := open(ctx, o.postgres, o.file, o.same)
	if err != nil {
		return err
	}
	h := &handler{issuer: "http://" + o.listen, store: kept, key: newKey()}
	mux := http.NewServeMux()
	if o.same != "" {
		stores, err := openBorrowed(ctx, o.postgres)
		if err != nil {
			return err
		}
		h.people = &people{stores, h.issuer, h.key}
		h.people.routes(mux)
	}
	if o.like != "" {
		if err := copyDocuments(ctx, mux, o.like); err != nil {
			return err
		}
	}
	if o.join {
		h.store = joined(ctx, kept)
	}
	mux.Handle("GET /.well-known/openid-configuration", h.metadata())
	mux.HandleFunc("POST /token", h.token)
	mux.HandleFunc("POST /introspect", h.introspect)
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return (&http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}).Serve(socket)
}

// open opens the database that is named.
func open(ctx context.Context, address, file, same string) (store, error) { //nolint:ireturn // there are several
	switch {
	case file != "":
		return openSQLite(ctx, file)
	case same != "":
		return openSame(ctx, address, same)
	default:
		return openPostgres(ctx, address)
	}
}

type handler struct {
	issuer string
	store  store
	key    *key
	people *people // nil where there are none
}

// metadataSize is about as long as Countersign's are, in bytes.
const metadataSize = 4500

// metadata serves a document that lies ready.
func (h *handler) metadata() http.Handler {
	members := map[string]any{"issuer": h.issuer, "token_endpoint": h.issuer + "/token", "introspection_endpoint": h.issuer + "/introspect"}
	if h.people != nil {
		h.people.endpoints(members)
	}
	members["padding"] = strings.Repeat("x", metadataSize)
	body, err := json.Marshal(members)
	if err != nil {
		panic(err) // they are texts
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // who asked has gone
	})
}

// token answers client_credentials, with one statement for the client and one for
// the token, and what people allowed.
func (h *handler) token(w http.ResponseWriter, r *http.Request) {
	if kind := r.PostFormValue("grant_type"); h.people != nil && kinds[kind] != "" {
		h.people.exchange(w, r, kind)
		return
	}
	c, ok := h.client(r)
	if !ok || r.PostForm.Get("grant_type") != "client_credentials" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	text := opaque()
	if c == signed {
		text = h.key.sign(h.issuer, c)
	}
	if err := h.store.keep(r.Context(), row{hash: mac(text), client: c, scope: r.PostForm.Get("scope"), expires: time.Now().Add(time.Hour)}); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	answer(w, struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
		Scope       string `json:"scope"`
	}{text, "bearer", 3600, r.PostForm.Get("scope")})
}

// introspect reads the client with the token, in one statement.
func (h *handler) introspect(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	found, kept, err := h.store.read(r.Context(), id, r.PostFormValue("token"))
	if err != nil || !ok || !right(kept, secret) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answer(w, struct {
		Active  bool   `json:"active"`
		Client  string `json:"client_id"`
		Scope   string `json:"scope"`
		Expires int64  `json:"exp"`
	}{found.expires.After(time.Now()), found.client, found.scope, found.expires.Unix()})
}

// client authenticates who asks.
func (h *handler) client(r *http.Request) (string, bool) {
	if err := r.ParseForm(); err != nil {
		return "", false
	}
	id, secret, ok := r.BasicAuth()
	if !ok {
		return "", false
	}
	kept, err := h.store.client(r.Context(), id)
	return id, err == nil && right(kept, secret)
}

func answer(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // who asked has gone
}
