package snippet

import (
	"slices"
	"strings"
)

// The grant types that have texts of their own.
const (
	codeGrant   = "authorization_code"
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	ownGrant    = "client_credentials"
)

// oauth2 are the texts for clients of OAuth 2.0 and OpenID Connect, as far as
// their grants go. Lines with «secret» are for those that have one, with «basic»
// and «post» for where it is sent, with «none» for those that have none, and
// with «http» for a server without TLS.
func oauth2(c Client) []Snippet {
	var list []Snippet
	for _, one := range []struct {
		grant string
		texts []Snippet
	}{
		{codeGrant, withCode()},
		{deviceGrant, []Snippet{{"device", "curl, on a device", "Without a browser.", deviceText}}},
		{ownGrant, []Snippet{{"own", "curl, for itself", "With nobody signed in.", ownText}}},
	} {
		if slices.Contains(c.Grants, one.grant) {
			list = append(list, one.texts...)
		}
	}
	list = append(list, Snippet{"tool", "Modeling tool", "What the settings of most tools ask for.", tool2})
	for i := range list {
		text := list[i].Text
		for _, mark := range []struct {
			text string
			fits bool
		}{
			{"«secret»", !c.Public},
			{"«none»", c.Public},
			{"«basic»", !c.Public && !c.Posts},
			{"«post»", !c.Public && c.Posts},
			{"«http»", strings.HasPrefix(c.Issuer, "http:")},
		} {
			text = without(text, mark.text, mark.fits)
		}
		list[i].Text = c.fill(text)
	}
	return list
}

// withCode are the texts for the authorization code.
func withCode() []Snippet {
	return []Snippet{
		{"curl", "curl", "A shell script, with openssl for the proof key.", curl2},
		{"go", "Go", "golang.org/x/oauth2", go2},
		{"python", "Python", "Authlib", python2},
		{"node", "Node.js", "openid-client 6", node2},
		{"java", "Java", "Spring Boot, application.yml", java2},
		{"dotnet", ".NET", "Microsoft.AspNetCore.Authentication.OpenIdConnect", dotnet2},
	}
}

const curl2 = `
VERIFIER=$(openssl rand -hex 32) # the proof key (RFC 7636)
CHALLENGE=$(printf %s "$VERIFIER" | openssl dgst -sha256 -binary | openssl base64 -A | tr '+/' '-_' | tr -d '=')
echo "{AUTHORIZE}?response_type=code&client_id={KEY}&redirect_uri=^REDIRECT^&scope=^SCOPE^&state=$(openssl rand -hex 16)&code_challenge=$CHALLENGE&code_challenge_method=S256"
# Send the person there; the code comes back to the redirect URI.
read -r CODE
curl %TOKEN% \
«basic»  --user %KEY%:%SECRET% \
«post»  --data-urlencode client_id=%KEY% --data-urlencode client_secret=%SECRET% \
«none»  --data-urlencode client_id=%KEY% \
  --data-urlencode grant_type=authorization_code \
  --data-urlencode redirect_uri=%REDIRECT% \
  --data-urlencode code_verifier="$VERIFIER" \
  --data-urlencode code="$CODE"
`

const deviceText = `
curl %DEVICE% \
«basic»  --user %KEY%:%SECRET% \
«post»  --data-urlencode client_id=%KEY% --data-urlencode client_secret=%SECRET% \
«none»  --data-urlencode client_id=%KEY% \
  --data-urlencode scope=%SCOPE%
# Show user_code and verification_uri, then ask every few seconds:
curl %TOKEN% \
«basic»  --user %KEY%:%SECRET% \
«post»  --data-urlencode client_id=%KEY% --data-urlencode client_secret=%SECRET% \
«none»  --data-urlencode client_id=%KEY% \
  --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:device_code \
  --data-urlencode device_code="$DEVICE_CODE"
`

