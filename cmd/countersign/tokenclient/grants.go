package tokenclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// ClientCredentials gets a token of the client's own.
func (c *Client) ClientCredentials(ctx context.Context) (*Tokens, error) {
	return c.tokens(ctx, "", func(ctx context.Context) (*oauth2.Token, error) {
		return c.authenticating(func(conf *oauth2.Config) (*oauth2.Token, error) {
			own := clientcredentials.Config{
				ClientID: conf.ClientID, ClientSecret: conf.ClientSecret, TokenURL: conf.Endpoint.TokenURL,
				Scopes: conf.Scopes, AuthStyle: conf.Endpoint.AuthStyle,
			}
			return own.Token(ctx)
		})
	})
}

// Password gets tokens for a person's name and password.
func (c *Client) Password(ctx context.Context, username, password string) (*Tokens, error) {
	return c.tokens(ctx, "", func(ctx context.Context) (*oauth2.Token, error) {
		return c.authenticating(func(conf *oauth2.Config) (*oauth2.Token, error) {
			return conf.PasswordCredentialsToken(ctx, username, password)
		})
	})
}

// beginDevice asks for a pair of codes. The library would not authenticate.
func (c *Client) beginDevice(ctx context.Context, conf *oauth2.Config) (*oauth2.DeviceAuthResponse, error) {
	form := url.Values{"client_id": {conf.ClientID}}
	if len(conf.Scopes) > 0 {
		form.Set("scope", strings.Join(conf.Scopes, " "))
	}
	header := conf.Endpoint.AuthStyle == oauth2.AuthStyleInHeader
	if !header && conf.ClientSecret != "" {
		form.Set("client_secret", conf.ClientSecret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.metadata.DeviceAuthorizationEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if header {
		req.SetBasicAuth(url.QueryEscape(conf.ClientID), url.QueryEscape(conf.ClientSecret))
	}
	res, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the device authorization endpoint: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	var begun oauth2.DeviceAuthResponse
	if res.StatusCode != http.StatusOK {
		refused := &oauth2.RetrieveError{Response: res}
		var e struct {
			Code        string `json:"error"`
			Description string `json:"error_description"`
		}
		if json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&e) == nil {
			refused.ErrorCode, refused.ErrorDescription = e.Code, e.Description
		}
		return nil, refused
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&begun); err != nil {
		return nil, fmt.Errorf("read the answer of the device authorization endpoint: %w", err)
	}
	return &begun, nil
}

// authenticating asks with the client's secret in the header, which is what
// clients are registered for unless they say otherwise, and in the body if the
// server does not take it there. The library tries the body after any refusal,
// a wrong password or an answer that is still pending among them.
func (c *Client) authenticating(ask func(*oauth2.Config) (*oauth2.Token, error)) (*oauth2.Token, error) {
	conf := c.oauth2("")
	conf.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if c.cfg.ClientSecret != "" {
		token, err := ask(conf)
		if refused, ok := errors.AsType[*oauth2.RetrieveError](err); !ok || refused.ErrorCode != "invalid_client" {
			return token, err
		}
	}
	conf.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	return ask(conf)
}
