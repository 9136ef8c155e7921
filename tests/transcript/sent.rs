//! What the peers of a transcript send, for whoever plays it without comparing: fuzz seeds and benches.

use super::{
    format::{Act, Leg, Transcript},
    text::{self, Tags},
};

/// What one peer sends at once.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Who sends it: the mail client or the upstream.
    pub(crate) leg: Leg,
    /// The number of the upstream connection, from 1; 0 before there is any.
    pub(crate) dial: usize,
    /// After the verdict.
    pub(crate) relay: bool,
    pub(crate) octets: Vec<u8>,
}

/// All segments in order. The gateway's own tags are G1, G2 and so on, as the upstream machine
/// numbers them.
pub(crate) fn segments(transcript: &Transcript) -> Vec<Segment> {
    let tags: Tags = (1..10).map(|number| (number, format!("G{number}").into_bytes())).collect();
    let (mut segments, mut dial, mut relay) = (Vec::new(), 0, false);
    for step in &transcript.steps {
        match &step.act {
            Act::Send(pieces) => {
                let octets = text::octets(pieces, &tags).unwrap_or_default();
                segments.push(Segment { leg: step.leg, dial, relay, octets });
            }
            Act::Dial { .. } => dial += 1,
            Act::Effect(_) => relay |= step.written.starts_with("[ok: "),
            Act::Expect(_)
            | Act::Refuse(_)
            | Act::Dismiss(_)
            | Act::Farewell(_)
            | Act::UpstreamGone => (),
        }
    }
    segments
}
