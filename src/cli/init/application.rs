//! Who the application is, and how it proves that. The hard thing is the secret: it is typed without an echo, goes to a file
//! that only its owner reads, and stands nowhere else.

use std::path::{Path, PathBuf};

use super::{
    InitArgs,
    ask::{Ask, Question, choice},
    certificate,
    conversation::{at_home, place_of},
    place::Place,
};
use crate::{
    cli::{Failure, cert, provider::show, terminal::remark},
    config::{Provider, refuse_shared, unfit_name},
    guide::{Guide, Subject},
    init::{Proof, file_name},
    platform,
    secret::Secret,
    signing_key::{ClientCertificate, ServiceAccountKey},
    tls,
};

/// Its id; empty where the key file says it.
pub(super) fn client_id(
    ask: &mut Ask,
    args: &InitArgs,
    provider: Provider,
    grant: &str,
) -> Result<Option<String>, Failure> {
    if grant == "service_account" {
        return Ok(Some(String::new()));
    }
    let about = match provider.name() {
        "google" => {
            "The application's id. Google Cloud console, APIs & Services, Credentials: Client ID."
        }
        "yahoo" | "aol" => "The application's id. Yahoo developer network, My Apps: Client ID.",
        "fastmail" => "The application's id, which Fastmail has sent you.",
        "custom" => "The application's id, as it is registered with the provider.",
        _ => {
            "The application's id. Entra admin centre, App registrations, the application, Overview: Application \
             (client) ID."
        }
    };
    let help = help(provider, grant != "refresh_token", "egister");
    let question =
        Question { flag: "--client-id", name: "Client id", about, default: None, help: &help };
    ask.text(&question, args.application.client_id.as_deref(), |text| {
        let fault = if text.is_empty() { Some(NO_CLIENT_ID) } else { unfit_name(text) };
        fault.map_or_else(|| Ok(text.to_owned()), |fault| Err(fault.to_owned()))
    })
}

/// How to come by an application: the guide's step about it, and where the others are.
fn help(provider: Provider, app_only: bool, about: &str) -> String {
    let guide = Guide::of(&Subject::placeholder(provider, app_only));
    let about = guide.steps.iter().find(|step| step.title.contains(about));
    let mut step = String::new();
    if let Some(about) = about {
        step = format!("{}\n", about.title);
        show::lines(&mut step, about);
        step.push('\n');
    }
    let app_only = if app_only { " --app-only" } else { "" };
    step + &format!(
        "saslgate is known to {} as an application that you register there once. In another window, this tells how, step \
         by step:\n  saslgate provider show {}{app_only}",
        provider.title(),
        provider.name()
    )
}

/// How it proves who it is, and a secret that was typed.
pub(super) type Proven = Option<(Proof, Option<Secret>)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    Secret,
    Certificate,
    New,
}

pub(super) fn proof(
    ask: &mut Ask,
    args: &InitArgs,
    place: &Place,
    (provider, grant): (Provider, &str),
    login: &str,
) -> Result<Proven, Failure> {
    if grant == "service_account" {
        return service_account(ask, args, place);
    }
    let app_only = grant != "refresh_token";
    let Some(kind) = kind(ask, args, provider, app_only)? else { return Ok(None) };
    match kind {
        Kind::Public => Ok(Some((Proof::Public, None))),
        Kind::Secret => secret(ask, args, place, provider, login).map(Some),
        Kind::Certificate => existing(ask, args, place, provider, app_only),
        Kind::New if !ask.is_complete() => Ok(None),
        Kind::New => {
            let [certificate, key] = certificate::make(place)?;
            if place.paths.is_of_system() {
                platform::give_to_service(&key).map_err(|error| cert::unwritten(&key, &error))?;
            }
            remark(certificate::upload(provider, &certificate));
            ask.wait("Press Enter when it is uploaded")?;
            Ok(Some((Proof::Certificate(certificate, Some(key)), None)))
        }
    }
}

fn kind(
    ask: &mut Ask,
    args: &InitArgs,
    provider: Provider,
    app_only: bool,
) -> Result<Option<Kind>, Failure> {
    let given = &args.application;
    let by_flag = [
        (given.public, Kind::Public),
        (given.client_secret_file.is_some(), Kind::Secret),
        (given.client_certificate.is_some(), Kind::Certificate),
        (given.new_client_certificate, Kind::New),
    ];
    if let Some((_, kind)) = by_flag.into_iter().find(|(is_given, _)| *is_given) {
        if kind == Kind::Public && app_only {
            return Err(Failure::mistake(
                "--public: an application that opens mailboxes by itself must prove who it is: give it a secret or a \
                 certificate",
            ));
        }
        return Ok(Some(kind));
    }
    if !ask.is_interactive() {
        if app_only {
            ask.misses(
                "--client-secret-file, --client-certificate or --new-client-certificate: how the application proves who \
                 it is",
            );
            return Ok(None);
        }
        return Ok(Some(Kind::Public));
    }
    let mut kinds = vec![
        (Kind::Public, "public"),
        (Kind::Secret, "secret"),
        (Kind::Certificate, "certificate"),
        (Kind::New, "new-certificate"),
    ];
    if app_only {
        kinds.remove(0);
    }
    remark("");
    for (index, (kind, name)) in kinds.iter().enumerate() {
        remark(format_args!("  {:>2}  {name:<16} {}", index + 1, words(*kind)));
    }
    let wants_secret = app_only || matches!(provider.name(), "google" | "yahoo" | "aol");
    let help = help(provider, app_only, "secret");
    let question = Question {
        flag: "--public, --client-secret-file, --client-certificate or --new-client-certificate",
        name: "The application has",
        about: "How the application proves to the provider who it is, as you have registered it.",
        default: Some(if wants_secret { "secret" } else { "public" }.to_owned()),
        help: &help,
    };
    ask.text(&question, None, |text| choice(&kinds, text, "a kind of application"))
}

fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Public => "nothing: a public client (Microsoft: mobile and desktop application)",
        Kind::Secret => "a client secret, which you paste here",
        Kind::Certificate => "a certificate, in a file here with its key",
        Kind::New => "a certificate, which saslgate makes now and you upload",
    }
}

fn secret(
    ask: &mut Ask,
    args: &InitArgs,
    place: &Place,
    provider: Provider,
    login: &str,
) -> Result<(Proof, Option<Secret>), Failure> {
    if let Some(file) = &args.application.client_secret_file {
        let file = &at_home(file);
        refuse_shared(file).map_err(Failure::mistake)?;
        if !place.paths.is_of_system() {
            return Ok((Proof::Secret(place_of(file)?), None));
        }
        // The service is another user, so it gets a file of its own.
        let text = std::fs::read(file)
            .map(Secret::new)
            .map_err(|error| Failure::mistake(platform::unreadable(file, &error)))?;
        let secret = Secret::new(text.expose().trim_ascii());
        let name = place.secret_name(&secret, &file_name(login));
        return Ok((Proof::Secret(Path::new("..").join(name)), Some(secret)));
    }
    let is_microsoft = provider.device_url().is_some();
    let about = if is_microsoft {
        "The application's secret. Entra admin centre, App registrations, the application, Certificates & secrets: Value."
    } else {
        "The application's client secret."
    };
    let help = help(provider, false, "secret");
    let question = Question {
        flag: "--client-secret-file",
        name: "Client secret",
        about,
        default: None,
        help: &help,
    };
    let secret = loop {
        let secret = ask.secret(&question)?;
        if !(is_microsoft && is_guid(secret.expose())) {
            break secret;
        }
        remark(
            "  That is the Secret ID. What is needed is the Value beside it, which is shown only once.",
        );
    };
    let name = place.secret_name(&secret, &file_name(login));
    Ok((Proof::Secret(Path::new("..").join(name)), Some(secret)))
}

/// Microsoft's secrets are never one, but their ids are.
fn is_guid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn existing(
    ask: &mut Ask,
    args: &InitArgs,
    place: &Place,
    provider: Provider,
    app_only: bool,
) -> Result<Proven, Failure> {
    let help = help(provider, app_only, "secret");
    let question = Question {
        flag: "--client-certificate",
        name: "Certificate",
        about: "The file of the certificate (PEM) that is registered with the application.",
        default: None,
        help: &help,
    };
    let given = args.application.client_certificate.as_deref().map(Path::to_string_lossy);
    let certificate = ask.text(&question, given.as_deref(), |text| {
        let certificate = there(text)?;
        tls::check_pem_certificate(&certificate).map_err(|error| error.to_string())?;
        Ok(certificate)
    })?;
    let Some(certificate) = certificate else { return Ok(None) };
    let key = if let Some(key) = &args.application.client_key {
        Some(place_of(key)?)
    } else if given.is_some() || !ask.is_interactive() {
        None
    } else {
        let question = Question {
            flag: "--client-key",
            name: "Its key",
            about: "The file of its private key (PEM); only you may read it.",
            default: Some(certificate.display().to_string()),
            help: "The certificate and its key may be in one file. An encrypted key needs client_key_passphrase in the \
                   configuration: see saslgate.example.toml.",
        };
        let key = ask.text(&question, None, |text| {
            let key = there(text)?;
            refuse_shared(&key)?;
            ClientCertificate::read(&certificate, &key, None)?;
            Ok(key)
        })?;
        key.filter(|key| *key != certificate)
    };
    let key_file = key.as_ref().unwrap_or(&certificate);
    refuse_shared(key_file).map_err(Failure::mistake)?;
    ClientCertificate::read(&certificate, key_file, None).map_err(Failure::mistake)?;
    for_service(place, key_file);
    Ok(Some((Proof::Certificate(certificate, key), None)))
}

fn service_account(ask: &mut Ask, args: &InitArgs, place: &Place) -> Result<Proven, Failure> {
    let question = Question {
        flag: "--service-account-key",
        name: "Key file",
        about: "The key file of the service account (JSON). Google Cloud console, IAM & Admin, Service Accounts, Keys.",
        default: None,
        help: "This tells how, step by step: saslgate provider show google --app-only",
    };
    let given = args.application.service_account_key.as_deref().map(Path::to_string_lossy);
    let key = ask.text(&question, given.as_deref(), |text| {
        let key = there(text)?;
        refuse_shared(&key)?;
        ServiceAccountKey::read(&key)?;
        Ok(key)
    })?;
    Ok(key.map(|key| {
        for_service(place, &key);
        (Proof::ServiceAccountKey(key), None)
    }))
}

/// A key is where its owner has put it, and stays whose it is.
fn for_service(place: &Place, key: &Path) {
    if place.paths.is_of_system() {
        remark(format_args!(
            "The service reads {0} as its own user: chown saslgate {0}",
            key.display()
        ));
    }
}

/// A file that is there.
fn there(text: &str) -> Result<PathBuf, String> {
    let path = std::path::absolute(at_home(Path::new(text))).map_err(|error| error.to_string())?;
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(path),
        Ok(_) => Err("is not a file".to_owned()),
        Err(error) => Err(format!("cannot be read: {}", platform::explain(&path, &error))),
    }
}

const NO_CLIENT_ID: &str =
    "is empty: write the application's id (client id), as the provider shows it";
