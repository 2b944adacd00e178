package page

import (
	"errors"
	"net/http"
	"net/url"

	"countersign/authz/protocol"
)

// Form reads the fields that a form of a page sent in the body, and nothing of
// the address. What browsers do not send is a [*Problem].
func Form(r *http.Request) (url.Values, error) {
	body, err := protocol.Body(r)
	if refused, ok := errors.AsType[*protocol.Error](err); ok && refused.Status == http.StatusUnsupportedMediaType {
		return nil, MediaType()
	}
	if err != nil {
		return nil, UnreadableForm()
	}
	form, err := url.ParseQuery(body)
	if err != nil {
		return nil, UnreadableForm()
	}
	return form, nil
}
