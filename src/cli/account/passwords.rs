//! Local passwords as they are shown: never what they are. The hard thing is to say of an unused one no more
//! than is known.

use std::{fmt::Write as _, time::SystemTime};

use super::show::moment;
use crate::{
    account::limit_words,
    guide::command::argument,
    store::{LocalPassword, LocalPasswords},
};

/// In one line: names, with the days of creation and of the last use.
pub(super) fn in_a_line(login: &str, stored: Option<&LocalPasswords>) -> String {
    let passwords = stored.map_or(&[][..], |stored| &stored.passwords);
    let words = passwords.iter().map(|password| {
        let mut words = format!("{} ({}", password.name, day(password.created));
        if let Some(limits) = limit_words::limits(&password.limits) {
            let _ = write!(words, ", {limits}");
        }
        if let Some(used) = &password.last_used {
            let _ = write!(words, ", last used {}", day(used.at));
        }
        words + ")"
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { none(login) } else { words.join(", ") }
}

/// All about them, a line or more for each.
pub(super) fn in_full(login: &str, stored: Option<&LocalPasswords>, now: SystemTime) -> String {
    let passwords = stored.map_or(&[][..], |stored| &stored.passwords);
    if passwords.is_empty() {
        return format!("  passwords  {}\n", none(login));
    }
    let mut text = String::new();
    for (number, password) in passwords.iter().enumerate() {
        let label = if number == 0 { "passwords" } else { "" };
        let _ = writeln!(text, "  {label:<9}  {} ({})", password.name, day(password.created));
        if let Some(limits) = limit_words::limits(&password.limits) {
            let _ = writeln!(text, "               {limits}");
        }
        let _ = writeln!(text, "               {}", last_use(password, now));
    }
    text
}

fn last_use(password: &LocalPassword, now: SystemTime) -> String {
    match &password.last_used {
        None => "no use known".to_owned(),
        Some(used) => format!(
            "last used {} for {} from {}",
            moment(used.at, now),
            limit_words::protocol(&used.protocol),
            used.address
        ),
    }
}

fn none(login: &str) -> String {
    format!("none yet: run `saslgate account password {}`", argument(login))
}

fn day(time: SystemTime) -> String {
    let time = humantime::format_rfc3339_seconds(super::show::writable(time)).to_string();
    time.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::store::{
        PasswordUse,
        limits::{PasswordLimits, network},
    };

    fn stored() -> LocalPasswords {
        let password = |name: &str| LocalPassword {
            name: name.to_owned(),
            digest: [0; 32],
            created: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            limits: PasswordLimits::default(),
            last_used: None,
        };
        let limits = PasswordLimits {
            protocols: vec!["smtp".to_owned()],
            networks: vec![network("192.168.1.0/24").unwrap()],
        };
        let used = PasswordUse {
            at: UNIX_EPOCH + Duration::from_secs(1_700_100_000),
            protocol: "smtp".to_owned(),
            address: [192, 168, 1, 7].into(),
        };
        let printer = LocalPassword { limits, last_used: Some(used), ..password("printer") };
        LocalPasswords { salt: [0; 16], passwords: vec![password("laptop"), printer] }
    }

    #[test]
    fn a_line_says_what_fits() {
        let stored = stored();
        assert_eq!(
            in_a_line("a@x", Some(&stored)),
            "laptop (2023-11-14), printer (2023-11-14, only for SMTP from 192.168.1.0/24, last used \
             2023-11-16)"
        );
        assert_eq!(in_a_line("a@x", None), "none yet: run `saslgate account password a@x`");
    }

    #[test]
    fn the_rest_is_told_line_by_line() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_107_200);
        assert_eq!(
            in_full("a@x", Some(&stored()), now),
            "  passwords  laptop (2023-11-14)\n               no use known\n             printer \
             (2023-11-14)\n               only for SMTP from 192.168.1.0/24\n               last used \
             2023-11-16T02:00:00Z (2h ago) for SMTP from 192.168.1.7\n"
        );
        let none = in_full("a@x", None, now);
        assert_eq!(none, "  passwords  none yet: run `saslgate account password a@x`\n");
    }
}
