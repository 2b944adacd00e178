package snippet

import "slices"

// oauth2 are the texts for clients of OAuth 2.0 and OpenID Connect. Lines with
// «secret» are for those that have one, with «none» for those that have not.
func oauth2(c Client) []Snippet {
	list := []Snippet{
		{"curl", "curl", "A new code needs a person at the first address.", curl2},
		{"go", "Go", "golang.org/x/oauth2", go2},
		{"python", "Python", "Authlib", python2},
		{"node", "Node.js", "openid-client 6", node2},
		{"java", "Java", "Spring Boot, application.yml", java2},
		{"dotnet", ".NET", "Microsoft.AspNetCore.Authentication.OpenIdConnect", dotnet2},
		{"tool", "Modeling tool", "What the settings of most tools ask for.", tool2},
	}
	if slices.Contains(c.Grants, "urn:ietf:params:oauth:grant-type:device_code") {
		list = slices.Insert(list, 1, Snippet{"device", "curl, on a device", "Without a browser.", deviceText})
	}
	for i := range list {
		text := without(list[i].Text, "«secret»", !c.Public)
		list[i].Text = c.fill(without(text, "«none»", c.Public))
	}
	return list
}

const curl2 = `
# 1. Open in a browser (challenge is BASE64URL(SHA256(verifier)), RFC 7636):
#    {AUTHORIZE}?response_type=code&client_id={KEY}&redirect_uri=REDIRECT&scope=SCOPE&state=STATE&code_challenge=CHALLENGE&code_challenge_method=S256
# 2. Exchange the code that came back:
curl %TOKEN% \
«secret»  --user %KEY%:%SECRET% \
«none»  --data-urlencode client_id=%KEY% \
  --data-urlencode grant_type=authorization_code \
  --data-urlencode redirect_uri=%REDIRECT% \
  --data-urlencode code_verifier="$VERIFIER" \
  --data-urlencode code="$CODE"
`

const deviceText = `
curl %DEVICE% \
«secret»  --user %KEY%:%SECRET% \
«none»  --data-urlencode client_id=%KEY% \
  --data-urlencode scope=%SCOPE%
# Show user_code and verification_uri, then ask every few seconds:
curl %TOKEN% \
«secret»  --user %KEY%:%SECRET% \
«none»  --data-urlencode client_id=%KEY% \
  --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:device_code \
  --data-urlencode device_code="$DEVICE_CODE"
`

const go2 = `
cfg := oauth2.Config{
	ClientID:     <KEY>,
«secret»	ClientSecret: <SECRET>,
	RedirectURL:  <REDIRECT>,
	Scopes:       strings.Fields(<SCOPE>),
	Endpoint:     oauth2.Endpoint{AuthURL: <AUTHORIZE>, TokenURL: <TOKEN>},
}
verifier := oauth2.GenerateVerifier()
address := cfg.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
// Send the person to address; the code comes back to the redirect URI.
token, err := cfg.Exchange(ctx, code, oauth2.VerifierOption(verifier))
`

const python2 = `
from authlib.integrations.requests_client import OAuth2Session

«secret»client = OAuth2Session(<KEY>, <SECRET>, scope=<SCOPE>, redirect_uri=<REDIRECT>, code_challenge_method="S256")
«none»client = OAuth2Session(<KEY>, scope=<SCOPE>, redirect_uri=<REDIRECT>, code_challenge_method="S256", token_endpoint_auth_method="none")
address, state = client.create_authorization_url(<AUTHORIZE>, code_verifier=verifier)
# Send the person to address; the answer comes back to the redirect URI.
token = client.fetch_token(<TOKEN>, authorization_response=answer, code_verifier=verifier)
`

const node2 = `
import * as client from "openid-client";

«secret»const config = await client.discovery(new URL(<ISSUER>), <KEY>, <SECRET>);
«none»const config = await client.discovery(new URL(<ISSUER>), <KEY>, undefined, client.None());
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
