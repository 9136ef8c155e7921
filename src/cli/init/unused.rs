//! Flags for an account that is there already. The hard thing is that nothing is changed then: whoever gives another value
//! must hear that it counts for nothing, and who repeats the command that was stopped must hear nothing.

use std::path::Path;

use super::{InitArgs, SignInWay, conversation::at_home};
use crate::{
    config::{AccountConfig, ClientAuthentication, Config, Grant, OAuthConfig, Protocol, Provider},
    init::ServerAnswer,
};

/// The flags that say something else than the configuration, each with what is in force instead.
pub(super) fn unused(args: &InitArgs, config: &Config, account: &AccountConfig) -> Vec<String> {
    let mut found = Differences::default();
    found.of_account(args, account);
    if let Some(oauth) = &account.oauth {
        found.of_application(args, oauth);
        found.of_addresses(args, account, oauth);
    }
    for protocol in Protocol::ALL {
        if let Some(given) = args.custom.server(protocol) {
            let flag = format!("--{}-server", protocol.name());
            let there = account.upstream(protocol).map(|it| (it.host.as_str(), it.port));
            let is_same = there.is_some_and(|(host, port)| is_server(given, host, port));
            let there =
                there.map_or_else(|| "none".to_owned(), |(host, port)| format!("{host}:{port}"));
            found.note(&flag, is_same, &there);
        }
    }
    found.flags.extend(unused_ports(args, config));
    found.flags
}

/// The flags about local ports that say something else than the configuration, which has its own.
pub(super) fn unused_ports(args: &InitArgs, config: &Config) -> Vec<String> {
    let given = &args.ports;
    let ports = [
        (Protocol::Imap, given.imap_port),
        (Protocol::Pop3, given.pop3_port),
        (Protocol::Smtp, given.smtp_port),
    ];
    let mut found = Differences::default();
    for (protocol, port) in ports {
        let Some(port) = port else { continue };
        let listens = config.listeners.iter().filter(|it| it.protocol == protocol);
        let there: Vec<u16> = listens.map(|it| it.address.port()).collect();
        let words: Vec<String> = there.iter().map(u16::to_string).collect();
        let words = if words.is_empty() { "none".to_owned() } else { words.join(", ") };
        found.note(&format!("--{}-port", protocol.name()), there.contains(&port), &words);
    }
    if let Some(list) = &given.protocols {
        let known =
            |it: &str| Protocol::ALL.into_iter().find(|p| p.name().eq_ignore_ascii_case(it));
        let mut words = list.split([',', ' ']).filter(|it| !it.is_empty());
        let is_same = words.all(|it| known(it).is_some_and(|it| config.listens_for(it)));
        let there = Protocol::ALL.into_iter().filter(|it| config.listens_for(*it));
        let there: Vec<&str> = there.map(Protocol::name).collect();
        found.note("--protocols", is_same, &there.join(","));
    }
    found.flags
}

#[derive(Default)]
struct Differences {
    flags: Vec<String>,
}

impl Differences {
    fn note(&mut self, flag: &str, is_same: bool, there: &str) {
        if !is_same {
            self.flags.push(format!("{flag} (in force: {there})"));
        }
    }

    fn text(&mut self, flag: &str, given: Option<&str>, there: Option<&str>) {
        if let Some(given) = given {
            let is_same = there.is_some_and(|it| it == given.trim());
            self.note(flag, is_same, there.unwrap_or("none"));
        }
    }

    fn of_account(&mut self, args: &InitArgs, account: &AccountConfig) {
        if let Some(given) = &args.provider {
            // The list of providers is numbered.
            let by_number = given.trim().parse().ok().and_then(|number: usize| {
                Provider::all().nth(number.checked_sub(1)?).map(Provider::name)
            });
            let given = by_number.unwrap_or_else(|| given.trim());
            let is_same = given.eq_ignore_ascii_case(account.provider);
            self.note("--provider", is_same, account.provider);
        }
        if let Some(given) = &args.mailbox {
            let is_same = given.eq_ignore_ascii_case(&account.mailbox);
            self.note("--mailbox", is_same, &account.mailbox);
        }
        let needs_person = account.oauth.as_ref().is_some_and(|it| it.grant.needs_sign_in());
        match args.sign_in {
            Some(SignInWay::AppOnly) if needs_person => {
                self.note("--sign-in app-only", false, "a person signs in");
            }
            Some(SignInWay::Browser | SignInWay::Paste | SignInWay::Device) if !needs_person => {
                self.note("--sign-in", false, "app-only");
            }
            Some(_) | None => {}
        }
    }

    fn of_application(&mut self, args: &InitArgs, oauth: &OAuthConfig) {
        let given = &args.application;
        self.text("--client-id", given.client_id.as_deref(), Some(oauth.client_id.as_str()));
        let proof = &oauth.client_authentication;
        let words = match proof {
            ClientAuthentication::Public => "public",
            ClientAuthentication::Secret(_) => "another client secret",
            ClientAuthentication::Certificate { .. } => "another certificate",
            ClientAuthentication::FederatedToken { .. } => "a federated token",
        };
        if given.public {
            self.note("--public", matches!(proof, ClientAuthentication::Public), words);
        }
        if let Some(file) = &given.client_secret_file {
            let there = proof.secret().map(|it| it.expose());
            let is_same = std::fs::read(at_home(file))
                .map(crate::secret::Secret::new)
                .is_ok_and(|given| there == Some(given.expose().trim_ascii()));
            self.note("--client-secret-file", is_same, words);
        }
        self.of_certificate(args, proof, words);
        if let Some(file) = &given.service_account_key {
            let there = match &oauth.grant {
                Grant::ServiceAccount { key_file, .. } => Some(key_file),
                Grant::ClientCredentials | Grant::RefreshToken | Grant::Password { .. } => None,
            };
            let is_same = there.is_some_and(|there| is_at(file, there));
            let words = there.map_or_else(|| "none".to_owned(), |it| it.display().to_string());
            self.note("--service-account-key", is_same, &words);
        }
    }

