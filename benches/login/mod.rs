//! Plays the logins of transcripts, so that each protocol is measured alike.

// A dialogue that cannot be read must not be measured.
#![allow(clippy::panic)]

#[path = "../../tests/transcript/mod.rs"]
#[allow(dead_code, reason = "a transcript is read here, not run")]
mod transcript;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use saslgate::{
    proto::{DownstreamEvent, Machine, Output, UpstreamCredential, UpstreamEvent, Welcome},
    secret::Secret,
};
pub(crate) use transcript::format::Protocol;
use transcript::{
    format::{Leg, Setup, Transcript},
    machines,
    sent::{Segment, segments},
};

/// Measures dialogues: a name and a transcript each, from the greeting to the verdict.
pub(crate) fn bench(criterion: &mut Criterion, protocol: Protocol, dialogues: &[(&str, &str)]) {
    let mut group = criterion.benchmark_group(format!("{}_login", protocol.folder()));
    for (name, source) in dialogues {
        let transcript =
            Transcript::parse(protocol, source).unwrap_or_else(|error| panic!("{name}: {error}"));
        let segments = segments(&transcript);
        let octets: usize = segments.iter().map(|segment| segment.octets.len()).sum();
        assert!(play(&transcript.setup, &segments), "{name}: no login");
        group.throughput(Throughput::Bytes(octets as u64));
        group.bench_function(*name, |bencher| {
            bencher.iter(|| play(black_box(&transcript.setup), black_box(&segments)));
        });
    }
    group.finish();
}

/// Plays both peers; whether the client was let in.
fn play(setup: &Setup, segments: &[Segment]) -> bool {
    let mut downstream = machines::downstream(setup);
    let mut upstream = machines::upstream(setup);
    let mut welcome = None;
    for segment in segments.iter().filter(|segment| !segment.relay) {
        match segment.leg {
            Leg::Local => downstream.handle_input(&segment.octets),
            Leg::Upstream => upstream.handle_input(&segment.octets),
        }
        while let Some(event) = next_event(downstream.as_mut()) {
            if matches!(event, DownstreamEvent::StartTls) {
                downstream.handle_tls_established();
            }
        }
        while let Some(event) = next_event(upstream.as_mut()) {
            match event {
                UpstreamEvent::StartTls => upstream.handle_tls_established(),
                UpstreamEvent::Ready => {
                    let token = UpstreamCredential::Bearer(Secret::new(TOKEN));
                    upstream.authenticate("alice@example.org", token);
                }
                UpstreamEvent::Authenticated(told) => welcome = Some(told.capabilities),
                UpstreamEvent::Reject(_) => return false,
            }
        }
    }
    let Some(told) = welcome else { return false };
    let (_, capabilities) = machines::relay(setup, told);
    downstream.conclude(Ok(Welcome { capabilities }));
    next_event(downstream.as_mut()).is_none()
}

/// Takes what is to be sent off the machine's hands, up to its next event.
fn next_event<M: Machine + ?Sized>(machine: &mut M) -> Option<M::Event> {
    loop {
        match machine.poll_output()? {
            Output::Transmit(octets) => drop::<Bytes>(black_box(octets)),
            Output::Event(event) => return Some(event),
        }
    }
}

/// As long as Microsoft's tokens are.
const TOKEN: [u8; 2048] = [b'x'; 2048];
