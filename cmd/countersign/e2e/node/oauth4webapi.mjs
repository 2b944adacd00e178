// Relying parties made of npm's oauth4webapi, one for each flow: the requests
// and checks of the standards one by one, without a helping hand.
import assert from 'node:assert/strict'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import { ask, serve, visit } from './talk.mjs'

const insecure = { [oauth.allowInsecureRequests]: true } // plain http, on loopback only
const scope = 'openid profile email offline_access'
const codeAndRefresh = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }

const discover = async (s, algorithm = 'oidc') => {
  const issuer = new URL(s.issuer)
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm, ...insecure }))
}

const register = async (s, as, metadata) => {
  const response = await oauth.dynamicClientRegistrationRequest(
    as,
    { client_name: 'oauth4webapi', redirect_uris: [s.redirectURI], scope, ...metadata },
    { initialAccessToken: s.initialToken, ...insecure },
  )
  return s.keep(await oauth.processDynamicClientRegistrationResponse(response))
}

const keyPair = async (alg) => {
  const { privateKey, publicKey } = await oauth.generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: 'one', use: 'sig', alg }
  return { key: { key: privateKey, kid: 'one' }, jwks: { keys: [jwk] } }
}

// authorize sends the person to the server. It returns what came back, and
// what is needed to judge it.
const authorize = async (s, as, client, more, deliver = (parameters) => parameters) => {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const parameters = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: s.redirectURI,
    response_type: 'code',
    scope,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...more,
  })
  const address = new URL(as.authorization_endpoint)
  address.search = await deliver(parameters)
  return { back: await visit(address), verifier, state, nonce }
}

// redeem exchanges a code, checks the ID token and its signature, and returns
// the tokens.
const redeem = async (s, as, client, authenticate, parameters, { verifier, nonce }) => {
  const response = await oauth.authorizationCodeGrantRequest(as, client, authenticate, parameters, s.redirectURI, verifier, insecure)
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true })
  await oauth.validateApplicationLevelSignature(as, response, insecure)
  return s.keep(tokens)
}

// useTokens does with tokens what they are for, and ends them.
const useTokens = async (s, as, client, authenticate, tokens) => {
  const { sub } = oauth.getValidatedIdTokenClaims(tokens)
  const userinfo = await oauth.userInfoRequest(as, client, tokens.access_token, insecure)
  assert.ok((await oauth.processUserInfoResponse(as, client, sub, userinfo)).email)

  const refresh = await oauth.refreshTokenGrantRequest(as, client, authenticate, tokens.refresh_token, insecure)
  const refreshed = s.keep(await oauth.processRefreshTokenResponse(as, client, refresh))
  await oauth.validateApplicationLevelSignature(as, refresh, insecure)
  assert.equal(oauth.getValidatedIdTokenClaims(refreshed).sub, sub)

  const last = refreshed.refresh_token ?? tokens.refresh_token
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authenticate, last, insecure))
  const again = await oauth.refreshTokenGrantRequest(as, client, authenticate, last, insecure)
  await assert.rejects(oauth.processRefreshTokenResponse(as, client, again), { error: 'invalid_grant' })
  return sub
}

// viaCode goes through the code flow.
const viaCode = async (s, as, client, authenticate, more, deliver) => {
  const asked = await authorize(s, as, client, more, deliver)
  const parameters = oauth.validateAuthResponse(as, client, asked.back, asked.state)
  const tokens = await redeem(s, as, client, authenticate, parameters, asked)
  return useTokens(s, as, client, authenticate, tokens)
}

// viaPAR pushes the request.
const viaPAR = (as, client, authenticate) => async (parameters) => {
  const response = await oauth.pushedAuthorizationRequest(as, client, authenticate, parameters, insecure)
  const { request_uri } = await oauth.processPushedAuthorizationResponse(as, client, response)
  return new URLSearchParams({ client_id: client.client_id, request_uri })
}

// machine gets a token by the client's own authentication, and asks about it.
const machine = async (s, as, client, authenticate, format) => {
  const response = await oauth.clientCredentialsGrantRequest(as, client, authenticate, { scope: 'api' }, insecure)
  const tokens = s.keep(await oauth.processClientCredentialsResponse(as, client, response))
  const introspect = async () =>
    oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, authenticate, tokens.access_token, insecure))
  assert.equal((await introspect()).client_id, client.client_id)
  if (format === 'jwt') {
    const request = new Request('https://api.example/', { headers: { authorization: `Bearer ${tokens.access_token}` } })
    const claims = await oauth.validateJwtAccessToken(as, request, client.client_id, insecure)
    assert.equal(claims.scope, 'api')
  }
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authenticate, tokens.access_token, insecure))
  assert.deepEqual(await introspect(), { active: false })
}
const forMachines = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [], scope: 'api' }

