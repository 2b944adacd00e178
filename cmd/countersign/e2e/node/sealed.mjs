// A relying party made of npm's openid-client and jose that wants everything
// signed and encrypted: its request object, its ID token and its userinfo. It
// prints the public keys that it made as {"jwks": …} and talks otherwise as
// relying-party.mjs does.
import { createInterface } from 'node:readline'
import * as jose from 'jose'
import * as oidc from 'openid-client'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => JSON.parse((await lines.next()).value)
const write = (message) => console.log(JSON.stringify(message))

const { idTokenAlg, userinfoAlg, requestAlg, enc } = await read()

const signing = await jose.generateKeyPair('ES256')
const opening = {}
const keys = [{ ...(await jose.exportJWK(signing.publicKey)), kid: 'signing', use: 'sig', alg: 'ES256' }]
for (const alg of new Set([idTokenAlg, userinfoAlg])) {
  opening[alg] = await jose.generateKeyPair(alg)
  keys.push({ ...(await jose.exportJWK(opening[alg].publicKey)), kid: alg, use: 'enc', alg })
}
write({ jwks: { keys } })

const { issuer, clientID, clientSecret, redirectURI, scope } = await read()
const config = await oidc.discovery(
  new URL(issuer),
  clientID,
  {
    id_token_signed_response_alg: 'PS256', userinfo_signed_response_alg: 'ES256',
    id_token_encrypted_response_alg: idTokenAlg, userinfo_encrypted_response_alg: userinfoAlg,
  },
  oidc.ClientSecretBasic(clientSecret),
  { execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] },
)
oidc.enableDecryptingResponses(config, [enc], ...Object.entries(opening).map(([alg, pair]) => ({ key: pair.privateKey, alg, kid: alg })))

const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
const expectedState = oidc.randomState()
const expectedNonce = oidc.randomNonce()
const signed = await oidc.buildAuthorizationUrlWithJAR(
  config,
  {
    redirect_uri: redirectURI, scope, state: expectedState, nonce: expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
  },
  { key: signing.privateKey, kid: 'signing' },
)

// The server's key for encryption, as its metadata lead to it.
const published = await (await fetch(config.serverMetadata().jwks_uri)).json()
const kty = requestAlg.startsWith('RSA') ? 'RSA' : 'EC'
const to = published.keys.find((k) => k.use === 'enc' && k.kty === kty)
const sealed = await new jose.CompactEncrypt(new TextEncoder().encode(signed.searchParams.get('request')))
  .setProtectedHeader({ alg: requestAlg, enc, kid: to.kid, cty: 'JWT' })
  .encrypt(await jose.importJWK(to, requestAlg))
const url = new URL(signed)
url.searchParams.set('request', sealed)
write({ open: url.href })

const { callback } = await read()
const tokens = await oidc.authorizationCodeGrant(config, new URL(callback), {
  pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true,
})
const claims = tokens.claims()
const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub)
write({
  result: {
    claims, userinfo, header: jose.decodeProtectedHeader(tokens.id_token), kids: published.keys.map((k) => k.kid),
    secrets: [tokens.access_token, tokens.refresh_token, tokens.id_token],
  },
})
process.exit(0)
