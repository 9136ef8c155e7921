//! What a reload has changed, in words for people. The hard thing is to compare what people wrote, not
//! how it is kept: so the two listings of `config show` are compared, key by key.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use crate::config::{Config, Section};

/// What a reload has changed. `Display` is one line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Logins that are new.
    pub accounts_added: Vec<String>,
    /// Logins of accounts with other values than before, and which values these are.
    pub accounts_changed: Vec<(String, Vec<String>)>,
    /// Logins that are gone; their sessions end.
    pub accounts_removed: Vec<String>,
    /// Ports that are open now.
    pub ports_opened: Vec<String>,
    /// Ports that serve new connections otherwise than before.
    pub ports_changed: Vec<String>,
    /// Ports that accept nobody any more; their sessions go on.
    pub ports_closed: Vec<String>,
    /// Keys of other tables.
    pub settings_changed: Vec<String>,
    /// Keys that were changed and count only after a restart.
    pub needs_restart: Vec<String>,
}

impl Report {
    /// Compares everything but the ports, before and after.
    pub(super) fn compare(configs: [&Config; 2], sections: [&[Section]; 2]) -> Self {
        let mut report = Self::default();
        let [before, after] = configs.map(|config| {
            let accounts = config.accounts.iter();
            accounts.map(|account| (account.key(), &account.login)).collect::<BTreeMap<_, _>>()
        });
        let [old, new] = sections.map(|sections| {
            let by_title = sections.iter().map(|section| (section.title.as_str(), section));
            by_title.collect::<BTreeMap<_, _>>()
        });
        let changed = |old_title: &str, title: &str| {
            changed_keys(old.get(old_title).copied(), new.get(title).copied())
        };
        for (key, login) in &after {
            let Some(old_login) = before.get(key) else {
                report.accounts_added.push((*login).clone());
                continue;
            };
            let keys =
                changed(&format!("[[account]] {old_login}"), &format!("[[account]] {login}"));
            if !keys.is_empty() {
                report.accounts_changed.push(((*login).clone(), keys));
            }
        }
        let removed = before.iter().filter(|(key, _)| !after.contains_key(*key));
        report.accounts_removed = removed.map(|(_, login)| (*login).clone()).collect();
        // A table without any value is not listed.
        let titles: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for title in titles.into_iter().filter(|title| !title.starts_with("[[")) {
            let table = title.trim_matches(['[', ']']);
            let keys = changed(title, title).into_iter().map(|key| match table {
                "" => key,
                table => format!("{table}.{key}"),
            });
            if NEEDS_RESTART.contains(title) {
                report.needs_restart.extend(keys);
            } else {
                report.settings_changed.extend(keys);
            }
        }
        report
    }

    /// Whether the account is new, or another than before.
    pub(super) fn concerns(&self, login: &str) -> bool {
        self.accounts_added.iter().any(|added| added == login)
            || self.accounts_changed.iter().any(|(changed, _)| changed == login)
    }
}

/// The keys that have another value, in the order of the new listing.
fn changed_keys(old: Option<&Section>, new: Option<&Section>) -> Vec<String> {
    let rows = |section: Option<&Section>| -> Vec<(String, String)> {
        let rows = section.map(|section| section.rows.as_slice()).unwrap_or_default();
        rows.iter().map(|row| (row.key.clone(), row.value.clone())).collect()
    };
    let (old, new) = (rows(old), rows(new));
    let mut keys: Vec<String> =
        new.iter().filter(|row| !old.contains(row)).map(|(key, _)| key.clone()).collect();
    let gone = |key: &String| new.iter().all(|(other, _)| other != key);
    keys.extend(old.iter().map(|(key, _)| key).filter(|key| gone(key)).cloned());
    keys
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_keys = self.accounts_changed.iter();
        let with_keys: Vec<_> =
            with_keys.map(|(login, keys)| format!("{login} ({})", keys.join(", "))).collect();
        let parts = [
            ("accounts added", &self.accounts_added, ""),
            ("accounts changed", &with_keys, ""),
            ("accounts removed", &self.accounts_removed, ", their sessions end"),
            ("ports opened", &self.ports_opened, ""),
            ("ports changed", &self.ports_changed, ""),
            ("ports closed", &self.ports_closed, ", their sessions go on"),
            ("settings changed", &self.settings_changed, ""),
            ("needs a restart", &self.needs_restart, ""),
        ];
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|(_, names, _)| !names.is_empty())
            .map(|(what, names, effect)| format!("{what}: {}{effect}", listed(names)))
            .collect();
        if parts.is_empty() {
            return f.write_str("no setting has changed; secrets and certificates were read again");
        }
        f.write_str(&parts.join("; "))
    }
}

