//! A byte stream that may become TLS. The hard thing is the moment of change: the clear stream is
//! taken out, given to the handshake and put back encrypted, so nobody can go on reading in clear.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream, rustls::pki_types::ServerName};

/// One leg's transport; `S` is a socket, or an in-memory pipe in tests.
pub enum Stream<S> {
    /// As it is on the wire.
    Clear(S),
    /// Inside TLS; boxed, since the session is large and most of a connection's life is idle.
    Tls(Box<TlsStream<S>>),
    /// Between the two: a handshake that failed or was cancelled leaves nothing to speak on.
    Broken,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// Does the server's side of a TLS handshake.
    pub async fn accept_tls(&mut self, acceptor: &TlsAcceptor) -> io::Result<()> {
        let clear = self.take_clear()?;
        let tls = acceptor.accept(clear).await?;
        *self = Self::Tls(Box::new(tls.into()));
        Ok(())
    }

    /// Does the client's side of a TLS handshake.
    pub async fn connect_tls(
        &mut self,
        connector: &TlsConnector,
        name: ServerName<'static>,
    ) -> io::Result<()> {
        let clear = self.take_clear()?;
        let tls = connector.connect(name, clear).await?;
        *self = Self::Tls(Box::new(tls.into()));
        Ok(())
    }

    fn take_clear(&mut self) -> io::Result<S> {
        match std::mem::replace(self, Self::Broken) {
            Self::Clear(stream) => Ok(stream),
            tls @ Self::Tls(_) => {
                *self = tls;
                Err(io::Error::other("TLS is already established"))
            }
            Self::Broken => Err(broken()),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Broken => Poll::Ready(Err(broken())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Broken => Poll::Ready(Err(broken())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Broken => Poll::Ready(Err(broken())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Broken => Poll::Ready(Err(broken())),
        }
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the TLS handshake did not finish")
}
