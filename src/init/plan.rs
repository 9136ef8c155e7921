//! The files of a configuration. The hard thing is that people go on writing in them: so they are short, each line says what
//! it is for, and an account's file stands on its own, whatever `[defaults]` says.

use std::{fmt::Write as _, path::Path};

use aws_lc_rs::digest;

use super::{Answers, Endpoints, Proof};
use crate::config::UpstreamTlsMode;

/// `saslgate.toml`, where there is none.
pub fn main_text(answers: &Answers) -> String {
    let mut text = String::from(
        "\
# saslgate's configuration, begun by `saslgate init`. Accounts lie beside it in accounts.d, a file each.
# Every setting with its default: saslgate.example.toml. What is in force: saslgate config show

# Where mail programs on this machine connect. Nobody else can: 127.0.0.1 is this machine itself.
",
    );
    for (protocol, port) in &answers.ports {
        let protocol = protocol.name();
        let _ = write!(
            text,
            "[[listen]]\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:{port}\"\n\n"
        );
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The account's own file.
pub fn account_text(answers: &Answers) -> String {
    let mut text = Text(format!(
        "# A mailbox at {}, written once by `saslgate init`: change it as you like.\n[[account]]\n",
        answers.provider.title()
    ));
    text.line("login", &quoted(&answers.login), "the user name in the mail program");
    if !answers.mailbox.eq_ignore_ascii_case(&answers.login) {
        text.line("mailbox", &quoted(&answers.mailbox), "what it opens");
    }
    text.line("provider", &quoted(answers.provider.name()), "");
    if let Some(tenant) = &answers.tenant {
        text.line("tenant", &quoted(tenant), "a domain of the organization, or the tenant's id");
    }
    application(&mut text, answers);
    if let Some(owner) = &answers.owner {
        text.line("token_owner", &quoted(owner), "who signs in");
    }
    if let Some(uri) = &answers.redirect_uri {
        text.line("redirect_uri", &quoted(uri), "as it is registered with the application");
    }
    if let Some(endpoints) = &answers.endpoints {
        addresses(&mut text, endpoints, answers.grant == "refresh_token");
    }
    if let Some(file) = &answers.ca_file {
        text.line("ca_file", &path(file), "believed beside the system's certificates");
    }
    for (protocol, server) in &answers.servers {
        let _ =
            write!(text.0, "\n[account.{}]\nhost = {}\n", protocol.name(), quoted(&server.host));
        if let Some(port) = server.port {
            let _ = writeln!(text.0, "port = {port}");
        }
        if server.mode == UpstreamTlsMode::StartTls {
            text.0.push_str("tls = \"starttls\"\n");
        }
    }
    text.0
}

fn application(text: &mut Text, answers: &Answers) {
    let grant = match answers.grant {
        "refresh_token" => "a person signs in, once",
        _ => "nobody signs in but the application itself",
    };
    text.line("grant", &quoted(answers.grant), grant);
    if !answers.client_id.is_empty() {
        text.line("client_id", &quoted(&answers.client_id), "the application's id at the provider");
    }
    match &answers.proof {
        Proof::Public => {}
        Proof::Secret(file) => {
            let place = format!("{{ file = {} }}", path(file));
            text.line("client_secret", &place, "only saslgate may read that file");
        }
        Proof::Certificate(certificate, key) => {
            text.line("client_certificate", &path(certificate), "registered with the application");
            if let Some(key) = key {
                text.line("client_key", &path(key), "only saslgate may read that file");
            }
        }
        Proof::ServiceAccountKey(file) => text.line("service_account_key", &path(file), ""),
    }
}

fn addresses(text: &mut Text, endpoints: &Endpoints, is_person: bool) {
    text.line("token_url", &quoted(&endpoints.token_url), "");
    if endpoints.secret_in_header {
        text.line("client_secret_method", "\"basic\"", "");
    }
    text.line("scopes", &list(&endpoints.scopes), "what opens the mailbox");
    if !is_person {
        return;
    }
    let addresses = [
        ("issuer", &endpoints.issuer),
        ("authorization_url", &endpoints.authorization_url),
        ("device_url", &endpoints.device_url),
    ];
    for (key, value) in addresses {
        if let Some(value) = value {
            text.line(key, &quoted(value), "");
        }
    }
    if !endpoints.sign_in_scopes.is_empty() {
        text.line("signin_scopes", &list(&endpoints.sign_in_scopes), "they say who has signed in");
    }
}

/// The name of an account's file: its login as far as every file system takes it, the rest as percent signs and digits.
pub fn file_name(login: &str) -> String {
    let mut name = String::new();
    for (index, byte) in login.to_lowercase().bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'@' | b'_' | b'+' | b'-')
            || (byte == b'.' && index > 0);
        if is_plain {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    if name.len() > LONGEST_NAME {
        let digest = digest::digest(&digest::SHA256, login.to_lowercase().as_bytes());
        // All of it is ASCII.
        name.truncate(LONGEST_NAME - 17);
        name.push('-');
        for byte in digest.as_ref().iter().take(8) {
            let _ = write!(name, "{byte:02x}");
        }
    }
    name
}

/// A table's lines.
struct Text(String);

impl Text {
    /// With its remark in a column of its own.
    fn line(&mut self, key: &str, value: &str, remark: &str) {
        let line = format!("{key} = {value}");
        let _ = if remark.is_empty() {
            writeln!(self.0, "{line}")
        } else {
            writeln!(self.0, "{line:<REMARK$}  # {remark}")
        };
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn list(texts: &[String]) -> String {
    let items: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", items.join(", "))
}

const REMARK: usize = 58;
/// With `.toml.new-` and 16 digits, or `.client-secret`, and room to spare; file systems take 255.
const LONGEST_NAME: usize = 200;
