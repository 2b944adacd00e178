import Provider from 'oidc-provider';
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
const store = new Map();
const T = (s) => (s ? Date.now() + s * 1000 : Infinity);
const get = (k) => { const v = store.get(k); if (!v) return undefined; if (v.e < Date.now()) { store.delete(k); return undefined; } return v.v; };
class Mem {
  constructor(name) { this.name = name; }
  key(id) { return `${this.name}:${id}`; }
  async upsert(id, payload, exp) {
    const k = this.key(id);
    if (payload.uid && this.name === 'Session') store.set(`uid:${payload.uid}`, { v: id, e: T(exp) });
    if (payload.userCode) store.set(`uc:${payload.userCode}`, { v: id, e: T(exp) });
    if (payload.grantId) { const g = get(`g:${payload.grantId}`) ?? []; g.push(k); store.set(`g:${payload.grantId}`, { v: g, e: T(exp) }); }
    store.set(k, { v: payload, e: T(exp) });
  }
  async find(id) { return get(this.key(id)); }
  async findByUid(uid) { const id = get(`uid:${uid}`); return id && this.find(id); }
  async findByUserCode(c) { const id = get(`uc:${c}`); return id && this.find(id); }
  async consume(id) { const v = get(this.key(id)); if (v) v.consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { store.delete(this.key(id)); }
  async revokeByGrantId(g) { for (const k of get(`g:${g}`) ?? []) store.delete(k); store.delete(`g:${g}`); }
}
// bounded: the run makes many entries
setInterval(() => { if (store.size > 400000) { let n = store.size - 200000; for (const k of store.keys()) { if (n-- <= 0) break; store.delete(k); } } }, 1000).unref();
const alg = process.env.ALG || 'ES256';
const kp = alg === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = { ...kp.privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: 'k1' };
const port = Number(process.env.PORT || 3000);
const issuer = `http://127.0.0.1:${port}`;
const cb = 'http://127.0.0.1:9999/cb';
const common = { token_endpoint_auth_method: 'client_secret_basic', id_token_signed_response_alg: alg };
const provider = new Provider(issuer, {
  adapter: Mem,
  jwks: { keys: [jwk] },
  cookies: { keys: ['bench-cookie-key'] },
  clients: [
    { client_id: 'cc', client_secret: 'secretsecretsecretsecretsecret00', grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: 'api', ...common },
    { client_id: 'code', client_secret: 'secretsecretsecretsecretsecret00', grant_types: ['authorization_code', 'refresh_token'], redirect_uris: [cb], response_types: ['code'], scope: 'openid offline_access email profile', ...common },
    { client_id: 'dev', client_secret: 'secretsecretsecretsecretsecret00', grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'], redirect_uris: [], response_types: [], scope: 'openid offline_access', ...common },
  ],
  scopes: ['openid', 'offline_access', 'api', 'email', 'profile'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  features: {
    clientCredentials: { enabled: true }, introspection: { enabled: true }, deviceFlow: { enabled: true }, revocation: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: { enabled: true, defaultResource: () => undefined, useGrantedResource: () => false,
      getResourceServerInfo: () => ({ scope: 'api', audience: 'https://api.example', accessTokenTTL: 3600, accessTokenFormat: 'jwt', jwt: { sign: { alg } } }) },
  },
  issueRefreshToken: async (ctx, client, code) => client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
  rotateRefreshToken: true,
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: 'Alice Example' }) }),
});
http.createServer(provider.callback()).listen(port, '127.0.0.1');
