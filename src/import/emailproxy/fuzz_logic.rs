//! What must hold of an email-oauth2-proxy installation whatever is in its files. Runs over seeds in the
//! tests, and over everything else in the fuzzer.

use std::path::Path;

use super::{Installation, ReadError, plan, read, sealed};
use crate::secret::Secret;

/// Takes `data` for the configuration and, behind the first NUL, the file of tokens.
///
/// # Panics
/// If what would be written for it is no configuration of one account or port each, if two accounts would
/// share a file, if a secret would stand in what is written or said, or if a remark could steer a
/// terminal.
pub fn fuzz_import(data: &[u8]) {
    let mut parts = data.splitn(2, |&octet| octet == 0);
    let (content, cache) = (parts.next().unwrap_or_default(), parts.next());
    let mut installation = match read(content, cache) {
        Ok(installation) => installation,
        Err(ReadError::Cache(error)) => return spoken(&error, cache.unwrap_or_default()),
        Err(error) => return spoken(&error, content),
    };
    let folder = Path::new("/folder");
    let planned = plan(&installation, folder);
    for account in &planned.accounts {
        let tables = tables(&account.toml, "account");
        let login = tables.get("login").and_then(toml::Value::as_str);
        assert_eq!(login, Some(account.login.as_str()), "{}", account.toml);
        let name = Path::new(&account.file_name);
        assert!(name.file_name() == Some(name.as_os_str()), "{}", account.file_name);
        let same = planned.accounts.iter().filter(|it| it.file_name == account.file_name);
        assert_eq!(same.count(), 1, "{}", account.file_name);
    }
    for listener in &planned.listen {
        let table = tables(&listener.toml, "listen");
        let address = table.get("address").and_then(toml::Value::as_str);
        assert_eq!(address, Some(listener.address.to_string().as_str()), "{}", listener.toml);
    }
    let before = written(&installation);
    change_secrets(&mut installation);
    assert_eq!(written(&installation), before);
}

/// Everything that is written and said.
fn written(installation: &Installation) -> Vec<String> {
    let planned = plan(installation, Path::new("/folder"));
    let accounts = planned.accounts.into_iter().map(|it| it.toml);
    let listeners = planned.listen.into_iter().map(|it| it.toml);
    let remarks = planned.remarks.into_iter().map(|it| format!("{}: {}", it.about, it.text));
    accounts.chain(listeners).chain(remarks).collect()
}

fn change_secrets(installation: &mut Installation) {
    for account in &mut installation.accounts {
        // There it is the name of a file.
        if account.flow != super::Flow::ServiceAccount || account.application.client_id == "key" {
            let secret = account.application.secret.take();
            account.application.secret = secret.map(|_| Secret::new("another"));
        }
        for value in [
            &mut account.sealed.access_token,
            &mut account.sealed.refresh_token,
            &mut account.sealed.client_secret,
        ] {
            *value = value.take().map(|_| "another".to_owned());
        }
    }
}

/// The one table of this name that the text must hold.
fn tables(text: &str, name: &str) -> toml::Table {
    let parsed = text.parse::<toml::Table>();
    let mut parsed = parsed.unwrap_or_else(|error| unreachable!("{error}\n{text}"));
    assert_eq!(parsed.len(), 1, "{text}");
    match parsed.remove(name) {
        Some(toml::Value::Array(tables)) => match tables.as_slice() {
            [toml::Value::Table(table)] => table.clone(),
            _ => unreachable!("not one table: {text}"),
        },
        _ => unreachable!("no [[{name}]]: {text}"),
    }
}

/// A mistake says where, and never what.
fn spoken(error: &ReadError, content: &[u8]) {
    let lines = content.split(|&octet| octet == b'\n').count();
    if let ReadError::NotIni { line: Some(line) } = error {
        assert!((1..=lines).contains(line), "{line} of {lines}");
    }
}

/// Takes `data` for an encrypted token, and for what a key that we know has encrypted.
///
/// # Panics
/// If anything that this key has not signed is opened.
pub fn fuzz_token(data: &[u8]) {
    let (text, inner) = (String::from_utf8_lossy(data), data);
    assert!(sealed::decrypt(&KEY, &text).is_none() || text.contains("gAAAA"));
    let opened = sealed::decrypt(&KEY, &sealed::fuzz_sign(&KEY, inner));
    let shortest = 1 + 8 + 16 + 16;
    if let Some(plain) = opened {
        assert!(inner.first() == Some(&0x80) && inner.len() >= shortest);
        assert!(plain.len() < inner.len());
    }
}

const KEY: [u8; 32] = [7; 32];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installations() {
        for text in [
            include_str!("testdata/all-flows.config"),
            "[IMAP-1993]\nserver_address = imap.example.org\nserver_port = 993\n\
             [SMTP-1587]\nserver_address = smtp.example.org\nserver_port = 587\nserver_starttls = yes\n\
             [a@example.org]\ntoken_url = https://id.example.org/t\noauth2_scope = a b\n\
             client_id = i\nclient_secret = hunter2hunter2\noauth2_flow = client_credentials\n\
             \0[a@example.org]\nrefresh_token = gAAAAx\ntoken_salt = AAAA\n",
            "[a\"\t@example.org]\n",
            "[POP-0]\n[POP-65536]\n[IMAP-1]\nserver_address = h\nserver_port = 1\nlocal_address = ::\n",
            "[DEFAULT]\ntoken_url = x\n[@]\n[emailproxy]\nallow_catch_all_accounts = on\n[a@b]\n",
            "no section",
            "[a@b]\n\0\n\n\n[IMAP-1993\n",
            "\u{feff}[x\n",
            "",
        ] {
            fuzz_import(text.as_bytes());
        }
    }

    #[test]
    fn tokens() {
        for token in [
            &b"gAAAAABf"[..],
            b"\x80\0\0\0\0\0\0\0\x01iv-iv-iv-iv-iv-i0123456789abcdef",
            b"\x81\0\0\0\0\0\0\0\x01iv-iv-iv-iv-iv-i0123456789abcdef",
            b"\x80",
            b"",
        ] {
            fuzz_token(token);
        }
    }
}