const secretOf = (client) => oauth.ClientSecretBasic(client.client_secret)

// implicit gets everything from the authorization endpoint. The library has no
// function for it; jose checks the ID token.
const implicit = async (s, responseType, responseMode) => {
  const as = await discover(s)
  const client = await register(s, as, { grant_types: ['implicit'], response_types: [responseType], token_endpoint_auth_method: 'none' })
  const { back, state, nonce } = await authorize(s, as, client, { response_type: responseType, response_mode: responseMode })
  const got = back instanceof Request ? new URLSearchParams(await back.text()) : new URLSearchParams(back.hash.slice(1))
  assert.equal(got.get('state'), state)
  assert.equal(got.get('iss'), s.issuer)
  assert.equal(got.get('code'), null)
  s.keep(Object.fromEntries(got))
  const keys = jose.createRemoteJWKSet(new URL(as.jwks_uri))
  const { payload } = await jose.jwtVerify(got.get('id_token'), keys, { issuer: s.issuer, audience: client.client_id })
  assert.equal(payload.nonce, nonce)
  if (got.has('access_token')) {
    assert.equal(payload.at_hash, await half(got.get('access_token')))
    const userinfo = await oauth.userInfoRequest(as, client, got.get('access_token'), insecure)
    assert.ok((await oauth.processUserInfoResponse(as, client, payload.sub, userinfo)).email)
  }
  return payload.sub
}

// half is the hash of at_hash and c_hash (OpenID Connect Core 1.0, section
// 3.1.3.6), for RS256.
const half = async (value) => {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(value))
  return jose.base64url.encode(new Uint8Array(digest).slice(0, 16))
}

// hybrid gets a code with an ID token, judges it by the library, and redeems
// the code.
const hybrid = async (s, judge, responseType, responseMode) => {
  const as = await discover(s)
  const client = await register(s, as, {
    grant_types: ['authorization_code', 'refresh_token', 'implicit'], response_types: [responseType],
  })
  const asked = await authorize(s, as, client, { response_type: responseType, response_mode: responseMode })
  const parameters = await judge(as, client, asked)
  const tokens = await redeem(s, as, client, secretOf(client), parameters, asked)
  return useTokens(s, as, client, secretOf(client), tokens)
}

const codeIDToken = (as, client, { back, nonce, state }) => oauth.validateCodeIdTokenResponse(as, client, back, nonce, state, undefined, insecure)
const detached = (as, client, { back, nonce, state }) => oauth.validateDetachedSignatureResponse(as, client, back, nonce, state, undefined, insecure)

// byHand is for the response types with token, which the library refuses.
const byHand = async (as, client, { back, nonce, state }) => {
  const got = new URLSearchParams(back.hash.slice(1))
  assert.equal(got.get('state'), state)
  const userinfo = await oauth.userInfoRequest(as, client, got.get('access_token'), insecure)
  assert.ok((await userinfo.json()).sub)
  if (got.has('id_token')) {
    const { payload } = await jose.jwtVerify(got.get('id_token'), jose.createRemoteJWKSet(new URL(as.jwks_uri)), { audience: client.client_id })
    assert.equal(payload.nonce, nonce)
    assert.equal(payload.at_hash, await half(got.get('access_token')))
    assert.equal(payload.c_hash, await half(got.get('code')))
  }
  const plain = new URLSearchParams({ code: got.get('code'), state, iss: got.get('iss') })
  return oauth.validateAuthResponse(as, client, plain, state)
}

