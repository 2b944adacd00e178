package browser

import (
	"net"
	"net/http"

	"countersign/storage/account"
	"countersign/storage/audit"
)

// Address is the address of the browser without its port.
func Address(r *http.Request) string {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return ip
}

// Actor is who makes a change to their own account in this browser.
func Actor(r *http.Request, a *account.Account) audit.Actor {
	return audit.Actor{AccountID: a.ID, Name: a.Username, Via: audit.ViaPages, IP: Address(r), RequestID: r.Header.Get("X-Request-Id")}
}

// Consent is what is noted when somebody allows an application something in
// this browser.
func Consent(r *http.Request, accountID, clientName string) account.Activity {
	return account.Activity{AccountID: accountID, Kind: account.Consented, ClientName: clientName, IP: Address(r), UserAgent: r.UserAgent()}
}
