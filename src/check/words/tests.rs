use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use serde_json::Value;
use strum::VariantNames;

use super::*;
use crate::check::examples;

const LANGUAGES: [Language; 2] = [Language::En, Language::De];

fn about(provider: &'static str) -> About {
    let tenant = "example.ch".to_owned();
    About {
        login: "scanner".to_owned(),
        token_of: "scanner".to_owned(),
        place: String::new(),
        provider,
        mailboxes: Protocol::ALL.map(|protocol| (protocol, "info@example.ch".to_owned())).into(),
        owner: Some("anna@example.ch".to_owned()),
        own: None,
        client_id: "11111111-2222-3333-4444-555555555555".to_owned(),
        tenant: Some(tenant.clone()),
        token_url: Some(format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token")),
        proxy: None,
        redirect_uri: Some("http://localhost".to_owned()),
        scopes: vec!["https://outlook.office.com/IMAP.AccessAsUser.All".to_owned()],
        app_only: false,
        proof: None,
        grant: Some("refresh_token"),
    }
}

/// Somebody who asks in each of the ways that change what there is to do.
fn abouts() -> Vec<About> {
    let work = about("microsoft365");
    let elsewhere = |provider, url: &str| About {
        provider,
        tenant: None,
        token_url: Some(url.to_owned()),
        ..work.clone()
    };
    let google = elsewhere("google", "https://oauth2.googleapis.com/token");
    let app = About {
        app_only: true,
        owner: None,
        proof: Some("client_certificate"),
        grant: Some("client_credentials"),
        ..work.clone()
    };
    vec![
        app.clone(),
        About { proof: Some("federated_token_file"), ..app },
        About { grant: Some("password"), proof: Some("client_secret"), ..work.clone() },
        About { provider: "outlook.com", tenant: Some("consumers".to_owned()), ..work.clone() },
        About { app_only: true, grant: Some("service_account"), ..google.clone() },
        google,
        elsewhere("custom", "https://login.example.org/token"),
        elsewhere("yahoo", "https://api.login.yahoo.com/oauth2/get_token"),
        About { token_url: None, client_id: String::new(), grant: None, ..work.clone() },
        work,
    ]
}

fn all(words: &Words) -> String {
    let mut text = words.what.clone();
    for remedy in &words.remedy {
        text.push('\n');
        text.push_str(&remedy.text);
        for line in &remedy.lines {
            text.push('\n');
            text.push_str(line);
        }
    }
    text
}

/// Strings and numbers; what has a form of its own in words is left out.
fn parameters(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(values) => values.iter().for_each(|value| parameters(value, found)),
        Value::Object(map) => {
            for (name, value) in map {
                match name.as_str() {
                    "id" | "expires" => {}
                    "protocol" => found.push(value.as_str().unwrap().to_ascii_uppercase()),
                    _ => parameters(value, found),
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[test]
fn there_is_an_example_of_every_finding() {
    let seen: BTreeSet<&str> = examples::findings().iter().map(Finding::id).collect();
    let known: BTreeSet<&str> = Finding::VARIANTS.iter().copied().collect();
    assert_eq!(seen, known);
}

#[test]
fn every_finding_says_what_it_knows_in_both_languages() {
    for about in abouts() {
        for finding in examples::findings() {
            let mut expected = Vec::new();
            parameters(&serde_json::to_value(&finding).unwrap(), &mut expected);
            for language in LANGUAGES {
                let words = of(&finding, &about, language);
                let text = all(&words);
                for value in &expected {
                    assert!(text.contains(value), "{value} is not in {language:?}: {text}");
                }
                assert!(words.what.ends_with(['.', '!']) || words.what.contains(": "), "{text}");
                for said in words.remedy.iter().map(|it| &it.text).chain([&words.what]) {
                    assert!(!said.contains(['{', '}', '\n']), "{said}");
                    assert!(!said.contains("  "), "{said}");
                    assert!(!said.contains(" ."), "{said}");
                }
                for remedy in &words.remedy {
                    let colon = remedy.text.ends_with(':');
                    assert!(colon || remedy.text.ends_with('.'), "{}", remedy.text);
                    assert!(!remedy.lines.iter().any(String::is_empty), "{}", remedy.text);
                    assert!(!colon || !remedy.lines.is_empty(), "{}", remedy.text);
                }
            }
        }
    }
}

#[test]
fn languages_differ_in_words_and_not_in_commands() {
    for about in abouts() {
        for finding in examples::findings() {
            let [en, de] = LANGUAGES.map(|language| of(&finding, &about, language));
            assert_ne!(en.what, de.what);
            assert_eq!(en.remedy.len(), de.remedy.len());
            for (en, de) in en.remedy.iter().zip(&de.remedy) {
                assert_ne!(en.text, de.text);
                assert_eq!(en.lines, de.lines);
            }
        }
    }
}

#[test]
fn only_what_is_not_green_says_what_to_do() {
    for about in abouts() {
        for finding in examples::findings() {
            let words = of(&finding, &about, Language::En);
            // Microsoft's page explains a number; without one there is nothing but the provider's text.
            assert_eq!(
                words.remedy.is_empty(),
                finding.light() == Light::Green,
                "{finding:?} {}",
                about.provider
            );
        }
    }
}

#[test]
fn codes_can_be_searched_for() {
    let about = about("microsoft365");
    for finding in examples::findings() {
        let json = serde_json::to_value(&finding).unwrap();
        if let Some(code) = json.get("code").and_then(Value::as_u64) {
            for language in LANGUAGES {
                assert!(of(&finding, &about, language).what.contains(&format!("(AADSTS{code})")));
            }
        }
    }
}

#[track_caller]
fn lines_of(finding: &Finding, about: &About) -> Vec<String> {
    of(finding, about, Language::De).remedy.into_iter().flat_map(|it| it.lines).collect()
}

#[test]
fn commands_have_the_accounts_own_values() {
    const APP: &str = "11111111-2222-3333-4444-555555555555";
    let work = about("microsoft365");
    let app = abouts().swap_remove(0);
    let mailbox = "info@example.ch".to_owned();
    let text = String::new();
    assert_eq!(lines_of(&Finding::SignInMissing, &work), ["saslgate signin scanner"]);
    assert_eq!(
        lines_of(&Finding::AdminConsentMissing { code: None }, &app),
        [format!("https://login.microsoftonline.com/example.ch/adminconsent?client_id={APP}")]
    );
    let permission = Finding::MailboxPermissionMissing { mailbox: mailbox.clone(), text };
    assert_eq!(
        lines_of(&permission, &work)[..2],
        [
            "Connect-ExchangeOnline",
            "Add-MailboxPermission -Identity 'info@example.ch' -User 'anna@example.ch' \
             -AccessRights FullAccess"
        ]
    );
    assert!(lines_of(&permission, &app)[1].contains("<OBJECT-ID-OF-THE-ENTERPRISE-APPLICATION>"));
    let off = Finding::ProtocolOff { protocol: Protocol::Imap, mailbox, text: String::new() };
    assert_eq!(
        lines_of(&off, &work)[1],
        "Set-CASMailbox -Identity 'info@example.ch' -ImapEnabled $true"
    );
    assert_eq!(
        lines_of(&Finding::SecretMissing, &app)[0],
        "client_secret = { file = \"client-secret\" }"
    );
    // It has one, wherever that is: a line of ours would not be the account's own.
    assert!(lines_of(&Finding::SecretExpired, &work)[0].starts_with("https://"));
}

#[test]
fn another_provider_is_not_told_of_microsofts_pages() {
    let person = abouts().into_iter().find(|about| about.provider == "custom").unwrap();
    let app = About {
        app_only: true,
        owner: None,
        proof: Some("client_certificate"),
        grant: Some("client_credentials"),
        ..person.clone()
    };
    for about in [person, app] {
        for finding in [
            Finding::ScopeMissing { protocol: Protocol::Imap, scope: "mail".into(), has: vec![] },
            Finding::RoleMissing { protocol: Protocol::Imap, role: "mail".into(), has: vec![] },
            Finding::AudienceWrong { audience: "a".into(), expected: "b".into() },
            Finding::ScopeWrong { code: None },
            Finding::ClientIdWrong { code: None },
            Finding::AdminConsentMissing { code: None },
            Finding::AssertionRefused { code: None },
        ] {
            for language in LANGUAGES {
                let text = all(&of(&finding, &about, language));
                for page in [
                    "API permissions",
                    "API-Berechtigungen",
                    "Office 365",
                    "usual ones",
                    "üblichen",
                    "Certificates &",
                    "Zertifikate &",
                    "microsoftonline",
                    "Entra",
                ] {
                    assert!(!text.contains(page), "{page}: {text}");
                }
            }
        }
    }
}

#[test]
fn a_secret_is_the_last_thing_to_ask_of_people_and_the_only_one_of_applications() {
    let first = |about: &About| of(&Finding::SecretMissing, about, Language::En).remedy;
    let person = first(&about("microsoft365"));
    assert!(person[0].text.starts_with("Make the application public"), "{}", person[0].text);
    assert!(person[1].text.starts_with("Or, if"), "{}", person[1].text);
    let app = first(&abouts().swap_remove(0));
    assert_eq!(app.len(), 1);
    assert!(app[0].text.starts_with("Make a secret"), "{}", app[0].text);
}

#[test]
fn policies_are_eased_for_whom_there_is() {
    let app = abouts().swap_remove(0);
    for finding in
        [Finding::ConditionalAccess { code: None }, Finding::PolicyForbids { text: String::new() }]
    {
        for language in LANGUAGES {
            let text = all(&of(&finding, &app, language));
            assert!(!text.contains(&app.token_of) && text.contains(&app.client_id), "{text}");
        }
    }
}

#[test]
fn a_firewall_opens_the_port_that_is_asked() {
    let url = Some("https://login.example.org:8443/token".to_owned());
    let about = About { token_url: url, ..about("custom") };
    let finding = Finding::EndpointUnreachable { host: "h".to_owned(), text: "t".to_owned() };
    let port = lines_of(&finding, &about).into_iter().any(|line| line.ends_with(" 8443"));
    assert!(port);
}

#[test]
fn words_of_ours_are_translated_or_said_to_be_english() {
    let text = "(it repeated the credential)".to_owned();
    let finding = Finding::TokenRefused { user: "u".to_owned(), text };
    let said = of(&finding, &about("custom"), Language::De).what;
    assert!(said.ends_with("(er wiederholt die Zugangsdaten)"), "{said}");
    let offered = "AUTH PLAIN; and says to AUTH XOAUTH2: 504 5.7.4".to_owned();
    let said = of(&Finding::MechanismMissing { offered }, &about("custom"), Language::De).what;
    assert!(said.contains("; und antwortet auf AUTH XOAUTH2: 504"), "{said}");
    let text = "answers with HTTP 400 and no OAuth error".to_owned();
    let finding = Finding::NoOauthAnswer { status: Some(400), text };
    assert!(of(&finding, &about("custom"), Language::De).what.contains("auf Englisch: it answers"));
}

#[test]
fn only_whoever_signs_in_is_told_to() {
    for about in abouts() {
        let signs_in = about.grant == Some("refresh_token");
        for finding in examples::findings() {
            for remedy in of(&finding, &about, Language::En).remedy {
                let changes = remedy.lines.iter().any(|line| line.starts_with("grant = "));
                let asked = remedy.lines.iter().any(|line| line.starts_with("saslgate signin"));
                assert!(!asked || signs_in || changes, "{finding:?} {:?}", about.grant);
            }
        }
    }
}

#[test]
fn a_borrower_is_told_to_sign_in_as_the_owner_of_the_tokens() {
    let borrower = About { token_of: "anna".to_owned(), owner: None, ..about("microsoft365") };
    assert_eq!(lines_of(&Finding::SignInMissing, &borrower), ["saslgate signin anna"]);
    let words = of(&Finding::SignInMissing, &borrower, Language::En);
    assert_eq!(words.what, "anna has not signed in yet.");
    // Its local password is its own.
    let password = lines_of(&Finding::LocalPasswordMissing, &borrower);
    assert_eq!(password, ["saslgate account password scanner"]);
}

#[test]
fn a_login_in_a_command_is_one_argument() {
    let token_of = r"anna\info; rm 'x'".to_owned();
    let about = About { token_of, ..about("microsoft365") };
    let expected = if cfg!(windows) {
        r#"saslgate signin "anna\info; rm 'x'""#
    } else {
        r"saslgate signin 'anna\info; rm '\''x'\'''"
    };
    assert_eq!(lines_of(&Finding::SignInMissing, &about), [expected]);
}

#[test]
fn words_of_a_server_cannot_steer_a_terminal() {
    let text = format!("\x1b[2J\r\n{}", "a".repeat(10_000));
    for language in LANGUAGES {
        let finding = Finding::MailRefused { text: text.clone() };
        let what = of(&finding, &about("custom"), language).what;
        assert!(what.len() < 500 && !what.contains(char::is_control), "{what}");
    }
}

#[test]
fn steps_have_titles() {
    let kinds = [
        StepKind::Configuration,
        StepKind::LocalSide,
        StepKind::Resolve,
        StepKind::Connect,
        StepKind::Tls,
        StepKind::Credential,
        StepKind::Claims,
        StepKind::Login,
        StepKind::Inbox,
        StepKind::Mail,
        StepKind::Arrival,
    ];
    for kind in kinds {
        let [en, de] = LANGUAGES.map(|it| title(kind, &[Protocol::Imap, Protocol::Pop3], it));
        assert_ne!(en, de);
    }
    assert_eq!(title(StepKind::Login, &[Protocol::Imap], Language::En), "IMAP login");
    assert_eq!(title(StepKind::Login, &[Protocol::Imap], Language::De), "IMAP-Anmeldung");
    let both = [Protocol::Imap, Protocol::Pop3];
    assert_eq!(
        title(StepKind::Tls, &both, Language::De),
        "TLS und Zertifikat des IMAP/POP3-Servers"
    );
}

#[test]
fn a_certificates_end_is_said() {
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let finding = Finding::CertificateEndsSoon { host: "h".to_owned(), expires };
    for language in LANGUAGES {
        assert!(of(&finding, &about("custom"), language).what.contains("2027-01-15T08:00:00Z"));
    }
}
