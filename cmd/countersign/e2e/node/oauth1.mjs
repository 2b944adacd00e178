// Consumers of OAuth 1.0a made of npm's libraries, of which the argument names
// one. The test registers them, and tells each flow what it needs to know.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import oauth from 'oauth'
import OAuth1 from 'oauth-1.0a'
import passport from 'passport-oauth1'
import { serve, visit } from './talk.mjs'

// A blank is %20: oauth-1.0a signs + as a plus.
const query = '?name=a%20b%21&empty=&plus=%2B'

// promised is what a function hands to its callback, its last argument.
const promised = (f) => new Promise((resolve, reject) => f((err, ...results) => (err ? reject(Object.assign(new Error(JSON.stringify(err)), err)) : resolve(results))))

// allowed has the person allow a request, and returns the verifier.
const allowed = async (c, token) => {
  const callback = await visit(`${c.authorize}?oauth_token=${encodeURIComponent(token)}`)
  assert.equal(callback.searchParams.get('oauth_token'), token)
  return callback.searchParams.get('oauth_verifier')
}

// byOAuth is the package oauth.
const byOAuth = async ({ consumer: c, keep }) => {
  const client = new oauth.OAuth(c.requestToken, c.accessToken, c.key, c.privateKey || c.secret, '1.0', c.callback, c.method)
  const [token, secret, answer] = await promised((done) => client.getOAuthRequestToken(done))
  assert.equal(answer.oauth_callback_confirmed, 'true')
  const verifier = await allowed(c, token)
  const [access, accessSecret] = await promised((done) => client.getOAuthAccessToken(token, secret, verifier, done))
  keep({ access_token: accessSecret })
  const [got] = await promised((done) => client.get(c.resource + query, access, accessSecret, done))
  const [posted] = await promised((done) => client.post(c.resource, access, accessSecret, { name: 'a b!' }, done))
  assert.equal(JSON.parse(posted).sub, JSON.parse(got).sub)
  if (!c.privateKey) await assert.rejects(promised((done) => client.get(c.resource, access, 'wrong', done)), { statusCode: 401 })
  return JSON.parse(got).sub
}

// byOAuth1 is the package oauth-1.0a, with the requests that it leaves to its
// user.
const byOAuth1 = async ({ consumer: c, keep }) => {
  const hash = { 'HMAC-SHA1': 'sha1', 'HMAC-SHA256': 'sha256' }[c.method]
  const client = new OAuth1({
    consumer: { key: c.key, secret: c.secret },
    signature_method: c.method,
    hash_function: (text, key) => createHmac(hash, key).update(text).digest('base64'),
  })
  const send = async (method, url, token, data) => {
    const { Authorization } = client.toHeader(client.authorize({ method, url, data }, token))
    const answer = await fetch(url, { method, headers: { Authorization } })
    const text = await answer.text()
    assert.equal(answer.status, 200, text)
    return text
  }
  const credentials = (text) => {
    const form = new URLSearchParams(text)
    return { key: form.get('oauth_token'), secret: form.get('oauth_token_secret') }
  }
  const temporary = credentials(await send('POST', c.requestToken, undefined, { oauth_callback: c.callback }))
  const verifier = await allowed(c, temporary.key)
  const token = credentials(await send('POST', c.accessToken, temporary, { oauth_verifier: verifier }))
  keep({ access_token: token.secret })
  return JSON.parse(await send('GET', c.resource + query, token)).sub
}

// byPassport is the package passport-oauth1, as passport drives it in two
// requests of one browser to the application.
const byPassport = async ({ consumer: c, keep }) => {
  const session = {}
  const strategy = new passport.Strategy(
    {
      requestTokenURL: c.requestToken, accessTokenURL: c.accessToken, userAuthorizationURL: c.authorize,
      consumerKey: c.key, consumerSecret: c.privateKey || c.secret, callbackURL: c.callback, signatureMethod: c.method,
    },
    (token, secret, profile, done) => done(null, { token, secret, profile }),
  )
  strategy.userProfile = function (token, secret, params, done) {
    this._oauth.get(c.resource, token, secret, (err, body) => (err ? done(new Error(JSON.stringify(err))) : done(null, JSON.parse(body))))
  }
  const request = (url) => new Promise((resolve, reject) => {
    const one = Object.create(strategy)
    Object.assign(one, { redirect: resolve, success: resolve, error: reject, fail: (why) => reject(new Error(JSON.stringify(why))) })
    one.authenticate({ session, url, query: Object.fromEntries(new URL(url, c.callback).searchParams), headers: {}, connection: {} })
  })
  const callback = await visit(await request('/login'))
  const user = await request(callback.pathname + callback.search)
  keep({ access_token: user.secret })
  return user.profile.sub
}

const flows = {
  'oauth': { 'HMAC-SHA1, header': byOAuth, 'HMAC-SHA256, header': byOAuth, 'RSA-SHA1, header': byOAuth },
  'oauth-1.0a': { 'HMAC-SHA1, header': byOAuth1, 'HMAC-SHA256, header': byOAuth1 },
  'passport-oauth1': { 'HMAC-SHA1, header': byPassport },
}
await serve(flows[process.argv[2]])
