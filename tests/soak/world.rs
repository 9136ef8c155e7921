//! Everything around the gateway of a soak: its mail servers, its token endpoint, its accounts.

use std::{net::SocketAddr, sync::Arc};

use socket2::{Domain, Socket, Type};

use crate::{
    endpoint::Endpoint,
    gateway::Gateway,
    plan::{Account, Protocol},
    upstream::{Character, Upstreams},
    wire::Tls,
};

pub struct World {
    pub tls: Arc<Tls>,
    pub upstreams: Arc<Upstreams>,
    pub endpoint: Arc<Endpoint>,
    pub gateway: Gateway,
    /// Bound, and nobody listens: it refuses, and nobody else gets it.
    _closed: Socket,
}

/// Generous where the machine may be busy, short where a plan waits for the end.
const HEAD: &str = "[deadlines]\nverdict = \"55s\"\nupstream_answer = \"20s\"\ntoken = \"20s\"\nfailed_login_delay = \"10ms\"\n\
    linger = \"15s\"\nimap_idle = \"30s\"\npop3_idle = \"30s\"\nsmtp_idle = \"15s\"\nshutdown = \"5s\"\n[limits]\nconnections_per_listener = 2000\nlogin_failures = 1\n";

impl World {
    pub async fn new(seed: u64) -> Self {
        let tls = Arc::new(Tls::new());
        let (token_address, endpoint) = Endpoint::open(seed, Arc::clone(&tls)).await;
        let upstreams = Upstreams::new(seed, Arc::clone(&tls));
        let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        closed.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let refusing = closed.local_addr().unwrap().as_socket().unwrap();

        let open = async |character| upstreams.open(character).await;
        let aborting = open(Character::Aborting).await;
        let silent = open(Character::Silent).await;
        let noise = open(Character::Noise).await;
        let mut honest = Vec::new();
        let mut busy = Vec::new();
        for protocol in Protocol::ALL {
            honest.push(open(Character::Honest(protocol)).await);
            busy.push(open(Character::Busy(protocol)).await);
        }
        let mut accounts = format!(
            "[defaults]\nprovider = \"custom\"\nclient_id = \"soak\"\nscopes = [\"mail\"]\nca_file = \"ca.pem\"\n\
             mechanism = \"xoauth2\"\ntoken_url = \"https://{token_address}/token\"\n"
        );
        for account in Account::ALL {
            let name = account.name();
            accounts += &format!(
                "[[account]]\nlogin = \"{name}\"\nmailbox = \"{name}@soak.test\"\n\
                 token_url = \"https://{token_address}/token/{name}\"\nclient_id = \"soak\"\n"
            );
            for (at, protocol) in Protocol::ALL.iter().enumerate() {
                let server = match account {
                    Account::Closed => refusing,
                    Account::Aborting => aborting,
                    Account::Silent => silent,
                    Account::Noise => noise,
                    Account::Busy => busy[at],
                    _ => honest[at],
                };
                accounts += &format!(
                    "[account.{}]\nhost = \"{}\"\nport = {}\n",
                    protocol.name(),
                    server.ip(),
                    server.port()
                );
            }
        }
        let gateway = Gateway::new(&tls, HEAD, &accounts);
        for account in Account::ALL {
            gateway.prepare(&account.name(), &account.password(), true);
        }
        Self { tls, upstreams, endpoint, gateway, _closed: closed }
    }
}
