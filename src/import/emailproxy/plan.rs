//! What to write for an installation. The hard thing is that no secret may stand in it: each goes to a
//! private file, and the text only names that file.

use std::{fmt::Write as _, net::SocketAddr, path::Path};

use super::{
    Account, Flow, Installation, Listener, Remark, Server,
    provider::{Choice, Fit, choose},
};
use crate::{
    config::{Protocol, Provider, RedirectUri},
    init::file_name,
};

/// Everything that could be written.
#[derive(Debug, Default)]
pub struct Plan {
    /// One local port each.
    pub listen: Vec<NewListener>,
    /// One file each.
    pub accounts: Vec<NewAccount>,
    /// What remains to be said.
    pub remarks: Vec<Remark>,
}

/// One `[[listen]]`.
#[derive(Debug)]
pub struct NewListener {
    /// Where it listens.
    pub address: SocketAddr,
    /// Of the file.
    pub section: String,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The table.
    pub toml: String,
}

/// One `[[account]]`.
#[derive(Debug)]
pub struct NewAccount {
    /// The login.
    pub login: String,
    /// Its place in the installation.
    pub index: usize,
    /// Without an extension; unique.
    pub file_name: String,
    /// The table.
    pub toml: String,
    /// What must stand in the file that the table names.
    pub own_secret: OwnSecret,
    /// Whether the password that mail programs send must stand in a file, too: it is the provider's.
    pub needs_owner_password: bool,
    /// What it can serve.
    pub protocols: Vec<Protocol>,
}

/// What the private file beside an account's file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnSecret {
    /// There is none.
    None,
    /// What the configuration has in clear.
    Written,
    /// What the configuration has encrypted.
    Sealed,
    /// The password that mail programs send.
    LoginPassword,
}

/// The name of that file.
pub fn secret_file_name(file_name: &str) -> String {
    format!("{file_name}.secret")
}

/// The name of the file with the person's own password at the provider.
pub fn owner_password_file_name(file_name: &str) -> String {
    format!("{file_name}.password")
}

/// Plans it; relative names in the configuration are taken as being in `folder`.
pub fn plan(installation: &Installation, folder: &Path) -> Plan {
    let mut plan = Plan { remarks: installation.remarks.clone(), ..Plan::default() };
    for listener in &installation.listeners {
        let &Listener { address, protocol, ref section, .. } = listener;
        let toml = listen(listener, folder);
        plan.listen.push(NewListener { address, section: section.clone(), protocol, toml });
    }
    for (index, account) in installation.accounts.iter().enumerate() {
        let servers = servers(account, &installation.listeners, &mut plan.remarks);
        if servers.is_empty() {
            let text = "none of the mail servers in the file is clearly its own: not carried over";
            plan.remarks.push(Remark::new(&account.login, text));
            continue;
        }
        let file_name = file_name(&account.login);
        let own_secret = own_secret(account);
        let toml = Table { account, folder, servers: &servers, own_secret, file_name: &file_name };
        let toml = toml.text(&mut plan.remarks);
        let protocols = servers.iter().map(|&(protocol, _)| protocol).collect();
        let login = account.login.clone();
        let needs_owner_password = account.flow == Flow::Password;
        if needs_owner_password {
            plan.remarks.push(Remark::new(&login, PASSWORD_GRANT));
        }
        plan.accounts.push(NewAccount {
            login,
            index,
            file_name,
            toml,
            own_secret,
            needs_owner_password,
            protocols,
        });
    }
    plan
}

fn listen(listener: &Listener, folder: &Path) -> String {
    let mut text = format!("[[listen]] # [{}]\n", plain(&listener.section));
    put(&mut text, "protocol", &quoted(listener.protocol.name()));
    put(&mut text, "address", &quoted(&listener.address.to_string()));
    if let Some([certificate, key]) = &listener.certificate {
        put(&mut text, "tls", if listener.starttls { "\"starttls\"" } else { "\"implicit\"" });
        put(&mut text, "certificate", &path(folder, certificate));
        put(&mut text, "key", &path(folder, key));
    } else {
        put(&mut text, "tls", "\"none\"");
    }
    text
}

/// The account's server for each protocol that has a port.
fn servers<'a>(
    account: &Account,
    listeners: &'a [Listener],
    remarks: &mut Vec<Remark>,
) -> Vec<(Protocol, &'a Server)> {
    let mut found = Vec::new();
    for protocol in Protocol::ALL {
        let mut servers: Vec<&Server> = Vec::new();
        for listener in listeners.iter().filter(|it| it.protocol == protocol) {
            if !servers.contains(&&listener.server) {
                servers.push(&listener.server);
            }
        }
        match choose(account, &servers) {
            Choice::Server(server) => found.push((protocol, server)),
            Choice::Nothing => {}
            Choice::Unclear => remarks.push(Remark::new(
                &account.login,
                format!(
                    "several {protocol} servers are in the file, and nothing says which is this account's: \
                     write it in [account.{}] of its file",
                    protocol.name()
                ),
            )),
        }
    }
    found
}

