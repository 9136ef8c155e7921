use std::path::Path;

use super::{command::OBJECT_ID, subject::PLACEHOLDERS, *};
use crate::config::{Config, Paths, Protocol, Provider, Secrets, load};

/// All of a guide in one text.
fn text(guide: &Guide) -> String {
    let mut text = format!("{}\n", guide.title);
    for step in &guide.steps {
        text += &format!("{}\n", step.title);
        for line in &step.lines {
            text += &match line {
                Line::Text(it) | Line::Link(it) | Line::Command(it) | Line::Setting(it) => {
                    format!("{it}\n")
                }
                Line::Value(name, value) => format!("{name}: {value}\n"),
            };
        }
    }
    text
}

fn config(folder: &Path, account: &str) -> Config {
    let file = folder.join("saslgate.toml");
    let listen = "[[listen]]\nprotocol = \"imap\"\n[[listen]]\nprotocol = \"smtp\"\n";
    std::fs::write(&file, format!("{listen}[[account]]\nlogin = \"scanner\"\n{account}")).unwrap();
    let paths = Paths::find(Some(&file), Some(&folder.join("state"))).unwrap();
    load(&paths, Secrets::Skip).unwrap_or_else(|error| panic!("{error}")).config
}

fn guide_of(provider: &str, more: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let account = format!(
        "mailbox = \"o'scan@example.ch\"\nprovider = \"{provider}\"\nclient_id = \"app-7\"\n{more}"
    );
    let config = config(folder.path(), &account);
    let provider = Provider::named(provider).unwrap();
    text(&Guide::of(&Subject::of(&config, &config.accounts[0], provider)))
}

#[test]
fn with_an_account_no_placeholder_is_left() {
    let tenant = "tenant = \"example.ch\"\n";
    let app_only = "tenant = \"example.ch\"\ngrant = \"client_credentials\"\nclient_secret = { env = \"X\" }\n";
    for (provider, more) in [
        ("microsoft365", tenant),
        ("microsoft365", app_only),
        ("microsoft365-gcc-high", tenant),
        ("microsoft365-dod", app_only),
        ("microsoft365-21vianet", tenant),
        ("outlook.com", ""),
        ("google", ""),
        ("yahoo", ""),
        ("aol", ""),
        ("fastmail", ""),
    ] {
        let text = guide_of(provider, more);
        for placeholder in PLACEHOLDERS {
            assert!(!text.contains(placeholder), "{provider}: {placeholder} in\n{text}");
        }
        let app_only = more.contains("grant");
        assert_eq!(text.contains(OBJECT_ID), app_only, "only Exchange's own id is not known here");
        assert!(text.contains("saslgate check scanner"), "{text}");
        // Without these no mail program gets in.
        assert!(text.contains("saslgate account password scanner"), "{text}");
        assert!(text.contains("saslgate run\n") && text.contains("saslgate reload"), "{text}");
        assert_eq!(text.contains("saslgate signin scanner"), !app_only, "{text}");
        assert!(!text.contains("[[account]]"), "it is there already: {text}");
    }
}

#[test]
fn without_an_account_placeholders_say_what_belongs_there() {
    for provider in Provider::all() {
        for app_only in [false, true] {
            if app_only && provider.app_only_grant().is_none() {
                continue;
            }
            let text = text(&Guide::of(&Subject::placeholder(provider, app_only)));
            assert!(text.contains("login = \"YOUR-LOGIN\""), "{text}");
            let setting = format!("provider = \"{}\"", provider.name());
            assert!(text.contains(&setting), "{text}");
        }
    }
}

#[test]
fn steps_are_for_the_protocols_in_use_and_the_accounts_own_scopes() {
    let text =
        guide_of("microsoft365", "tenant = \"example.ch\"\ntoken_owner = \"anna@example.ch\"\n");
    for expected in [
        "Permissions: IMAP.AccessAsUser.All, SMTP.Send, offline_access, openid, profile\n",
        "https://login.microsoftonline.com/example.ch/adminconsent?client_id=app-7\n",
        "Set-CASMailbox -Identity 'o''scan@example.ch' -ImapEnabled $true -SmtpClientAuthenticationDisabled $false\n",
        "Add-MailboxPermission -Identity 'o''scan@example.ch' -User 'anna@example.ch' -AccessRights FullAccess\n",
        "Add-RecipientPermission -Identity 'o''scan@example.ch' -Trustee 'anna@example.ch'",
        "Platform: Mobile and desktop applications\nRedirect URI: http://localhost\n",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(!text.contains("-PopEnabled $true"), "{text}");
    let confidential =
        guide_of("microsoft365-dod", "tenant = \"example.mil\"\nclient_secret = { env = \"X\" }\n");
    for expected in [
        "https://entra.microsoft.us\n",
        "Platform: Web (",
        "Connect-ExchangeOnline -ExchangeEnvironmentName O365USGovDoD\n",
    ] {
        assert!(confidential.contains(expected), "{expected} is not in\n{confidential}");
    }
}

#[test]
fn an_application_is_let_in_by_the_enterprise_applications_object_id() {
    let text =
        text(&Guide::of(&Subject::placeholder(Provider::named("microsoft365").unwrap(), true)));
    let order = [
        "Permissions: IMAP.AccessAsApp, POP.AccessAsApp, SMTP.SendAsApp",
        "/YOUR-TENANT/adminconsent?client_id=YOUR-CLIENT-ID",
        "ENTERPRISE APPLICATION",
        "Connect-ExchangeOnline\n",
        "New-ServicePrincipal -AppId 'YOUR-CLIENT-ID' -ObjectId '<OBJECT-ID",
        "Add-MailboxPermission -Identity 'YOUR-MAILBOX'",
        "Add-RecipientPermission",
        "Set-CASMailbox",
        "Set-TransportConfig",
        "grant = \"client_credentials\"",
    ];
    let places: Vec<Option<usize>> = order.iter().map(|it| text.find(it)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{text}");
}

#[test]
fn every_mailbox_is_opened() {
    let mut subject = Subject::placeholder(Provider::named("microsoft365").unwrap(), false);
    subject.shared = vec!["info@example.ch".into(), "shop@example.ch".into()];
    let delegated = text(&Guide::of(&subject));
    subject.app_only = true;
    for text in [delegated, text(&Guide::of(&subject))] {
        for mailbox in ["info@example.ch", "shop@example.ch"] {
            for command in ["Add-MailboxPermission", "Add-RecipientPermission", "Set-CASMailbox"] {
                assert!(
                    text.contains(&format!("{command} -Identity '{mailbox}'")),
                    "{command}\n{text}"
                );
            }
        }
    }
}

#[test]
fn a_guide_writes_a_configuration_that_is_right() {
    let folder = tempfile::tempdir().unwrap();
    for (name, app_only) in [
        ("microsoft365", false),
        ("outlook.com", false),
        ("google", false),
        ("aol", false),
        ("fastmail", false),
    ] {
        let provider = Provider::named(name).unwrap();
        let guide = Guide::of(&Subject::placeholder(provider, app_only));
        let lines = guide.steps.iter().flat_map(|step| &step.lines);
        let mut settings = String::new();
        for line in lines {
            if let Line::Setting(setting) = line
                && !setting.contains("[[")
                && !setting.starts_with("login")
            {
                settings += &format!(
                    "{}
",
                    setting.replace("YOUR-TENANT", "example.ch")
                );
            }
        }
        let config = config(folder.path(), &settings);
        assert_eq!(config.accounts[0].mailbox, "YOUR-MAILBOX");
        assert!(config.accounts[0].upstream(Protocol::Imap).is_some());
    }
}
