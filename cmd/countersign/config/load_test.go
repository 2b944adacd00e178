package config

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// file writes a configuration file.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "countersign.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterSourcesWin(t *testing.T) {
	t.Parallel()
	yaml := file(t, "name: from file\nlog_level: debug\nsession_idle: 5m\ntrusted_proxies: [10.0.0.0/8, 192.0.2.1]\n")
	env := []string{"COUNTERSIGN_NAME=from environment", "COUNTERSIGN_SESSION_IDLE=6m", "PATH=/bin", "COUNTERSIGN_CONTACT="}
	c, err := Load(Source{File: yaml, Env: env, Flags: map[string]string{"session_idle": "7m"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}
	switch {
	case c.Policy != "default" || c.Contact != "your administrator":
		t.Errorf("policy %q, contact %q; want the defaults", c.Policy, c.Contact)
	case c.LogLevel.String() != "DEBUG":
		t.Errorf("log level %s; want the file's", c.LogLevel)
	case c.Name != "from environment":
		t.Errorf("name %q; want the environment's", c.Name)
	case c.SessionIdle != 7*time.Minute:
		t.Errorf("session_idle %s; want the flag's", c.SessionIdle)
	case !slices.Equal(c.TrustedProxies, want):
		t.Errorf("trusted_proxies %v; want %v", c.TrustedProxies, want)
	}
}

func TestFaultsNameTheRemedy(t *testing.T) {
	t.Parallel()
	secret := file(t, "postgres://db\n")
	tests := []struct {
		name string
		yaml string
		env  []string
		want []string // in the error, all of them
	}{
		{"an unknown setting in the file", "isuer: x", nil, []string{`unknown setting "isuer"`, "did you mean issuer?"}},
		{"an unknown setting in the environment", "", []string{"COUNTERSIGN_ISUER=x"}, []string{"COUNTERSIGN_ISUER", "did you mean COUNTERSIGN_ISSUER?"}},
		{"a setting in lower case", "", []string{"COUNTERSIGN_issuer=x"}, []string{"did you mean COUNTERSIGN_ISSUER?"}},
		{"a setting that is near to none", "", []string{"COUNTERSIGN_REALM=x"}, []string{"unknown setting COUNTERSIGN_REALM; `countersign serve --help` lists the settings"}},
		{"the beginning of a setting", "", []string{"COUNTERSIGN_APPROVAL_WEB=x"}, []string{"did you mean COUNTERSIGN_APPROVAL_WEBHOOK"}},
		{"a nested setting", "name: {first: x}", nil, []string{"name", "not nested"}},
		{"a file that is no YAML", "name: [", nil, []string{"not readable as YAML"}},
		{"a list of names", "name: [a, b]", nil, []string{"one value, not a list"}},
		{"no duration", "", []string{"COUNTERSIGN_SESSION_IDLE=30"}, []string{`session_idle (COUNTERSIGN_SESSION_IDLE): "30" is not a duration`}},
		{"no number", "", []string{"COUNTERSIGN_DATABASE_MAX_CONNS=many"}, []string{"whole number"}},
		{"no level", "", []string{"COUNTERSIGN_LOG_LEVEL=loud"}, []string{"debug, info, warn or error"}},
		{"no network", "", []string{"COUNTERSIGN_TRUSTED_PROXIES=10.0.0.0/8,proxy.example"}, []string{`"proxy.example" is neither`}},
		{"everybody as proxy", "", []string{"COUNTERSIGN_TRUSTED_PROXIES=0.0.0.0/0"}, []string{"trusts everybody"}},
		{"a secret that is a number", "secret: 12", nil, []string{"quotation marks"}},
		{"a database of another kind", "", []string{"COUNTERSIGN_DATABASE=mysql://u@h/d"}, []string{"database (COUNTERSIGN_DATABASE)", `"mysql"`, "sqlite:///", "postgres://"}},
		{"a file with a database of none", "", []string{"COUNTERSIGN_DATABASE_FILE=" + file(t, "countersign.db\n")}, []string{"database_file (COUNTERSIGN_DATABASE_FILE)", "no scheme"}},
		{"a secret and its file", "", []string{"COUNTERSIGN_DATABASE=postgres://x", "COUNTERSIGN_DATABASE_FILE=" + secret}, []string{"database_file", "remove one"}},
		{"a secret file that is not there", "", []string{"COUNTERSIGN_SECRET_FILE=/no/such"}, []string{"secret_file", "cannot be read"}},
		{"plain http for other machines", "", []string{"COUNTERSIGN_LISTEN=0.0.0.0:80", "COUNTERSIGN_ISSUER=https://id.example"}, []string{"without TLS", "tls_certificate", "trusted_proxies"}},
		{"plain http for administrators elsewhere", "", []string{"COUNTERSIGN_ADMIN_LISTEN=192.0.2.1:81"}, []string{"admin_listen", "without TLS"}},
		{"no issuer for other machines", "", []string{"COUNTERSIGN_LISTEN=:80", "COUNTERSIGN_TRUSTED_PROXIES=10.0.0.1"}, []string{"issuer: is required"}},
		{"an address without port", "", []string{"COUNTERSIGN_LISTEN=localhost"}, []string{"127.0.0.1:8080"}},
		{"two listeners on one address", "", []string{"COUNTERSIGN_ADMIN_LISTEN=127.0.0.1:8080"}, []string{"same address as listen"}},
		{"a certificate without key", "", []string{"COUNTERSIGN_TLS_CERTIFICATE=c.pem", "COUNTERSIGN_ISSUER=https://localhost:8080"}, []string{"tls_key: is missing"}},
		{"a key without certificate", "", []string{"COUNTERSIGN_TLS_KEY=k.pem"}, []string{"tls_certificate: is missing"}},
		{"an unknown policy", "", []string{"COUNTERSIGN_POLICY=lax"}, []string{"default or strict"}},
		{"a code that lives too long", "", []string{"COUNTERSIGN_CODE_LIFETIME=1h"}, []string{"10m or less"}},
		{"a lifetime of nothing", "", []string{"COUNTERSIGN_ACCESS_TOKEN_LIFETIME=0s"}, []string{"too short"}},
		{"cheap hashing for other machines", "", []string{"COUNTERSIGN_ISSUER=https://id.example", "COUNTERSIGN_PASSWORD_MEMORY=8", "COUNTERSIGN_PASSWORD_PASSES=1"}, []string{"password_memory", "password_passes"}},
		{"several at once", "", []string{"COUNTERSIGN_POLICY=lax", "COUNTERSIGN_LOG_FORMAT=xml", "COUNTERSIGN_ISSUER=ftp://x"}, []string{"policy", "log_format", "issuer"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := Source{Env: tt.env}
			if tt.yaml != "" {
				src.File = file(t, tt.yaml)
			}
			_, err := Load(src)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q; want %q in it", err, want)
				}
			}
		})
	}
}

