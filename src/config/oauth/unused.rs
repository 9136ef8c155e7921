//! Keys that nothing would read. The hard thing is to refuse only what a person wrote for this very account:
//! what `[defaults]` say for others is no mistake here.

use std::ops::Range;

use toml::Spanned;

use crate::config::{
    resolve::At,
    text::{
        AccountText,
        GrantText::{self, ClientCredentials, External, Password, RefreshToken, ServiceAccount},
    },
    values::Values,
};

/// In an account whose servers all take passwords: who writes these believes that tokens are used.
pub(in crate::config) fn refuse_unused(values: &mut Values<'_, '_>) -> Option<()> {
    let text = values.own.text;
    let grant = [
        ("grant", text.grant.as_ref().map(Spanned::span)),
        ("mechanism", text.mechanism.as_ref().map(Spanned::span)),
    ];
    let others = keys(text).into_iter().map(|(key, span, _)| (key, span));
    let written = grant.into_iter().chain(others);
    match written.into_iter().find_map(|(key, span)| Some((key, span?))) {
        None => Some(()),
        Some((key, span)) => refuse(values, key, &span, NO_TOKENS.to_owned()),
    }
}

/// In an account of this grant: who writes a key of another grant believes that it is used.
pub(super) fn refuse_of_other_grants(values: &mut Values<'_, '_>, grant: GrantText) -> Option<()> {
    let written = keys(values.own.text)
        .into_iter()
        .filter(|(.., grants)| !grants.contains(&grant))
        .find_map(|(key, span, _)| Some((key, span?)));
    let Some((key, span)) = written else { return Some(()) };
    let text = format!("has no effect with grant = \"{}\": take it out", grant.name());
    refuse(values, key, &span, text)
}

fn refuse(values: &mut Values<'_, '_>, key: &str, span: &Range<usize>, text: String) -> Option<()> {
    let at = At::new(values.own.file, span.start, format!("account.{key}"));
    values.cx.mistake(&at, text)
}

type Key = (&'static str, Option<Range<usize>>, &'static [GrantText]);

/// The keys about tokens, and the grants that read them.
#[rustfmt::skip]
fn keys(text: &AccountText) -> Vec<Key> {
    vec![
        ("tenant", text.tenant.as_ref().map(Spanned::span), NOT_EXTERNAL),
        ("token_url", text.token_url.as_ref().map(Spanned::span), NOT_EXTERNAL),
        ("client_id", text.client_id.as_ref().map(Spanned::span), APPLICATION),
        ("client_secret", text.client_secret.as_ref().map(Spanned::span), APPLICATION),
        ("client_secret_method", text.client_secret_method.as_ref().map(Spanned::span), APPLICATION),
        ("client_certificate", text.client_certificate.as_ref().map(Spanned::span), APPLICATION),
        ("client_key", text.client_key.as_ref().map(Spanned::span), APPLICATION),
        ("client_key_passphrase", text.client_key_passphrase.as_ref().map(Spanned::span), APPLICATION),
        ("federated_token_file", text.federated_token_file.as_ref().map(Spanned::span), APPLICATION),
        ("service_account_key", text.service_account_key.as_ref().map(Spanned::span), &[ServiceAccount]),
        ("owner_password", text.owner_password.as_ref().map(Spanned::span), &[Password]),
        ("token_command", text.token_command.as_ref().map(Spanned::span), &[External]),
        ("token_file", text.token_file.as_ref().map(Spanned::span), &[External]),
        ("token_owner", text.token_owner.as_ref().map(Spanned::span), &[RefreshToken, Password]),
        ("authorization_url", text.authorization_url.as_ref().map(Spanned::span), &[RefreshToken]),
        ("device_url", text.device_url.as_ref().map(Spanned::span), &[RefreshToken]),
        ("redirect_uri", text.redirect_uri.as_ref().map(Spanned::span), &[RefreshToken]),
        ("issuer", text.issuer.as_ref().map(Spanned::span), &[RefreshToken]),
        ("signin_scopes", text.signin_scopes.as_ref().map(Spanned::span), &[RefreshToken]),
        ("proxy", text.proxy.as_ref().map(Spanned::span), NOT_EXTERNAL),
        ("refresh_idle", text.refresh_idle.as_ref().map(Spanned::span), NOT_EXTERNAL),
        ("scopes", text.scopes.as_ref().map(Spanned::span), NOT_EXTERNAL),
        ("fresh_percent", text.fresh_percent.as_ref().map(Spanned::span), NOT_EXTERNAL),
    ]
}

const APPLICATION: &[GrantText] = &[ClientCredentials, RefreshToken, Password];
const NOT_EXTERNAL: &[GrantText] = &[ClientCredentials, RefreshToken, Password, ServiceAccount];

const NO_TOKENS: &str = "has no effect: every server of this account says auth = \"password\", so no token \
    is asked for: take it out, or say auth = \"oauth\" for the server that takes tokens";
