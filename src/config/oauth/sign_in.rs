//! The keys that say how a person signs in. The hard thing is the redirect URI: the provider compares it
//! with what is registered, each in its own way, so it is used as it is written.

use url::Url;

use super::{fit_scopes, secure_url, tenant::with_tenant};
use crate::config::{
    RedirectUri, SignIn,
    preset::{Preset, TenantRule},
    resolve::At,
    show::{Row, Source, quoted},
    text::{AccountText, GrantText, Written},
    values::{Inherit, Values},
};

/// Judges them; `user` is the account's login and mailbox, `token_url` is judged already.
pub(super) fn sign_in(
    values: &mut Values<'_, '_>,
    kind: GrantText,
    user: [&str; 2],
    token_url: Option<&Url>,
) -> Option<SignIn> {
    let owner = owner(values, user);
    if kind != GrantText::RefreshToken {
        return Some(SignIn { owner, ..SignIn::default() });
    }
    let preset = values.preset.sign_in;
    let authorization_url = endpoint(
        values,
        "authorization_url",
        |t| &t.authorization_url,
        preset.map(|it| it.authorization_url),
    );
    let device_url =
        endpoint(values, "device_url", |t| &t.device_url, preset.and_then(|it| it.device_url));
    let redirect_uri =
        redirect_uri(values, preset.map_or("http://127.0.0.1", |it| it.redirect_uri));
    let issuer = values.text("issuer", |t| &t.issuer, Inherit::WithProvider).map(|(text, _)| text);
    let scopes = preset.map_or(&[][..], |it| it.scopes).iter().map(|&it| it.to_owned()).collect();
    let (scopes, at) = values.list("signin_scopes", |t| &t.signin_scopes, scopes);
    let scopes = fit_scopes(values, scopes, &at);
    // Whatever the account calls its provider: who signs in there needs them.
    let parameters = token_url.and_then(Preset::at).and_then(|it| it.sign_in);
    let parameters = parameters.map_or(&[][..], |it| it.parameters);
    Some(SignIn {
        authorization_url: authorization_url?,
        device_url: device_url?,
        redirect_uri: Some(redirect_uri?),
        issuer,
        owner,
        scopes: scopes?,
        parameters: parameters.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect(),
    })
}

fn owner(values: &mut Values<'_, '_>, user: [&str; 2]) -> Option<String> {
    let written = values.text("token_owner", |t| &t.token_owner, Inherit::WithProvider);
    let usual = || user.into_iter().find(|name| name.contains('@')).map(str::to_owned);
    written.map(|(owner, _)| owner).or_else(usual)
}

/// An endpoint that need not be there.
fn endpoint<'a>(
    values: &mut Values<'a, '_>,
    key: &str,
    field: impl Fn(&'a AccountText) -> &'a Written<String>,
    preset: Option<&'static str>,
) -> Option<Option<Url>> {
    if let Some((text, at)) = values.text(key, field, Inherit::WithProvider) {
        return secure_url(values.cx, &at, &text).map(Some);
    }
    let Some(template) = preset else { return Some(None) };
    // Where the token URL is written, there may be no tenant to put into the others.
    if matches!(values.preset.tenant, TenantRule::Organization { .. })
        && values.written(|t| &t.tenant, Inherit::WithProvider).is_none()
    {
        return Some(None);
    }
    let rows = values.rows.len();
    let text = with_tenant(values, template, GrantText::RefreshToken)?;
    values.rows.truncate(rows);
    values.rows.push(Row::new(key, quoted(&text), Source::Preset(values.preset.name)));
    let at = values.own.at(key);
    secure_url(values.cx, &at, &text).map(Some)
}

fn redirect_uri(values: &mut Values<'_, '_>, preset: &'static str) -> Option<RedirectUri> {
    let written = values.text("redirect_uri", |t| &t.redirect_uri, Inherit::WithProvider);
    let (text, at) = written.unwrap_or_else(|| {
        values.rows.push(Row::new(
            "redirect_uri",
            quoted(preset),
            Source::Preset(values.preset.name),
        ));
        (preset.to_owned(), values.own.at("redirect_uri"))
    });
    RedirectUri::parse(&text).or_else(|| refuse(values, &at))
}

fn refuse(values: &mut Values<'_, '_>, at: &At<'_>) -> Option<RedirectUri> {
    values.cx.mistake(
        at,
        "must be a loopback address such as http://localhost or http://127.0.0.1:8400, or an https:// \
         address for a sign-in with --paste",
    )
}
