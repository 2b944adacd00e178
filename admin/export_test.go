package admin

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"countersign/clientstore"
	"countersign/storage/account"
	"countersign/storage/audit"
	"countersign/storage/storagetest"
)

// sheet is a file of CSV as a program reads it, without its head.
func (d *desk) sheet(path string) (head []string, rows [][]string) {
	d.t.Helper()
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, d.request(http.MethodGet, path, nil))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/csv; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" {
		d.t.Fatalf("%s answers %d, %v", path, w.Code, w.Header())
	}
	all, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(all) == 0 {
		d.t.Fatalf("%s: %v", path, err)
	}
	return all[0], all[1:]
}

// TestExports takes the lists as files: AD-17, no cell is a formula.
func TestExports(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		for _, name := range []string{"=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", `A "quoted", one`} {
			d.register(name, clientstore.OIDC)
		}
		d.approve(d.register("Bridge", clientstore.OAuth1))
		want := []string{"'+1", "'-1", "'=cmd|' /C calc'!A0", "'@SUM(A1)", `A "quoted", one`, "Bridge"}
		head, rows := d.sheet("/settings/oauth-clients/export")
		var got []string
		for _, row := range rows {
			got = append(got, row[1])
		}
		if head[0] != "client_id" || !slices.Equal(got, want) {
			t.Errorf("%v: %q; want %q", head, got, want)
		}
		if _, rows := d.sheet("/settings/oauth-clients/export?status=approved&sort=-used"); len(rows) != 1 || rows[0][3] != "approved" {
			t.Errorf("filtered: %v", rows)
		}
		head, rows = d.sheet("/settings/audit/export?format=csv&q=client.register")
		if head[1] != "at" || len(rows) != 6 || !slices.ContainsFunc(rows, func(row []string) bool { return row[8] == "'=cmd|' /C calc'!A0" }) {
			t.Errorf("audit: %v %v", head, rows)
		}
		d.want(d.open("/settings/oauth-clients/export?sort=x"), http.StatusBadRequest, "E-LIST")
		if a := d.do(d.request(http.MethodHead, "/settings/oauth-clients/export", nil)); a.status != http.StatusOK {
			t.Errorf("HEAD: %d", a.status)
		}
		d.want(d.open("/settings/oauth-clients"), http.StatusOK, "Export CSV", "Export JSON")
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, d.request(http.MethodGet, "/settings/oauth-clients/export?status=approved&format=json", nil))
		var doc clientstore.Document
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || doc.ClientName != "Bridge" || w.Header().Get("Content-Type") != "application/jsonl" {
			t.Errorf("JSON: %v, %v, %s", err, w.Header(), w.Body)
		}
	})
}

// slow is a browser that takes its time: something happens while it reads.
type slow struct {
	http.ResponseWriter
	meanwhile func()
}

func (s slow) Write(p []byte) (int, error) {
	s.meanwhile()
	return s.ResponseWriter.Write(p)
}

// cutOff fails unless a file of several pages ends with the page during which
// who reads it ceases to be an administrator.
func (d *desk) cutOff(path string) {
	d.t.Helper()
	bob := d.account("bob", account.ConfigureServer)
	r := d.as(d.signIn(bob)).request(http.MethodGet, path, nil)
	w := slow{httptest.NewRecorder(), sync.OnceFunc(func() {
		if err := d.accounts.Remove(d.t.Context(), root1, bob.ID); err != nil {
			d.t.Error(err)
		}
	})}
	defer func() {
		if gone := recover(); gone != http.ErrAbortHandler { //nolint:errorlint // it is a value, not an error's chain
			d.t.Errorf("%s went on, to the end: %v", path, gone)
		}
	}()
	d.handler.ServeHTTP(w, r)
}

// A file has every client, however many pages that takes.
func TestExportHasAll(t *testing.T) {
	t.Parallel()
	d := newDesk(t, storagetest.Open(t))
	c := d.register("Model", clientstore.OAuth2)
	batch := make([]clientstore.Client, 0, exportSize+1)
	for i := range exportSize + 1 {
		one := *c
		one.ID = "client" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		batch = append(batch, one)
	}
	if err := d.db.With(t.Context()).CreateInBatches(batch, 100).Error; err != nil {
		t.Fatal(err)
	}
	d.cutOff("/settings/oauth-clients/export")
	if err := d.db.Tx().InTx(t.Context(), func(ctx context.Context) (err error) {
		for range exportSize {
			err = errors.Join(err, d.audit.Record(ctx, root1, audit.Change{Action: "client.edit", TargetType: "client", TargetID: c.ID}))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	d.cutOff("/settings/audit/export")
	if _, rows := d.sheet("/settings/oauth-clients/export?sort=-used"); len(rows) != exportSize+2 {
		t.Errorf("%d rows; want %d", len(rows), exportSize+2)
	}
}
