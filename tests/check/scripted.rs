//! An SMTP server that lets in whom a test says.

use saslgate::{
    config::{Authentication, UpstreamConfig, UpstreamTlsMode, Verification},
    sasl::base64,
};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::support::{Peer, upstream::Upstream};

pub struct Smtp {
    upstream: Upstream,
    mode: UpstreamTlsMode,
    /// Part of what it gets as SASL response, decoded.
    lets_in: &'static [&'static str],
    /// Whether it offers STARTTLS.
    pub offers: bool,
}

impl Smtp {
    pub async fn start(mode: UpstreamTlsMode, lets_in: &'static [&'static str]) -> Self {
        Self { upstream: Upstream::start().await, mode, lets_in, offers: true }
    }

    /// As an account has it.
    pub fn server(&self, authentication: Authentication) -> UpstreamConfig {
        UpstreamConfig {
            host: "127.0.0.1".into(),
            port: self.upstream.port,
            mode: self.mode,
            verification: Verification::Pin { sha256: self.upstream.pin },
            authentication,
            connection_limit: 10,
            presumed_extensions: Vec::new(),
        }
    }

    /// Serves one client after another, for ever.
    pub async fn serve(&self) {
        loop {
            // Whoever has seen enough goes away in the middle.
            let _ = self.one().await;
        }
    }

    async fn one(&self) -> std::io::Result<()> {
        let stream = self.upstream.accept_in_clear().await;
        if self.mode == UpstreamTlsMode::Implicit {
            let mut peer = Peer::new(self.upstream.secure(stream).await?);
            say(&mut peer, "220 ready\r\n").await?;
            return self.talk(&mut peer, "").await.map(|_| ());
        }
        let mut peer = Peer::new(stream);
        say(&mut peer, "220 ready\r\n").await?;
        let offer = if self.offers { "250-STARTTLS\r\n" } else { "" };
        if self.talk(&mut peer, offer).await? {
            let stream = self.upstream.secure(peer.stream.into_inner()).await?;
            self.talk(&mut Peer::new(stream), "").await?;
        }
        Ok(())
    }

    /// Until the client goes, or wants TLS, which is told.
    async fn talk<S>(&self, peer: &mut Peer<S>, more: &str) -> std::io::Result<bool>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let line = peer.try_line().await?;
            let words: Vec<&str> = line.split(' ').collect();
            let answer = match words.as_slice() {
                ["STARTTLS"] if !more.is_empty() => {
                    say(peer, "220 go\r\n").await?;
                    return Ok(true);
                }
                ["EHLO", ..] => format!("250-me\r\n{more}250 AUTH PLAIN XOAUTH2\r\n"),
                ["AUTH", _] => {
                    say(peer, "334 \r\n").await?;
                    self.verdict(&peer.try_line().await?).to_owned()
                }
                ["QUIT"] => "221 bye\r\n".to_owned(),
                _ => "502 no\r\n".to_owned(),
            };
            say(peer, &answer).await?;
        }
    }

    fn verdict(&self, response: &str) -> &'static str {
        let response = base64::decode(response.as_bytes()).unwrap();
        let response = String::from_utf8(response).unwrap();
        let fits = self.lets_in.iter().any(|part| response.contains(part));
        if fits { "235 in\r\n" } else { REFUSED }
    }
}

async fn say<S>(peer: &mut Peer<S>, text: &str) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    use tokio::io::AsyncWriteExt as _;
    peer.stream.write_all(text.as_bytes()).await?;
    peer.stream.flush().await
}

const REFUSED: &str = "535 5.7.3 Authentication unsuccessful\r\n";
