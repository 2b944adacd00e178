// A relying party made of npm's openid-client: discovery, code with PKCE,
// userinfo, refresh, introspection and revocation. It reads its settings as one
// line of JSON, prints {"open": URL} for the browser, reads where the browser
// was sent to as {"callback": URL}, and prints {"result": …}.
import { createInterface } from 'node:readline'
import * as oidc from 'openid-client'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => JSON.parse((await lines.next()).value)
const write = (message) => console.log(JSON.stringify(message))

const { issuer, clientID, clientSecret, redirectURI, scope, authMethod, alg } = await read()

const authenticate = {
  client_secret_basic: () => oidc.ClientSecretBasic(clientSecret),
  client_secret_post: () => oidc.ClientSecretPost(clientSecret),
  none: () => oidc.None(),
}[authMethod]()
const config = await oidc.discovery(
  new URL(issuer),
  clientID,
  { id_token_signed_response_alg: alg },
  authenticate,
  { execute: [oidc.allowInsecureRequests] }, // plain http, on loopback only
)

const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
const expectedState = oidc.randomState()
const expectedNonce = oidc.randomNonce()
write({
  open: oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectURI,
    scope,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  }).href,
})

const { callback } = await read()
const tokens = await oidc.authorizationCodeGrant(config, new URL(callback), {
  pkceCodeVerifier,
  expectedState,
  expectedNonce,
  idTokenExpected: true,
})
const claims = tokens.claims()
const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub)
const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token)

// A public client has nothing to prove who asks, so it may not introspect (RFC
// 7662, section 2.1).
const introspect = async (token) => (authMethod === 'none' ? null : oidc.tokenIntrospection(config, token))
const before = await introspect(refreshed.access_token)
await oidc.tokenRevocation(config, refreshed.refresh_token)
const after = await introspect(refreshed.access_token)

let refusal = null
try {
  await oidc.refreshTokenGrant(config, refreshed.refresh_token)
} catch (err) {
  refusal = err.error
}

write({
  result: { claims, userinfo, before, after, refusal, secrets: [tokens, refreshed].flatMap((t) => [t.access_token, t.refresh_token, t.id_token]) },
})
process.exit(0)