    fn of_certificate(&mut self, args: &InitArgs, proof: &ClientAuthentication, words: &str) {
        let given = &args.application;
        let certificate = match proof {
            ClientAuthentication::Certificate { certificate, key, .. } => Some((certificate, key)),
            ClientAuthentication::Public
            | ClientAuthentication::Secret(_)
            | ClientAuthentication::FederatedToken { .. } => None,
        };
        if let Some(file) = &given.client_certificate {
            let is_same = certificate.is_some_and(|(there, _)| is_at(file, there));
            self.note("--client-certificate", is_same, words);
        }
        if let Some(file) = &given.client_key {
            let is_same = certificate.is_some_and(|(_, there)| is_at(file, there));
            self.note("--client-key", is_same, words);
        }
        if given.new_client_certificate {
            self.note("--new-client-certificate", certificate.is_some(), words);
        }
    }

    fn of_addresses(&mut self, args: &InitArgs, account: &AccountConfig, oauth: &OAuthConfig) {
        let sign_in = &oauth.sign_in;
        if let Some(given) = &args.owner {
            let there = sign_in.owner.as_deref();
            let is_same = there.is_some_and(|it| it.eq_ignore_ascii_case(given));
            self.note("--owner", is_same, there.unwrap_or("none"));
        }
        let redirect = sign_in.redirect_uri.as_ref().map(|it| it.as_str());
        self.text("--redirect-uri", args.application.redirect_uri.as_deref(), redirect);
        let token_url = oauth.token_url.as_str();
        if let Some(tenant) = &args.tenant {
            let template = Provider::named(account.provider).and_then(Provider::token_url);
            let is_same = template.is_none_or(|it| it.replace("{tenant}", tenant) == token_url);
            self.note("--tenant", is_same, token_url);
        }
        let given = &args.custom;
        let is_url =
            |given: &str, there: &str| url::Url::parse(given).is_ok_and(|it| it.as_str() == there);
        if let Some(url) = &given.token_url {
            self.note("--token-url", is_url(url, token_url), token_url);
        }
        if let Some(url) = &given.authorization_url {
            let there = sign_in.authorization_url.as_ref().map_or("none", |it| it.as_str());
            self.note("--authorization-url", is_url(url, there), there);
        }
        if let Some(scopes) = &given.scopes {
            let is_same = scopes.split_whitespace().eq(oauth.scopes.iter().map(String::as_str));
            self.note("--scopes", is_same, &oauth.scopes.join(" "));
        }
    }
}

fn is_at(given: &Path, there: &Path) -> bool {
    std::path::absolute(at_home(given)).is_ok_and(|given| given == there)
}

fn is_server(given: &ServerAnswer, host: &str, port: u16) -> bool {
    given.host.eq_ignore_ascii_case(host) && given.port.is_none_or(|it| it == port)
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;
    use crate::config::tests::judge;

    #[track_caller]
    fn check(flags: &str, expected: &[&str]) {
        let text = "[[listen]]\nprotocol = \"imap\"\naddress = \"127.0.0.1:1143\"\n[[account]]\n\
            login = \"anna@example.ch\"\nprovider = \"microsoft365\"\ntenant = \"example.ch\"\nclient_id = \"id\"\n";
        let config = judge(text).unwrap_or_else(|error| panic!("{error}")).config;
        let command = InitArgs::augment_args(clap::Command::new("init"));
        let matches =
            command.get_matches_from(["init"].into_iter().chain(flags.split_whitespace()));
        let args = InitArgs::from_arg_matches(&matches).unwrap();
        assert_eq!(unused(&args, &config, &config.accounts[0]), expected);
    }

    #[test]
    fn the_same_again_is_told_nothing() {
        check("anna@example.ch", &[]);
        check(
            "--provider microsoft365 --tenant example.ch --client-id id --public --sign-in later --imap-port 1143 \
             --protocols imap --mailbox Anna@example.ch",
            &[],
        );
    }

    #[test]
    fn what_counts_for_nothing_is_named() {
        check("--client-id other", &["--client-id (in force: id)"]);
        check("--sign-in app-only", &["--sign-in app-only (in force: a person signs in)"]);
        check("--client-certificate x.pem", &["--client-certificate (in force: public)"]);
        check(
            "--provider google --imap-port 993 --smtp-port 1587 --protocols imap,smtp",
            &[
                "--provider (in force: microsoft365)",
                "--imap-port (in force: 1143)",
                "--smtp-port (in force: none)",
                "--protocols (in force: imap)",
            ],
        );
        check(
            "--tenant example.org",
            &[
                "--tenant (in force: https://login.microsoftonline.com/example.ch/oauth2/v2.0/token)",
            ],
        );
    }
}
