//! What must hold of the configuration whatever is written. Runs over seeds in the tests, and over
//! everything else in the fuzzer.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{ConfigError, Loaded, Secrets, Section, Source, mistake::SourceFile, resolve};

/// Judges `data`: `saslgate.toml` and, behind a NUL each, files of `accounts.d`. No file is opened and no
/// program is run.
///
/// # Panics
/// If a mistake stands outside its file, if what is said of a mistake depends on a secret that somebody
/// wrote in clear, or if what `config show` says is in force would not be in force again.
pub fn fuzz_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let texts: Vec<&str> = text.split('\0').collect();
    match judge(&texts) {
        Ok(loaded) => shown_is_in_force(&loaded.sections),
        Err(error) => {
            places(&texts, &error);
            secrets_stay(&texts, &error);
        }
    }
}

fn judge(texts: &[&str]) -> Result<Loaded, ConfigError> {
    let file = |(index, text): (usize, &&str)| SourceFile::new(index.to_string(), *text);
    let mut files: Vec<SourceFile> = texts.iter().enumerate().map(file).collect();
    let main = files.remove(0);
    resolve::resolve(&main, &files, Path::new("state"), Secrets::Skip)
}

fn places(texts: &[&str], error: &ConfigError) {
    assert!(!error.mistakes.is_empty());
    for mistake in &error.mistakes {
        let index: usize = mistake.file.to_string_lossy().parse().unwrap_or_default();
        let lines = texts.get(index).map_or(0, |text| text.matches('\n').count() + 1);
        assert!(mistake.line.is_some_and(|line| (1..=lines).contains(&line)), "{mistake}");
        assert!(!mistake.text.is_empty());
    }
}

/// Whoever wrote a secret in clear hears the same words as if they had written another one.
fn secrets_stay(texts: &[&str], error: &ConfigError) {
    let others: Vec<String> = texts.iter().map(|text| with_other_secrets(text)).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let Err(other) = judge(&others) else {
        unreachable!("good with another secret: {error}");
    };
    let words = |error: &ConfigError| -> Vec<(String, String)> {
        error.mistakes.iter().map(|it| (it.key.clone(), it.text.clone())).collect()
    };
    // Beyond all types of numbers: the TOML reader's own words, without the number.
    let is_too_large = |(_, text): &(String, String)| text.ends_with("number overflowed");
    if !words(error).iter().any(is_too_large) {
        assert_eq!(words(error), words(&other));
    }
}

/// The text with `"x"` in the place of each secret; tables say where one is, and stay.
fn with_other_secrets(text: &str) -> String {
    let Ok(table) = DeTable::parse(text) else { return text.to_owned() };
    let mut spans = Vec::new();
    find(table.get_ref(), &mut spans);
    spans.sort_by_key(|span| std::cmp::Reverse(span.start));
    let mut changed = text.to_owned();
    for span in spans {
        // In as many lines, since lines may be named.
        let lines = text.get(span.clone()).map_or(0, |value| value.matches('\n').count());
        changed.replace_range(span, &format!("\"x\"{}", "\n".repeat(lines)));
    }
    changed
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other values are alike here")]
fn find(table: &DeTable<'_>, spans: &mut Vec<std::ops::Range<usize>>) {
    for (key, value) in table {
        let is_secret = SECRETS.contains(&key.get_ref().as_ref());
        match value.get_ref() {
            DeValue::Table(table) if !is_secret => find(table, spans),
            DeValue::Array(items) if !is_secret => {
                items
                    .iter()
                    .filter_map(|it| it.get_ref().as_table())
                    .for_each(|it| find(it, spans));
            }
            DeValue::Table(_) => {}
            _ if is_secret => spans.push(value.span()),
            _ => {}
        }
    }
}

/// What is shown, written down, shows the same again.
fn shown_is_in_force(sections: &[Section]) {
    let Some(text) = written(sections) else { return };
    let again = judge(&[&text]).unwrap_or_else(|error| unreachable!("{text}\n{error}"));
    let rows = |sections: &[Section]| -> Vec<String> {
        let row = |section: &Section| {
            let rows = section.rows.iter().map(|row| format!("{} = {}", row.key, row.value));
            format!("{}\n{}", section.title, rows.collect::<Vec<_>>().join("\n"))
        };
        sections.iter().map(row).collect()
    };
    assert_eq!(rows(&again.sections), rows(sections), "{text}");
}

/// Everything that somebody wrote; `None` where a value is shown in part only.
fn written(sections: &[Section]) -> Option<String> {
    let mut text = String::new();
    for section in sections {
        let end = section.title.find(' ').unwrap_or(section.title.len());
        let (table, _) = section.title.split_at(end);
        text.push_str(&format!("{table}\n"));
        if let Some(login) = section.title.strip_prefix("[[account]] ") {
            text.push_str(&format!("login = {}\n", super::show::quoted(login)));
        }
        for row in &section.rows {
            if row.value.contains('\u{2026}') {
                return None;
            }
            if matches!(row.source, Source::Written { .. }) && row.key != "login" {
                text.push_str(&format!("{} = {}\n", row.key, row.value));
            }
        }
    }
    Some(text)
}

/// The keys of secrets. A server's `password` is never read at all.
const SECRETS: [&str; 4] = ["client_secret", "client_key_passphrase", "owner_password", "password"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for text in [
            include_str!("../../saslgate.example.toml"),
            "",
            "[[account]]\nlogin = \"a@example.com\"\nprovider = \"google\"\nclient_id = \"id\"\n",
            "[[account]]\nclient_secret = \"hunter2\"\n",
            "[[account]]\nclient_secret = 12345678901234567890\n",
            "[[account]]\nclient_secret = -1.5e300\n",
            "[[account]]\nclient_secret = 1979-05-27T07:32:00Z\n",
            "[[account]]\nclient_secret = [\"hunter2\"]\n",
            "[[account]]\nclient_secret = true\n",
            "[[account]]\nowner_password = '''\nhunter2'''\n",
            "[[account]]\nimap.password = 1\npassword = 2\n",
            "signin_refusal = \"x\"\n\0[[account]]\n\0[[listen]]\n",
            "[[account]]\nclient_secret = 1e400\n",
            "[[account]]\nclient_secret = 340282366920938463463374607431768211456\n",
            "[[account]\n",
        ] {
            fuzz_text(text.as_bytes());
        }
    }
}