fn own_secret(account: &Account) -> OwnSecret {
    let application = &account.application;
    if account.flow == Flow::ServiceAccount && application.client_id != "key" {
        OwnSecret::None
    } else if application.secret.is_some() {
        OwnSecret::Written
    } else if account.sealed.has_client_secret() || account.flow == Flow::ServiceAccount {
        OwnSecret::Sealed
    } else if application.secret_is_login_password {
        OwnSecret::LoginPassword
    } else {
        OwnSecret::None
    }
}

/// One account's text in the making.
struct Table<'a> {
    account: &'a Account,
    folder: &'a Path,
    servers: &'a [(Protocol, &'a Server)],
    own_secret: OwnSecret,
    file_name: &'a str,
}

impl Table<'_> {
    fn text(&self, remarks: &mut Vec<Remark>) -> String {
        let account = self.account;
        let fit = Fit::of(account, self.servers);
        let mut text = "[[account]]\n".to_owned();
        put(&mut text, "login", &quoted(&account.login));
        put(&mut text, "provider", &quoted(fit.as_ref().map_or("custom", |it| it.provider.name())));
        if let Some(tenant) = fit.as_ref().and_then(|it| it.tenant.as_deref()) {
            put(&mut text, "tenant", &quoted(tenant));
        }
        self.endpoints(&mut text, fit.as_ref());
        self.grant(&mut text);
        let scopes: Vec<String> = account.scopes.split_whitespace().map(quoted).collect();
        put(&mut text, "scopes", &format!("[{}]", scopes.join(", ")));
        self.redirect_uri(&mut text, remarks);
        for &(protocol, server) in self.servers {
            if fit.as_ref().is_some_and(|it| it.knows(protocol, server)) {
                continue;
            }
            let _ = writeln!(text, "\n[account.{}]", protocol.name());
            put(&mut text, "host", &quoted(&server.host));
            put(&mut text, "port", &server.port.to_string());
            put(&mut text, "tls", if server.starttls { "\"starttls\"" } else { "\"implicit\"" });
        }
        text
    }

    /// Those that the preset does not say itself.
    fn endpoints(&self, text: &mut String, fit: Option<&Fit>) {
        let account = self.account;
        let says = |template: fn(Provider) -> Option<&'static str>, url: &str| {
            fit.is_some_and(|it| it.says(template(it.provider), url))
        };
        // A service account's key file says it.
        if account.flow != Flow::ServiceAccount && !says(Provider::token_url, &account.token_url) {
            put(text, "token_url", &quoted(&account.token_url));
        }
        let (key, template): (_, fn(Provider) -> _) = match account.flow {
            Flow::AuthorizationCode => ("authorization_url", Provider::authorization_url),
            Flow::Device => ("device_url", Provider::device_url),
            Flow::ClientCredentials | Flow::Password | Flow::ServiceAccount => return,
        };
        if let Some(url) = account.permission_url.as_deref().filter(|url| !says(template, url)) {
            put(text, key, &quoted(url));
        }
    }

    fn grant(&self, text: &mut String) {
        let Account { flow, application, .. } = self.account;
        let secret = format!("{{ file = {} }}", quoted(&secret_file_name(self.file_name)));
        put(text, "grant", &quoted(flow.grant()));
        if *flow == Flow::ServiceAccount {
            let named = application.secret.as_ref().map(|it| String::from_utf8_lossy(it.expose()));
            let file = match (self.own_secret, named) {
                (OwnSecret::None, Some(named)) => path(self.folder, &named),
                _ => quoted(&secret_file_name(self.file_name)),
            };
            return put(text, "service_account_key", &file);
        }
        put(text, "client_id", &quoted(&application.client_id));
        if let Some([certificate, key]) = &application.certificate {
            put(text, "client_certificate", &path(self.folder, certificate));
            put(text, "client_key", &path(self.folder, key));
        }
        if *flow == Flow::Password {
            let file = owner_password_file_name(self.file_name);
            put(text, "owner_password", &format!("{{ file = {} }}", quoted(&file)));
            put(text, "danger_allow_password_grant", "true");
        }
        if self.own_secret != OwnSecret::None {
            put(text, "client_secret", &secret);
        }
    }

    fn redirect_uri(&self, text: &mut String, remarks: &mut Vec<Remark>) {
        let Some(uri) = &self.account.redirect_uri else { return };
        if self.account.flow != Flow::AuthorizationCode {
            return;
        }
        if RedirectUri::parse(uri).is_some() {
            put(text, "redirect_uri", &quoted(uri));
        } else {
            remarks.push(Remark::new(
                &self.account.login,
                "its redirect_uri is neither on loopback nor https and is left out: before the next \
                 sign-in, register one with the application and write it to redirect_uri",
            ));
        }
    }
}

fn put(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key} = {value}");
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Safe in a comment.
fn plain(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).collect()
}

fn path(folder: &Path, written: &str) -> String {
    quoted(&folder.join(written).to_string_lossy())
}

const PASSWORD_GRANT: &str = "signs in with its owner's own password (password grant), which RFC 9700 section 2.4 \
    forbids: better take grant, owner_password and danger_allow_password_grant out of \
    its file, and let a person sign in (`saslgate signin`)";
