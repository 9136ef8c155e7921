// The lab's OpenID provider: a real one (oidc-provider), told by the lab which clients it has, plus a
// test-only door `/_lab/…` on the plain loopback port. The hard thing is `rotation`: a strict client's
// spent refresh token revokes the whole grant (RFC 9700 section 4.14.2), a lenient client's old one goes
// on working, as Microsoft's do.
//
//   node provider.mjs CONFIG.json
//   { https_port, http_port, certificate, key, key_folder, password,
//     clients: [{ id, secret, grant, method, mailbox, jwt, lifetime, rotation, redirect_uris, … }] }
//
// A client's `grant` is an OAuth one; "refresh_token" means a person who signs in, by code or by device.
// `method` is how it proves itself: client_secret_post, none, private_key_jwt (with its `certificate`) or
// federated (with `trusted_key`, `subject`). `web` makes it one with fixed redirect addresses.
//
// Dovecot asks the plain port (introspection), the gateway the TLS port (tokens), browsers the TLS port.

import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Provider } from 'oidc-provider';
import { JWT_BEARER, checkAssertion, exchangeAssertion, jwkOf, thumbprintOf, unauthorized } from './assertions.mjs';
import { interactions } from './pages.mjs';

const MAIL = 'urn:lab:mail';
const SCOPE = 'mail';
const KID = 'lab';
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const clients = new Map(config.clients.map((client) => [client.id, client]));
const counts = new Map(); // client -> { asked, granted, refused }
const issued = []; // every token that ever left, for the search through the gateway's log
const faults = new Map(); // client -> how its next token requests go wrong
const held = new Set(); // each lets one request or answer go on that a `hold` fault keeps back

// --- storage: memory, forgotten with the process ---------------------------------------------------

const store = new Map(); // "Model:id" -> payload

class Adapter {
  constructor(model) { this.model = model; }
  async upsert(id, payload) { store.set(`${this.model}:${id}`, payload); }
  async find(id) { return store.get(`${this.model}:${id}`); }
  async findByUid(uid) { return this.search('uid', uid); }
  async findByUserCode(code) { return this.search('userCode', code); }
  search(name, value) {
    for (const [key, payload] of store) if (key.startsWith(`${this.model}:`) && payload[name] === value) return payload;
    return undefined;
  }
  async destroy(id) { store.delete(`${this.model}:${id}`); }
  async consume(id) {
    const payload = await this.find(id);
    if (clients.get(payload.clientId)?.rotation !== 'lenient') payload.consumed = Math.floor(Date.now() / 1000);
  }
  async revokeByGrantId(grantId) {
    for (const [key, payload] of store) if (payload.grantId === grantId) store.delete(key);
  }
}

// --- the provider ----------------------------------------------------------------------------------

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
// Dovecot looks for a token's key at <folder>/<azp, else "default">/<alg>/<kid>.
mkdirSync(`${config.key_folder}/default/RS256`, { recursive: true });
writeFileSync(`${config.key_folder}/default/RS256/${KID}`, createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }));

const issuer = `https://localhost:${config.https_port}`;

// As oidc-provider wants a client told. What it does not know itself (federated, JWT bearer) has been
// judged before, and then goes by the client's secret.
function registration({ id, secret, grant, method, certificate, redirect_uris: redirects, web }) {
  const byPerson = grant === 'refresh_token';
  const known = method === 'federated' ? 'client_secret_post' : method;
  return {
    client_id: id,
    ...(known === 'client_secret_post' ? { client_secret: secret } : {}),
    ...(known === 'private_key_jwt'
      ? { token_endpoint_auth_signing_alg: 'PS256', jwks: { keys: [jwkOf(certificate)] } } : {}),
    grant_types: byPerson ? ['authorization_code', 'refresh_token', DEVICE_CODE] : [grant],
    response_types: byPerson ? ['code'] : [],
    redirect_uris: byPerson ? redirects : [],
    application_type: web ? 'web' : 'native',
    token_endpoint_auth_method: known,
  };
}

