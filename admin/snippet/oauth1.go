package snippet

// oauth1 are the texts for clients of OAuth 1.0a.
func oauth1(c Client) []Snippet {
	list := []Snippet{
		{"tool", "Modeling tool", "What the settings of most tools ask for.", tool1},
		{"python", "Python", "requests-oauthlib", python1},
		{"go", "Go", "github.com/dghubble/oauth1", go1},
		{"node", "Node.js", "oauth", node1},
		{"java", "Java", "signpost-core", java1},
		{"dotnet", ".NET", "RestSharp", dotnet1},
		{"curl", "curl", "By hand, where PLAINTEXT is registered in oauth1_signature_methods and the address is https.", curl1},
	}
	for i := range list {
		list[i].Text = c.fill(list[i].Text)
	}
	return list
}

const tool1 = `
Consumer key:           {KEY}
Consumer secret:        {SECRET}
Request token URL:      {REQUEST}
User authorization URL: {AUTHORIZE1}
Access token URL:       {ACCESS}
Signature method:       HMAC-SHA1, HMAC-SHA256 or HMAC-SHA512
`

const python1 = `
from requests_oauthlib import OAuth1Session

session = OAuth1Session(<KEY>, client_secret=<SECRET>, callback_uri=<REDIRECT>)
session.fetch_request_token(<REQUEST>)
print("Open", session.authorization_url(<AUTHORIZE1>))
session.parse_authorization_response(input("The address you came back to: "))
print(session.fetch_access_token(<ACCESS>))
`

const go1 = `
cfg := oauth1.Config{
	ConsumerKey:    <KEY>,
	ConsumerSecret: <SECRET>,
	CallbackURL:    <REDIRECT>,
	Endpoint: oauth1.Endpoint{
		RequestTokenURL: <REQUEST>,
		AuthorizeURL:    <AUTHORIZE1>,
		AccessTokenURL:  <ACCESS>,
	},
}
requestToken, requestSecret, err := cfg.RequestToken()
address, err := cfg.AuthorizationURL(requestToken)
// Send the person to address; the verifier comes back to the callback.
accessToken, accessSecret, err := cfg.AccessToken(requestToken, requestSecret, verifier)
`

const node1 = `
import { OAuth } from "oauth";

const client = new OAuth(<REQUEST>, <ACCESS>, <KEY>, <SECRET>, "1.0", <REDIRECT>, "HMAC-SHA1");
client.getOAuthRequestToken((error, token, secret) => {
  console.log(<AUTHORIZE1> + "?oauth_token=" + encodeURIComponent(token));
  // Send the person there; the verifier comes back to the callback.
  client.getOAuthAccessToken(token, secret, verifier, (error, access, accessSecret) => console.log(access));
});
`

const java1 = `
OAuthConsumer consumer = new DefaultOAuthConsumer(<KEY>, <SECRET>);
OAuthProvider provider = new DefaultOAuthProvider(<REQUEST>, <ACCESS>, <AUTHORIZE1>);
provider.setOAuth10a(true);
String address = provider.retrieveRequestToken(consumer, <REDIRECT>);
// Send the person to address; the verifier comes back to the callback.
provider.retrieveAccessToken(consumer, verifier);
`

const dotnet1 = `
var client = new RestClient(new RestClientOptions(<ISSUER>)
{
    Authenticator = OAuth1Authenticator.ForRequestToken(<KEY>, <SECRET>, <REDIRECT>)
});
var answer = await client.ExecutePostAsync(new RestRequest(<REQUEST>));
// Send the person to {AUTHORIZE1}?oauth_token=TOKEN, then:
// OAuth1Authenticator.ForAccessToken(<KEY>, <SECRET>, token, tokenSecret, verifier) for {ACCESS}
`

const curl1 = `
curl --request POST %REQUEST% \
  --header 'Authorization: OAuth oauth_consumer_key="{KEY}", oauth_signature_method="PLAINTEXT", oauth_signature="{PLAINTEXT}", oauth_callback="oob"'
`
