//! Being built.

use bytes::BytesMut;

use crate::proto::{
    Downstream, DownstreamEvent, LocalTls, LoginBounds, Machine, Output, Refusal, Welcome,
    smtp::extension::Extensions,
};

/// What an SMTP listener says of itself.
#[derive(Clone, Debug)]
pub struct SmtpOptions {
    /// Its name in the greeting and in the answer to EHLO: a domain (RFC 5321 section 4.2).
    pub name: String,
    /// What EHLO promises before login.
    pub promise: Extensions,
    /// Whether EHLO also shows `AUTH=LOGIN PLAIN`, as the drafts before RFC 2554 had it.
    pub obsolete_auth_line: bool,
}

/// The server before login.
pub struct SmtpDownstream {}

impl SmtpDownstream {
    /// A machine for a connection that has just been accepted.
    pub fn new(_tls: LocalTls, _bounds: LoginBounds, _options: SmtpOptions) -> Self {
        Self {}
    }
}

impl Machine for SmtpDownstream {
    type Event = DownstreamEvent;
    fn handle_input(&mut self, _: &[u8]) {}
    fn poll_output(&mut self) -> Option<Output<DownstreamEvent>> {
        None
    }
}

impl Downstream for SmtpDownstream {
    fn handle_tls_established(&mut self) {}
    fn conclude(&mut self, _: Result<Welcome, Refusal>) {}
    fn close(&mut self, _: Refusal) {}
    fn into_residue(self: Box<Self>) -> BytesMut {
        BytesMut::new()
    }
}