const flows = {
  'registration': async (s) => {
    const as = await discover(s)
    const client = await register({ ...s, initialToken: undefined }, as, codeAndRefresh)
    const refused = await oauth.clientCredentialsGrantRequest(as, client, secretOf(client), {}, insecure)
    await assert.rejects(oauth.processClientCredentialsResponse(as, client, refused), { error: 'unauthorized_client' })
    await ask({ approve: client.client_id })
    return viaCode(s, as, client, secretOf(client))
  },

  'code, client_secret_basic': async (s) => {
    const as = await discover(s)
    const client = await register(s, as, codeAndRefresh)
    return viaCode(s, as, client, secretOf(client))
  },

  'code, client_secret_post': async (s) => {
    const as = await discover(s, 'oauth2') // RFC 8414
    const client = await register(s, as, { ...codeAndRefresh, token_endpoint_auth_method: 'client_secret_post' })
    return viaCode(s, as, client, oauth.ClientSecretPost(client.client_secret))
  },

  'code, none': async (s) => {
    const as = await discover(s)
    const client = await register(s, as, { ...codeAndRefresh, token_endpoint_auth_method: 'none' })
    return viaCode(s, as, client, oauth.None())
  },

  'pushed request': async (s) => {
    const as = await discover(s)
    const client = await register(s, as, { ...codeAndRefresh, require_pushed_authorization_requests: true })
    return viaCode(s, as, client, secretOf(client), {}, viaPAR(as, client, secretOf(client)))
  },

  'signed request': async (s) => {
    const as = await discover(s)
    const { key, jwks } = await keyPair('ES256')
    const client = await register(s, as, { ...codeAndRefresh, jwks, request_object_signing_alg: 'ES256' })
    const sign = async (parameters) =>
      new URLSearchParams({ client_id: client.client_id, request: await oauth.issueRequestObject(as, client, parameters, key) })
    return viaCode(s, as, client, secretOf(client), {}, sign)
  },

  'id_token': (s) => implicit(s, 'id_token', 'fragment'),
  'id_token token': (s) => implicit(s, 'id_token token', 'fragment'),
  'id_token token, form_post': (s) => implicit(s, 'id_token token', 'form_post'),
  'code id_token': (s) => hybrid(s, codeIDToken, 'code id_token', 'fragment'),
  'code id_token, form_post': (s) => hybrid(s, codeIDToken, 'code id_token', 'form_post'),
  'code id_token, detached signature': (s) => hybrid(s, detached, 'code id_token', 'fragment'),
  'code token': (s) => hybrid(s, byHand, 'code token', 'fragment'),
  'code id_token token': (s) => hybrid(s, byHand, 'code id_token token', 'fragment'),

  'private_key_jwt': async (s) => {
    const as = await discover(s)
    const { key, jwks } = await keyPair('ES256')
    const metadata = { jwks, token_endpoint_auth_method: 'private_key_jwt' }
    await machine(s, as, await register(s, as, { ...forMachines, ...metadata }), oauth.PrivateKeyJwt(key))
    const client = await register(s, as, { ...codeAndRefresh, ...metadata })
    return viaCode(s, as, client, oauth.PrivateKeyJwt(key), {}, viaPAR(as, client, oauth.PrivateKeyJwt(key)))
  },

  'client_secret_jwt': async (s) => {
    const as = await discover(s)
    const metadata = { token_endpoint_auth_method: 'client_secret_jwt' }
    const signer = await register(s, as, { ...forMachines, ...metadata })
    await machine(s, as, signer, oauth.ClientSecretJwt(signer.client_secret))
    const client = await register(s, as, { ...codeAndRefresh, ...metadata })
    return viaCode(s, as, client, oauth.ClientSecretJwt(client.client_secret))
  },

  'JWT access token': async (s) => {
    const as = await discover(s)
    const client = await register(s, as, { ...forMachines, access_token_format: 'jwt' })
    await machine(s, as, client, secretOf(client), 'jwt')
    return null
  },

  'device': async (s) => {
    const as = await discover(s)
    const client = await register(s, as, {
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'], response_types: [], redirect_uris: [],
    })
    const authenticate = secretOf(client)
    const response = await oauth.deviceAuthorizationRequest(as, client, authenticate, { scope }, insecure)
    const device = s.keep(await oauth.processDeviceAuthorizationResponse(as, client, response))
    const poll = async () => {
      const response = await oauth.deviceCodeGrantRequest(as, client, authenticate, device.device_code, insecure)
      return { response, tokens: await oauth.processDeviceCodeResponse(as, client, response) }
    }
    await assert.rejects(poll(), { error: 'authorization_pending' })
    await ask({ device: device.verification_uri_complete })
    await new Promise((resume) => setTimeout(resume, device.interval * 1000))
    const polled = await poll()
    await oauth.validateApplicationLevelSignature(as, polled.response, insecure)
    return useTokens(s, as, client, authenticate, s.keep(polled.tokens))
  },

  'logout': async (s) => {
    const as = await discover(s)
    const left = new URL('/left', s.redirectURI).href
    const client = await register(s, as, { ...codeAndRefresh, post_logout_redirect_uris: [left] })
    const asked = await authorize(s, as, client)
    const tokens = await redeem(s, as, client, secretOf(client), oauth.validateAuthResponse(as, client, asked.back, asked.state), asked)
    const address = new URL(as.end_session_endpoint)
    address.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: left, state: 'here' })
    assert.equal((await visit(address)).href, `${left}?state=here`)
    return oauth.getValidatedIdTokenClaims(tokens).sub
  },
}

await serve(flows)
