//! A token endpoint that plays a script: one reply for each request, then it is an error to ask.

use std::{collections::HashMap, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::{Semaphore, mpsc, watch},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

pub(super) type Form = HashMap<String, String>;

/// Under this name stands the header, where there is one: no form has such a field.
pub(super) const AUTHORIZATION: &str = "Authorization:";

/// What goes over the wire, as it is.
pub(super) struct Reply {
    octets: Vec<u8>,
    /// What comes after them.
    then: Then,
    /// Held back until the test lets it go.
    gate: Option<Arc<Semaphore>>,
}

#[derive(Clone, Copy)]
enum Then {
    Close,
    Silence,
    /// The same octet until the peer hangs up.
    Flood,
}

impl Reply {
    pub(super) fn new(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n");
        Self { octets: [head, body.to_owned()].concat().into(), then: Then::Close, gate: None }
    }

    /// A good answer for one hour, with or without a new refresh token.
    pub(super) fn token(access: &str, refresh: Option<&str>) -> Self {
        let refresh =
            refresh.map_or_else(String::new, |token| format!(r#","refresh_token":"{token}""#));
        let body = format!(
            r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{access}"{refresh}}}"#
        );
        Self::new(200, "Content-Type: application/json\r\n", &body)
    }

    pub(super) fn error(status: u16, body: &str) -> Self {
        Self::new(status, "", body)
    }

    pub(super) fn invalid_grant() -> Self {
        Self::error(400, r#"{"error":"invalid_grant","error_description":"secret-words"}"#)
    }

    pub(super) fn silence() -> Self {
        Self { octets: Vec::new(), then: Then::Silence, gate: None }
    }

    pub(super) fn hang_up() -> Self {
        Self { octets: Vec::new(), then: Then::Close, gate: None }
    }

    pub(super) fn flood() -> Self {
        let octets = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        Self { octets, then: Then::Flood, gate: None }
    }

    /// Breaks off in the middle.
    pub(super) fn cut(mut self, octets: usize) -> Self {
        self.octets.truncate(self.octets.len() - octets);
        self
    }

    /// Waits for a permit of the semaphore.
    pub(super) fn behind(mut self, gate: &Arc<Semaphore>) -> Self {
        self.gate = Some(Arc::clone(gate));
        self
    }
}

pub(super) struct Provider {
    scheme: &'static str,
    port: u16,
    arrived: mpsc::UnboundedReceiver<Form>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Provider {
    pub(super) async fn start(script: Vec<Reply>) -> Self {
        Self::start_with(script, None).await
    }

    pub(super) async fn start_with(script: Vec<Reply>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_on(listener, script, tls)
    }

    /// On a port that is known before the script is.
    pub(super) fn start_on(
        listener: TcpListener,
        script: Vec<Reply>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (sender, arrived) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(serve(listener, script, tls, sender, stopped));
        Self { scheme, port, arrived, stop, server }
    }

    pub(super) fn url(&self) -> String {
        format!("{}://localhost:{}/tenant/token", self.scheme, self.port)
    }

    /// The next request, as soon as it is there.
    pub(super) async fn request(&mut self) -> Form {
        self.arrived.recv().await.unwrap()
    }

    /// How many requests have come that nobody has looked at.
    pub(super) fn count(&mut self) -> usize {
        std::iter::from_fn(|| self.arrived.try_recv().ok()).count()
    }

    /// Stops, passes on whatever panicked, and returns the requests that nobody has looked at.
    pub(super) async fn finish(mut self) -> Vec<Form> {
        self.stop.send_replace(true);
        self.server.await.unwrap();
        let mut rest = Vec::new();
        while let Some(form) = self.arrived.recv().await {
            rest.push(form);
        }
        rest
    }
}

async fn serve(
    listener: TcpListener,
    script: Vec<Reply>,
    tls: Option<TlsAcceptor>,
    sender: mpsc::UnboundedSender<Form>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut script = script.into_iter();
    let mut connections = JoinSet::new();
    loop {
        let socket = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            accepted = listener.accept() => accepted.unwrap().0,
        };
        let stopped = stopped.clone();
        if let Some(tls) = &tls {
            // A client that does not believe us never gets as far as a request.
            if let Ok(stream) = tls.accept(socket).await {
                let reply = script.next().expect("a request beyond the script");
                connections.spawn(answer(stream, reply, sender.clone(), stopped));
            }
        } else {
            let reply = script.next().expect("a request beyond the script");
            connections.spawn(answer(socket, reply, sender.clone(), stopped));
        }
    }
    while let Some(joined) = connections.join_next().await {
        joined.unwrap();
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reply: Reply,
    sender: mpsc::UnboundedSender<Form>,
    mut stopped: watch::Receiver<bool>,
) {
    let form = read_form(&mut stream).await;
    sender.send(form).unwrap();
    if let Some(gate) = &reply.gate {
        gate.acquire().await.unwrap().forget();
    }
    stream.write_all(&reply.octets).await.unwrap();
    stream.flush().await.unwrap();
    match reply.then {
        Then::Close => {}
        Then::Silence => {
            stopped.wait_for(|stopped| *stopped).await.unwrap();
        }
        Then::Flood => while stream.write_all(&[b'x'; 4096]).await.is_ok() {},
    }
    // The peer may have gone already.
    let _ = stream.shutdown().await;
}

async fn read_form(stream: &mut (impl AsyncRead + Unpin)) -> Form {
    let mut request = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the client hung up");
        let text = String::from_utf8(request.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let paths = ["POST /tenant/token HTTP/1.1\r\n", "POST /tenant/device HTTP/1.1\r\n"];
        assert!(paths.iter().any(|path| head.starts_with(path)), "{head}");
        let header = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
        });
        let head = head.to_ascii_lowercase();
        assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() == length {
            let parsed = url::form_urlencoded::parse(body.as_bytes()).into_owned();
            let mut form: Form = parsed.collect();
            if let Some(header) = header {
                assert!(!form.contains_key("client_secret"), "the secret goes to one place only");
                form.insert(AUTHORIZATION.to_owned(), header);
            }
            return form;
        }
    }
}
