//! How a server's certificate is verified. The hard thing is whom to believe: chain and name, or a pinned
//! certificate, or (called by its name) nobody; never two of them at once.

use super::{Inherit, Table, fit_host, server_field};
use crate::config::{Verification, resolve::At};

pub(super) fn verification(table: &mut Table<'_, '_, '_>) -> Option<Verification> {
    let ca_file = match table.written("ca_file", |s| &s.ca_file) {
        Some(_) => {
            let key = table.key("ca_file");
            let field = server_field(table.protocol, |s| &s.ca_file);
            table.values.ca_file(&key, field, Inherit::WithProvider)?
        }
        None => table
            .values
            .written(|t| &t.ca_file, Inherit::Always)
            .map(|(path, at)| at.file.resolve_path(path)),
    };
    let name = table.text("tls_name", |s| &s.tls_name);
    let pin = table.text("pin_sha256", |s| &s.pin_sha256);
    let skip = skip(table);
    match (pin, skip, name) {
        (Some((_, at)), Some(_), _) => table.mistake(&at, PIN_AND_SKIP),
        (Some(_), None, Some((_, at))) => table.mistake(&at, PIN_AND_NAME),
        (None, Some(at), Some(_)) => table.mistake(&at, SKIP_AND_NAME),
        (None, Some(_), None) => Some(Verification::DangerSkip),
        (Some((text, at)), None, None) => match pin_octets(&text) {
            Some(sha256) => Some(Verification::Pin { sha256 }),
            None => table.mistake(&at, PIN_FORM),
        },
        (None, None, Some((name, at))) => {
            let name = Some(fit_host(table, name, &at)?);
            Some(Verification::Roots { ca_file, name })
        }
        (None, None, None) => Some(Verification::Roots { ca_file, name: None }),
    }
}

/// Where verification is switched off, if it is.
fn skip<'a>(table: &mut Table<'_, 'a, '_>) -> Option<At<'a>> {
    const WORD: &str = "danger_skip_certificate_verification";
    let (&skip, at) = table.written(WORD, |s| &s.danger_skip_certificate_verification)?;
    table.row(WORD, skip.to_string(), at.source());
    skip.then_some(at)
}

/// 64 hexadecimal digits; colons between them, as `openssl x509 -fingerprint` prints them, do no harm.
fn pin_octets(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|&c| c != ':')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let octets: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    octets.try_into().ok()
}

const PIN_AND_SKIP: &str = "a pinned certificate is verified: take out \
    danger_skip_certificate_verification (or set it to false here)";
const PIN_AND_NAME: &str = "has no meaning beside pin_sha256, which looks at the certificate itself \
    and at no name: take one of them out";
const SKIP_AND_NAME: &str = "nothing is verified, so tls_name has no meaning: take one of them out";
const PIN_FORM: &str = "is not a SHA-256 in hexadecimal: 64 digits, as `openssl x509 -fingerprint \
    -sha256` prints them";
