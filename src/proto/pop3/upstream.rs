//! Being built.

use bytes::BytesMut;

use crate::proto::{Machine, Output, Upstream, UpstreamCredential, UpstreamEvent, UpstreamOptions};

/// The client before login.
pub struct Pop3Upstream {}

impl Pop3Upstream {
    /// A machine that awaits the greeting.
    pub fn new(_options: UpstreamOptions) -> Self {
        Self {}
    }
}

impl Machine for Pop3Upstream {
    type Event = UpstreamEvent;
    fn handle_input(&mut self, _: &[u8]) {}
    fn poll_output(&mut self) -> Option<Output<UpstreamEvent>> {
        None
    }
}

impl Upstream for Pop3Upstream {
    fn handle_tls_established(&mut self) {}
    fn authenticate(&mut self, _: &str, _: UpstreamCredential) {}
    fn into_residue(self: Box<Self>) -> BytesMut {
        BytesMut::new()
    }
}
