package discovery_test

import (
	"encoding/xml"
	"net/http"
	"os"
	"strings"
	"testing"

	"countersign/authz/discovery"
)

func catalogs(t *testing.T, entries ...string) []discovery.Catalog {
	t.Helper()
	var list []discovery.Catalog
	for _, e := range entries {
		c, err := discovery.ParseCatalog(e)
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		list = append(list, c)
	}
	return list
}

// rooted is a server with all that the document can have, and characters that
// XML has a meaning for.
func rooted(t *testing.T) *discovery.Handler {
	t.Helper()
	cfg := config
	cfg.Rootservices = discovery.Rootservices{
		Title: `Models & "more" <here>`, Realm: "Models", Domain: "https://models.example/oslc/",
		Approval: "https://admin.example/settings/oauth-clients/approve",
		Catalogs: catalogs(t, "oslc_am:amServiceProviders=https://models.example/oslc/catalog?a=b&c='d'",
			"oslc_cm:cmServiceProviders=https://models.example/cm", "http://open-services.net/ns/cm#cmServiceProviders=https://models.example/cm"),
	}
	return discovery.New(cfg)
}

func TestRootservices(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/rootservices.xml")
	if err != nil {
		t.Fatal(err)
	}
	w := get(t, rooted(t).Rootservices, "Accept", "application/rdf+xml")
	if got := w.Body.String(); got != string(want) {
		t.Errorf("the document is not that of testdata/rootservices.xml:\n%s", got)
	}
	for decoder := xml.NewDecoder(strings.NewReader(w.Body.String())); ; {
		if _, err := decoder.Token(); err != nil {
			if err.Error() != "EOF" {
				t.Errorf("not XML: %v", err)
			}
			break
		}
	}
}

// A server that nobody can register at has no address for it, and the domain is
// the issuer's where it is nobody else's.
func TestRootservicesOfAServerAlone(t *testing.T) {
	t.Parallel()
	body := get(t, discovery.New(discovery.Config{Issuer: issuer}).Rootservices).Body.String()
	if strings.Contains(body, "oauthRequestConsumerKeyUrl") || !strings.Contains(body, "<jfs:oauthDomain>"+issuer+"</jfs:oauthDomain>") {
		t.Errorf("got %s", body)
	}
}

// Whatever is asked for, it is answered with the document, and its type is what
// the tool said that it reads.
func TestRootservicesIsTolerant(t *testing.T) {
	t.Parallel()
	h := rooted(t)
	tags := map[string]string{}
	for accept, want := range map[string]string{
		"": "application/rdf+xml", "*/*": "application/rdf+xml", "application/rdf+xml": "application/rdf+xml", "Application/RDF+XML;q=0.5, text/turtle": "application/rdf+xml",
		"application/xml": "application/xml", "text/xml, */*;q=0.1": "application/xml", "application/xml, application/rdf+xml": "application/rdf+xml",
		"text/turtle": "application/rdf+xml", "text/html": "application/rdf+xml", "application/json": "application/rdf+xml", "nonsense": "application/rdf+xml",
	} {
		w := get(t, h.Rootservices, "Accept", accept, "OSLC-Core-Version", "2.0")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != want || w.Header().Get("Vary") != "Accept" || w.Body.Len() == 0 {
			t.Errorf("%q: %d %v", accept, w.Code, w.Header())
		}
		if other, known := tags[want]; known && other != w.Header().Get("ETag") {
			t.Errorf("%q: ETag %s; want %s", accept, w.Header().Get("ETag"), other)
		}
		tags[want] = w.Header().Get("ETag")
		if again := get(t, h.Rootservices, "Accept", accept, "If-None-Match", tags[want]); again.Code != http.StatusNotModified {
			t.Errorf("%q again: %d", accept, again.Code)
		}
	}
	if tags["application/xml"] == tags["application/rdf+xml"] {
		t.Error("two representations have one ETag")
	}
	head := send(t, h.Rootservices, http.MethodHead)
	if head.Code != http.StatusOK || head.Body.Len() != 0 || head.Header().Get("Content-Length") == "" || head.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("HEAD: %d %v", head.Code, head.Header())
	}
}

func TestParseCatalogRefuses(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"", "=", "oslc_am:amServiceProviders", "oslc_am:amServiceProviders=", "oslc_am:amServiceProviders=/catalog", "oslc_am:amServiceProviders=ftp://h/c",
		"oslc_am:amServiceProviders=https://u:p@h/c", "oslc_am:amServiceProviders=https://h/ c", "amServiceProviders=https://h/c", "nobody:x=https://h/c",
		"oslc_am:=https://h/c", "oslc_am:a b=https://h/c", "oslc_am:1a=https://h/c", "oslc_am:a/><x=https://h/c", "https://h/=https://h/c", "https://h/x#=https://h/c",
	} {
		if c, err := discovery.ParseCatalog(entry); err == nil {
			t.Errorf("%q is taken: %+v", entry, c)
		}
	}
}
