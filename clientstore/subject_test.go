package clientstore_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/storagetest"
)

func pairwise(uri string, redirects ...string) clientstore.Metadata {
	return clientstore.Metadata{SubjectType: "pairwise", SectorIdentifierURI: uri, RedirectURIs: redirects, ApplicationType: clientstore.Native}
}

// The sector that a client belongs to, or why it cannot (OpenID Connect Core
// 1.0, section 8.1).
func TestSector(t *testing.T) {
	t.Parallel()
	clients := newStore(t, storagetest.Open(t))
	const document = "https://sector.example/uris.json"
	all := []string{"https://a.example/cb", "https://b.example/cb", "com.example.app:/cb"}
	listed, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	sector, err := clientstore.ParseSector(document, listed)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		metadata clientstore.Metadata
		document *clientstore.Sector
		sector   string // or
		fault    string
	}{
		"public":                       {clientstore.Metadata{RedirectURIs: all[:1]}, nil, "", ""},
		"public, in words":             {clientstore.Metadata{SubjectType: "public", RedirectURIs: all[:1]}, nil, "", ""},
		"public with a sector":         {clientstore.Metadata{SectorIdentifierURI: document, RedirectURIs: all[:1]}, sector, "", ""},
		"one host":                     {pairwise("", "https://a.example/1", "https://a.example:8443/2"), nil, "a.example", ""},
		"two hosts":                    {pairwise("", all[:2]...), nil, "", "several hosts"},
		"a host and none":              {pairwise("", all[1:]...), nil, "", "several hosts"},
		"no host":                      {pairwise("", all[2]), nil, "client:", ""},
		"two hosts with a document":    {pairwise(document, all...), sector, "sector.example", ""},
		"a document that was not read": {pairwise(document, all...), nil, "", "was not read"},
		"another document":             {pairwise(document+"?", all...), sector, "", "was not read"},
		"not in the document":          {pairwise(document, "https://c.example/cb"), sector, "", "does not list"},
		"no redirect URI":              {clientstore.Metadata{SubjectType: "pairwise", SectorIdentifierURI: document, GrantTypes: []string{clientstore.GrantClientCredentials}}, sector, "", "has none"},
		"http":                         {pairwise("http://sector.example/", all...), sector, "", "use https"},
		"fragment":                     {pairwise(document+"#x", all...), sector, "", "fragment"},
		"an unknown type":              {clientstore.Metadata{SubjectType: "Pairwise", RedirectURIs: all[:1]}, nil, "", "is not known"},
	} {
		c, _, err := clients.Register(t.Context(), ada, clientstore.Registration{Type: clientstore.OIDC, Name: "App", Metadata: tt.metadata, Sector: tt.document})
		if tt.fault != "" {
			if fault, ok := errors.AsType[*clientstore.MetadataError](err); !ok || !strings.Contains(fault.Reason.String(), tt.fault) {
				t.Errorf("%s: %v; want %q", name, err, tt.fault)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := tt.sector
		if want == "client:" {
			want += c.ID
		}
		if c.Sector() != want {
			t.Errorf("%s: sector %q; want %q", name, c.Sector(), want)
		}
	}
}

// A client that was decided on keeps calling people what it did, whoever
// changes it and by whatever door.
func TestSubjectsStay(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, db *storage.DB) {
		clients := newStore(t, db)
		c, _, err := clients.Register(t.Context(), ada, clientstore.Registration{Type: clientstore.OIDC, Name: "App", Metadata: pairwise("", "https://a.example/cb")})
		if err != nil {
			t.Fatal(err)
		}
		edit := func(m clientstore.Metadata) error {
			now, err := clients.Get(t.Context(), c.ID)
			if err != nil {
				t.Fatal(err)
			}
			_, err = clients.Edit(t.Context(), ada, c.ID, clientstore.Edit{Metadata: &m, Version: now.Version})
			return err
		}
		if err := edit(pairwise("", "https://b.example/cb")); err != nil {
			t.Errorf("nobody was named to it yet: %v", err)
		}
		if _, err := clients.Approve(t.Context(), ada, c.ID); err != nil {
			t.Fatal(err)
		}
		for name, decide := range map[string]func() error{
			"approved":    func() error { return nil },
			"disapproved": func() error { _, err := clients.Disapprove(t.Context(), ada, c.ID, ""); return err },
		} {
			if err := decide(); err != nil {
				t.Fatal(err)
			}
			for change, m := range map[string]clientstore.Metadata{
				"another host": pairwise("", "https://a.example/cb"), "public": {RedirectURIs: []string{"https://b.example/cb"}},
				"no host": pairwise("", "com.example.app:/cb"),
			} {
				if fault, ok := errors.AsType[*clientstore.MetadataError](edit(m)); !ok || !strings.Contains(fault.Reason.String(), "know nobody") {
					t.Errorf("%s: %s: %v", name, change, fault)
				}
			}
			if err := edit(pairwise("", "https://b.example/"+name)); err != nil {
				t.Errorf("%s: the same host: %v", name, err)
			}
		}
	})
}

// FuzzParseSector reads documents of strangers: a list of texts, or a refusal
// that names the member.
func FuzzParseSector(f *testing.F) {
	for _, document := range []string{`["https://a.example/cb"]`, `[]`, `null`, `{}`, `["a",1]`, `["a","a"]`, `[["a"]]`, "", `["https://a.example/cb"`} {
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document string) {
		sector, err := clientstore.ParseSector("https://s.example/", []byte(document))
		if (err == nil) != (sector != nil) {
			t.Fatalf("%q: %v, %v", document, sector, err)
		}
		var list []string
		isList := json.Unmarshal([]byte(document), &list) == nil && list != nil
		if err == nil && !isList {
			t.Errorf("%q is taken for a list", document)
		}
		if fault, ok := errors.AsType[*clientstore.MetadataError](err); err != nil && (!ok || fault.Field != "sector_identifier_uri") {
			t.Errorf("%q: %v", document, err)
		}
	})
}
