//! `[account.imap]`, `[account.pop3]` and `[account.smtp]`: the mail servers of an account, judged by one
//! code. The hard thing is how far the preset reaches: what it says of its own server is not true of
//! another one that an account names, which perhaps takes a password.

mod verification;

use rustls::pki_types::ServerName;
use toml::Spanned;

use self::verification::verification;
use super::{
    Authentication, Protocol, UpstreamConfig, UpstreamTlsMode,
    account::unfit_name,
    preset::ServerPreset,
    resolve::{At, Context},
    show::{Row, Source, quoted},
    text::{AccountText, AuthText, ServerText, UpstreamTlsText, Written},
    values::{Inherit, Layer, MAX_CONNECTION_LIMIT, Values},
};

/// A server that an account has, perhaps with a mistake.
pub(super) struct Server {
    pub(super) protocol: Protocol,
    pub(super) takes_tokens: bool,
    judged: Option<UpstreamConfig>,
}

/// Judges the servers of an account: one for each protocol for which its tables or the preset name a
/// host. `mailbox` is the user where a password is taken and nobody says whose.
pub(super) fn servers(
    values: &mut Values<'_, '_>,
    mailbox: &str,
    connection_limit: &(u16, Source),
) -> Vec<Server> {
    let mut servers = Vec::new();
    for protocol in Protocol::ALL {
        let preset = values.preset.server(protocol);
        let mut table = Table { values, protocol, preset };
        servers.extend(server(&mut table, mailbox, connection_limit));
    }
    if servers.is_empty() {
        let at = At::new(values.own.file, values.own.offset, "account");
        values.cx.mistake::<()>(&at, NO_SERVER);
    }
    servers
}

/// The servers as IMAP's, POP3's and SMTP's, if there was no mistake in them.
pub(super) fn by_protocol(servers: Vec<Server>) -> Option<[Option<UpstreamConfig>; 3]> {
    let [mut imap, mut pop3, mut smtp] = [None, None, None];
    for server in servers {
        let place = match server.protocol {
            Protocol::Imap => &mut imap,
            Protocol::Pop3 => &mut pop3,
            Protocol::Smtp => &mut smtp,
        };
        *place = Some(server.judged?);
    }
    Some([imap, pop3, smtp])
}

/// A password in a table of servers is a mistake, whether the server counts or not.
pub(super) fn refuse_passwords(layer: &Layer<'_>, login: &str, cx: &mut Context) {
    for protocol in Protocol::ALL {
        let table = table_of(layer.text, protocol).as_ref();
        let Some(written) = table.and_then(|table| table.get_ref().password.as_ref()) else {
            continue;
        };
        let name = protocol.name();
        let key = format!("{}.{name}.password", layer.table);
        let text = format!(
            "a password does not stand in the configuration, which is copied, backed up and shown to \
             others: take it out, say auth = \"password\", and give the password to `saslgate account \
             upstream-password {login} --protocol {name}`, which seals it in the store"
        );
        cx.mistake::<()>(&At::new(layer.file, written.span().start, key), text);
    }
}

/// The layers of one server.
struct Table<'v, 'a, 'c> {
    values: &'v mut Values<'a, 'c>,
    protocol: Protocol,
    /// Of the provider, as far as it is about this server.
    preset: Option<&'static ServerPreset>,
}

impl<'a> Table<'_, 'a, '_> {
    fn key(&self, word: &str) -> String {
        format!("{}.{word}", self.protocol.name())
    }

