//! `saslgate init`: a mailbox, from nothing to the settings of the mail program. The hard thing is to be stopped anywhere and
//! go on from there: what is done stays, and the same command again does what is left.

mod application;
mod ask;
mod certificate;
mod check;
mod conversation;
mod custom;
mod finish;
mod place;
mod ports;
mod unused;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(super) use self::finish::is_service;
use self::{ask::Ask, place::Place};
use super::{Failure, Global, account, terminal::remark};
use crate::{
    config::{Protocol, Secrets},
    init::ServerAnswer,
};

/// Set up a mailbox: questions, sign-in, check, and what to type into the mail program
///
/// Asks what it needs to know and does not know from flags. Writes a first configuration if there is none, and the account
/// into a file of its own (accounts.d/ADDRESS.toml); what is there already is never changed. Then it makes a local
/// password, lets you sign in, checks every server, and prints the settings for the mail program. The same command
/// again goes on where it was left.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct InitArgs {
    /// The mailbox's address; the mail program logs in with it
    address: Option<String>,
    /// Ask nothing: what is not known from flags and has no default is an error
    #[arg(long)]
    non_interactive: bool,
    /// Whose mailbox it is: microsoft365, google, …; `saslgate provider list` has all names [default: by the address]
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Microsoft's tenant: a domain of the organization, or its id [default: the address's domain]
    #[arg(long)]
    tenant: Option<String>,
    /// How tokens come about
    #[arg(long, value_enum, value_name = "WAY")]
    sign_in: Option<SignInWay>,
    /// Do not open the browser: only print the link
    #[arg(long)]
    no_open: bool,
    /// Whose sign-in it must be, where it is not the address's [default: the address]
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<String>,
    /// Which mailbox is opened, where it is not the address [default: the address]
    #[arg(long)]
    mailbox: Option<String>,
    #[command(flatten)]
    application: ApplicationArgs,
    #[command(flatten)]
    custom: CustomArgs,
    #[command(flatten)]
    ports: PortArgs,
    /// Send a test mail to the address itself at the check
    #[arg(long, conflicts_with = "no_test_mail")]
    test_mail: bool,
    /// Send no test mail
    #[arg(long)]
    no_test_mail: bool,
}

/// The application, as it is registered with the provider.
#[derive(Debug, Args)]
#[command(next_help_heading = "The application")]
struct ApplicationArgs {
    /// Its id (client id)
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// It is a public client: it has neither a secret nor a certificate
    #[arg(long, conflicts_with_all = ["client_secret_file", "client_certificate", "new_client_certificate"])]
    public: bool,
    /// It has a secret, in this file (mode 600)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["client_certificate", "new_client_certificate"])]
    client_secret_file: Option<PathBuf>,
    /// It has a certificate: PEM
    #[arg(long, value_name = "FILE")]
    client_certificate: Option<PathBuf>,
    /// The certificate's key: PEM, mode 600 [default: in the certificate's file]
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    client_key: Option<PathBuf>,
    /// Make a certificate and its key, to be uploaded to the provider
    #[arg(long, conflicts_with = "client_certificate")]
    new_client_certificate: bool,
    /// Google, app-only: the key file of the service account (JSON)
    #[arg(long, value_name = "FILE")]
    service_account_key: Option<PathBuf>,
    /// The redirect address that is registered [default: the provider's usual one]
    #[arg(long, value_name = "URL")]
    redirect_uri: Option<String>,
}

/// A provider that saslgate does not know.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --provider custom")]
struct CustomArgs {
    /// What the provider calls itself: it is asked for its addresses, once
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Where it gives out tokens [default: what it says itself]
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// Where people sign in [default: what it says itself]
    #[arg(long, value_name = "URL")]
    authorization_url: Option<String>,
    /// Scopes that open the mailbox, with blanks between them
    #[arg(long)]
    scopes: Option<String>,
    /// Certificates to believe beside the system's (PEM)
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The IMAP server
    #[arg(long, value_name = "HOST[:PORT]", value_parser = server)]
    imap_server: Option<ServerAnswer>,
    /// The POP3 server
    #[arg(long, value_name = "HOST[:PORT]", value_parser = server)]
    pop3_server: Option<ServerAnswer>,
    /// The server for outgoing mail
    #[arg(long, value_name = "HOST[:PORT]", value_parser = server)]
    smtp_server: Option<ServerAnswer>,
}

