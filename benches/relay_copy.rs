//! What does the relay's bookkeeping cost per octet of a large FETCH, sockets and TLS left out?

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use saslgate::{
    proto::{
        Side,
        imap::{capability::CapabilityFilter, relay::ImapRelay},
    },
    relay::{Duplex, Early},
};

const LITERAL: usize = 4 * 1024 * 1024;

/// As large as what one read of a TLS record gives.
const RECORD: usize = 16 * 1024;

fn fetch(c: &mut Criterion) {
    let mut response = format!("* 1 FETCH (BODY[] {{{LITERAL}}}\r\n").into_bytes();
    response.resize(response.len() + LITERAL, b'x');
    response.extend_from_slice(b")\r\nA1 OK done\r\n");
    let mut group = c.benchmark_group("relay_copy");
    group.throughput(Throughput::Bytes(response.len() as u64));
    for (name, takes) in [("a_reader_that_keeps_up", usize::MAX), ("a_slow_reader", 1460)] {
        group.bench_function(name, |b| b.iter(|| pass(black_box(&response), takes)));
    }
    group.finish();
}

/// Passes all of it to a client that takes so much at a time; what a socket would copy is copied.
fn pass(response: &[u8], takes: usize) -> u64 {
    let relay = Box::new(ImapRelay::new(CapabilityFilter::new(&[])));
    let mut duplex = Duplex::new(relay, Early::default());
    let mut rest = response;
    while !rest.is_empty() || !duplex.pending(Side::Downstream).is_empty() {
        if let Some(space) = duplex.space(Side::Upstream) {
            let count = space.len().min(rest.len()).min(RECORD);
            let (now, later) = rest.split_at(count);
            if let (Some(space), 1..) = (space.get_mut(..count), count) {
                space.copy_from_slice(now);
                duplex.filled(Side::Upstream, count);
            }
            rest = later;
        }
        let count = black_box(duplex.pending(Side::Downstream)).len().min(takes);
        if count > 0 {
            duplex.written(Side::Downstream, count);
        }
    }
    duplex.into_ended().to_client
}

criterion_group!(benches, fetch);
criterion_main!(benches);
