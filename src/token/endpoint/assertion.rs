//! Assertions: signed statements of who asks (RFC 7523). The hard thing is the time: a provider refuses what
//! was signed in its own future, or lives too long, and two clocks never agree.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use url::Url;

use super::{Failure, Secret, client::cannot};
use crate::signing_key::{ClientCertificate, RsaKey, ServiceAccountKey};

/// RFC 7523 section 2.2, as Microsoft wants it (certificate credentials): PS256, and the certificate named by
/// its SHA-256.
pub(super) fn of_certificate(
    (certificate, key, passphrase): (&Path, &Path, Option<&Secret>),
    client_id: &str,
    token_url: &Url,
) -> Result<Secret, Failure> {
    let certificate = ClientCertificate::read(certificate, key, passphrase).map_err(cannot)?;
    let header = Header {
        x5t_s256: Some(URL_SAFE_NO_PAD.encode(certificate.thumbprint)),
        ..Header::new(Algorithm::PS256)
    };
    let (from, until) = validity()?;
    let claims = ClientClaims {
        aud: token_url.as_str(),
        iss: client_id,
        sub: client_id,
        jti: name()?,
        nbf: from,
        iat: from,
        exp: until,
    };
    sign(&header, &claims, &certificate.key)
}

/// RFC 7523 section 2.1, as Google wants it from a service account.
pub(super) fn of_service_account(
    key_file: &Path,
    subject: &str,
    token_url: &Url,
    scope: &str,
) -> Result<Secret, Failure> {
    let account = ServiceAccountKey::read(key_file).map_err(cannot)?;
    let header = Header { kid: account.id, ..Header::new(Algorithm::RS256) };
    let (from, until) = validity()?;
    let claims = ServiceClaims {
        iss: &account.client_email,
        sub: subject,
        scope,
        aud: account.token_uri.as_deref().unwrap_or(token_url.as_str()),
        iat: from,
        exp: until,
    };
    sign(&header, &claims, &account.key)
}

#[derive(Serialize)]
struct ClientClaims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: u64,
    iat: u64,
    exp: u64,
}

#[derive(Serialize)]
struct ServiceClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

fn sign(header: &Header, claims: &impl Serialize, key: &RsaKey) -> Result<Secret, Failure> {
    let key = EncodingKey::from_rsa_der(key.0.expose());
    jsonwebtoken::encode(header, claims, &key)
        .map(Secret::new)
        .map_err(|_| cannot("the key does not sign: it must be an RSA key of 2048 bits or more"))
}

/// From a little before now, and for less than ten minutes in all.
fn validity() -> Result<(u64, u64), Failure> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| cannot("the clock of this machine stands before 1970"))?
        .as_secs();
    Ok((now.saturating_sub(SLACK), now + LIFETIME))
}

/// Another name for each assertion, so that none is taken for a repeated one.
fn name() -> Result<String, Failure> {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets)
        .map_err(|_| Failure::passing("cannot be asked: there are no random numbers", true))?;
    Ok(format!("{:032x}", u128::from_be_bytes(octets)))
}

pub(super) const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How far this clock may be ahead.
const SLACK: u64 = 60;

/// Long enough for a clock that is behind.
const LIFETIME: u64 = 8 * 60;