/// Ports for mail programs, where there is no configuration yet.
#[derive(Debug, Args)]
#[command(next_help_heading = "Local ports, for a first configuration")]
struct PortArgs {
    /// What mail programs speak: imap, pop3, smtp [default: imap,smtp]
    #[arg(long, value_name = "LIST")]
    protocols: Option<String>,
    /// For IMAP [default: 1143, or the next one that is free]
    #[arg(long, value_name = "PORT")]
    imap_port: Option<u16>,
    /// For POP3 [default: 1110, or the next one that is free]
    #[arg(long, value_name = "PORT")]
    pop3_port: Option<u16>,
    /// For SMTP [default: 1587, or the next one that is free]
    #[arg(long, value_name = "PORT")]
    smtp_port: Option<u16>,
}

/// How tokens come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SignInWay {
    /// A person signs in, in a browser on this machine
    Browser,
    /// A person signs in, in a browser anywhere, and pastes the address that it shows in the end
    Paste,
    /// A person enters a code in a browser anywhere
    Device,
    /// Nobody signs in: the application itself may open the mailbox
    AppOnly,
    /// A person signs in later, with `saslgate signin`
    Later,
}

impl SignInWay {
    fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Paste => "paste",
            Self::Device => "device",
            Self::AppOnly => "app-only",
            Self::Later => "later",
        }
    }
}

fn server(text: &str) -> Result<ServerAnswer, String> {
    text.parse().map_err(|error: crate::init::UnfitServer| error.to_string())
}

impl CustomArgs {
    fn server(&self, protocol: Protocol) -> Option<&ServerAnswer> {
        match protocol {
            Protocol::Imap => self.imap_server.as_ref(),
            Protocol::Pop3 => self.pop3_server.as_ref(),
            Protocol::Smtp => self.smtp_server.as_ref(),
        }
    }
}

/// Runs `saslgate init`.
///
/// # Errors
/// An answer is missing or wrong, something cannot be written, or a step after that fails: then what is left is said.
pub fn run(args: &InitArgs, global: &Global) -> Result<(), Failure> {
    let mut ask = Ask::new(!args.non_interactive)?;
    let place = Place::find(global)?;
    let login = conversation::address(&mut ask, args, &place)?;
    let known = login.as_deref().and_then(|login| place.known(login));
    let (login, way) = if let Some(login) = known {
        remark(format_args!(
            "{login} is in the configuration already ({}), which stays as it is. What is left is done now.",
            place.paths.config.display()
        ));
        let config = place.global(global).load(Secrets::Of(login.clone()))?.config;
        let account = account::find(&config, &login)?;
        tell_unused(&unused::unused(args, &config, &account), &place);
        (login, args.sign_in)
    } else {
        let told = conversation::hold(&mut ask, args, &place, login)?;
        ask.finish()?;
        // Nothing is missing any more.
        let Some(told) = told else { return Err(Failure::mistake("something has no answer yet")) };
        place.write(&told)?;
        if let Some(config) = &place.existing {
            tell_unused(&unused::unused_ports(args, config), &place);
        }
        (told.answers.login, Some(told.way))
    };
    finish::finish(&ask, args, &place.global(global), &login, way)
}

fn tell_unused(flags: &[String], place: &Place) {
    if !flags.is_empty() {
        remark(format_args!(
            "Not used, since the configuration says otherwise and is never changed: {}. To change one, edit {} (ports) or \
             the account's own file.",
            flags.join(", "),
            place.paths.config.display()
        ));
    }
}

const EXAMPLES: &str = "\
Examples:
  saslgate init
  saslgate init me@example.com
  saslgate init me@example.com --non-interactive --provider microsoft365 \\
      --client-id 11111111-2222-3333-4444-555555555555 --sign-in paste
  saslgate init scan@example.com --non-interactive --provider microsoft365 --sign-in app-only \\
      --client-id 11111111-2222-3333-4444-555555555555 --client-secret-file secret";
