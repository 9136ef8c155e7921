//! Writes what the peers of the transcripts send as the fuzzers' first inputs, one folder a target:
//! `fuzz_seeds FOLDER`. How a target reads its input is in fuzz/README.md.

#[path = "../tests/transcript/mod.rs"]
#[allow(dead_code, reason = "a transcript is read here, not run")]
mod transcript;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use saslgate::proto::{BearerMechanism, LocalTls, LoginBounds, smtp::extension::Extensions};
use transcript::{
    format::{Act, Credential, Leg, Protocol, Step, Transcript},
    sent::{Segment, segments},
};

fn main() -> io::Result<()> {
    let corpus = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| "fuzz/corpus".into()));
    let transcripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    for protocol in Protocol::ALL {
        let of = protocol.folder();
        let rooms = ["downstream", "upstream", "relay"].map(|room| format!("{of}_{room}"));
        for target in rooms.iter().map(String::as_str).chain(["imap_literal", "sasl"]) {
            fs::create_dir_all(corpus.join(target))?;
        }
        for file in fs::read_dir(transcripts.join(of))? {
            let path = file?.path();
            if path.extension().is_none_or(|extension| extension != "txt") {
                continue;
            }
            let transcript = Transcript::parse(protocol, &fs::read_to_string(&path)?);
            let transcript =
                transcript.map_err(|error| io::Error::other(format!("{path:?}: {error}")))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            for (target, number, seed) in seeds(&transcript) {
                fs::write(corpus.join(target).join(format!("{of}-{name}-{number}")), seed)?;
            }
        }
    }
    Ok(())
}

/// The inputs that a transcript makes, numbered within their target.
fn seeds(transcript: &Transcript) -> Vec<(String, usize, Vec<u8>)> {
    let protocol = transcript.setup.protocol;
    let target = |room: &str| format!("{}_{room}", protocol.folder());
    let segments = segments(transcript);
    let joined = |wanted: &dyn Fn(&Segment) -> bool| -> Vec<u8> {
        let some = segments.iter().filter(|segment| wanted(segment));
        some.flat_map(|segment| segment.octets.clone()).collect()
    };
    let client = joined(&|segment| segment.leg == Leg::Local && !segment.relay);
    let choice = vec![downstream_choice(transcript)];
    let mut seeds = vec![
        (target("downstream"), 0, [choice, client.clone()].concat()),
        ("sasl".into(), 0, client),
    ];
    let dials = segments.iter().map(|segment| segment.dial).max().unwrap_or_default();
    for dial in 1..=dials {
        let mut seed = vec![upstream_choice(transcript)];
        for (place, segment) in segments.iter().enumerate() {
            if segment.leg == Leg::Upstream && segment.dial == dial && !segment.relay {
                seed.extend(&segment.octets);
                seed.extend(handshake_after(transcript, place));
            }
        }
        seeds.push((target("upstream"), dial, seed));
    }
    let session = segments.iter().filter(|segment| segment.relay);
    seeds.push((target("relay"), 0, session.flat_map(pieces).collect()));
    if protocol == Protocol::Imap {
        let all = joined(&|_| true);
        let announcing = all.split(|&octet| octet == b'\n').filter(|line| line.contains(&b'{'));
        seeds.extend(announcing.take(4).enumerate().map(|(number, line)| {
            (target("literal"), number, line.strip_suffix(b"\r").unwrap_or(line).to_vec())
        }));
    }
    seeds.retain(|(_, _, seed)| seed.len() > 1 && seed.len() <= LARGEST);
    seeds
}

/// The options octet of `fuzz_downstream`.
fn downstream_choice(transcript: &Transcript) -> u8 {
    let tls = match transcript.setup.local_tls {
        LocalTls::Unavailable => 0,
        LocalTls::Established => 1,
        LocalTls::Offer { login_in_clear: false } => 2,
        LocalTls::Offer { login_in_clear: true } => 3,
    };
    let bounded = u8::from(transcript.setup.bounds != LoginBounds::default());
    let opened = transcript.steps.iter().any(|step| step.written.starts_with("[ok: "));
    let promises = transcript.setup.promise != Extensions::UNKNOWN;
    let obsolete = transcript.setup.obsolete_auth_line;
    tls | bounded << 2 | u8::from(opened) << 3 | u8::from(promises) << 4 | u8::from(obsolete) << 5
}

/// What tells `fuzz_upstream` that a TLS handshake comes behind this segment.
fn handshake_after(transcript: &Transcript, place: usize) -> Option<u8> {
    let mut steps = transcript.steps.iter();
    let sent = |step: &&Step| matches!(step.act, Act::Send(_));
    steps.by_ref().filter(sent).nth(place)?;
    let mut effects = steps.take_while(|step| !sent(step));
    let starttls = |step: &Step| step.leg == Leg::Upstream && step.written == "[starttls]";
    // The target for IMAP ends where the handshake begins.
    let marked = transcript.setup.protocol != Protocol::Imap && effects.any(starttls);
    marked.then_some(0x16)
}

/// The options octet of `fuzz_upstream`.
fn upstream_choice(transcript: &Transcript) -> u8 {
    let mechanism = match transcript.setup.mechanism {
        None => 0,
        Some(BearerMechanism::XOAuth2) => 1,
        Some(BearerMechanism::OAuthBearer) => 2,
    };
    let password =
        |step: &Step| matches!(step.act, Act::Dial { credential: Credential::Password(_), .. });
    let password = transcript.steps.iter().any(password);
    u8::from(transcript.setup.starttls) | mechanism << 1 | u8::from(password) << 3
}

/// A segment as `fuzz_relay` reads it: an octet with the side and the length, then the piece.
fn pieces(segment: &Segment) -> Vec<u8> {
    let side = if segment.leg == Leg::Upstream { 0x80 } else { 0 };
    let chunks = segment.octets.chunks(128);
    let piece = |chunk: &[u8]| {
        let length = u8::try_from(chunk.len() - 1).unwrap_or(0x7f);
        [&[side | length], chunk].concat()
    };
    chunks.flat_map(piece).collect()
}

/// A fuzzer learns from short inputs.
const LARGEST: usize = 8 * 1024;