    /// A key of the table, from the uppermost layer in which it was written.
    fn written<T>(
        &self,
        word: &str,
        field: impl Fn(&'a ServerText) -> &'a Written<T>,
    ) -> Option<(&'a T, At<'a>)> {
        let field = server_field(self.protocol, field);
        let (value, at) = self.values.written(field, Inherit::WithProvider)?;
        Some((value, At { key: at.key + &self.key(word), ..at }))
    }

    fn text(
        &mut self,
        word: &str,
        field: impl Fn(&'a ServerText) -> &'a Written<String>,
    ) -> Option<(String, At<'a>)> {
        let (text, at) = self.written(word, field)?;
        self.row(word, quoted(text), at.source());
        Some((text.clone(), at))
    }

    fn row(&mut self, word: &str, value: String, source: Source) {
        self.values.rows.push(Row::new(self.key(word), value, source));
    }

    fn mistake<T>(&mut self, at: &At<'_>, text: impl Into<String>) -> Option<T> {
        self.values.cx.mistake(at, text)
    }

    fn preset_source(&self) -> Source {
        Source::Preset(self.values.preset.name)
    }
}

fn table_of(text: &AccountText, protocol: Protocol) -> &Written<ServerText> {
    match protocol {
        Protocol::Imap => &text.imap,
        Protocol::Pop3 => &text.pop3,
        Protocol::Smtp => &text.smtp,
    }
}

/// A key of a table that may be missing as a whole.
fn server_field<'a, T: 'a>(
    protocol: Protocol,
    field: impl Fn(&'a ServerText) -> &'a Written<T>,
) -> impl Fn(&'a AccountText) -> &'a Written<T> {
    move |text| table_of(text, protocol).as_ref().map_or(&None, |table| field(table.get_ref()))
}

/// `None`: the account has no server of this protocol.
fn server(
    table: &mut Table<'_, '_, '_>,
    mailbox: &str,
    connection_limit: &(u16, Source),
) -> Option<Server> {
    let written = table.text("host", |s| &s.host);
    let own = table_of(table.values.own.text, table.protocol).as_ref().map(Spanned::span);
    if written.is_none() && table.preset.is_none() && own.is_none() {
        return None;
    }
    let host = host(table, written, own.map_or(0, |span| span.start));
    let auth = auth(table);
    if let (AuthText::Password, Some(host), Some(preset)) = (auth, &host, table.preset)
        && !host.eq_ignore_ascii_case(preset.host)
    {
        table.preset = None;
    }
    let authentication = authentication(table, auth, mailbox);
    let mode = mode(table);
    let port = port(table, mode);
    let connection_limit = limit(table, connection_limit);
    let verification = verification(table);
    let extensions = table.preset.map_or(&[][..], |preset| preset.extensions);
    let judged = (|| {
        Some(UpstreamConfig {
            host: host?,
            port: port?,
            mode,
            verification: verification?,
            authentication: authentication?,
            connection_limit: connection_limit?,
            presumed_extensions: extensions.iter().map(|&keyword| keyword.to_owned()).collect(),
        })
    })();
    let takes_tokens = auth == AuthText::OAuth;
    Some(Server { protocol: table.protocol, takes_tokens, judged })
}

fn host(
    table: &mut Table<'_, '_, '_>,
    written: Option<(String, At<'_>)>,
    own_table: usize,
) -> Option<String> {
    if let Some((host, at)) = written {
        return fit_host(table, host, &at);
    }
    let Some(preset) = table.preset else {
        let key = format!("account.{}", table.key("host"));
        let at = At::new(table.values.own.file, own_table, key);
        return table.mistake(&at, HOST_MISSING);
    };
    table.row("host", quoted(preset.host), table.preset_source());
    Some(preset.host.to_owned())
}

fn fit_host(table: &mut Table<'_, '_, '_>, host: String, at: &At<'_>) -> Option<String> {
    if ServerName::try_from(host.as_str()).is_ok() {
        return Some(host);
    }
    let text =
        format!("`{host}` is not a host's name or address (the port is a key of its own: `port`)");
    table.mistake(at, text)
}

fn auth(table: &mut Table<'_, '_, '_>) -> AuthText {
    let (auth, source) = match table.written("auth", |s| &s.auth) {
        Some((auth, at)) => (*auth, at.source()),
        None => (AuthText::OAuth, Source::Default),
    };
    let word = match auth {
        AuthText::OAuth => "oauth",
        AuthText::Password => "password",
    };
    table.row("auth", quoted(word), source);
    auth
}

fn authentication(
    table: &mut Table<'_, '_, '_>,
    auth: AuthText,
    mailbox: &str,
) -> Option<Authentication> {
    if auth == AuthText::OAuth {
        return refuse_user(table).map(|()| Authentication::OAuth);
    }
    let Some((user, at)) = table.text("user", |s| &s.user) else {
        table.row("user", quoted(mailbox), Source::Default);
        return Some(Authentication::Password { user: mailbox.to_owned() });
    };
    match unfit_name(&user) {
        Some(fault) => table.mistake(&at, fault),
        None => Some(Authentication::Password { user }),
    }
}

/// A user beside tokens has no effect; but one of `[defaults]` may belong to an `auth` there, which the
/// account has overridden.
fn refuse_user(table: &mut Table<'_, '_, '_>) -> Option<()> {
    let own = table_of(table.values.own.text, table.protocol).as_ref().map(Spanned::get_ref);
    let overridden = own.is_some_and(|own| own.auth.is_some() && own.user.is_none());
    match table.written("user", |s| &s.user) {
        Some((_, at)) if !overridden => table.mistake(&at, USER_WITHOUT_PASSWORD),
        _ => Some(()),
    }
}

fn mode(table: &mut Table<'_, '_, '_>) -> UpstreamTlsMode {
    let (text, source) = match (table.written("tls", |s| &s.tls), table.preset) {
        (Some((text, at)), _) => (*text, at.source()),
        (None, Some(preset)) => (preset.tls, table.preset_source()),
        (None, None) => (UpstreamTlsText::Implicit, Source::Default),
    };
    let (mode, word) = match text {
        UpstreamTlsText::Implicit => (UpstreamTlsMode::Implicit, "implicit"),
        UpstreamTlsText::StartTls => (UpstreamTlsMode::StartTls, "starttls"),
    };
    table.row("tls", quoted(word), source);
    mode
}

/// RFC 8314 sections 3.2, 3.3 and 7.3 for implicit TLS; RFC 3501, RFC 1939 and RFC 6409 for the others.
pub(super) fn usual_port(protocol: Protocol, mode: UpstreamTlsMode) -> u16 {
    use UpstreamTlsMode::{Implicit, StartTls};
    match (protocol, mode) {
        (Protocol::Imap, Implicit) => 993,
        (Protocol::Imap, StartTls) => 143,
        (Protocol::Pop3, Implicit) => 995,
        (Protocol::Pop3, StartTls) => 110,
        (Protocol::Smtp, Implicit) => 465,
        (Protocol::Smtp, StartTls) => 587,
    }
}

fn port(table: &mut Table<'_, '_, '_>, mode: UpstreamTlsMode) -> Option<u16> {
    let Some((&port, at)) = table.written("port", |s| &s.port) else {
        let usual = usual_port(table.protocol, mode);
        let preset = table.preset.map(|preset| preset.tls == UpstreamTlsText::Implicit);
        let source = if preset == Some(mode == UpstreamTlsMode::Implicit) {
            table.preset_source()
        } else {
            Source::Default
        };
        table.row("port", usual.to_string(), source);
        return Some(usual);
    };
    table.row("port", port.to_string(), at.source());
    match u16::try_from(port).ok().filter(|&port| port != 0) {
        Some(port) => Some(port),
        None => table.mistake(&at, "must lie between 1 and 65535"),
    }
}

/// The account's limit, but never more than the provider is known to allow, unless the server's own
/// table says so.
fn limit(table: &mut Table<'_, '_, '_>, account: &(u16, Source)) -> Option<usize> {
    let default = match table.preset.and_then(|preset| preset.connection_limit) {
        Some(limit) if limit < account.0 => (limit, table.preset_source()),
        _ => account.clone(),
    };
    let key = table.key("connection_limit");
    let field = server_field(table.protocol, |s| &s.connection_limit);
    let inherit = Inherit::WithProvider;
    let limit = table.values.small(&key, field, inherit, default, MAX_CONNECTION_LIMIT);
    limit.map(|(limit, _)| limit.into())
}

const NO_SERVER: &str = "has no mail server: a custom provider needs one at least, by its host in \
    [account.imap], [account.pop3] or [account.smtp] (or in the same tables of [defaults])";
const HOST_MISSING: &str =
    "is missing: a custom provider's server needs its host, here or in [defaults]";
const USER_WITHOUT_PASSWORD: &str = "has no effect with auth = \"oauth\" (the default), where the mailbox \
    is the user: say auth = \"password\", or take it out";
