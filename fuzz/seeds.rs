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
        let rooms = ["downstream", "upstream", "relay", "guard"].map(|room| format!("{of}_{room}"));
        let others = ["imap_literal", "sasl", "framing", "connection"];
        for target in rooms.iter().map(String::as_str).chain(others) {
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
    seeds.push((target("relay"), 0, session.clone().flat_map(pieces).collect()));
    seeds.push((target("guard"), 0, [vec![0], session.flat_map(acts).collect()].concat()));
    seeds.push(("connection".into(), 0, connection(transcript, &segments)));
    let server = joined(&|segment| segment.leg == Leg::Upstream);
    let reader = match protocol {
        Protocol::Imap => 3,
        Protocol::Smtp => 4,
        Protocol::Pop3 => 5,
    };
    seeds.push(("framing".into(), 0, [vec![reader], server].concat()));
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

/// A segment as `proto::fuzz_logic::talk` reads it: an octet for whose it is, one for the length less one,
/// the piece; and where it is the client's, one that it ends here.
fn acts(segment: &Segment) -> Vec<u8> {
    let (whose, end) = if segment.leg == Leg::Upstream { (2, None) } else { (0, Some(1)) };
    let piece = |chunk: &[u8]| [&[whose, chunk.len() as u8 - 1], chunk].concat();
    segment.octets.chunks(64).flat_map(piece).chain(end).collect()
}

/// Both legs from the greeting on; each password is the one that `fuzz_connection` takes.
fn connection(transcript: &Transcript, segments: &[Segment]) -> Vec<u8> {
    let kind = match transcript.setup.protocol {
        Protocol::Imap => 0,
        Protocol::Smtp => 1,
        Protocol::Pop3 => 2,
    };
    let mut seed = vec![kind, downstream_choice(transcript), upstream_choice(transcript)];
    for (place, segment) in segments.iter().enumerate() {
        let octets = String::from_utf8_lossy(&segment.octets);
        let octets = octets
            .replace("alice secret", "alice L0cal-P4ssword")
            .replace("PASS secret", "PASS L0cal-P4ssword")
            .replace("AGFsaWNlAHNlY3JldA==", "AGFsaWNlAEwwY2FsLVA0c3N3b3Jk");
        let asks = octets.to_ascii_uppercase();
        seed.extend(acts(&Segment { octets: octets.into_bytes(), ..segment.clone() }));
        if segment.leg == Leg::Local && (asks.contains("STARTTLS") || asks.contains("STLS")) {
            seed.extend([12, 0]);
        }
        if handshake_after(transcript, place).is_some() {
            seed.extend([12, 1]);
        }
    }
    seed
}

/// A fuzzer learns from short inputs.
const LARGEST: usize = 8 * 1024;
