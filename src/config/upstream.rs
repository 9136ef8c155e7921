//! `[account.imap]`: the mail server of an account. The hard thing is whom to believe: chain and name,
//! or a pinned certificate, or (called by its name) nobody; never two of them at once.

use rustls::pki_types::ServerName;

use super::{
    Authentication, UpstreamConfig, UpstreamTlsMode, Verification,
    resolve::At,
    show::{Row, Source, quoted},
    text::{AccountText, ImapText, UpstreamTlsText, Written},
    values::{Inherit, Values},
};

/// Judges the IMAP server.
pub(super) fn imap(values: &mut Values<'_, '_>, connection_limit: usize) -> Option<UpstreamConfig> {
    let preset = values.preset.imap_host.map(str::to_owned);
    let host = values.required("imap.host", |t| imap_text(t, |i| &i.host), preset, HOST_MISSING);
    let host = host.and_then(|(host, at)| fit_host(values, host, &at));
    let mode = mode(values);
    let port = port(values, mode);
    let verification = verification(values);
    Some(UpstreamConfig {
        host: host?,
        port: port?,
        mode,
        verification: verification?,
        authentication: Authentication::OAuth,
        connection_limit,
        presumed_extensions: Vec::new(),
    })
}

/// A key of `[….imap]`, which may be missing as a whole.
fn imap_text<T>(text: &AccountText, field: impl Fn(&ImapText) -> &Written<T>) -> &Written<T> {
    text.imap.as_ref().map_or(&None, field)
}

fn fit_host(values: &mut Values<'_, '_>, host: String, at: &At<'_>) -> Option<String> {
    if ServerName::try_from(host.as_str()).is_ok() {
        return Some(host);
    }
    let text =
        format!("`{host}` is not a host's name or address (the port is a key of its own: `port`)");
    values.cx.mistake(at, text)
}

fn mode(values: &mut Values<'_, '_>) -> UpstreamTlsMode {
    let (text, source) = match values.written(|t| imap_text(t, |i| &i.tls), Inherit::WithProvider) {
        Some((text, at)) => (*text, at.source()),
        None => match values.preset.imap_tls {
            Some(text) => (text, Source::Preset(values.preset.name)),
            None => (UpstreamTlsText::Implicit, Source::Default),
        },
    };
    let (mode, word) = match text {
        UpstreamTlsText::Implicit => (UpstreamTlsMode::Implicit, "implicit"),
        UpstreamTlsText::StartTls => (UpstreamTlsMode::StartTls, "starttls"),
    };
    values.rows.push(Row::new("imap.tls", quoted(word), source));
    mode
}

/// RFC 8314 section 3.2 for 993, RFC 3501 for 143. The preset's port goes with the preset's TLS mode.
fn port(values: &mut Values<'_, '_>, mode: UpstreamTlsMode) -> Option<u16> {
    let Some((&port, at)) = values.written(|t| imap_text(t, |i| &i.port), Inherit::WithProvider)
    else {
        let usual = match mode {
            UpstreamTlsMode::Implicit => 993,
            UpstreamTlsMode::StartTls => 143,
        };
        let source = match values.preset.imap_port {
            Some(port) if port == u64::from(usual) => Source::Preset(values.preset.name),
            _ => Source::Default,
        };
        values.rows.push(Row::new("imap.port", usual.to_string(), source));
        return Some(usual);
    };
    let at = At { key: at.key + "imap.port", ..at };
    values.rows.push(Row::new("imap.port", port.to_string(), at.source()));
    match u16::try_from(port).ok().filter(|&port| port != 0) {
        Some(port) => Some(port),
        None => values.cx.mistake(&at, "must lie between 1 and 65535"),
    }
}

fn verification(values: &mut Values<'_, '_>) -> Option<Verification> {
    let ca_file = match values.written(|t| imap_text(t, |i| &i.ca_file), Inherit::WithProvider) {
        Some(_) => values.ca_file(
            "imap.ca_file",
            |t| imap_text(t, |i| &i.ca_file),
            Inherit::WithProvider,
        )?,
        None => values
            .written(|t| &t.ca_file, Inherit::Always)
            .map(|(path, at)| at.file.resolve_path(path)),
    };
    let name = values.optional("imap.tls_name", |t| imap_text(t, |i| &i.tls_name));
    let pin = values.optional("imap.pin_sha256", |t| imap_text(t, |i| &i.pin_sha256));
    let skip = skip(values);
    match (pin, skip, name) {
        (Some((_, at)), Some(_), _) => values.cx.mistake(&at, PIN_AND_SKIP),
        (Some(_), None, Some((_, at))) => values.cx.mistake(&at, PIN_AND_NAME),
        (None, Some(at), Some(_)) => values.cx.mistake(&at, SKIP_AND_NAME),
        (None, Some(_), None) => Some(Verification::DangerSkip),
        (Some((text, at)), None, None) => match pin_octets(&text) {
            Some(sha256) => Some(Verification::Pin { sha256 }),
            None => values.cx.mistake(&at, PIN_FORM),
        },
        (None, None, Some((name, at))) => {
            let name = Some(fit_host(values, name, &at)?);
            Some(Verification::Roots { ca_file, name })
        }
        (None, None, None) => Some(Verification::Roots { ca_file, name: None }),
    }
}

/// Where verification is switched off, if it is.
fn skip<'a>(values: &mut Values<'a, '_>) -> Option<At<'a>> {
    const KEY: &str = "imap.danger_skip_certificate_verification";
    let field = |t| imap_text(t, |i: &ImapText| &i.danger_skip_certificate_verification);
    let (&skip, at) = values.written(field, Inherit::WithProvider)?;
    let at = At { key: at.key + KEY, ..at };
    values.rows.push(Row::new(KEY, skip.to_string(), at.source()));
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

const HOST_MISSING: &str = "is missing: a custom provider needs its IMAP server, in [account.imap] or \
    [defaults.imap]";
const PIN_AND_SKIP: &str = "a pinned certificate is verified: take out \
    danger_skip_certificate_verification (or set it to false here)";
const PIN_AND_NAME: &str = "has no meaning beside pin_sha256, which looks at the certificate itself \
    and at no name: take one of them out";
const SKIP_AND_NAME: &str = "nothing is verified, so tls_name has no meaning: take one of them out";
const PIN_FORM: &str = "is not a SHA-256 in hexadecimal: 64 digits, as `openssl x509 -fingerprint \
    -sha256` prints them";
