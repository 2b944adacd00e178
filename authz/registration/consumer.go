package registration

import (
	"bytes"
	"errors"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4/json"

	"countersign/authz/protocol"
	"countersign/clientstore"
)

// maxConsumerBody bounds what a consumer asks with, in bytes.
const maxConsumerBody = 64 << 10

// consumerKey is the answer to who asks for a consumer key. Tools read key; the
// rest is for people who look at it.
type consumerKey struct {
	Key      string             `json:"key"`
	Status   clientstore.Status `json:"status"`
	Approval string             `json:"approval_url"`
}

// RegisterConsumer serves POST /oauth1/register: the consumer key request of
// OSLC's and Teamwork Cloud's tools, which no specification describes. The
// consumer brings a secret and gets its key. It waits for an administrator, as
// every client does, and what it says about itself beside its name is for that
// administrator to read.
func (h *Handler) RegisterConsumer(w http.ResponseWriter, r *http.Request) error {
	token, err := bearer(r)
	if err != nil {
		return h.challenge(w, err)
	}
	wanted, err := readConsumer(r)
	if err != nil {
		return err
	}
	if err := h.admit(r, token); err != nil {
		return h.challenge(w, err)
	}
	wanted.InitialToken = token
	enrolled, err := h.cfg.Clients.Enrol(r.Context(), actor(r), *wanted)
	if err != nil {
		return h.challenge(w, refusal(asSent(err)))
	}
	h.cfg.Log.InfoContext(r.Context(), "consumer registered", "request_id", r.Header.Get("X-Request-Id"), "client", enrolled.Client, "approve", enrolled.Client.ApproveAt(h.cfg.Approval))
	// The registration access token is given to nobody: no such tool knows what
	// to do with one.
	return write(w, http.StatusOK, consumerKey{
		Key: enrolled.Client.ID, Status: enrolled.Client.Status, Approval: h.cfg.Approval + "?" + url.Values{"key": {enrolled.Client.ID}}.Encode(),
	})
}

// asSent names a member that is not acceptable as the consumer sent it.
func asSent(err error) error {
	fault, ok := errors.AsType[*clientstore.MetadataError](err)
	if !ok {
		return err
	}
	renamed := *fault
	switch fault.Field {
	case "client_secret":
		renamed.Field = "secret"
	case "client_name":
		renamed.Field = "name"
	}
	return &renamed
}

// readConsumer reads a request for a consumer key. Tools send JSON or a form,
// and not all of them say which.
func readConsumer(r *http.Request) (*clientstore.Enrolment, error) {
	body, err := readAll(r, maxConsumerBody)
	if err != nil {
		return nil, err
	}
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff"))) // some begin with a byte order mark
	var members map[string]json.RawMessage
	if isForm(r) && !bytes.HasPrefix(body, []byte("{")) {
		members, err = formMembers(string(body))
	} else {
		members, err = parse(body)
	}
	if err != nil {
		return nil, err
	}
	return enrolment(r, members)
}

func isForm(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/x-www-form-urlencoded"
}

// formMembers reads a form as the JSON object that it stands for. A field
// without a value is not there.
func formMembers(body string) (map[string]json.RawMessage, error) {
	form, err := protocol.Parse(body)
	if err != nil {
		return nil, protocol.Refuse(protocol.InvalidClientMetadata, protocol.Sentence("The request cannot be read: "+err.Error()+"."))
	}
	if name := form.Repeated(); name != "" {
		return nil, refuseMember(protocol.Printable(name), "was sent more than once")
	}
	members := map[string]json.RawMessage{}
	for name := range form.Values() {
		members[name], err = json.Marshal(form.Get(name))
		if err != nil {
			return nil, err
		}
	}
	return members, nil
}

// enrolment is what the members ask for: those that the callers are known to
// send, under each of their names.
func enrolment(r *http.Request, members map[string]json.RawMessage) (*clientstore.Enrolment, error) {
	w := &wanted{members: members}
	var kind string
	for _, member := range []struct {
		into  *string
		names []string
	}{
		{&w.Name, []string{"name"}},
		{&w.Secret, []string{"secret"}},
		{&kind, []string{"secretType"}},
		{&w.Requested.FunctionalUser, []string{"userId"}},
		{&w.Requested.Key, []string{"consumerKey", "key", "oauth_consumer_key"}},
	} {
		for _, name := range member.names {
			text, err := w.text(name)
			if err != nil {
				return nil, err
			}
			if *member.into == "" {
				*member.into = text
			}
		}
	}
	if err := w.readTrusted(); err != nil {
		return nil, err
	}
	switch {
	case w.Secret == "":
		return nil, refuseMember("secret", "is missing: send the secret that the consumer will sign with")
	case kind != "" && !strings.EqualFold(kind, "string"):
		return nil, refuseMember("secretType", "is not string; an administrator registers a consumer that signs with a key of its own")
	}
	if strings.TrimSpace(w.Name) == "" {
		w.Name = "Consumer at " + host(r)
	}
	w.Type = clientstore.OAuth1
	return &w.Enrolment, nil
}

// readTrusted reads what is a truth value to some callers, and a word to
// others.
func (w *wanted) readTrusted() error {
	raw, ok := w.members["trusted"]
	if !ok {
		return nil
	}
	switch strings.ToLower(strings.Trim(string(raw), `"`)) {
	case "true":
		w.Requested.Trusted = true
	case "false", "":
	default:
		return refuseMember("trusted", "is neither true nor false")
	}
	return nil
}

// host is where a request comes from.
func host(r *http.Request) string {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return ip
}
