// Signed assertions (RFC 7523) that oidc-provider does not judge itself. The hard thing is that it
// wants a client's own name in them: a federated token names a workload, a Google one a service account.
// They are judged here, and the request goes on as that client's, with its secret.

import { X509Certificate, createHash, createPublicKey, verify } from 'node:crypto';

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const CLIENT_ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
// Whom a federated token must be meant for; Microsoft has a fixed name, too.
const FEDERATION = 'api://LabTokenExchange';

/** A client's public key, from its certificate in PEM. */
export function jwkOf(certificate) {
  return { ...new X509Certificate(certificate).publicKey.export({ format: 'jwk' }), alg: 'PS256', use: 'sig' };
}

/** `x5t#S256` (RFC 7515 section 4.1.8). */
export function thumbprintOf(certificate) {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64url');
}

export function unauthorized(text) {
  return Object.assign(new Error('invalid_client'), {
    status: 401, statusCode: 401, expose: true, error: 'invalid_client', error_description: text,
  });
}

/** [claims, null], or [null, what is wrong]. RS256 only. */
export function checkAssertion(assertion, key, expected) {
  try {
    const [header, payload, signature] = assertion.split('.');
    const { alg } = JSON.parse(Buffer.from(header, 'base64url'));
    if (alg !== 'RS256') return [null, `signed with ${alg}`];
    const signed = Buffer.from(`${header}.${payload}`);
    if (!verify('RSA-SHA256', signed, createPublicKey(key), Buffer.from(signature, 'base64url'))) return [null, 'signature'];
    const claims = JSON.parse(Buffer.from(payload, 'base64url'));
    const now = Date.now() / 1000;
    for (const [name, value] of Object.entries(expected)) if (claims[name] !== value) return [null, `another ${name}`];
    if (!(claims.exp > now) || !(claims.iat <= now + 60)) return [null, 'out of its time'];
    return [claims, null];
  } catch {
    return [null, 'not a signed assertion'];
  }
}

/** Puts a client's secret into the form of one that proves itself in a way of ours; says what is wrong with it. */
export function exchangeAssertion(form, clients) {
  if (form.get('grant_type') === JWT_BEARER) {
    const client = [...clients.values()].find((it) => it.service_account && it.service_account === issuerOf(form.get('assertion')));
    if (!client) return 'no such service account';
    form.set('client_id', client.id);
    form.set('client_secret', client.secret);
    return null;
  }
  const client = clients.get(form.get('client_id') ?? subjectOf(form.get('client_assertion')));
  if (client && !form.has('client_id')) form.set('client_id', client.id);
  if (client?.method !== 'federated') return null;
  if (form.has('client_secret')) return 'this client has no secret';
  if (form.get('client_assertion_type') !== CLIENT_ASSERTION) return 'not a client assertion';
  const [, fault] = checkAssertion(form.get('client_assertion') ?? '', client.trusted_key, { sub: client.subject, aud: FEDERATION });
  if (fault) return fault;
  form.delete('client_assertion');
  form.delete('client_assertion_type');
  form.set('client_secret', client.secret);
  return null;
}

function claimOf(name, assertion) {
  try {
    return JSON.parse(Buffer.from(assertion.split('.')[1], 'base64url'))[name];
  } catch {
    return undefined;
  }
}

const issuerOf = (assertion) => claimOf('iss', assertion);
const subjectOf = (assertion) => claimOf('sub', assertion);
