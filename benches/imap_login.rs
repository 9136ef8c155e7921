//! What does a login cost the two machines, from the greeting to the verdict?
//!
//! The dialogues are transcripts. No socket, no TLS, no password check: what is measured is ours.

// A dialogue that cannot be read must not be measured.
#![allow(clippy::panic)]

#[path = "../tests/transcript/mod.rs"]
#[allow(dead_code, reason = "a transcript is read here, not run")]
mod transcript;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use saslgate::{
    proto::{
        Downstream, DownstreamEvent, Machine, Output, Upstream, UpstreamCredential, UpstreamEvent,
        Welcome,
        imap::{capability::CapabilityFilter, downstream::ImapDownstream, upstream::ImapUpstream},
    },
    secret::Secret,
};
use transcript::{
    format::{Leg, Protocol, Setup, Transcript},
    sent::{Segment, segments},
};

criterion_group!(benches, login);
criterion_main!(benches);

fn login(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("imap_login");
    for (name, source) in DIALOGUES {
        let transcript = Transcript::parse(Protocol::Imap, source)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let segments = segments(&transcript);
        let octets: usize = segments.iter().map(|segment| segment.octets.len()).sum();
        assert!(play(&transcript.setup, &segments), "{name}: no login");
        group.throughput(Throughput::Bytes(octets as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| play(black_box(&transcript.setup), black_box(&segments)));
        });
    }
    group.finish();
}

/// Plays both peers; whether the client was let in.
fn play(setup: &Setup, segments: &[Segment]) -> bool {
    let filter = CapabilityFilter::new(&setup.hide);
    let mut downstream = ImapDownstream::new(setup.local_tls, setup.bounds);
    let mut upstream = ImapUpstream::new(setup.upstream_options());
    let mut welcome = None;
    for segment in segments.iter().filter(|segment| !segment.relay) {
        match segment.leg {
            Leg::Local => downstream.handle_input(&segment.octets),
            Leg::Upstream => upstream.handle_input(&segment.octets),
        }
        while let Some(event) = next_event(&mut downstream) {
            if matches!(event, DownstreamEvent::StartTls) {
                downstream.handle_tls_established();
            }
        }
        while let Some(event) = next_event(&mut upstream) {
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
    downstream.conclude(Ok(Welcome { capabilities: filter.apply(told) }));
    next_event(&mut downstream).is_none()
}

/// Takes what is to be sent off the machine's hands, up to its next event.
fn next_event<M: Machine>(machine: &mut M) -> Option<M::Event> {
    loop {
        match machine.poll_output()? {
            Output::Transmit(octets) => drop::<Bytes>(black_box(octets)),
            Output::Event(event) => return Some(event),
        }
    }
}

/// As long as Microsoft's tokens are.
const TOKEN: [u8; 2048] = [b'x'; 2048];

const DIALOGUES: [(&str, &str); 3] = [
    ("login_command", include_str!("../tests/transcripts/imap/upstream_xoauth2.txt")),
    ("exchange_online", include_str!("../tests/transcripts/imap/upstream_exchange_2026.txt")),
    ("starttls_upstream", include_str!("../tests/transcripts/imap/upstream_starttls.txt")),
];
