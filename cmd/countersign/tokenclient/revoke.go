package tokenclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Revoke ends tokens of a public client at the server (RFC 7009). Empty ones
// are none.
func (c *Client) Revoke(ctx context.Context, tokens ...string) error {
	if c.metadata.RevocationEndpoint == "" {
		return errors.New("the server has no revocation endpoint")
	}
	for _, token := range tokens {
		if token == "" {
			continue
		}
		if err := c.revoke(ctx, token); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) revoke(ctx context.Context, token string) error {
	form := url.Values{"client_id": {c.cfg.ClientID}, "token": {token}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.metadata.RevocationEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("ask the revocation endpoint: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // only its status matters
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the revocation endpoint answered %s", res.Status)
	}
	return nil
}
