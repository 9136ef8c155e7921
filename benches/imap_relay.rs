//! How many octets a second can the relay read along?
//!
//! The driver here copies nothing, so what is measured is the reading alone. The octets of a literal
//! are counted and not looked at: there a read costs the same, however long it is.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use saslgate::proto::{
    Relay, Side, Step,
    imap::{capability::CapabilityFilter, relay::ImapRelay},
};

criterion_group!(benches, relay);
criterion_main!(benches);

fn relay(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("imap_relay");
    for (name, side, input) in [
        ("fetch_large_literal", Side::Upstream, fetch_large_literal()),
        ("fetch_many_short_lines", Side::Upstream, fetch_many_short_lines()),
        ("fetch_many_small_literals", Side::Upstream, fetch_many_small_literals()),
        ("append", Side::Downstream, append()),
        ("many_commands", Side::Downstream, many_commands()),
    ] {
        assert_eq!(pass(side, &input), input.len(), "{name}: not all passes");
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| pass(side, black_box(&input)));
        });
    }
    group.finish();
}

/// Shows the relay `input` from one side, read by read; how much passed.
fn pass(side: Side, input: &[u8]) -> usize {
    let mut relay = ImapRelay::new(CapabilityFilter::new(&[]));
    let (mut passed, mut received) = (0, 0);
    while received < input.len() {
        received = input.len().min(received + READ);
        while let Some(front) = input.get(passed..received).filter(|front| !front.is_empty()) {
            let step = match side {
                Side::Downstream => relay.inspect_downstream(front),
                Side::Upstream => relay.inspect_upstream(front),
            };
            match step {
                Step::Forward(octets) => passed += octets,
                Step::Hold => break,
                Step::Discard(_) | Step::Replace { .. } | Step::Insert(_) | Step::End(_) => {
                    unreachable!("the input holds nothing that is kept or changed")
                }
            }
        }
    }
    passed
}

/// One message of 4 MiB.
fn fetch_large_literal() -> Vec<u8> {
    let message = MESSAGE_LINE.repeat(4 * 1024 * 1024 / MESSAGE_LINE.len());
    let head = format!("* 1 FETCH (UID 1 BODY[] {{{}}}\r\n", message.len());
    [head.as_bytes(), &message, b")\r\nA2 OK FETCH completed.\r\n"].concat()
}

/// The flags of 20,000 messages, as a client asks for at every start.
fn fetch_many_short_lines() -> Vec<u8> {
    let lines = (1..=20_000).map(|n| format!("* {n} FETCH (UID {n} FLAGS (\\Seen \\Recent))\r\n"));
    lines.collect::<String>().into_bytes()
}

/// The headers of 2,000 messages.
fn fetch_many_small_literals() -> Vec<u8> {
    let header = MESSAGE_LINE.repeat(4);
    let lines = (1..=2000).flat_map(|n| {
        let head = format!("* {n} FETCH (UID {n} BODY[HEADER] {{{}}}\r\n", header.len());
        [head.as_bytes(), &header, b" FLAGS ())\r\n"].concat()
    });
    lines.collect()
}

/// A message of 4 MiB on its way up, in a literal that does not wait.
fn append() -> Vec<u8> {
    let message = MESSAGE_LINE.repeat(4 * 1024 * 1024 / MESSAGE_LINE.len());
    let head = format!("A2 APPEND Sent (\\Seen) {{{}+}}\r\n", message.len());
    [head.as_bytes(), &message, b"\r\n"].concat()
}

/// As many commands as may be under way at once.
fn many_commands() -> Vec<u8> {
    let lines = (1..=1000).map(|n| format!("A{n} UID STORE {n} +FLAGS.SILENT (\\Deleted)\r\n"));
    lines.collect::<String>().into_bytes()
}

/// What the driver reads at once.
const READ: usize = 16 * 1024;

const MESSAGE_LINE: &[u8] =
    b"TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdCwg\r\n";
