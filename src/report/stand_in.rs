//! Names and what stands for them. The hard thing is free text: it is taken apart into words, and a word
//! is written only if it is on the list, has the shape of a code or a time, or becomes a stand-in.

use std::{collections::HashMap, net::IpAddr};

use url::Url;

use super::known;

/// The same stand-in for the same name, for as long as one report is made.
#[derive(Debug, Default)]
pub(super) struct StandIns {
    /// By kind and name without case.
    given: HashMap<(&'static str, String), String>,
    /// What was given, in order.
    table: Vec<(String, String)>,
    counts: HashMap<&'static str, usize>,
}

impl StandIns {
    /// What stands for what.
    pub(super) fn into_table(self) -> Vec<(String, String)> {
        self.table
    }

    fn give(
        &mut self,
        kind: &'static str,
        name: &str,
        shape: impl FnOnce(usize) -> String,
    ) -> String {
        let key = (kind, name.to_lowercase());
        if let Some(given) = self.given.get(&key) {
            return given.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let given = shape(*count);
        self.table.push((name.to_owned(), given.clone()));
        self.given.insert(key, given.clone());
        given
    }

    /// A login, a mailbox, a sender.
    pub(super) fn name(&mut self, name: &str) -> String {
        match name.rsplit_once('@') {
            Some((local, domain)) => {
                let domain = self.domain(domain);
                let whole = local == "*";
                let user = self.give("user", name, |n| format!("user{n}"));
                if whole { format!("*@{domain}") } else { format!("{user}@{domain}") }
            }
            None => self.give("user", name, |n| format!("user{n}")),
        }
    }

    fn domain(&mut self, domain: &str) -> String {
        self.give("domain", domain, |n| format!("domain{n}.example"))
    }

    /// A provider's well-known server is told, any other one is not.
    pub(super) fn host(&mut self, host: &str) -> String {
        if known::HOSTS.iter().any(|known| known.eq_ignore_ascii_case(host)) {
            return host.to_ascii_lowercase();
        }
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => self.address(address),
            Err(_) => self.give("host", host, |n| format!("host{n}.example")),
        }
    }

    fn address(&mut self, address: IpAddr) -> String {
        if address.is_loopback() || address.is_unspecified() {
            return address.to_string();
        }
        self.give("address", &address.to_string(), |n| format!("192.0.2.{}", n % 256))
    }

    /// A tenant that stands for many is told.
    pub(super) fn tenant(&mut self, tenant: &str) -> String {
        match tenant {
            "common" | "organizations" | "consumers" => tenant.to_owned(),
            _ => self.give("tenant", tenant, |n| format!("tenant{n}")),
        }
    }

    /// An application's id, an authority, a fingerprint: no more than whether two are the same.
    pub(super) fn other(&mut self, kind: &'static str, name: &str) -> String {
        self.give(kind, name, |n| format!("{kind}{n}"))
    }

    /// Scheme, host and port; of the path what is on the list.
    pub(super) fn url(&mut self, text: &str) -> String {
        let Ok(url) = text.parse::<Url>() else { return LEFT_OUT.to_owned() };
        let Some(host) = url.host_str() else { return LEFT_OUT.to_owned() };
        let scheme = if matches!(url.scheme(), "http" | "https") { url.scheme() } else { LEFT_OUT };
        let host = self.host(host);
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let path = url.path().split('/').filter(|part| !part.is_empty());
        let path: String =
            path.map(|part| {
                if known::is_path(part) { format!("/{part}") } else { format!("/{LEFT_OUT}") }
            })
            .collect();
        format!("{scheme}://{host}{port}{path}")
    }

    /// A scope, a role: what providers call their permissions.
    pub(super) fn permission(&mut self, text: &str) -> String {
        if known::is_path(text) || known::is_word(text) {
            text.to_owned()
        } else if text.contains("://") {
            self.url(text)
        } else {
            self.other("permission", text)
        }
    }

    /// Text of which nothing is known.
    pub(super) fn free(&mut self, text: &str) -> String {
        let mut written: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let word = self.word(word);
            // One sign is enough for a row of them.
            if word != LEFT_OUT || written.last().is_none_or(|last| last != LEFT_OUT) {
                written.push(word);
            }
        }
        written.join(" ")
    }

    fn word(&mut self, word: &str) -> String {
        let bare = word.trim_matches(AROUND);
        if bare.is_empty() && word.len() <= 3 {
            return word.to_owned();
        }
        let inside = if known::is_word(bare) || known::is_code(bare) {
            bare.to_owned()
        } else if bare.contains("://") {
            self.url(bare)
        } else if let Some((host, port)) = bare.rsplit_once(':')
            && let Ok(port) = port.parse::<u16>()
        {
            format!("{}:{port}", self.host(host))
        } else if let Ok(address) = bare.parse::<IpAddr>() {
            self.address(address)
        } else if known::HOSTS.contains(&bare) {
            bare.to_owned()
        } else if is_address(bare) {
            self.name(bare)
        } else {
            return LEFT_OUT.to_owned();
        };
        // Brackets and stops tell how a server has put it.
        let (before, after) = word.split_once(bare).unwrap_or_default();
        // The other bracket of an IPv6 address went with it.
        let before = if bare.contains("]:") { before.trim_end_matches('[') } else { before };
        format!("{before}{inside}{after}")
    }
}

/// A mail address, and nothing that holds one.
fn is_address(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '*');
    let parts = text.split_once('@');
    parts.is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && local.chars().chain(domain.chars()).all(plain)
    })
}

pub(super) const LEFT_OUT: &str = "…";
const AROUND: [char; 13] = ['(', ')', '[', ']', '<', '>', '"', '\'', ',', '.', ';', ':', '!'];

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// Names that nobody may see.
    const NAMES: [&str; 6] =
        ["anna", "Geheim", "MUELLER", "b\u{fc}ro", "kuendigung", "\u{130}stanbul"];

    /// What stands around and between names in lines of servers and programs.
    const BETWEEN: [&str; 24] = [
        "@", ".", ".ch", ":", "://", "https://", "imap://", "/", "?", "#", "%40", "=", ";", " ",
        "<", ">", "[", "]:", "]", "\"", ":993", "smtp.", "-", "*",
    ];

    proptest! {
        /// However a name is put into a text, it does not come out of it.
        #[test]
        fn no_name_is_told(
            pieces in vec((prop_oneof![select(&NAMES[..]), select(&BETWEEN[..])], any::<bool>()), 1..12),
        ) {
            let text: String = pieces
                .iter()
                .map(|(piece, upper)| if *upper { piece.to_uppercase() } else { (*piece).to_owned() })
                .collect();
            let mut stand_ins = StandIns::default();
            let told = [
                stand_ins.free(&text),
                stand_ins.url(&text),
                stand_ins.permission(&text),
                stand_ins.host(&text),
                stand_ins.name(&text),
            ];
            for told in told {
                let lower = told.to_lowercase();
                for name in NAMES {
                    prop_assert!(!lower.contains(&name.to_lowercase()), "{} of {}", told, text);
                }
            }
        }
    }
}