fn listed(names: &[String]) -> String {
    let shown = names.get(..SHOWN.min(names.len())).unwrap_or_default().join(", ");
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// What only a start can do.
const NEEDS_RESTART: &[&str] = &["[service]"];

/// More names in one line are read by nobody.
const SHOWN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Row, Source};

    fn sections(rows: &[(&str, &str, &str)]) -> Vec<Section> {
        let mut sections: Vec<Section> = Vec::new();
        for (title, key, value) in rows {
            let row = Row { key: (*key).into(), value: (*value).into(), source: Source::Default };
            match sections.last_mut().filter(|section| section.title == *title) {
                Some(section) => section.rows.push(row),
                None => sections.push(Section { title: (*title).into(), rows: vec![row] }),
            }
        }
        sections
    }

    #[track_caller]
    fn check(before: &str, after: &str, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let load = |text: &str| {
            let paths = crate::config::Paths {
                config: folder.path().join("saslgate.toml"),
                state: folder.path().join("state"),
            };
            let defaults = "[defaults]\nprovider = \"microsoft365\"\ntenant = \"example.com\"\n\
                client_id = \"id\"\n";
            std::fs::write(&paths.config, format!("{text}\n{defaults}")).unwrap();
            crate::config::load(&paths, crate::config::Secrets::Skip).unwrap()
        };
        let (before, after) = (load(before), load(after));
        let report =
            Report::compare([&before.config, &after.config], [&before.sections, &after.sections]);
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn accounts_come_go_and_change() {
        check(
            "[[account]]\nlogin = \"a\"\n[[account]]\nlogin = \"b\"",
            "[[account]]\nlogin = \"c\"\n[[account]]\nlogin = \"B\"\nmailbox = \"b\"\n\
             connection_limit = 3",
            "accounts added: c; accounts changed: B (connection_limit, imap.connection_limit, \
             pop3.connection_limit); accounts removed: a, their sessions end",
        );
    }

    #[test]
    fn settings_are_named_by_their_tables() {
        let account = "[[account]]\nlogin = \"a\"\n";
        check(
            account,
            &format!(
                "signin_refusal = \"credentials\"\n{account}[limits]\nlogin_faults = 9\n[deadlines]\n\
                 drain = \"1m\""
            ),
            "settings changed: signin_refusal, deadlines.drain, limits.login_faults",
        );
        check(
            account,
            &format!("# words\n{account}"),
            "no setting has changed; secrets and certificates were read again",
        );
    }

    #[test]
    fn what_only_a_start_can_do_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("saslgate.toml");
        std::fs::write(
            &config,
            "[[account]]\nlogin = \"a\"\nprovider = \"custom\"\n[account.imap]\nhost = \"h\"\n\
             auth = \"password\"",
        )
        .unwrap();
        let paths = crate::config::Paths { config, state: folder.path().into() };
        let config = crate::config::load(&paths, crate::config::Secrets::Skip).unwrap().config;
        let before = sections(&[("[service]", "user", "\"a\""), ("[x]", "gone", "1")]);
        let after = sections(&[("[service]", "user", "\"b\""), ("[x]", "new", "1")]);
        let report = Report::compare([&config, &config], [&before, &after]);
        assert_eq!(
            report.to_string(),
            "settings changed: x.new, x.gone; needs a restart: service.user"
        );
    }

    #[test]
    fn a_long_list_is_cut() {
        let accounts_added = (0..12).map(|number| format!("u{number}")).collect();
        let report = Report { accounts_added, ..Report::default() };
        assert_eq!(
            report.to_string(),
            "accounts added: u0, u1, u2, u3, u4, u5, u6, u7, u8, u9 and 2 more"
        );
    }
}
