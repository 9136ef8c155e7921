//! `saslgate demo`: the gateway in front of the in-memory provider, in one process. The hard thing is
//! that what it prints must work exactly as printed, so everything printed is made from what is in
//! force.

mod introduction;

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
    run::{Options, block_on, serve},
    terminal::{remark, say},
};
use crate::{
    account::password::{Passwords, generate},
    config::{
        AccountConfig, Authentication, ClientAuthentication, Config, Deadlines, Grant, Hooks,
        Limits, ListenConfig, ListenTls, OAuthConfig, Protocol, ServiceConfig, SigninRefusal,
        UpstreamConfig, UpstreamTlsMode, Verification,
    },
    demo::{Provider, SMTP_EXTENSIONS, view::View},
    secret::Secret,
    store::{Store, memory::MemoryStore},
    tap::Tap,
};

/// Shows the whole road in one process: a mail provider that only accepts OAuth 2.0, kept in memory;
/// saslgate in front of it; and, for whatever mail program you point at it, both conversations live.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  saslgate demo\n  saslgate demo --imap-port 2143 --quiet")]
pub struct DemoArgs {
    /// Local port for mail programs that read by IMAP; another is chosen if it is taken
    #[arg(long, alias = "port", value_name = "PORT", default_value_t = 1143)]
    imap_port: u16,
    /// Local port for those that read by POP3
    #[arg(long, value_name = "PORT", default_value_t = 1110)]
    pop3_port: u16,
    /// Local port for those that send, by SMTP
    #[arg(long, value_name = "PORT", default_value_t = 1587)]
    smtp_port: u16,
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
    let ports = free_ports([args.imap_port, args.pop3_port, args.smtp_port]);
    let config = config(&provider, ports);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let password = generate().map_err(fault)?;
    set_password(&store, &config, &password).await?;
    let tap = if args.quiet { None } else { Some(view(&password).map_err(fault)?) };
    let ready = |ports: Ports| {
        let password = String::from_utf8_lossy(password.expose());
        // Whoever has closed the output has chosen not to read it.
        let _ = say(introduction::introduction(&ports, &password, args.quiet));
    };
    let ended = start_gateway(Arc::new(config), store, tap, ready).await;
    provider.stop().await;
    ended
}

/// Where mail programs find the gateway.
#[derive(Debug)]
struct Ports {
    imap: SocketAddr,
    pop3: SocketAddr,
    smtp: SocketAddr,
}

/// Serves until Ctrl-C; `ready` hears the ports.
async fn start_gateway(
    config: Arc<Config>,
    store: Arc<dyn Store>,
    tap: Option<Arc<dyn Tap>>,
    ready: impl FnOnce(Ports),
) -> Result<(), Failure> {
    serve(config, store, Options { tap, ..Options::default() }, |listeners| {
        // In the order of the configuration.
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok());
        if let [imap, pop3, smtp] = *addresses.collect::<Vec<_>>() {
            ready(Ports { imap, pop3, smtp });
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

/// The ports that were asked for; 0, for any, in place of those that something else has.
fn free_ports(wanted: [u16; 3]) -> [u16; 3] {
    // All are held until the last is tried, so that none is found free twice.
    wanted.map(|port| (port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)))).map(
        |(port, bound)| match bound {
            Ok(_) => port,
            Err(error) => {
                remark(format_args!("Port {port} cannot be used ({error}): another is chosen."));
                0
            }
        },
    )
}

fn config(provider: &Provider, ports: [u16; 3]) -> Config {
    let account = AccountConfig {
        login: LOGIN.to_owned(),
        mailbox: LOGIN.to_owned(),
        oauth: Some(OAuthConfig {
            client_authentication: ClientAuthentication::Secret(provider.client_secret.clone()),
            ..OAuthConfig::new(
                provider.token_url.clone(),
                provider.client_id.clone(),
                Grant::ClientCredentials,
            )
        }),
        external_token: None,
        mechanism: None,
        imap: Some(upstream(provider, provider.imap, &[])),
        pop3: Some(upstream(provider, provider.pop3, &[])),
        smtp: Some(upstream(provider, provider.smtp, &SMTP_EXTENSIONS)),
        hide_capabilities: Vec::new(),
        provider: "custom",
    };
    let listen = |(protocol, port)| ListenConfig {
        protocol,
        address: (Ipv4Addr::LOCALHOST, port).into(),
        tls: ListenTls::None,
        obsolete_auth_line: false,
    };
    let protocols = [Protocol::Imap, Protocol::Pop3, Protocol::Smtp];
    Config {
        listeners: protocols.into_iter().zip(ports).map(listen).collect(),
        accounts: vec![Arc::new(account)],
        limits: Limits::default(),
        deadlines: Deadlines { shutdown: Duration::from_secs(2), ..Deadlines::default() },
        // Nothing is kept.
        state_folder: PathBuf::new(),
        signin_refusal: SigninRefusal::default(),
        service: ServiceConfig::default(),
        hooks: Hooks::default(),
    }
}

fn upstream(provider: &Provider, address: SocketAddr, extensions: &[&str]) -> UpstreamConfig {
    UpstreamConfig {
        host: address.ip().to_string(),
        port: address.port(),
        mode: UpstreamTlsMode::Implicit,
        verification: Verification::Pin { sha256: provider.certificate_sha256 },
        authentication: Authentication::OAuth,
        connection_limit: 20,
        presumed_extensions: extensions.iter().map(|&keyword| keyword.to_owned()).collect(),
    }
}

/// Whose mailbox the provider has.
const LOGIN: &str = "demo@example.org";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::password::{Checked, Origin};

    #[test]
    fn a_taken_port_is_replaced() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        assert_eq!(free_ports([0, 0, port]), [0; 3]);
        drop(held);
        // Asked for twice, it is free once at most.
        assert_eq!(free_ports([port, port, 0])[1], 0);
    }

    #[tokio::test]
    async fn the_account_has_the_password_and_the_providers_addresses() {
        let provider = Provider::start(LOGIN).await.unwrap();
        let config = config(&provider, [1143, 1110, 1587]);
        let account = &config.accounts[0];
        for (server, address) in [
            (&account.imap, provider.imap),
            (&account.pop3, provider.pop3),
            (&account.smtp, provider.smtp),
        ] {
            let server = server.as_ref().unwrap();
            assert_eq!(server.to_string(), address.to_string());
            let pin = Verification::Pin { sha256: provider.certificate_sha256 };
            assert_eq!(server.verification, pin);
        }

        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let password = generate().unwrap();
        set_password(&store, &config, &password).await.unwrap();
        let passwords = Passwords::new(store).unwrap();
        let origin = Origin { protocol: Protocol::Imap, address: [127, 0, 0, 1].into() };
        let account = Some(config.accounts[0].as_ref());
        let checked = passwords.verify(account, &password, origin, None).await.unwrap();
        assert!(matches!(checked, Checked::Right(verified) if verified.name == "demo"));
    }
}
