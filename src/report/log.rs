//! Log lines, of this account and of the process. The hard thing is the other accounts: what became of them
//! is no part of a report, so a line that names anybody else, or a connection that is not known to be of
//! this account, is left out.

use std::collections::HashSet;

use serde_json::Value;

use super::stand_in::{LEFT_OUT, StandIns};

/// Those of the account with these names, and those of nobody.
pub(super) fn about<'l>(log: &'l str, names: &[String]) -> Vec<&'l str> {
    let is_ours = |line: &str| names.iter().any(|name| mentions(line, name));
    let ours: HashSet<&str> =
        log.lines().filter(|line| is_ours(line)).filter_map(connection).collect();
    let of_nobody =
        |line: &str| connection(line).is_none() && !OF_SOMEBODY.iter().any(|it| line.contains(it));
    let wanted = |line: &&str| {
        is_ours(line) || connection(line).is_some_and(|it| ours.contains(it)) || of_nobody(line)
    };
    log.lines().filter(wanted).collect()
}

/// The connection's number, in a line of text or of JSON.
fn connection(line: &str) -> Option<&str> {
    let after = ["connection=", "\"connection\":"].iter().find_map(|key| line.split_once(key))?.1;
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after.get(..end).filter(|number| !number.is_empty())
}

const OF_SOMEBODY: [&str; 5] = ["@", "account=", "\"account\"", "login=", "\"login\""];

/// Whether the name stands there as a whole, without case.
fn mentions(line: &str, name: &str) -> bool {
    let (line, name) = (line.to_lowercase(), name.to_lowercase());
    let goes_on = |c: char| c.is_alphanumeric() || "@-_+".contains(c);
    !name.is_empty()
        && line.match_indices(&name).any(|(at, found)| {
            let before = line.get(..at).and_then(|it| it.chars().next_back());
            let after = line.get(at + found.len()..).unwrap_or_default();
            // A name may be the end of a sentence, and the beginning of a longer one.
            let mut after = after.chars();
            let ends = match after.next() {
                Some('.') => !after.next().is_some_and(goes_on),
                other => !other.is_some_and(goes_on),
            };
            ends && !before.is_some_and(|c| goes_on(c) || c == '.')
        })
}

/// The line, with stand-ins and known words.
pub(super) fn line(line: &str, names: &mut StandIns) -> String {
    let text = of_json(line);
    let mut written: Vec<String> = Vec::new();
    for word in text.as_deref().unwrap_or(line).split_whitespace() {
        let shown = field(word, names).unwrap_or_else(|| names.free(word));
        if shown != LEFT_OUT || written.last().is_none_or(|last| last != LEFT_OUT) {
            written.push(shown);
        }
    }
    written.join(" ")
}

/// Fields of ours.
fn field(word: &str, names: &mut StandIns) -> Option<String> {
    let (key, value) = word.split_once('=')?;
    let key = FIELDS.iter().find(|known| **known == key)?;
    let value = value.trim_matches('"');
    let number = !value.is_empty() && value.len() < 10 && value.bytes().all(|b| b.is_ascii_digit());
    let shown = match *key {
        _ if number => value.to_owned(),
        "account" | "token_of" | "mailbox" | "login" => names.name(value),
        "method" if METHODS.contains(&value) => value.to_owned(),
        _ => names.free(value),
    };
    Some(format!("{key}={shown}"))
}

/// A line of JSON as it would be one of text.
fn of_json(line: &str) -> Option<String> {
    let Ok(Value::Object(members)) = serde_json::from_str(line) else { return None };
    let mut text = String::new();
    for key in ["timestamp", "level", "message"] {
        text.push_str(members.get(key).and_then(Value::as_str).unwrap_or_default());
        text.push(' ');
    }
    for (key, value) in members.iter().filter(|(key, _)| FIELDS.contains(&key.as_str())) {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.push_str(&format!("{key}={shown} "));
    }
    Some(text)
}

const FIELDS: &[&str] = &[
    "account",
    "client",
    "connection",
    "login",
    "mailbox",
    "method",
    "protocol",
    "token_of",
    "upstream",
];

/// As the log has them.
const METHODS: [&str; 3] = ["Command", "Plain", "Login"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_accounts_are_no_part_of_it() {
        let log = "INFO listening\n\
                   INFO logged in account=anna@c.example connection=1\n\
                   INFO logged in account=joanna@c.example connection=2\n\
                   INFO closed connection=1\n\
                   INFO closed connection=2\n\
                   WARN account bob@c.example cannot refresh\n\
                   WARN the token of Anna@c.example. It ends\n\
                   WARN no anna@c.example.org\n\
                   {\"message\":\"closed\",\"connection\":1}\n\
                   {\"message\":\"closed\",\"connection\":12}\n\
                   INFO logged in account=scanner2 connection=3\n\
                   INFO refused login=bob";
        let kept = about(log, &["anna@c.example".to_owned(), "scanner".to_owned()]);
        let numbers: Vec<usize> =
            kept.iter().filter_map(|kept| log.lines().position(|line| line == *kept)).collect();
        assert_eq!(numbers, [0, 1, 3, 6, 8]);
    }

    #[test]
    fn fields_stay_with_stand_ins() {
        let mut names = StandIns::default();
        let expected =
            "2026-11-25T13:00:00Z INFO logged in account=user1@domain1.example connection=7";
        for log in [
            "2026-11-25T13:00:00Z  INFO logged in account=anna@c.example connection=7",
            r#"{"timestamp":"2026-11-25T13:00:00Z","level":"INFO","message":"logged in","connection":7,"account":"anna@c.example"}"#,
        ] {
            assert_eq!(line(log, &mut names), expected);
        }
        let refused = line(
            "WARN refused connection=8 client=127.0.0.1:50111 protocol=IMAP login=anna@c.example method=Plain",
            &mut names,
        );
        let kept = "connection=8 client=127.0.0.1:50111 protocol=IMAP login=user1@domain1.example \
                    method=Plain";
        assert!(refused.ends_with(kept), "{refused}");
        let odd = line("method=Kuendigung", &mut names);
        assert_eq!(odd, "method=…");
        let hidden = line("key=Kuendigung account=Kuendigung protocol=Kuendigung anna", &mut names);
        assert_eq!(hidden, "… account=user2 protocol=… …");
    }
}
