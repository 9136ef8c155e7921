//! `[[listen]]`: where clients connect. The hard thing is what is refused: a password that would cross
//! a network in clear, TLS without a certificate, and a port behind which nobody's server stands.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use toml::Spanned;

use super::{
    AccountConfig, CertificateFiles, ListenConfig, ListenTls, Protocol,
    mistake::SourceFile,
    resolve::{At, Context, origin, place, value},
    show::{Row, quoted},
    text::{ListenText, ListenTlsText, ProtocolText, Written},
};
use crate::tls;

pub(super) fn listeners(
    main: &SourceFile,
    written: &[Spanned<ListenText>],
    cx: &mut Context,
) -> Vec<ListenConfig> {
    if written.is_empty() {
        let listener = ListenText::default();
        return listen(main, 0, &listener, cx).into_iter().collect();
    }
    let mut seen = HashSet::new();
    let mut listeners = Vec::new();
    for table in written {
        let Some(listener) = listen(main, table.span().start, table.get_ref(), cx) else {
            continue;
        };
        if listener.address.port() != 0 && !seen.insert(listener.address) {
            let at = place(main, table.span().start, "listen.address", &table.get_ref().address);
            cx.mistake::<()>(&at, "is used by another [[listen]] already: choose another port");
        }
        listeners.push(listener);
    }
    listeners
}

fn listen(
    file: &SourceFile,
    offset: usize,
    text: &ListenText,
    cx: &mut Context,
) -> Option<ListenConfig> {
    let mut rows = Vec::new();
    let protocol = protocol(text);
    rows.push(Row::new("protocol", quoted(protocol.name()), origin(file, &text.protocol)));
    let address = listen_address(file, text, protocol, cx)?;
    rows.push(Row::new("address", quoted(&address.to_string()), origin(file, &text.address)));
    let mode = text.tls.as_ref().map_or(ListenTlsText::None, |tls| *tls.get_ref());
    let word = match mode {
        ListenTlsText::None => "none",
        ListenTlsText::StartTls => "starttls",
        ListenTlsText::Implicit => "implicit",
        ListenTlsText::Auto => "auto",
    };
    rows.push(Row::new("tls", quoted(word), origin(file, &text.tls)));
    if mode == ListenTlsText::None {
        refuse_tls_keys(file, text, cx)?;
    }
    let login_in_clear = value(&text.login_in_clear, address.ip().is_loopback());
    let clear_logins = match mode {
        ListenTlsText::None => true,
        ListenTlsText::StartTls | ListenTlsText::Auto => {
            let row = login_in_clear.to_string();
            rows.push(Row::new("login_in_clear", row, origin(file, &text.login_in_clear)));
            login_in_clear
        }
        ListenTlsText::Implicit => false,
    };
    if clear_logins && !address.ip().is_loopback() && !value(&text.allow_clear_network, false) {
        let at = place(file, offset, "listen.address", &text.address);
        return cx.mistake(&at, CLEAR_NETWORK);
    }
    let tls = match mode {
        ListenTlsText::None => ListenTls::None,
        ListenTlsText::StartTls => ListenTls::StartTls {
            certificate: certificate(file, offset, text, &mut rows, cx)?,
            login_in_clear,
        },
        ListenTlsText::Implicit => {
            ListenTls::Implicit { certificate: certificate(file, offset, text, &mut rows, cx)? }
        }
        ListenTlsText::Auto => {
            let wait = text.tls_wait.as_ref().map_or(TLS_WAIT, |wait| wait.get_ref().0);
            let row = quoted(&humantime::format_duration(wait).to_string());
            rows.push(Row::new("tls_wait", row, origin(file, &text.tls_wait)));
            if !(MIN_TLS_WAIT..=MAX_TLS_WAIT).contains(&wait) {
                let at = place(file, offset, "listen.tls_wait", &text.tls_wait);
                return cx.mistake(
                    &at,
                    "must lie between 10ms (or no handshake is seen in time) and 10s (or clients \
                     give up)",
                );
            }
            let certificate = certificate(file, offset, text, &mut rows, cx)?;
            ListenTls::Auto { certificate, login_in_clear, wait }
        }
    };
    let obsolete_auth_line = obsolete_auth_line(file, text, protocol, &mut rows, cx)?;
    cx.section("[[listen]]", rows);
    Some(ListenConfig { protocol, address, tls, obsolete_auth_line })
}

fn protocol(text: &ListenText) -> Protocol {
    match value(&text.protocol, ProtocolText::Imap) {
        ProtocolText::Imap => Protocol::Imap,
        ProtocolText::Pop3 => Protocol::Pop3,
        ProtocolText::Smtp => Protocol::Smtp,
    }
}

fn obsolete_auth_line(
    file: &SourceFile,
    text: &ListenText,
    protocol: Protocol,
    rows: &mut Vec<Row>,
    cx: &mut Context,
) -> Option<bool> {
    let written = &text.obsolete_auth_line;
    if protocol == Protocol::Smtp {
        let shown = value(written, false);
        rows.push(Row::new("obsolete_auth_line", shown.to_string(), origin(file, written)));
        return Some(shown);
    }
    match written {
        None => Some(false),
        Some(written) => {
            let at = At::new(file, written.span().start, "listen.obsolete_auth_line");
            cx.mistake(&at, "belongs to SMTP: take it out, or say protocol = \"smtp\"")
        }
    }
}