const ownText = `
curl %TOKEN% \
«basic»  --user %KEY%:%SECRET% \
«post»  --data-urlencode client_id=%KEY% --data-urlencode client_secret=%SECRET% \
«none»  --data-urlencode client_id=%KEY% \
  --data-urlencode grant_type=client_credentials \
  --data-urlencode scope=%SCOPE%
`

const go2 = `
cfg := oauth2.Config{
	ClientID:     <KEY>,
«secret»	ClientSecret: <SECRET>,
	RedirectURL:  <REDIRECT>,
	Scopes:       strings.Fields(<SCOPE>),
«basic»	Endpoint:     oauth2.Endpoint{AuthURL: <AUTHORIZE>, TokenURL: <TOKEN>, AuthStyle: oauth2.AuthStyleInHeader},
«post»	Endpoint:     oauth2.Endpoint{AuthURL: <AUTHORIZE>, TokenURL: <TOKEN>, AuthStyle: oauth2.AuthStyleInParams},
«none»	Endpoint:     oauth2.Endpoint{AuthURL: <AUTHORIZE>, TokenURL: <TOKEN>, AuthStyle: oauth2.AuthStyleInParams},
}
verifier, state := oauth2.GenerateVerifier(), rand.Text() // crypto/rand
address := cfg.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
// Send the person to address; the code comes back to the redirect URI.
token, err := cfg.Exchange(ctx, code, oauth2.VerifierOption(verifier))
`

const python2 = `
«http»import os
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session

«http»os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the server has no TLS
verifier = generate_token(48)
client = OAuth2Session(
    <KEY>,
«secret»    <SECRET>,
«post»    token_endpoint_auth_method="client_secret_post",
«none»    token_endpoint_auth_method="none",
    scope=<SCOPE>, redirect_uri=<REDIRECT>, code_challenge_method="S256",
)
address, state = client.create_authorization_url(<AUTHORIZE>, code_verifier=verifier)
# Send the person to address; the answer comes back to the redirect URI.
token = client.fetch_token(<TOKEN>, authorization_response=answer, code_verifier=verifier)
`

const node2 = `
import * as client from "openid-client";

const config = await client.discovery(
  new URL(<ISSUER>), <KEY>,
«basic»  <SECRET>, client.ClientSecretBasic(<SECRET>),
«post»  <SECRET>, client.ClientSecretPost(<SECRET>),
«none»  undefined, client.None(),
«http»  { execute: [client.allowInsecureRequests] }, // the server has no TLS
);
const verifier = client.randomPKCECodeVerifier();
const address = client.buildAuthorizationUrl(config, {
  redirect_uri: <REDIRECT>,
  scope: <SCOPE>,
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
});
// Send the person to address; the answer comes back to the redirect URI.
const tokens = await client.authorizationCodeGrant(config, answer, { pkceCodeVerifier: verifier });
`

const java2 = `
spring:
  security:
    oauth2:
      client:
        registration:
          countersign:
            client-id: <KEY>
«secret»            client-secret: <SECRET>
«post»            client-authentication-method: client_secret_post
«none»            client-authentication-method: none
            authorization-grant-type: authorization_code
            redirect-uri: <REDIRECT>
            scope: <SCOPE>
        provider:
          countersign:
            issuer-uri: <ISSUER>
`

const dotnet2 = `
builder.Services.AddAuthentication("oidc").AddCookie("cookie").AddOpenIdConnect("oidc", options =>
{
    options.Authority = <ISSUER>;
    options.ClientId = <KEY>;
«secret»    options.ClientSecret = <SECRET>;
    options.ResponseType = "code";
    options.UsePkce = true;
    options.SignInScheme = "cookie";
    options.Scope.Clear();
    foreach (var scope in <SCOPE>.Split(' ')) options.Scope.Add(scope);
});
`

const tool2 = `
Issuer:             {ISSUER}
Client ID:          {KEY}
«secret»Client secret:      {SECRET}
«none»Client secret:      (none; the tool uses PKCE)
Authorization URL:  {AUTHORIZE}
Token URL:          {TOKEN}
Redirect URI:       {REDIRECT}
Scope:              {SCOPE}
`