func TestSecretsComeFromFilesAndStayHidden(t *testing.T) {
	t.Parallel()
	c, err := Load(Source{Env: []string{"COUNTERSIGN_SECRET_FILE=" + file(t, "s3cret\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Secret.Reveal() != "s3cret" {
		t.Errorf("secret %q; want the file's without its line end", c.Secret.Reveal())
	}
	if shown := c.Secret.String() + c.Secret.LogValue().String(); strings.Contains(shown, "s3cret") {
		t.Errorf("secret shown as %q", shown)
	}
}

func TestVariablesOfLinkedServicesAreNotSettings(t *testing.T) {
	t.Parallel()
	_, err := Load(Source{Env: []string{
		"COUNTERSIGN_SERVICE_HOST=10.0.0.1", "COUNTERSIGN_SERVICE_PORT=8080", "COUNTERSIGN_SERVICE_PORT_HTTP=8080",
		"COUNTERSIGN_PORT=tcp://10.0.0.1:8080", "COUNTERSIGN_PORT_8080_TCP=tcp://10.0.0.1:8080",
		"COUNTERSIGN_PORT_8080_TCP_ADDR=10.0.0.1", "COUNTERSIGN_PORT_8080_TCP_PROTO=tcp", "COUNTERSIGN_PORT_8080_TCP_PORT=8080",
	}})
	if err != nil {
		t.Errorf("what Kubernetes sets was refused: %v", err)
	}
	if _, err := Load(Source{Env: []string{"COUNTERSIGN_PORT=8080"}}); err == nil {
		t.Error("COUNTERSIGN_PORT=8080, which a person set, was ignored")
	}
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		issuer string
		want   string // in the error; empty for a good one
	}{
		{"https://id.example.org", ""},
		{"https://id.example.org/auth", ""},
		{"https://id.example.org:8443/a/b", ""},
		{"http://localhost:8080", ""},
		{"http://127.0.0.1:8080", ""},
		{"http://[::1]:8080", ""},
		{"id.example.org", "absolute"},
		{"//id.example.org", "absolute"},
		{"https:id.example.org", "absolute"},
		{"ftp://id.example.org", "absolute"},
		{"https://", "absolute"},
		{"http://id.example.org", "must be https"},
		{"http://localhost.example.org", "must be https"},
		{"https://u:p@id.example.org", "user"},
		{"https://id.example.org?x", "query"},
		{"https://id.example.org?", "query"},
		{"https://id.example.org#x", "query"},
		{"https://id.example.org#", "query"},
		{"https://id.example.org/", "slash"},
		{"https://id.example.org/auth/", "slash"},
		{"https://id.example.org//auth", "more than one way"},
		{"https://id.example.org/a/../b", "more than one way"},
		{"https://id.example.org/%61uth", "more than one way"},
		{"https://ID.example.org", "lower case"},
		{"https://id.example.org.", "dot at the end"},
		{"https://bücher.example", "ASCII"},
		{"https://id.example.org:443", "leave out :443"},
		{"https://id.example.org:0", "port"},
		{"https://id.example.org:", "port"},
		{"https://id.example.org:99999", "port"},
		{"https://id example.org", "cannot be read"},
		{"HTTPS://id.example.org", "compare"},
	}
	for _, tt := range tests {
		t.Run(tt.issuer, func(t *testing.T) {
			t.Parallel()
			_, err := Load(Source{Env: []string{"COUNTERSIGN_ISSUER=" + tt.issuer}})
			if tt.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v; want %q in it", err, tt.want)
			}
		})
	}
}

func TestIssuerFollowsListen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  []string
		want string
	}{
		{"nothing is set", nil, "http://localhost:8080"},
		{"another port", []string{"COUNTERSIGN_LISTEN=127.0.0.1:9000"}, "http://localhost:9000"},
		{"another loopback address", []string{"COUNTERSIGN_LISTEN=[::1]:9000"}, "http://localhost:9000"},
		{"TLS", []string{"COUNTERSIGN_LISTEN=localhost:9000", "COUNTERSIGN_TLS_KEY=k", "COUNTERSIGN_TLS_CERTIFICATE=c"}, "https://localhost:9000"},
		{"both are set", []string{"COUNTERSIGN_LISTEN=127.0.0.1:9000", "COUNTERSIGN_ISSUER=http://127.0.0.1:9000"}, "http://127.0.0.1:9000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := Load(Source{Env: tt.env})
			if err != nil {
				t.Fatal(err)
			}
			if c.Issuer != tt.want {
				t.Errorf("issuer %q; want %q", c.Issuer, tt.want)
			}
		})
	}
	t.Run("the system chooses the port", func(t *testing.T) {
		t.Parallel()
		c, err := Load(Source{Env: []string{"COUNTERSIGN_LISTEN=127.0.0.1:0", "COUNTERSIGN_PASSWORD_MEMORY=8"}})
		if err != nil {
			t.Fatal(err)
		}
		c.Listening(&net.TCPAddr{Port: 4711})
		if c.Issuer != "http://localhost:4711" {
			t.Errorf("issuer %q; want that of the port", c.Issuer)
		}
	})
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"name: x", "issuer: http://localhost\nlisten: 1.2.3.4:5", "trusted_proxies: [::ffff:1.2.3.4]", "? [a]\n: b", "a: &a [*a]", "secret: !!binary aGk="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		c, err := Load(Source{File: file(t, content)})
		if err != nil {
			return
		}
		if again := c.validate(nil); again != nil {
			t.Errorf("accepted %q, then refused it: %v", content, again)
		}
		if c.Issuer != "" && c.IssuerURL().String() != c.Issuer {
			t.Errorf("issuer %q is %q when parsed", c.Issuer, c.IssuerURL())
		}
	})
}
