//! The token endpoint, over TLS. Each account is a path of its own; what goes wrong for it follows from the seed
//! and the number of its request.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::{chance::Chance, secrets::TOKEN, wire::Tls};
use saslgate::stream::Stream;

#[derive(Default)]
pub struct Endpoint {
    seed: u64,
    requests: Mutex<HashMap<String, u64>>,
    /// How often each kind of answer was given.
    pub answers: Mutex<HashMap<&'static str, usize>>,
    /// Refresh tokens that were never given out.
    pub strange: Mutex<Vec<String>>,
    /// Connections that wait for their next request are closed when it is told.
    pub hang_up: Notify,
}

impl Endpoint {
    pub async fn open(seed: u64, tls: Arc<Tls>) -> (SocketAddr, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        SockRef::from(&listener).listen(4096).unwrap();
        let address = listener.local_addr().unwrap();
        let endpoint = Arc::new(Self { seed, ..Self::default() });
        let shared = Arc::clone(&endpoint);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (endpoint, tls) = (Arc::clone(&shared), Arc::clone(&tls));
                tokio::spawn(async move { endpoint.serve(socket, &tls).await });
            }
        });
        (address, endpoint)
    }

    async fn serve(&self, socket: TcpStream, tls: &Tls) -> Option<()> {
        let mut stream = Stream::Clear(socket);
        stream.accept_tls(&tls.acceptor).await.ok()?;
        loop {
            let (account, body) = tokio::select! {
                request = read_request(&mut stream) => request?,
                () = self.hang_up.notified() => {
                    let _ = stream.shutdown().await;
                    return None;
                }
            };
            let (kind, answer) = self.answer(&account, &body);
            *self.answers.lock().unwrap().entry(kind).or_default() += 1;
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.ok()?,
                None => {
                    if let Stream::Tls(tls) = &stream {
                        let _ = tls.get_ref().0.set_zero_linger();
                    }
                    return None;
                }
            }
            stream.flush().await.ok()?;
            if kind == "slow" {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    }

    fn answer(&self, account: &str, body: &str) -> (&'static str, Option<String>) {
        let number = {
            let mut requests = self.requests.lock().unwrap();
            let number = requests.entry(account.to_owned()).or_default();
            *number += 1;
            *number
        };
        let mut chance = Chance::new(self.seed ^ 7, number);
        if !body.contains("refresh_token=R3fresh-") {
            self.strange.lock().unwrap().push(format!("{account}: {body}"));
        }
        let fault = if account == "flaky" { chance.below(10) } else { 9 };
        let json = "Content-Type: application/json";
        match (account, fault) {
            ("signedout", _) => {
                let body = r#"{"error":"invalid_grant","error_description":"AADSTS700082"}"#;
                ("invalid_grant", Some(http("400 Bad Request", json, body)))
            }
            (_, 0) => ("500", Some(http("500 Internal Server Error", "X: y", "oops"))),
            (_, 1) => ("invalid JSON", Some(http("200 OK", json, "{\"access_token\": "))),
            (_, 2) => ("429", Some(http("429 Too Many Requests", "Retry-After: 1", ""))),
            (_, 3) => ("reset", None),
            _ => {
                let life = if account == "flaky" { 8 } else { 3600 };
                let body = format!(
                    "{{\"access_token\":\"{TOKEN}{account}-{number}\",\"token_type\":\"Bearer\",\
                     \"expires_in\":{life},\"refresh_token\":\"R3fresh-{account}-{number}\"}}"
                );
                (if fault == 4 { "slow" } else { "good" }, Some(http("200 OK", json, &body)))
            }
        }
    }
}

/// The path's last part and the body.
async fn read_request(stream: &mut Stream<TcpStream>) -> Option<(String, String)> {
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.ok()?;
        if count == 0 {
            return None;
        }
        request.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1)?.rsplit('/').next()?.to_owned();
            return Some((path, body.to_owned()));
        }
    }
}

fn http(status: &str, header: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
