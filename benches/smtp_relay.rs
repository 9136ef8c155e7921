//! How many octets a second can the relay read along?
//!
//! The driver here copies nothing, so what is measured is the reading alone. A message behind DATA is
//! searched for its end; the octets of a chunk are counted and not looked at: there a read costs the
//! same, however long it is.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use saslgate::proto::{
    Relay, Side, Step,
    smtp::{extension::Extensions, relay::SmtpRelay},
};

criterion_group!(benches, relay);
criterion_main!(benches);

fn relay(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("smtp_relay");
    for (name, talk) in [
        ("data_base64", data(BASE64_LINE)),
        ("data_text", data(TEXT_LINE)),
        ("data_dots", data(DOTS_LINE)),
        ("bdat", bdat()),
        ("many_small_messages", many_small_messages()),
        ("many_recipients", many_recipients()),
    ] {
        let length = talk.iter().map(|(_, said)| said.len()).sum::<usize>();
        assert_eq!(pass(&talk), length, "{name}: not all passes");
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| pass(black_box(&talk)));
        });
    }
    group.finish();
}

/// What each side says, in turn.
type Talk = Vec<(Side, Vec<u8>)>;

/// Shows the relay a conversation, read by read; how much passed.
fn pass(talk: &Talk) -> usize {
    let extensions =
        Extensions { pipelining: true, chunking: true, dsn: true, ..Extensions::UNKNOWN };
    let mut relay = SmtpRelay::new(extensions, &[]);
    let mut passed = 0;
    for (side, said) in talk {
        passed += said.chunks(READ).map(|read| pass_read(&mut relay, *side, read)).sum::<usize>();
    }
    passed
}

fn pass_read(relay: &mut SmtpRelay, side: Side, read: &[u8]) -> usize {
    let mut passed = 0;
    while let Some(front) = read.get(passed..).filter(|front| !front.is_empty()) {
        let step = match side {
            Side::Downstream => relay.inspect_downstream(front),
            Side::Upstream => relay.inspect_upstream(front),
        };
        relay.poll_delivery();
        match step {
            Step::Forward(octets) => passed += octets,
            Step::Hold => break,
            Step::Discard(_) | Step::Replace { .. } | Step::Insert(_) | Step::End(_) => {
                unreachable!("the talk holds nothing that is kept or changed")
            }
        }
    }
    passed
}

/// One message of 4 MiB.
fn data(line: &[u8]) -> Talk {
    vec![
        (Side::Downstream, BEGIN.to_vec()),
        (Side::Upstream, b"250 2.1.0 OK\r\n250 2.1.5 OK\r\n354 Go ahead\r\n".to_vec()),
        (Side::Downstream, [&line.repeat(SIZE / line.len()), b".\r\n".as_slice()].concat()),
        (Side::Upstream, ACCEPTED.to_vec()),
    ]
}

/// The same in chunks of 64 KiB, which do not wait.
fn bdat() -> Talk {
    let chunk = BASE64_LINE.repeat(64 * 1024 / BASE64_LINE.len());
    let announced = [format!("BDAT {}\r\n", chunk.len()).as_bytes(), &chunk].concat();
    let chunks = SIZE / chunk.len();
    vec![
        (Side::Downstream, b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n".to_vec()),
        (Side::Upstream, b"250 2.1.0 OK\r\n250 2.1.5 OK\r\n".to_vec()),
    ]
    .into_iter()
    .chain((0..chunks).flat_map(|_| {
        [(Side::Downstream, announced.clone()), (Side::Upstream, b"250 2.6.0 OK\r\n".to_vec())]
    }))
    .chain([(Side::Downstream, b"BDAT 0 LAST\r\n".to_vec()), (Side::Upstream, ACCEPTED.to_vec())])
    .collect()
}

/// 1000 messages of 1 KiB.
fn many_small_messages() -> Talk {
    let mut one = data(TEXT_LINE);
    if let Some((_, message)) = one.get_mut(2) {
        *message = [TEXT_LINE.repeat(1024 / TEXT_LINE.len()).as_slice(), b".\r\n"].concat();
    }
    one.iter().cycle().take(1000 * one.len()).cloned().collect()
}

/// One message for 100 people, 1000 times, in one segment each.
fn many_recipients() -> Talk {
    let recipients = (0..100).map(|n| format!("RCPT TO:<person{n}@example.org> NOTIFY=NEVER\r\n"));
    let sent = format!("MAIL FROM:<a@example.org>\r\n{}", recipients.collect::<String>());
    let replies = format!("250 2.1.0 OK\r\n{}", "250 2.1.5 OK\r\n".repeat(100));
    let reset =
        [(Side::Downstream, b"RSET\r\n".to_vec()), (Side::Upstream, b"250 OK\r\n".to_vec())];
    let one = [(Side::Downstream, sent.into_bytes()), (Side::Upstream, replies.into_bytes())];
    one.iter().chain(&reset).cycle().take(4000).cloned().collect()
}

const BEGIN: &[u8] = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n";
const ACCEPTED: &[u8] = b"250 2.0.0 Ok: queued as 4Q2h1p0Xn9z1\r\n";

/// What the driver reads at once.
const READ: usize = 16 * 1024;

const SIZE: usize = 4 * 1024 * 1024;

const BASE64_LINE: &[u8] =
    b"TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdCwg\r\n";
const TEXT_LINE: &[u8] =
    b"Lorem ipsum dolor sit amet. Consectetur adipiscing elit, sed do eiusmod.\r\n\r\n";
/// The worst case: every line looks like an end.
const DOTS_LINE: &[u8] = b"..\r\n";
