//! How the application proves to the token endpoint who it is. The hard thing is that there is exactly one
//! proof: one that is written in an account stands in the place of an inherited one of whatever kind, and
//! a proof goes to no other endpoint and proves no other application than the one that it was written for.

use super::{
    CLIENT_WITHHELD,
    grant::{missing, read_secret_with},
};
use crate::{
    config::{
        ClientAuthentication,
        resolve::At,
        secret_source::refuse_shared,
        text::{AccountText, GrantText},
        values::{Inherit, Layer, Values},
    },
    signing_key::ClientCertificate,
};

/// Judges it; with some grants there must be one, with others there is none.
pub(super) fn client_authentication(
    values: &mut Values<'_, '_>,
    kind: GrantText,
) -> Option<ClientAuthentication> {
    if matches!(kind, GrantText::ServiceAccount | GrantText::External) {
        return Some(ClientAuthentication::Public);
    }
    let layers = values.layers(Inherit::WithApplication).into_iter().flatten();
    let mut written = layers.map(|layer| (layer, proofs(layer.text)));
    let Some((layer, proofs)) = written.find(|(_, proofs)| !proofs.is_empty()) else {
        return none(values, kind);
    };
    refuse_stray_key(values)?;
    match proofs[..] {
        [Proof::Secret] => {
            let inherit = Inherit::WithApplication;
            let secret = read_secret_with(values, "client_secret", |t| &t.client_secret, inherit)?;
            Some(ClientAuthentication::Secret(secret?))
        }
        [Proof::Certificate] => certificate(values),
        [Proof::FederatedToken] => federated_token(values),
        _ => several(values, &layer),
    }
}

#[derive(Clone, Copy)]
enum Proof {
    Secret,
    Certificate,
    FederatedToken,
}

fn proofs(text: &AccountText) -> Vec<Proof> {
    [
        (Proof::Secret, text.client_secret.is_some()),
        (Proof::Certificate, text.client_certificate.is_some()),
        (Proof::FederatedToken, text.federated_token_file.is_some()),
    ]
    .into_iter()
    .filter_map(|(proof, written)| written.then_some(proof))
    .collect()
}

fn several<T>(values: &mut Values<'_, '_>, layer: &Layer<'_>) -> Option<T> {
    let written =
        layer.text.client_certificate.as_ref().map(|it| ("client_certificate", it.span()));
    let token = layer.text.federated_token_file.as_ref();
    let written = written.or_else(|| Some(("federated_token_file", token?.span())));
    let (key, span) = written?;
    let at = At::new(layer.file, span.start, format!("{}.{key}", layer.table));
    values.cx.mistake(
        &at,
        "stands beside another proof of who the application is: keep one of client_secret, \
         client_certificate and federated_token_file",
    )
}

fn none(values: &mut Values<'_, '_>, kind: GrantText) -> Option<ClientAuthentication> {
    refuse_stray_key(values)?;
    if kind != GrantText::ClientCredentials {
        return Some(ClientAuthentication::Public);
    }
    let withheld = values.is_withheld(|t| &t.client_secret)
        || values.is_withheld(|t| &t.client_certificate)
        || values.is_withheld(|t| &t.federated_token_file);
    let is_of_another = values.is_of_another_application(|t| &t.client_secret)
        || values.is_of_another_application(|t| &t.client_certificate)
        || values.is_of_another_application(|t| &t.federated_token_file);
    let at = values.own.at("client_secret");
    let text = match (withheld, is_of_another) {
        (true, _) => CLIENT_WITHHELD,
        (false, true) => OF_ANOTHER_APPLICATION,
        (false, false) => PROOF_MISSING,
    };
    values.cx.mistake(&at, text)
}

/// A key or passphrase without its certificate: who wrote it meant something else.
fn refuse_stray_key(values: &mut Values<'_, '_>) -> Option<()> {
    let Layer { file, text, .. } = values.own;
    if text.client_certificate.is_some() {
        return Some(());
    }
    let key = text.client_key.as_ref().map(|it| ("client_key", it.span()));
    let passphrase = text.client_key_passphrase.as_ref();
    let Some((key, span)) = key.or_else(|| Some(("client_key_passphrase", passphrase?.span())))
    else {
        return Some(());
    };
    let at = At::new(file, span.start, format!("account.{key}"));
    values.cx.mistake(&at, "belongs to a client_certificate: write that beside it")
}

/// The certificate, its key and the passphrase come from one layer.
fn certificate(values: &mut Values<'_, '_>) -> Option<ClientAuthentication> {
    let inherit = if values.own.text.client_certificate.is_some() {
        Inherit::Never
    } else {
        Inherit::WithApplication
    };
    let (certificate, at) =
        values.path("client_certificate", |t| &t.client_certificate, inherit)?;
    let written_key = values.path("client_key", |t| &t.client_key, inherit);
    let passphrase = read_secret_from(values, inherit)?;
    let (key, key_at) = written_key.unwrap_or_else(|| (certificate.clone(), at.clone()));
    values.cx.judge_file(&at, &certificate, || missing(&certificate), || Ok::<_, String>(()))?;
    let check = || {
        refuse_shared(&key)?;
        ClientCertificate::read(&certificate, &key, passphrase.as_ref()).map(|_| ())
    };
    values.cx.judge_file(&key_at, &key, || missing(&key), check)?;
    Some(ClientAuthentication::Certificate { certificate, key, passphrase })
}

fn read_secret_from(
    values: &mut Values<'_, '_>,
    inherit: Inherit,
) -> Option<Option<crate::secret::Secret>> {
    read_secret_with(values, "client_key_passphrase", |t| &t.client_key_passphrase, inherit)
}

/// Another system writes the file, now or soon, so only its name is judged.
fn federated_token(values: &mut Values<'_, '_>) -> Option<ClientAuthentication> {
    let (file, at) = values.path(
        "federated_token_file",
        |t| &t.federated_token_file,
        Inherit::WithApplication,
    )?;
    super::external::judge_foreign_file(values, &at, &file)?;
    Some(ClientAuthentication::FederatedToken { file })
}

const OF_ANOTHER_APPLICATION: &str = "is missing: this account has a client_id of its own, and the secret or \
    certificate of [defaults] proves only the application of [defaults]: write this application's here";
const PROOF_MISSING: &str = "is missing: grant = \"client_credentials\" needs the application's \
    secret, for example client_secret = { file = \"client-secret\" }, or a client_certificate or a \
    federated_token_file";
