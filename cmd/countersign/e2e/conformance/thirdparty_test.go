package conformance

import (
	"net/http"
	"testing"
)

var thirdParty = plan{
	name: "oidcc-3rdparty-init-login-certification-test-plan", title: "Third-Party-Initiated Login",
	variants: logoutVariants,
	modules: []module{
		{"oidcc-3rd_party-init-login", "initiate_login_uri is registered, and read back from the client's own address.", initiateLogin, nil, false},
		{"oidcc-3rd_party-init-login-nohttps", "One that is not https is refused.", initiateLoginInTheClear, nil, false},
	},
}

func TestThirdPartyInitiatedLogin(t *testing.T) { thirdParty.test(t) }

func initiateLogin(r *run) {
	p, metadata := r.newParty()
	address := p.site.url("/initiate_login")
	p.enrol(metadata, map[string]any{"initiate_login_uri": address}) // which looks at what comes back
	a := r.op.get(r, p.clientURI, "Authorization", "Bearer "+p.clientAuth)
	r.want(a.Status == http.StatusOK && a.contentType() == "application/json", "reading the client answers %d %q", a.Status, a.Header.Get("Content-Type"))
	r.want(text(a.JSON, "initiate_login_uri") == address, "initiate_login_uri is %v", a.JSON["initiate_login_uri"])
	p.flow(r.browse(), p.request())
}

func initiateLoginInTheClear(r *run) {
	_, metadata := r.newParty()
	a := r.registration(merged(metadata, map[string]any{"initiate_login_uri": "http://rp.example/initiate_login"}))
	r.wantRefusal(a, "invalid_client_metadata")
}
