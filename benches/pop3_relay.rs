//! How many octets a second can the relay read along?
//!
//! The driver here copies nothing, so what is measured is the reading alone. A message is searched for
//! its end and not read: what that costs depends on how long its lines are.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use saslgate::proto::{Relay, Side, Step, pop3::relay::Pop3Relay};

criterion_group!(benches, relay);
criterion_main!(benches);

fn relay(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pop3_relay");
    for (name, commands, replies) in [
        ("retr_large_message", b"RETR 1\r\n".to_vec(), message(MESSAGE_LINE, 4 * 1024 * 1024)),
        ("retr_message_of_short_lines", b"RETR 1\r\n".to_vec(), message(b"..\r\n", 1024 * 1024)),
        ("retr_many_small_messages", b"RETR 1\r\n".repeat(1000), small_messages(1000)),
        ("list_many_messages", b"UIDL\r\n".to_vec(), list()),
        ("many_commands", deletions(), b"+OK marked\r\n".repeat(1000)),
    ] {
        let octets = commands.len() + replies.len();
        assert_eq!(pass(&commands, &replies), octets, "{name}: not all passes");
        group.throughput(Throughput::Bytes(octets as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| pass(black_box(&commands), black_box(&replies)));
        });
    }
    group.finish();
}

/// Shows the relay what the client and then what the upstream sends; how much passed.
fn pass(commands: &[u8], replies: &[u8]) -> usize {
    let mut relay = Pop3Relay::new(&[]);
    let up = pass_one(&mut relay, Side::Downstream, commands);
    up + pass_one(&mut relay, Side::Upstream, replies)
}

/// Shows the relay `input` from one side, read by read; how much passed.
fn pass_one(relay: &mut Pop3Relay, side: Side, input: &[u8]) -> usize {
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

/// The reply to RETR: a message of so many octets.
fn message(line: &[u8], octets: usize) -> Vec<u8> {
    [b"+OK\r\n", line.repeat(octets / line.len()).as_slice(), b".\r\n"].concat()
}

/// So many messages of one line.
fn small_messages(count: usize) -> Vec<u8> {
    message(MESSAGE_LINE, MESSAGE_LINE.len()).repeat(count)
}

/// The names of 20,000 messages, as a client asks for at every start.
fn list() -> Vec<u8> {
    let lines = (1..=20_000).map(|n| format!("{n} AAAAAAAAAAAAAAAAAAAAAAAA{n:08}\r\n"));
    format!("+OK\r\n{}.\r\n", lines.collect::<String>()).into_bytes()
}

/// As many commands as may be under way at once.
fn deletions() -> Vec<u8> {
    (1..=1000).map(|n| format!("DELE {n}\r\n")).collect::<String>().into_bytes()
}

/// What the driver reads at once.
const READ: usize = 16 * 1024;

const MESSAGE_LINE: &[u8] =
    b"TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdCwg\r\n";