const lifetime = (ctx, token, client) => clients.get(client.clientId)?.lifetime ?? 3600;
const provider = new Provider(issuer, {
  adapter: Adapter,
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: KID, use: 'sig', alg: 'RS256' }] },
  clients: [
    ...config.clients.map(registration),
    // The mail server, asking whether a token is good.
    { client_id: 'dovecot', client_secret: 'introspection', grant_types: [], response_types: [], redirect_uris: [] },
  ],
  scopes: ['openid', 'offline_access', SCOPE],
  claims: { openid: ['sub'], profile: ['preferred_username'], email: ['email', 'email_verified'] },
  // The person's names stand in the id_token, as Microsoft writes them.
  conformIdTokenClaims: false,
  cookies: { keys: ['of the lab'] },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  assertJwtClientAuthClaimsAndHeader: (ctx, claims, header, client) => {
    // Microsoft finds the certificate by its thumbprint.
    const thumbprint = thumbprintOf(clients.get(client.clientId).certificate);
    if (header['x5t#S256'] !== thumbprint) throw unauthorized('x5t#S256 names another certificate');
  },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    deviceFlow: { enabled: true },
    revocation: { enabled: true, allowedPolicy: () => true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => MAIL,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource, client) => ({
        scope: SCOPE,
        audience: MAIL,
        accessTokenFormat: clients.get(client.clientId)?.jwt ? 'jwt' : 'opaque',
        jwt: { sign: { alg: 'RS256', kid: KID } },
      }),
    },
  },
  // Dovecot 2.3 knows RFC 7519's `typ: JWT` only, not RFC 9068's.
  formats: { customizers: { jwt: (ctx, token, jwt) => { jwt.header = { typ: 'JWT' }; } } },
  extraTokenClaims: (ctx, token) => ({ email: token.accountId ?? clients.get(token.clientId)?.mailbox }),
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, email: id, email_verified: true, preferred_username: id }) }),
  issueRefreshToken: () => true,
  rotateRefreshToken: () => true,
  ttl: {
    AccessToken: lifetime, ClientCredentials: lifetime, RefreshToken: 86400, Grant: 86400, IdToken: 300,
    AuthorizationCode: 60, DeviceCode: 600, Interaction: 600, Session: 600,
  },
});

// --- grants that the provider does not know itself ----------------------------------------------------

async function tokenFor(ctx, accountId) {
  const { client } = ctx.oidc;
  const token = new provider.AccessToken({ accountId, client, scope: SCOPE, gty: ctx.oidc.params.grant_type });
  token.resourceServer = new provider.ResourceServer(MAIL, {
    scope: SCOPE, audience: MAIL, accessTokenFormat: clients.get(client.clientId)?.jwt ? 'jwt' : 'opaque',
    jwt: { sign: { alg: 'RS256', kid: KID } },
  });
  const value = await token.save();
  ctx.body = { access_token: value, expires_in: token.expiration, token_type: 'Bearer', scope: SCOPE };
}

function refuse(ctx, error, text) {
  ctx.status = 400;
  ctx.body = { error, error_description: text };
}

// RFC 6749 section 4.3.
provider.registerGrantType('password', async (ctx) => {
  const { username, password } = ctx.oidc.params;
  if (username !== clients.get(ctx.oidc.client.clientId).mailbox || password !== config.password) {
    return refuse(ctx, 'invalid_grant', 'wrong user name or password');
  }
  return tokenFor(ctx, username);
}, ['username', 'password', 'scope']);

// RFC 7523, as Google does it: the service account acts for the person in `sub`.
provider.registerGrantType(JWT_BEARER, async (ctx) => {
  const client = clients.get(ctx.oidc.client.clientId);
  const [claims, fault] = checkAssertion(ctx.oidc.params.assertion, client.public_key, {
    iss: client.service_account, aud: `${issuer}/token`,
  });
  if (fault) return refuse(ctx, 'invalid_grant', fault);
  if (claims.sub !== client.mailbox) return refuse(ctx, 'unauthorized_client', 'no delegation for this subject');
  if (claims.scope !== SCOPE) return refuse(ctx, 'invalid_scope', 'no such scope');
  if (claims.exp - claims.iat > 3600) return refuse(ctx, 'invalid_grant', 'lasts too long');
  return tokenFor(ctx, claims.sub);
}, ['assertion', 'scope']);

// --- the token endpoint, with its faults --------------------------------------------------------------