/// Each listener must lead somewhere: a login there would always be refused.
pub(super) fn judge_served(
    main: &SourceFile,
    written: &[Spanned<ListenText>],
    accounts: &[Arc<AccountConfig>],
    cx: &mut Context,
) {
    let served = |protocol| accounts.iter().any(|account| account.upstream(protocol).is_some());
    if written.is_empty() && !served(Protocol::Imap) {
        let protocols: Vec<String> = [Protocol::Pop3, Protocol::Smtp]
            .into_iter()
            .filter(|&protocol| served(protocol))
            .map(|protocol| format!("protocol = {}", quoted(protocol.name())))
            .collect();
        let text = format!(
            "is missing: without any [[listen]] there is one for IMAP, and no account has an IMAP \
             server: add a [[listen]] with {}",
            protocols.join(" or ")
        );
        cx.mistake::<()>(&At::new(main, 0, "listen"), text);
    }
    for table in written {
        let protocol = protocol(table.get_ref());
        if served(protocol) {
            continue;
        }
        let name = protocol.name();
        let text = format!(
            "no account has a server for {protocol}: write its host in [account.{name}] or \
             [defaults.{name}], or take this [[listen]] out"
        );
        let written = &table.get_ref().protocol;
        cx.mistake::<()>(&place(main, table.span().start, "listen.protocol", written), text);
    }
}

/// Who writes these wants TLS, and must not find out from a client that there is none.
fn refuse_tls_keys(file: &SourceFile, text: &ListenText, cx: &mut Context) -> Option<()> {
    let clear_refused = text.login_in_clear.as_ref().filter(|it| !it.get_ref()).map(Spanned::span);
    let written = [
        ("listen.certificate", text.certificate.as_ref().map(Spanned::span)),
        ("listen.key", text.key.as_ref().map(Spanned::span)),
        ("listen.login_in_clear", clear_refused),
    ];
    match written.into_iter().find_map(|(key, span)| Some((key, span?))) {
        None => Some(()),
        Some((key, span)) => cx.mistake(&At::new(file, span.start, key), TLS_KEY_WITHOUT_TLS),
    }
}

fn listen_address(
    file: &SourceFile,
    text: &ListenText,
    protocol: Protocol,
    cx: &mut Context,
) -> Option<SocketAddr> {
    let port = match protocol {
        Protocol::Imap => 1143,
        Protocol::Pop3 => 1110,
        Protocol::Smtp => 1587,
    };
    let Some(written) = &text.address else {
        return Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    };
    written.get_ref().parse().ok().or_else(|| {
        let at = At::new(file, written.span().start, "listen.address");
        let text = format!(
            "`{}` is not an address and a port: write for example \"127.0.0.1:{port}\" or \
             \"[::1]:{port}\" (a name such as localhost is not an address)",
            written.get_ref()
        );
        cx.mistake(&at, text)
    })
}

/// The files of a listener with TLS. They must be there and fit each other, as the listener itself
/// would judge: a check that passes means a start that succeeds.
fn certificate(
    file: &SourceFile,
    offset: usize,
    text: &ListenText,
    rows: &mut Vec<Row>,
    cx: &mut Context,
) -> Option<CertificateFiles> {
    let named =
        |written: &Written<String>| written.as_ref().map(|path| file.resolve_path(path.get_ref()));
    let certificate =
        named(&text.certificate).unwrap_or_else(|| file.resolve_path(DEFAULT_CERTIFICATE));
    let key = named(&text.key).unwrap_or_else(|| match text.certificate {
        Some(_) => certificate.clone(),
        None => file.resolve_path(DEFAULT_KEY),
    });
    for (name, path, written) in
        [("certificate", &certificate, &text.certificate), ("key", &key, &text.key)]
    {
        rows.push(Row::new(name, quoted(&path.display().to_string()), origin(file, written)));
    }
    let files = CertificateFiles { certificate, key };
    let at = place(file, offset, "listen.certificate", &text.certificate);
    let (chain, key) = (&files.certificate, &files.key);
    cx.judge_file(&at, chain, || missing_certificate(chain), || tls::check_chain(chain))?;
    let at = place(file, offset, "listen.key", &text.key);
    cx.judge_file(&at, key, || missing_certificate(key), || tls::check_certificate(&files))?;
    Some(files)
}

fn missing_certificate(path: &Path) -> String {
    format!(
        "the file {} is not there: make a certificate with `saslgate cert new`, or name the files of \
         your own in `certificate` and `key`",
        path.display()
    )
}

/// The names that `saslgate cert new` gives to its files.
pub(crate) const DEFAULT_CERTIFICATE: &str = "saslgate-cert.pem";
/// See [`DEFAULT_CERTIFICATE`].
pub(crate) const DEFAULT_KEY: &str = "saslgate-key.pem";

const TLS_WAIT: Duration = Duration::from_millis(300);
const MIN_TLS_WAIT: Duration = Duration::from_millis(10);
const MAX_TLS_WAIT: Duration = Duration::from_secs(10);

const TLS_KEY_WITHOUT_TLS: &str = "has no effect on a listener with tls = \"none\" (the default), where \
    passwords come in clear: say tls = \"starttls\" or \"implicit\", or take it out";
const CLEAR_NETWORK: &str = "passwords would cross the network in clear: set tls = \"implicit\", or \
    \"starttls\" with login_in_clear = false, or listen on 127.0.0.1; if the network really is \
    trusted, say allow_clear_network = true";
