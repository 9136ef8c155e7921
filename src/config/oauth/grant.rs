//! What each grant needs beside the application. The hard thing is the password grant, which the rules
//! forbid: nobody gets it without having read why.

use std::path::Path;

use super::{show_secret, withheld};
use crate::{
    config::{
        Grant,
        resolve::At,
        secret_source::refuse_shared,
        show::Row,
        text::{AccountText, GrantText, SecretText, Written},
        values::{Inherit, Values},
    },
    secret::Secret,
    signing_key::ServiceAccountKey,
};

/// Judges it; `user` is the account's login and mailbox.
pub(super) fn grant(
    values: &mut Values<'_, '_>,
    kind: GrantText,
    [login, mailbox]: [&str; 2],
) -> Option<Grant> {
    match kind {
        GrantText::ClientCredentials => Some(Grant::ClientCredentials),
        GrantText::ServiceAccount => service_account(values, mailbox),
        GrantText::Password => password(values, [login, mailbox]),
        // Tokens from elsewhere have no grant here, see `external`.
        GrantText::RefreshToken | GrantText::External => Some(Grant::RefreshToken),
    }
}

fn service_account(values: &mut Values<'_, '_>, mailbox: &str) -> Option<Grant> {
    let written =
        values.path("service_account_key", |t| &t.service_account_key, Inherit::WithEndpoint);
    let Some((key_file, at)) = written else {
        let text = if values.is_withheld(|t| &t.service_account_key) {
            withheld("service_account_key")
        } else {
            KEY_MISSING.to_owned()
        };
        let at = values.own.at("service_account_key");
        return values.cx.mistake(&at, text);
    };
    let check = || {
        refuse_shared(&key_file)?;
        ServiceAccountKey::read(&key_file).map(|_| ())
    };
    values.cx.judge_file(&at, &key_file, || missing(&key_file), check)?;
    Some(Grant::ServiceAccount { key_file, subject: mailbox.to_owned() })
}

fn password(values: &mut Values<'_, '_>, user: [&str; 2]) -> Option<Grant> {
    let allowed = values.written(|t| &t.danger_allow_password_grant, Inherit::WithProvider);
    let allowed = allowed.map(|(allowed, at)| (*allowed, at));
    if let Some((allowed, at)) = &allowed {
        let row = Row::new("danger_allow_password_grant", allowed.to_string(), at.source());
        values.rows.push(row);
    }
    if !allowed.is_some_and(|(allowed, _)| allowed) {
        let written = values.written(|t| &t.grant, Inherit::WithProvider);
        let at = written.map(|(_, at)| At { key: at.key + "grant", ..at });
        let at = at.unwrap_or_else(|| values.own.at("grant"));
        return values.cx.mistake(&at, FORBIDDEN);
    }
    let owner = values.written(|t| &t.token_owner, Inherit::WithProvider);
    let user = match owner {
        Some((owner, _)) => owner.clone(),
        None => user.into_iter().find(|name| name.contains('@')).unwrap_or(user[1]).to_owned(),
    };
    let Some(password) = read_secret(values, "owner_password", |t| &t.owner_password)? else {
        let text = if values.is_withheld(|t| &t.owner_password) {
            withheld("owner_password")
        } else {
            PASSWORD_MISSING.to_owned()
        };
        let at = values.own.at("owner_password");
        return values.cx.mistake(&at, text);
    };
    Some(Grant::Password { user, password })
}

/// A secret that goes to the token endpoint; the inner `None` where none is written.
pub(super) fn read_secret<'a>(
    values: &mut Values<'a, '_>,
    key: &str,
    field: impl Fn(&'a AccountText) -> &'a Written<SecretText>,
) -> Option<Option<Secret>> {
    read_secret_with(values, key, field, Inherit::WithEndpoint)
}

pub(super) fn read_secret_with<'a>(
    values: &mut Values<'a, '_>,
    key: &str,
    field: impl Fn(&'a AccountText) -> &'a Written<SecretText>,
    inherit: Inherit,
) -> Option<Option<Secret>> {
    let Some((written, at)) = values.written(field, inherit) else {
        return Some(None);
    };
    let at = At { key: at.key + key, ..at };
    values.rows.push(Row::new(key, show_secret(written), at.source()));
    match values.cx.secrets.read(at.file, written) {
        Ok(secret) => Some(Some(secret)),
        Err(fault) => values.cx.mistake(&at, fault),
    }
}

pub(super) fn missing(path: &Path) -> String {
    format!("the file {} is not there", path.display())
}

const KEY_MISSING: &str = "is missing: grant = \"service_account\" needs the JSON key file of a Google \
    service account";
const PASSWORD_MISSING: &str = "is missing: grant = \"password\" needs to know where the user's own \
    password is read from, for example owner_password = { file = \"owner-password\" }";
const FORBIDDEN: &str = "is \"password\", which must not be used, says RFC 9700 section 2.4: it shows the \
    user's own password to the application, and rules out a second factor. Where the provider offers \
    nothing else, write danger_allow_password_grant = true";