provider.use(async (ctx, next) => {
  if (ctx.path !== '/token') return next();
  const form = new URLSearchParams(await readBody(ctx.req));
  const refusal = exchangeAssertion(form, clients);
  const id = form.get('client_id');
  const body = form.toString();
  ctx.req.body = body; // the provider takes a body that was read for it
  const count = counts.get(id) ?? { asked: 0, granted: 0, refused: 0 };
  counts.set(id, count);
  count.asked += 1;
  if (refusal) {
    count.refused += 1;
    ctx.status = 401;
    ctx.body = { error: 'invalid_client', error_description: refusal };
    return undefined;
  }
  const fault = takeFault(id);
  // Taken from the network and not looked at: `release` lets it through, `drop` does not.
  if (fault === 'hold-request' && await hold() === 'drop') { ctx.req.destroy(); ctx.respond = false; return undefined; }
  if (fault === 'unavailable') { ctx.status = 503; ctx.set('Retry-After', '1'); ctx.body = 'busy'; return undefined; }
  if (fault === 'nonsense') { ctx.type = 'html'; ctx.body = '<html>Please accept our cookies</html>'; return undefined; }
  if (fault === 'reset') { ctx.req.socket.destroy(); ctx.respond = false; return undefined; }
  if (fault === 'slow_down') return refuse(ctx, 'slow_down', 'too often');
  await next();
  count[ctx.status === 200 ? 'granted' : 'refused'] += 1;
  for (const name of ['access_token', 'refresh_token', 'id_token']) if (ctx.body?.[name]) issued.push(ctx.body[name]);
  for (const name of ['code', 'code_verifier', 'device_code']) if (form.get(name)) issued.push(form.get(name));
  if (fault === 'hold-answer') await hold();
  return undefined;
});

interactions(provider, config.password);

function takeFault(id) {
  const fault = faults.get(id);
  if (!fault) return undefined;
  fault.times -= 1;
  if (fault.times === 0) faults.delete(id);
  return fault.kind;
}

function hold() {
  return new Promise((resolve) => { held.add(resolve); });
}

async function readBody(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

// --- the door for tests ----------------------------------------------------------------------------

const doors = {
  '/_lab/requests': () => Object.fromEntries(counts),
  '/_lab/issued': () => issued,
  // How many token requests are being kept back at this moment.
  '/_lab/held': () => held.size,
  '/_lab/release': () => { held.forEach((resolve) => resolve()); held.clear(); },
  '/_lab/drop': () => { held.forEach((resolve) => resolve('drop')); held.clear(); },
  '/_lab/fault': (query) => {
    const times = Number(query.get('times') ?? 1);
    if (times > 0) faults.set(query.get('client'), { kind: query.get('kind'), times });
    else faults.delete(query.get('client'));
  },
  // What an administrator does with a certificate that was made elsewhere just now: one more client, like another.
  '/_lab/register': (query) => {
    const client = { ...clients.get(query.get('like')), id: query.get('client'), certificate: query.get('certificate') };
    clients.set(client.id, client);
    store.set(`Client:${client.id}`, registration(client));
  },
  // What a person's sign-in in a browser ends with.
  '/_lab/consent': async (query) => {
    const client = await provider.Client.find(query.get('client'));
    const accountId = query.get('mailbox');
    const grant = new provider.Grant({ accountId, clientId: client.clientId });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(MAIL, SCOPE);
    const grantId = await grant.save();
    const token = await new provider.RefreshToken({
      accountId, client, grantId, scope: `offline_access ${SCOPE}`, resource: MAIL, gty: 'authorization_code',
    }).save();
    issued.push(token);
    return token;
  },
  // A client's access tokens die before their time; its consent lives.
  '/_lab/revoke': (query) => {
    for (const [key, payload] of store) {
      if (/^(AccessToken|ClientCredentials):/.test(key) && payload.clientId === query.get('client')) store.delete(key);
    }
  },
};

const serve = provider.callback();
const plain = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const door = doors[url.pathname];
  if (!door) return serve(request, response);
  const answer = await door(url.searchParams);
  response.setHeader('Content-Type', 'application/json');
  return response.end(JSON.stringify(answer ?? null));
});
const tls = createTlsServer({ cert: readFileSync(config.certificate), key: readFileSync(config.key) }, serve);

plain.listen(config.http_port, '127.0.0.1', () => {
  tls.listen(config.https_port, '127.0.0.1', () => console.log('listening'));
});
