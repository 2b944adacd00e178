// Relying parties made of npm's openid-client, one for each flow. Each registers
// itself and checks what it gets as the library does, signatures included.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import * as jose from 'jose'
import * as oidc from 'openid-client'
import { ask, serve, visit } from './talk.mjs'

const scope = 'openid profile email offline_access'
const code = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] }

// Plain http is for loopback; the library checks signatures of ID tokens that
// come over TLS only when it is told to.
const always = [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks]

const register = async (s, metadata, authenticate = oidc.ClientSecretBasic(), ...execute) => {
  const config = await oidc.dynamicClientRegistration(
    new URL(s.issuer),
    { client_name: 'openid-client', redirect_uris: [s.redirectURI], scope, ...metadata },
    authenticate,
    { initialAccessToken: s.initialToken, execute: [...always, ...execute] },
  )
  s.keep(config.clientMetadata())
  return config
}

// keyPair is a client's key, and the metadata that publishes it.
const keyPair = async (alg) => {
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: 'one', use: 'sig', alg }
  return { key: { key: privateKey, kid: 'one' }, jwks: { keys: [jwk] } }
}

// authorize sends the person to the server and redeems what comes back.
const authorize = async (s, config, { build = oidc.buildAuthorizationUrl, ...more } = {}) => {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
  const expectedState = oidc.randomState()
  const expectedNonce = oidc.randomNonce()
  const address = await build(config, {
    redirect_uri: s.redirectURI,
    scope,
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    ...more,
  })
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }
  return s.keep(await oidc.authorizationCodeGrant(config, await visit(address), checks))
}

// useTokens does with tokens what they are for, and ends them.
const useTokens = async (s, config, tokens) => {
  const { sub } = tokens.claims()
  const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, sub)
  assert.ok(userinfo.email)
  const refreshed = s.keep(await oidc.refreshTokenGrant(config, tokens.refresh_token))
  assert.equal(refreshed.claims().sub, sub)
  await oidc.tokenRevocation(config, refreshed.refresh_token ?? tokens.refresh_token)
  await assert.rejects(oidc.fetchUserInfo(config, refreshed.access_token, sub), /OAUTH_WWW_AUTHENTICATE_CHALLENGE|challenge/)
  return sub
}

// implicit is an ID token from the authorization endpoint alone.
const implicit = async (s, more) => {
  const config = await register(
    s,
    { response_types: ['id_token'], grant_types: ['implicit'], token_endpoint_auth_method: 'none' },
    oidc.None(),
    oidc.useIdTokenResponseType,
  )
  const expectedState = oidc.randomState()
  const expectedNonce = oidc.randomNonce()
  const address = oidc.buildAuthorizationUrl(config, {
    redirect_uri: s.redirectURI, scope: 'openid email', state: expectedState, nonce: expectedNonce, ...more,
  })
  const claims = await oidc.implicitAuthentication(config, await visit(address), expectedNonce, { expectedState })
  assert.ok(claims.email, 'without an access token the claims are in the ID token')
  return claims.sub
}

// hybrid is the response type "code id_token".
const hybrid = async (s, hook, more) => {
  const config = await register(
    s,
    { response_types: ['code id_token'], grant_types: ['authorization_code', 'refresh_token', 'implicit'] },
    undefined,
    oidc.useCodeIdTokenResponseType,
    ...hook,
  )
  return useTokens(s, config, await authorize(s, config, more))
}

const machine = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] }

// clientCredentials gets a token by the client's own authentication.
const clientCredentials = async (s, metadata, authenticate) => {
  const config = await register(s, { ...machine, scope: 'api', ...metadata }, authenticate)
  const tokens = s.keep(await oidc.clientCredentialsGrant(config, { scope: 'api' }))
  const about = await oidc.tokenIntrospection(config, tokens.access_token)
  assert.equal(about.active, true)
  await oidc.tokenRevocation(config, tokens.access_token)
  assert.deepEqual(await oidc.tokenIntrospection(config, tokens.access_token), { active: false })
  assert.equal(about.client_id, config.clientMetadata().client_id)
  return null
}

