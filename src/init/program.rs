//! What is typed into a mail program. The hard thing is that each program calls the same settings something else: so the
//! words are those of the settings pages that most people see.

use std::fmt::Write as _;

use crate::config::{AccountConfig, Config, ListenConfig, ListenTls, Protocol};

/// The settings for this account, for each protocol that has a port and a server; with its password, where that is known.
pub fn settings(config: &Config, account: &AccountConfig, password: Option<&str>) -> String {
    let password = password.unwrap_or("the local password that you have made for it");
    let mut text = String::from("Type this into your mail program:\n");
    let mut in_clear = false;
    for protocol in Protocol::ALL {
        let listener = config.listeners.iter().find(|it| it.protocol == protocol);
        let (Some(listener), Some(_)) = (listener, account.upstream(protocol)) else { continue };
        in_clear |= listener.tls == ListenTls::None;
        let direction = if protocol == Protocol::Smtp { "Outgoing" } else { "Incoming" };
        let _ = writeln!(text, "\n  {direction} mail ({protocol})");
        let rows = [
            ("Server", server(listener)),
            ("Port", listener.address.port().to_string()),
            ("Connection security", security(&listener.tls).to_owned()),
            ("Authentication", "Password (not OAuth2)".to_owned()),
            ("User name", account.login.clone()),
            ("Password", password.to_owned()),
        ];
        for (name, value) in rows {
            let _ = writeln!(text, "    {name:<21}{value}");
        }
    }
    if in_clear {
        text.push_str(PROGRAMS);
    }
    text
}

fn server(listener: &ListenConfig) -> String {
    let address = listener.address.ip();
    if address.is_unspecified() {
        "the name or address of this machine".to_owned()
    } else {
        address.to_string()
    }
}

fn security(tls: &ListenTls) -> &'static str {
    match tls {
        ListenTls::None => "None",
        ListenTls::StartTls { .. } => "STARTTLS",
        ListenTls::Implicit { .. } => "SSL/TLS",
        ListenTls::Auto { .. } => "SSL/TLS, or STARTTLS",
    }
}

const PROGRAMS: &str = "
  Thunderbird: choose to configure manually; the authentication is called \"Password, transmitted insecurely\"
  (it only goes to saslgate, on this machine). Confirm its warning.
  Outlook: choose the manual setup, POP or IMAP, encryption None, and the same login for outgoing mail.
";
