//! The place on loopback where the browser comes back to (RFC 8252 section 7.3). The hard thing is that
//! every program and every web page on this machine can ask it, too: whatever is not this sign-in's own
//! answer gets a page and changes nothing.

use std::{convert::Infallible, io, net::IpAddr, sync::Arc, time::Duration};

use axum::body::Body;
use http::{Method, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, mpsc, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    authorization::{Authorization, Returned},
    mistake, page,
};
use crate::{
    config::{Loopback, RedirectUri},
    token::TokenError,
};

/// Ports that are taken, before any browser knows them.
pub(super) struct Landing {
    listeners: Vec<TcpListener>,
    port: u16,
}

impl Landing {
    /// Takes the redirect URI's port, or a free one where it names none.
    pub(super) async fn bind(uri: &RedirectUri, loopback: Loopback) -> Result<Self, TokenError> {
        let addresses = match loopback {
            Loopback::Address(address) => vec![address],
            // Browsers differ in which of the two they try first, so both must be ours.
            Loopback::Name => BOTH.to_vec(),
        };
        if let Some(port) = uri.port() {
            let listeners = bind_all(&addresses, port).await.map_err(|error| {
                mistake(format!(
                    "Port {port} of redirect_uri ({}) cannot be taken: {error}. End the program that \
                     has it (perhaps another sign-in), or sign in with --paste.",
                    uri.as_str()
                ))
            })?;
            return Ok(Self { listeners, port });
        }
        let mut fault = None;
        for _ in 0..TRIES {
            match bind_all(&addresses, 0).await {
                Ok(listeners) => {
                    let first = listeners.first().and_then(|it| it.local_addr().ok());
                    if let Some(address) = first {
                        return Ok(Self { listeners, port: address.port() });
                    }
                }
                // One that is free at the first address may be taken at the second.
                Err(error) => fault = Some(error),
            }
        }
        let fault = fault.map_or_else(String::new, |error| format!(": {error}"));
        Err(mistake(format!("No port on loopback can be taken{fault}. Sign in with --paste.")))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Serves until the answer is there and its page has been shown.
    pub(super) fn open(self, gate: Gate) -> Open {
        let (sender, arrived) = mpsc::channel(1);
        let (outcome, shown) = watch::channel(None);
        let tasks = TaskTracker::new();
        let server = Server {
            gate: Arc::new(gate),
            sender,
            shown,
            tasks: tasks.clone(),
            permits: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            stop: CancellationToken::new(),
        };
        for listener in self.listeners {
            let server = server.clone();
            tasks.spawn(server.accept(listener));
        }
        Open { arrived, outcome, stop: server.stop, tasks }
    }
}

/// What a request must be to count.
pub(super) struct Gate {
    pub(super) authorization: Arc<Authorization>,
    /// The configured one.
    pub(super) issuer: Option<String>,
    /// As a browser writes it for our address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl Gate {
    fn judge<B>(&self, request: &Request<B>) -> Option<Returned> {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        // Another name that leads to this machine (DNS rebinding) is not ours.
        if request.method() != Method::GET
            || !host.is_some_and(|host| self.is_ours(host))
            || request.uri().path() != self.path
        {
            return None;
        }
        let query = request.uri().query().unwrap_or_default();
        self.authorization.judge(query, self.issuer.as_deref())
    }

