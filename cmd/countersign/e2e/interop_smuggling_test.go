//go:build interop

package e2e

import (
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestInteropSmuggling is HT-04 through nginx, which keeps its connections to the
// server: whatever it makes of a message whose end two readers could see at
// different places, who comes next by the same connections gets their own answer.
func TestInteropSmuggling(t *testing.T) {
	t.Parallel()
	s := start(t, sqlite, setting{"TRUSTED_PROXIES", "127.0.0.1"})
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxied{t: t, folder: t.TempDir(), port: port, server: s}
	host := strings.TrimPrefix(s.issuer, "http://")
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n" // the folder is the tester's alone
	}
	p.run("/usr/sbin/nginx", "-p", p.folder, "-c", p.write("nginx.conf", user+"daemon off;\nworker_processes 1;\npid "+p.folder+"/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path "+p.folder+"/body;\nproxy_temp_path "+p.folder+"/proxy;\nfastcgi_temp_path "+p.folder+"/f;\nuwsgi_temp_path "+p.folder+"/u;\nscgi_temp_path "+p.folder+"/s;\n"+
		"upstream id { server "+host+"; keepalive 1; }\nserver {\nlisten 127.0.0.1:"+port+";\nlocation / {\nproxy_pass http://id;\nproxy_http_version 1.1;\n"+
		"proxy_request_buffering off;\nproxy_set_header Connection \"\";\nproxy_set_header Host "+host+";\nproxy_set_header X-Forwarded-For $remote_addr;\n}\n}\n}\n"))
	at := "127.0.0.1:" + port
	own := map[string]string{"/livez": "ok", "/.well-known/openid-configuration": `"issuer"`, "/no-such-page": "<html"}
	for name, m := range ambiguous {
		m.send(t, at)
		for path, want := range own {
			a := s.do(s.newRequest(http.MethodGet, "http://"+at+path, ""))
			if !strings.Contains(a.Body, want) {
				t.Errorf("after %s, %s is answered with %d %.200s", name, path, a.Status, a.Body)
			}
		}
	}
}