const flows = {
  'registration': async (s) => {
    const config = await register({ ...s, initialToken: undefined }, code)
    const { client_id } = config.clientMetadata()
    await assert.rejects(oidc.clientCredentialsGrant(config), { error: 'unauthorized_client' })
    await ask({ approve: client_id })
    return useTokens(s, config, await authorize(s, config))
  },

  'pushed request': async (s) => {
    const config = await register(s, { ...code, require_pushed_authorization_requests: true })
    return useTokens(s, config, await authorize(s, config, { build: oidc.buildAuthorizationUrlWithPAR }))
  },

  'signed request': async (s) => {
    const { key, jwks } = await keyPair('ES256')
    const config = await register(s, { ...code, jwks, request_object_signing_alg: 'ES256', require_signed_request_object: true })
    const build = (config, parameters) => oidc.buildAuthorizationUrlWithJAR(config, parameters, key)
    return useTokens(s, config, await authorize(s, config, { build }))
  },

  'signed and pushed request': async (s) => {
    const { key, jwks } = await keyPair('PS256')
    const config = await register(s, { ...code, jwks, request_object_signing_alg: 'PS256' })
    const build = async (config, parameters) => {
      const { searchParams } = await oidc.buildAuthorizationUrlWithJAR(config, parameters, key)
      return oidc.buildAuthorizationUrlWithPAR(config, searchParams)
    }
    return useTokens(s, config, await authorize(s, config, { build }))
  },

  'implicit': (s) => implicit(s, {}),
  'implicit, form_post': (s) => implicit(s, { response_mode: 'form_post' }),
  'hybrid': (s) => hybrid(s, [], {}),
  'hybrid, form_post': (s) => hybrid(s, [], { response_mode: 'form_post' }),
  'hybrid, detached signature': (s) => hybrid(s, [oidc.enableDetachedSignatureResponseChecks], {}),

  'private_key_jwt': async (s) => {
    for (const alg of ['RS256', 'PS256', 'ES256', 'Ed25519']) {
      const { key, jwks } = await keyPair(alg)
      if (alg === 'Ed25519') jwks.keys[0].alg = 'EdDSA'
      const authenticate = oidc.PrivateKeyJwt(key, alg === 'Ed25519' && { [oidc.modifyAssertion]: (header) => { header.alg = 'EdDSA' } })
      await clientCredentials(s, { jwks, token_endpoint_auth_method: 'private_key_jwt' }, authenticate)
    }
    const { key, jwks } = await keyPair('ES256')
    const config = await register(s, { ...code, jwks, token_endpoint_auth_method: 'private_key_jwt' }, oidc.PrivateKeyJwt(key))
    return useTokens(s, config, await authorize(s, config, { build: oidc.buildAuthorizationUrlWithPAR }))
  },

  'client_secret_jwt': async (s) => {
    await clientCredentials(s, { token_endpoint_auth_method: 'client_secret_jwt' }, oidc.ClientSecretJwt())
    const config = await register(s, { ...code, token_endpoint_auth_method: 'client_secret_jwt' }, oidc.ClientSecretJwt())
    return useTokens(s, config, await authorize(s, config))
  },

  'client credentials': async (s) => clientCredentials(s, {}),

  'device': async (s) => {
    const config = await register(
      s,
      { grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'], response_types: [], redirect_uris: [], token_endpoint_auth_method: 'none' },
      oidc.None(),
    )
    const device = s.keep(await oidc.initiateDeviceAuthorization(config, { scope }))
    const polled = oidc.pollDeviceAuthorizationGrant(config, device)
    await ask({ device: device.verification_uri_complete })
    return useTokens(s, config, s.keep(await polled))
  },

  'logout': async (s) => {
    const heard = []
    const application = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      response.end()
      heard.push(new URLSearchParams(body).get('logout_token'))
      application.emit('heard')
    })
    await once(application.listen(0, '127.0.0.1'), 'listening')
    const left = new URL('/left', s.redirectURI).href
    const config = await register(s, {
      ...code,
      post_logout_redirect_uris: [left],
      backchannel_logout_uri: `http://127.0.0.1:${application.address().port}/backchannel`,
      backchannel_logout_session_required: true,
    })
    const tokens = await authorize(s, config)
    const arrival = once(application, 'heard')
    const state = oidc.randomState()
    const back = await visit(oidc.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: left, state }))
    assert.equal(back.origin + back.pathname, left)
    assert.equal(back.searchParams.get('state'), state)
    await arrival
    application.close()

    const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri))
    const { client_id } = config.clientMetadata()
    const { payload } = await jose.jwtVerify(heard[0], keys, {
      issuer: s.issuer, audience: client_id, typ: 'logout+jwt', maxTokenAge: '2 minutes', requiredClaims: ['jti', 'exp', 'iat', 'sub', 'sid'],
    })
    assert.deepEqual(payload.events, { 'http://schemas.openid.net/event/backchannel-logout': {} })
    assert.equal(payload.nonce, undefined)
    assert.equal(payload.sid, tokens.claims().sid)
    assert.equal(payload.sub, tokens.claims().sub)
    return payload.sub
  },
}

await serve(flows)
