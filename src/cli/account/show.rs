//! `saslgate account show`: everything about one account, and no secret. The hard thing is to be the
//! one place to look on a bad day, so it hides nothing that went wrong.

use std::{fmt::Write as _, time::SystemTime};

use super::{find_anywhere, list, passwords};
use crate::{
    cli::{
        Failure, block_on,
        status::{
            look, open_to_read,
            table::{ago, ending, wrapped},
        },
        terminal::say,
    },
    config::{AccountConfig, Config, ExternalToken, Grant},
    status::{AccountStatus, Facts, words},
};

pub(super) fn show(config: &Config, login: &str) -> Result<(), Failure> {
    let (_, account) = find_anywhere(config, login);
    block_on(async {
        let overview = look(config, Some(login)).await?;
        for status in &overview.accounts {
            let mut text = format!("{}\n", status.login);
            if let Some(account) = account {
                let store = open_to_read(config).await?;
                text.push_str(&list::servers(account, config, store.as_ref()).await);
                describe(&mut text, account);
            }
            stand(&mut text, status, overview.now);
            let store = open_to_read(config).await?;
            text.push_str(&match store.local_passwords(&super::account_key(login)).await {
                Ok(stored) => passwords::in_full(&status.login, stored.as_ref(), overview.now),
                Err(error) => format!("  passwords  error: {error}\n"),
            });
            say(text.trim_end())?;
        }
        Ok(())
    })?
}

fn describe(text: &mut String, account: &AccountConfig) {
    let _ = writeln!(text, "  mailbox    {}", account.mailbox);
    match &account.external_token {
        Some(ExternalToken::Command(words)) => {
            let program = words.first().map_or("", String::as_str);
            let _ = writeln!(text, "  grant      external, from the program {program}");
        }
        Some(ExternalToken::File(path)) => {
            let _ = writeln!(text, "  grant      external, from the file {}", path.display());
        }
        None => {}
    }
    let Some(oauth) = &account.oauth else { return };
    let application = match &oauth.grant {
        Grant::ServiceAccount { key_file, .. } => format!("key {}", key_file.display()),
        Grant::ClientCredentials | Grant::RefreshToken | Grant::Password { .. } => {
            format!("application {}", oauth.client_id)
        }
    };
    let _ = writeln!(text, "  grant      {}, {application}", oauth.grant.name());
    let _ = writeln!(text, "  tokens     from {}", oauth.token_url);
    if let Some(owner) = &oauth.sign_in.owner {
        let _ = writeln!(text, "  owner      {owner}");
    }
}

fn stand(text: &mut String, status: &AccountStatus, now: SystemTime) {
    let _ = writeln!(text, "  state      {}", words::state(status.state));
    if let Some(signed_in) = &status.signed_in {
        let name = signed_in.identity.as_ref().and_then(|it| it.name.as_deref());
        let name = name.map_or_else(String::new, |name| format!("{name}, "));
        let _ = writeln!(text, "  signed in  {name}{}", moment(signed_in.at, now));
    }
    if let Some((obtained, ends)) = status.access_token {
        let obtained = ago(obtained, now);
        let _ = writeln!(text, "  token      {}, obtained {obtained}", ending(ends, now));
    }
    if let Some(last) = status.last_refresh {
        let _ = writeln!(text, "  refreshed  {}", moment(last, now));
    }
    if let Some(failure) = &status.failure {
        let (since, last) = (moment(failure.since, now), moment(failure.last, now));
        let _ = writeln!(text, "  failing    {} since {since}, last {last}", failure.kind);
    }
    if let Some(sessions) = status.sessions {
        let _ = writeln!(text, "  sessions   {sessions}");
    }
    for finding in &status.findings {
        text.push_str(&wrapped(&words::sentence(finding), "    "));
        if let Some(next) = words::next_step(finding, &status.login) {
            let _ = writeln!(text, "    -> {next}");
        }
    }
}

pub(super) fn moment(time: SystemTime, now: SystemTime) -> String {
    let time = writable(time);
    format!("{} ({})", humantime::format_rfc3339_seconds(time), ago(time, now))
}

/// Only a damaged row holds a time that cannot be written.
pub(super) fn writable(time: SystemTime) -> SystemTime {
    let fits = time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|it| it.as_secs() < LAST);
    if fits { time } else { SystemTime::UNIX_EPOCH }
}

/// What the store has of an account, for who is about to remove it.
pub(super) fn kept(facts: &Facts) -> Vec<String> {
    let mut kept = Vec::new();
    if facts.refresh_token {
        kept.push("a sign-in".to_owned());
    }
    if facts.access_token.is_some() {
        kept.push("an access token".to_owned());
    }
    match facts.local_passwords {
        0 => {}
        1 => kept.push("a local password".to_owned()),
        several => kept.push(format!("{several} local passwords")),
    }
    for (protocol, host) in &facts.upstream_passwords {
        let protocol = words::protocol_name(protocol);
        kept.push(format!("a password for the {protocol} server {host}"));
    }
    if !facts.faults.is_empty() {
        kept.push("something that does not open".to_owned());
    }
    if kept.is_empty() {
        kept.push("what is left of an earlier use".to_owned());
    }
    kept
}

/// The year 10000.
const LAST: u64 = 253_402_300_800;
