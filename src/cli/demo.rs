//! `saslgate demo`: the gateway in front of the in-memory provider, in one process. The hard thing is
//! that what it prints must work exactly as printed, so everything printed is made from what is in
//! force.

use std::{
    io::{self, IsTerminal as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::{
    Failure, Global,
    log::{self, LogLevel, no_color},
    run::{block_on, serve},
    terminal::{remark, say},
};
use crate::{
    account::password::{Passwords, generate},
    config::{
        AccountConfig, Authentication, Config, Deadlines, Grant, Limits, ListenConfig, ListenTls,
        OAuthConfig, Protocol, SigninRefusal, UpstreamConfig, UpstreamTlsMode, Verification,
    },
    demo::{Provider, view::View},
    secret::Secret,
    store::{Store, memory::MemoryStore},
    tap::Tap,
};

/// Shows the whole road in one process: a mail provider that only accepts OAuth 2.0, kept in memory;
/// saslgate in front of it; and, for whatever mail program you point at it, both conversations live.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  saslgate demo\n  saslgate demo --port 2143 --quiet")]
pub struct DemoArgs {
    /// Local port for mail programs; another is chosen if it is taken
    #[arg(long, value_name = "PORT", default_value_t = 1143)]
    port: u16,
    /// Do not show the conversations
    #[arg(long)]
    quiet: bool,
}

/// Runs the demo until Ctrl-C.
///
/// # Errors
/// A port cannot be opened.
pub fn run(args: &DemoArgs, global: &Global) -> Result<(), Failure> {
    // The conversations tell better what the log tells at its usual level.
    let quieter = if args.quiet { LogLevel::Info } else { LogLevel::Warn };
    let level = if global.log_level == LogLevel::Info { quieter } else { global.log_level };
    log::init(level, global.log_format);
    block_on(demo(args))?
}

async fn demo(args: &DemoArgs) -> Result<(), Failure> {
    let fault = |error: io::Error| Failure::fault(format!("the demo cannot start: {error}"));
    let provider = Provider::start(LOGIN).await.map_err(fault)?;
    let config = config(&provider, free_port(args.port));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let password = generate().map_err(fault)?;
    set_password(&store, &config, &password).await?;
    let tap = if args.quiet { None } else { Some(view(&password).map_err(fault)?) };
    let ready = |address| introduce(address, &password, args);
    let ended = start_gateway(Arc::new(config), store, tap, ready).await;
    provider.stop().await;
    ended
}

/// Serves until Ctrl-C; `ready` hears the port.
async fn start_gateway(
    config: Arc<Config>,
    store: Arc<dyn Store>,
    tap: Option<Arc<dyn Tap>>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Failure> {
    serve(config, store, tap, |listeners| {
        let address = listeners.first().and_then(|listener| listener.local_addr().ok());
        if let Some(address) = address {
            ready(address);
        }
    })
    .await
}

async fn set_password(
    store: &Arc<dyn Store>,
    config: &Config,
    password: &Secret,
) -> Result<(), Failure> {
    let passwords = Passwords::new(Arc::clone(store))
        .map_err(|error| Failure::fault(format!("the demo cannot start: {error}")))?;
    for account in &config.accounts {
        let set = passwords.set(account, "demo", password).await;
        set.map_err(|error| Failure::fault(format!("the demo has no password: {error}")))?;
    }
    Ok(())
}

fn view(password: &Secret) -> io::Result<Arc<dyn Tap>> {
    let colours = io::stdout().is_terminal() && !no_color();
    Ok(Arc::new(View::new(LOGIN, password, colours, io::stdout())?))
}

/// The port that was asked for, or 0 for any if something else has it.
fn free_port(wanted: u16) -> u16 {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)) {
        Ok(_) => wanted,
        Err(error) => {
            remark(format_args!("Port {wanted} cannot be used ({error}): another one is chosen."));
            0
        }
    }
}

fn config(provider: &Provider, port: u16) -> Config {
    let account = AccountConfig {
        login: LOGIN.to_owned(),
        mailbox: LOGIN.to_owned(),
        oauth: Some(OAuthConfig {
            token_url: provider.token_url.clone(),
            client_id: provider.client_id.clone(),
            client_secret: Some(provider.client_secret.clone()),
            scopes: Vec::new(),
            grant: Grant::ClientCredentials,
            ca_file: None,
            fresh_percent: 50,
        }),
        mechanism: None,
        imap: Some(UpstreamConfig {
            host: provider.imap.ip().to_string(),
            port: provider.imap.port(),
            mode: UpstreamTlsMode::Implicit,
            verification: Verification::Pin { sha256: provider.certificate_sha256 },
            authentication: Authentication::OAuth,
            connection_limit: 20,
            presumed_extensions: Vec::new(),
        }),
        pop3: None,
        smtp: None,
        hide_capabilities: Vec::new(),
    };
    Config {
        listeners: vec![ListenConfig {
            protocol: Protocol::Imap,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            tls: ListenTls::None,
            obsolete_auth_line: false,
        }],
        accounts: vec![Arc::new(account)],
        limits: Limits::default(),
        deadlines: Deadlines { shutdown: Duration::from_secs(2), ..Deadlines::default() },
        // Nothing is kept.
        state_folder: PathBuf::new(),
        signin_refusal: SigninRefusal::default(),
    }
}

/// Prints how to connect.
fn introduce(address: SocketAddr, password: &Secret, args: &DemoArgs) {
    let password = String::from_utf8_lossy(password.expose());
    // Whoever has closed the output has chosen not to read it.
    let _ = say(introduction(address, &password, args.quiet));
}

fn introduction(address: SocketAddr, password: &str, quiet: bool) -> String {
    let (host, port) = (address.ip(), address.port());
    let user = format!("--user '{LOGIN}:{password}'");
    let url = format!("imap://{host}:{port}");
    let ending = if quiet {
        "Ctrl-C ends the demo."
    } else {
        "Both conversations of each connection follow; secrets are replaced by their names.\n\
         Ctrl-C ends the demo."
    };
    format!(
        "\
The demo's provider accepts access tokens only; saslgate stands in front of it.

In a mail program (incoming mail, IMAP):
  server    {host}
  port      {port}
  security  none: the demo listens on this machine only
  user      {LOGIN}
  password  {password}

Or paste these into another terminal:
  # the folders
  curl {user} '{url}/'
  # the first message
  curl {user} '{url}/INBOX;MAILINDEX=1'
  # which messages are not read yet
  curl {user} '{url}/INBOX?UNSEEN'
  # flag the second one
  curl {user} '{url}/INBOX' -X 'STORE 2 +FLAGS (\\Flagged)'
  # file a message
  printf 'Subject: Hello\\r\\n\\r\\nFiled with curl.\\r\\n' > hello.eml
  curl {user} -T hello.eml '{url}/INBOX'
  # the same with Python
  python3 -c \"import imaplib; m = imaplib.IMAP4('{host}', {port}); m.login('{LOGIN}', '{password}'); \
m.select(); print(m.search(None, 'ALL'))\"

{ending}
"
    )
}

/// Whose mailbox the provider has.
const LOGIN: &str = "demo@example.org";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_fits_what_is_in_force() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 4711));
        let text = introduction(address, "abcd-efgh", false);
        let curls: Vec<_> = text.lines().filter(|line| line.starts_with("  curl ")).collect();
        assert_eq!(curls.len(), 5);
        for line in curls {
            assert!(line.contains(" --user 'demo@example.org:abcd-efgh' "), "{line}");
            assert!(line.contains("'imap://127.0.0.1:4711/"), "{line}");
        }
        assert!(
            text.contains("IMAP4('127.0.0.1', 4711); m.login('demo@example.org', 'abcd-efgh')")
        );
    }

    #[test]
    fn a_taken_port_is_replaced() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert_eq!(free_port(taken.local_addr().unwrap().port()), 0);
    }

    #[tokio::test]
    async fn the_account_has_the_password_and_the_providers_addresses() {
        let provider = Provider::start(LOGIN).await.unwrap();
        let config = config(&provider, 1143);
        let imap = config.accounts[0].imap.as_ref().unwrap();
        assert_eq!(imap.to_string(), provider.imap.to_string());
        assert_eq!(imap.verification, Verification::Pin { sha256: provider.certificate_sha256 });

        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let password = generate().unwrap();
        set_password(&store, &config, &password).await.unwrap();
        let passwords = Passwords::new(store).unwrap();
        let verified = passwords.verify(Some(&config.accounts[0]), &password, None).await.unwrap();
        assert_eq!(verified.unwrap().name, "demo");
    }
}