    fn is_ours(&self, host: &str) -> bool {
        let with_port = format!("{}:{}", self.host, self.port);
        host.eq_ignore_ascii_case(&with_port)
            || self.port == 80 && host.eq_ignore_ascii_case(&self.host)
    }
}

/// How the sign-in came out, for the page.
pub(super) type Outcome = Result<String, String>;

/// A landing that is being served. It closes when this goes.
pub(super) struct Open {
    arrived: mpsc::Receiver<Returned>,
    outcome: watch::Sender<Option<Outcome>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Open {
    /// The first answer to this sign-in.
    pub(super) async fn answer(&mut self) -> Option<Returned> {
        self.arrived.recv().await
    }

    /// Tells the browser, and waits a moment until it has heard.
    pub(super) async fn close(self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
        self.stop.cancel();
        self.tasks.close();
        // A browser that does not listen any more is not waited for.
        let _ = tokio::time::timeout(LAST_WORDS, self.tasks.wait()).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Clone)]
struct Server {
    gate: Arc<Gate>,
    sender: mpsc::Sender<Returned>,
    shown: watch::Receiver<Option<Outcome>>,
    tasks: TaskTracker,
    permits: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Server {
    async fn accept(self, listener: TcpListener) {
        let stop = self.stop.clone();
        let accepting = async {
            loop {
                let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                    return;
                };
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let server = self.clone();
                        self.tasks.spawn(async move {
                            server.serve(stream).await;
                            drop(permit);
                        });
                    }
                    // Out of descriptors, say: it passes.
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        };
        // Only accepting ends at once: who is connected still gets the page.
        stop.run_until_cancelled(accepting).await;
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S) {
        let asked = CancellationToken::new();
        let service = service_fn(|request| {
            asked.cancel();
            self.respond(request)
        });
        let connection = http1::Builder::new()
            .max_buf_size(LONGEST_HEAD)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let patience = async {
            // Only who has asked for something is worth more than a moment.
            if tokio::time::timeout(HEAD_TIME, asked.cancelled()).await.is_ok() {
                tokio::time::sleep(ANSWER_TIME).await;
            }
        };
        // What a stranger makes of a connection is of no interest to anybody.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = patience => return,
            () = self.stop.cancelled() => {}
        }
        // One that has not asked for anything yet has nothing to wait for.
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(LAST_WORDS, connection).await;
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        if request.method() != Method::GET {
            let text = "This address only waits for a browser.";
            return Ok(page::page(StatusCode::METHOD_NOT_ALLOWED, "Not allowed", text));
        }
        let Some(answer) = self.gate.judge(&request) else {
            return Ok(page::stray());
        };
        // Only the first counts; a page that is loaded again waits for the same outcome.
        let _ = self.sender.try_send(answer);
        let mut shown = self.shown.clone();
        let outcome = shown.wait_for(Option::is_some).await.ok().and_then(|it| it.clone());
        Ok(match outcome {
            Some(Ok(summary)) => page::signed_in(&summary),
            Some(Err(reason)) => page::failed(&reason),
            None => page::failed("This sign-in has ended without a result."),
        })
    }
}

/// Serves one connection without a port: what arrived, if anything did, and then this outcome.
#[cfg(any(test, fuzzing))]
pub(super) async fn serve_one<S>(gate: Gate, stream: S, outcome: Outcome) -> Option<Returned>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (sender, mut arrived) = mpsc::channel(1);
    let (end, shown) = watch::channel(None);
    let server = Server {
        gate: Arc::new(gate),
        sender,
        shown,
        tasks: TaskTracker::new(),
        permits: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        stop: CancellationToken::new(),
    };
    let ending = async {
        let returned = arrived.recv().await;
        end.send_replace(Some(outcome));
        returned
    };
    tokio::join!(server.serve(stream), ending).1
}

async fn bind_all(addresses: &[IpAddr], mut port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut fault = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpListener::bind((*address, port)).await {
            Ok(listener) => {
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            // A machine without one of the two families needs no ear there.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => fault = error,
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(fault) } else { Ok(listeners) }
}

const BOTH: [IpAddr; 2] =
    [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)];

/// For a port that is free at both addresses.
const TRIES: usize = 32;

/// A browser opens some in advance.
const MAX_CONNECTIONS: usize = 64;

/// Codes of a few kilobytes, and the cookies of everything else on this machine's loopback.
const LONGEST_HEAD: usize = 64 * 1024;

const HEAD_TIME: Duration = Duration::from_secs(10);

/// The exchange with the provider included.
const ANSWER_TIME: Duration = Duration::from_secs(180);

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const LAST_WORDS: Duration = Duration::from_secs(3);
