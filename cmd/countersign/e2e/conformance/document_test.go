package conformance

import (
	"fmt"
	"os"
	"strings"
)

// document is where the results are published.
const document = "../../../../docs/conformance.md"

// plans is every plan, in the order of the document.
var plans = []plan{
	basic, implicit, hybrid, formPostBasic, formPostImplicit, formPostHybrid, config, dynamic, thirdParty,
	rpInitiated, backChannel, frontChannel, sessionManagement,
}

const preface = `# Conformance

Made by ` + "`go test ./cmd/countersign/e2e/conformance`" + ` from what it saw; ` + "`UPDATE_GOLDEN=1`" + ` writes it again. Each row is a requirement that the OpenID Foundation's certification checks by a module of that name, in our own words. It was run against the real program over https, on SQLite and on PostgreSQL, by clients that registered themselves.

These are our own tests of the same requirements. They are no certification, and the Foundation's suite has the last word on what its modules want.

| result | means |
|---|---|
| pass | the requirement is met |
| pass, page checked | the certification asks for a picture of a page; the test looked for what it has to show |
| not offered, refused | the certification skips the module because the server does not offer the feature; the test saw that the metadata does not list it and that using it is refused |
| FAIL | the requirement is not met |
| – | the plan does not run the module with this response type |

In every module, the test also holds discovery, keys, registration, authorization response, token response, ID token and userinfo against what the specifications say of each.

## Running the certification suite

Start Countersign with an https issuer that the suite reaches, and make what its clients and its person need:

` + "```sh" + `
countersign client initial-token create --name "conformance suite" --approve --uses 1000
countersign user create --username ada --name "Ada Lovelace" --email ada@example.org \
  --claim given_name=Ada --claim family_name=Lovelace --claim middle_name=King --claim nickname=Countess \
  --claim profile=https://ada.example/ --claim picture=https://ada.example/ada.jpg --claim website=https://ada.example/ \
  --claim gender=female --claim birthdate=1815-12-10 --claim zoneinfo=Europe/London --claim locale=en-GB \
  --claim email_verified=true --claim phone_number="+44 20 7946 0000" --claim phone_number_verified=true \
  --claim address='{"locality":"London","country":"GB"}'
` + "```" + `

- Give the suite the issuer's discovery URL, and the token as the initial access token: what registers with it is approved at once. Without it every client waits for an administrator.
- Choose ` + "`server_metadata=discovery`" + ` and ` + "`client_registration=dynamic_client`" + ` where a plan asks. A suite on a private network needs that network in ` + "`outbound_allow`" + `, and its certificate authority in the file that the environment variable ` + "`SSL_CERT_FILE`" + ` of the server names.
- The members ` + "`oauth1_…`" + ` of the metadata are this server's own, because OAuth 1.0a has no metadata; let the suite know them in ` + "`server.allow_unexpected_metadata_fields`" + `.
- ` + "`oidcc-server-rotate-keys`" + ` waits for ` + "`countersign keys rotate --alg RS256`" + `.
`

// writeDocument holds the document against the results of each plan that ran
// in full, and writes it when it is told to. It returns how many faults it
// found.
func writeDocument() int {
	sections, complete := make([]string, len(plans)), true
	for i, p := range plans {
		sections[i] = p.section()
		complete = complete && sections[i] != ""
	}
	text := preface + strings.Join(sections, "")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if !complete {
			return fault("docs/conformance.md is written by a run of every plan")
		}
		return update(text)
	}
	published, err := os.ReadFile(document)
	if err != nil {
		return fault("%v", err)
	}
	faults := 0
	for i, p := range plans {
		if sections[i] != "" && !strings.Contains(string(published), sections[i]) {
			faults += fault("docs/conformance.md does not say of %s what this run saw; UPDATE_GOLDEN=1 writes it", p.name)
		}
	}
	if complete && faults == 0 && string(published) != text {
		faults += fault("docs/conformance.md is not what this run saw; UPDATE_GOLDEN=1 writes it")
	}
	return faults
}

func update(text string) int {
	if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
		return fault("%v", err)
	}
	return 0
}

func fault(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, "FAIL: "+format+"\n", args...)
	return 1
}

// section is what the document says of the plan, empty unless all of it ran.
func (p plan) section() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n`%s`\n\n| module | requirement |", p.title, p.name)
	for _, v := range p.variants {
		fmt.Fprintf(&b, " %s |", v.heading())
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(p.variants)) + "\n")
	for _, m := range p.modules {
		fmt.Fprintf(&b, "| %s | %s |", m.name, m.requires)
		for _, v := range p.variants {
			if !m.applies(v) {
				b.WriteString(" – |")
				continue
			}
			o, ran := results.of(cell{p.name, m.name, v.name()})
			if !ran {
				return ""
			}
			fmt.Fprintf(&b, " %s |", o)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (v variant) heading() string {
	if v.responseType == "" {
		return "result"
	}
	return "`" + v.responseType + "`"
}
