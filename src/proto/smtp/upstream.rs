//! Being built.

use bytes::BytesMut;

use crate::proto::{Machine, Output, Upstream, UpstreamCredential, UpstreamEvent, UpstreamOptions};

/// The client before login.
pub struct SmtpUpstream {}

impl SmtpUpstream {
    /// A machine that awaits the greeting.
    pub fn new(_options: UpstreamOptions) -> Self {
        Self {}
    }
}

impl Machine for SmtpUpstream {
    type Event = UpstreamEvent;
    fn handle_input(&mut self, _: &[u8]) {}
    fn poll_output(&mut self) -> Option<Output<UpstreamEvent>> {
        None
    }
}

impl Upstream for SmtpUpstream {
    fn handle_tls_established(&mut self) {}
    fn authenticate(&mut self, _: &str, _: UpstreamCredential) {}
    fn into_residue(self: Box<Self>) -> BytesMut {
        BytesMut::new()
    }
}
