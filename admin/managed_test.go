package admin

import (
	"net/http"
	"net/url"
	"testing"

	"countersign/clientstore"
)

// A client that belongs to a clients file is shown as such, is changed nowhere
// else, and can be stopped here.
func TestClientOfAFile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *desk) {
		c := d.approve(d.register("App", clientstore.OIDC))
		plan, err := d.clients.Plan(t.Context(), clientstore.Manifest{File: "platform/clients.yaml", Clients: []clientstore.Declared{
			{Handle: "the-app", ClientID: c.ID, Type: c.Type, Name: c.Name, Metadata: c.Metadata, Status: clientstore.Approved},
		}})
		if err == nil {
			_, err = d.clients.Apply(t.Context(), root1, plan, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		path := "/settings/oauth-clients/" + c.ID
		d.want(d.open(path), http.StatusOK, "It belongs to a file", "platform/clients.yaml", "the-app")
		form := d.open(path + "/edit").fields("version")
		form.Set("name", "App 2")
		d.want(d.send(path+"/edit", form), http.StatusConflict, "changed in its file", "platform/clients.yaml", "client release "+c.ID)
		d.want(d.send(path+"/remove", url.Values{"decision": {"remove"}}), http.StatusConflict, "changed in its file")
		d.led(d.send(path+"/disapprove", url.Values{"decision": {"disapprove"}}), path+"?done=disapproved")
		if got := d.status(c.ID); got != clientstore.Disapproved {
			t.Errorf("the client is %s; want it stopped", got)
		}
	})
}
