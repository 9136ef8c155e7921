//! Being built.

use bytes::BytesMut;

use crate::proto::{
    Downstream, DownstreamEvent, LocalTls, LoginBounds, Machine, Output, Refusal, Welcome,
};

/// The server before login.
pub struct Pop3Downstream {}

impl Pop3Downstream {
    /// A machine for a connection that has just been accepted.
    pub fn new(_tls: LocalTls, _bounds: LoginBounds) -> Self {
        Self {}
    }
}

impl Machine for Pop3Downstream {
    type Event = DownstreamEvent;
    fn handle_input(&mut self, _: &[u8]) {}
    fn poll_output(&mut self) -> Option<Output<DownstreamEvent>> {
        None
    }
}

impl Downstream for Pop3Downstream {
    fn handle_tls_established(&mut self) {}
    fn conclude(&mut self, _: Result<Welcome, Refusal>) {}
    fn close(&mut self, _: Refusal) {}
    fn into_residue(self: Box<Self>) -> BytesMut {
        BytesMut::new()
    }
}
