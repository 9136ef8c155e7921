// The pages that a person sees: name and password, then whether the application may have what it asks
// for. The hard thing is that the provider decides which of them comes, and when.

const page = (title, body) => `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>
<body><h1>${title}</h1>${body}</body></html>`;

const LOGIN = `<form method="post"><input name="login" autofocus><input name="password" type="password">
<button id="go">Sign in</button></form>`;
const CONSENT = `<form method="post"><button id="go" name="consent" value="yes">Allow</button>
<button id="refuse" name="consent" value="no">Refuse</button></form>`;

export function interactions(provider, password) {
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
    if (ctx.method === 'GET') {
      ctx.type = 'html';
      ctx.body = prompt.name === 'login' ? page('Sign in', LOGIN) : page('Permissions', CONSENT);
      return undefined;
    }
    const form = new URLSearchParams(await read(ctx.req));
    const result = prompt.name === 'login'
      ? login(form, password)
      : await consent(provider, form, { prompt, params, session, grantId });
    ctx.respond = false;
    return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: prompt.name !== 'login' });
  });
}

function login(form, password) {
  if (form.get('password') !== password) return { error: 'access_denied', error_description: 'wrong password' };
  return { login: { accountId: form.get('login') } };
}

async function consent(provider, form, { prompt: { details }, params, session, grantId }) {
  if (form.get('consent') !== 'yes') return { error: 'access_denied', error_description: 'The person said no' };
  const grant = (grantId && await provider.Grant.find(grantId))
    || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (details.missingOIDCScope) grant.addOIDCScope(details.missingOIDCScope.join(' '));
  if (details.missingOIDCClaims) grant.addOIDCClaims(details.missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  return { consent: { grantId: await grant.save() } };
}

async function read(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}
