package engine

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/ory/fosite"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/grant"
)

// flow is one request on its way through fosite. Handlers read and write one
// thing at a time; the flow keeps what was read, so that nothing is read
// twice, and gathers what is to be written, so that it is written as one.
type flow struct {
	client    *clientstore.Client
	grantType string

	issuing      *grant.Answer // at the authorization endpoint
	responseType string
	state        string

	own *grant.Grant // begins at the token endpoint: the client acts for itself, or on a password

	read      TokenRequest    // what the request was read with
	presented string          // the code, refresh token or device code
	verifier  string          // the code_verifier
	code      *grant.Code     // what the presented code stands for
	asked     *fosite.Request // the request that was answered with the code
	refresh   *grant.Refresh  // what the presented refresh token stands for
	device    *grant.Device   // what the presented device code stands for
	repeated  bool            // the refresh token was used a moment ago
	kept      bool            // the refresh token stays the client's
	scope     []string        // of the access token
	issue     grant.Issue     // what the response will hand out
	proofSeen bool            // the code was accepted and its proof key came next

	// failure is a database that did not answer, or a client that cannot be
	// encrypted to. fosite would take it for an answer, such as an unknown code;
	// it comes first whatever fosite says.
	failure error
}

type flowKey struct{}

func withFlow(ctx context.Context, f *flow) context.Context {
	return context.WithValue(ctx, flowKey{}, f)
}

// flowOf returns the flow in ctx. Every call into fosite puts one there.
func flowOf(ctx context.Context) *flow {
	f, ok := ctx.Value(flowKey{}).(*flow)
	if !ok {
		return &flow{}
	}
	return f
}

// failed keeps a database failure and returns what fosite is told.
func (f *flow) failed(err error) error {
	if err != nil && errors.Is(err, storage.ErrUnavailable) {
		f.failure = err
		return fosite.ErrServerError
	}
	return err
}

// failedOr returns the failure of the flow if there is one, and
// fosite's error, in our words, otherwise.
func (f *flow) failedOr(err error) error {
	if f.failure != nil {
		return f.failure
	}
	return translate(err)
}

// post is the request as fosite wants it: its form was read and checked
// before, and there is nothing else in it.
func post(form url.Values) *http.Request {
	return &http.Request{Method: http.MethodPost, URL: &url.URL{}, Header: http.Header{}, Form: form, PostForm: form}
}

func authenticated(ctx context.Context, _ *http.Request, _ url.Values) (fosite.Client, error) {
	return clientView{flowOf(ctx).client}, nil
}

// redirectWasChecked answers fosite that the redirect URI is one that the
// client registered, and that registration judged it.
func redirectWasChecked(context.Context, *url.URL) bool { return true }
