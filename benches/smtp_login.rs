//! What does a login cost the two machines, from the greeting to the verdict?
//!
//! The dialogues are transcripts. No socket, no TLS, no password check: what is measured is ours.

mod login;

use criterion::{Criterion, criterion_group, criterion_main};

criterion_group!(benches, logins);
criterion_main!(benches);

fn logins(criterion: &mut Criterion) {
    login::bench(criterion, login::Protocol::Smtp, &DIALOGUES);
}

const DIALOGUES: [(&str, &str); 3] = [
    ("oauthbearer", include_str!("../tests/transcripts/smtp/upstream_oauthbearer.txt")),
    ("exchange_online", include_str!("../tests/transcripts/smtp/upstream_exchange.txt")),
    ("postfix", include_str!("../tests/transcripts/smtp/upstream_postfix.txt")),
];
