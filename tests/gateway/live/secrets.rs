//! The secrets of all transcripts, and every form in which a log could show one. The hard thing is
//! that the transcripts' own secrets are words such as "secret", which an honest log may hold: they
//! are exchanged for others of the same length, which nothing says by chance.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

use crate::transcript::{
    format::{Act, Credential, Protocol, Transcript, login},
    text::{self, Piece},
};

/// Of every account, with something to escape in a form and in JSON.
pub(super) const CLIENT_SECRET: &str = "cL1.nt \"5ecr=t&/+~9x";

/// A transcript with secrets that tell themselves apart from all other words.
pub(super) fn with_telling_secrets(protocol: Protocol, source: &str) -> String {
    let whole = source.lines().map(|line| match line.strip_prefix("[logged in: ") {
        Some(capabilities) => login(protocol, capabilities.trim_end_matches(']')),
        None => format!("{line}\n"),
    });
    SUBSTITUTES
        .iter()
        .fold(whole.collect(), |text: String, (word, other)| text.replace(word, other))
}

/// A transcript whose upstream is where the test's upstream is.
pub(super) fn with_host(source: &str, port: u16) -> String {
    source
        .replace("smtp.example.org 465}", &format!("127.0.0.1 {port}}}"))
        .replace("pop.example.org 995}", &format!("127.0.0.1 {port}}}"))
        .replace("C: EHLO gateway.example.org", "C: EHLO [127.0.0.1]")
        .replace("host=smtp.example.org\\x01port=465", &format!("host=127.0.0.1\\x01port={port}"))
        .replace("host=pop.example.org\\x01port=995", &format!("host=127.0.0.1\\x01port={port}"))
        .replace("imap.example.org 993}", &format!("127.0.0.1 {port}}}"))
        .replace("host=imap.example.org\\x01port=993", &format!("host=127.0.0.1\\x01port={port}"))
}

#[rustfmt::skip]
const SUBSTITUTES: &[(&str, &str)] = &[
    ("secret", "zX4qV7"),
    ("wrong", "wK9zJ"),
    // In pieces, and misspelt.
    ("sec\\\n", "zX4\\\n"),
    ("C: ret\\", "C: qV7\\"),
    ("se\\\\cret", "zX\\\\4qV7"),
    ("se*cret", "zX*4qV7"),
    ("\"a b\"", "\"kW8 v3Rq\""),
    ("{base64 a b}", "{base64 kW8 v3Rq}"),
    ("T0K3N", "tOk3n-4f9d2c71b8e6"),
    ("P4SS", "pA5s-7Xq2mZ"),
    ("STALE", "sTaLe-93be07d2"),
    ("FRESH", "fReSh-5c1e88a4"),
];

/// What must not be found, by form, and what it is.
pub(super) struct Secrets {
    forms: BTreeMap<String, String>,
}

impl Default for Secrets {
    fn default() -> Self {
        let mut secrets = Self { forms: BTreeMap::new() };
        secrets.add(CLIENT_SECRET.as_bytes());
        for (_, substitute) in SUBSTITUTES {
            let bare = |octet: &u8| octet.is_ascii_alphanumeric() || b"-* ".contains(octet);
            let bare: Vec<u8> = substitute.bytes().filter(bare).collect();
            secrets.add(bare.strip_prefix(b"base64 ").unwrap_or(&bare));
        }
        // Some stand in base64 in the transcripts.
        for word in ["secret", "wrong"] {
            secrets.add_base64(word.as_bytes());
        }
        secrets
    }
}

impl Secrets {
    /// Takes up a transcript's passwords, tokens, and what carries them.
    pub(super) fn learn(&mut self, transcript: &Transcript) {
        for step in &transcript.steps {
            if let Some(login) = step.written.strip_prefix("[login: ") {
                let words = text::words(login.trim_end_matches(']')).unwrap();
                self.add(&words[1]);
            }
            match &step.act {
                Act::Dial { credential, .. } => match credential {
                    Credential::Token(secret) | Credential::Password(secret) => self.add(secret),
                },
                Act::Send(pieces) | Act::Expect(pieces) => self.learn_payloads(pieces),
                Act::Effect(_)
                | Act::Refuse(_)
                | Act::Dismiss(_)
                | Act::Farewell(_)
                | Act::UpstreamGone => {}
            }
        }
    }

    /// SASL messages as they go over the wire, whatever they hold.
    fn learn_payloads(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            let Piece::Octets(octets) = piece else { continue };
            let words = octets.split(|octet| octet.is_ascii_whitespace());
            for word in words.filter(|word| word.len() >= 12) {
                let Ok(message) = LENIENT.decode(word) else { continue };
                let telling = [&b"\0"[..], b"\x01auth=Bearer ", b"tOk3n", b"zX4qV7"];
                let contains = |part: &&[u8]| message.windows(part.len()).any(|w| w == *part);
                if telling.iter().any(contains) {
                    let word = String::from_utf8_lossy(word);
                    self.insert(word.trim_end_matches('='), &message, "a SASL message");
                }
            }
        }
    }

    fn add(&mut self, secret: &[u8]) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut hexadecimal = String::new();
        let mut percent = String::new();
        for octet in secret {
            write!(hexadecimal, "{octet:02x}").unwrap();
            match octet {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    percent.push(char::from(*octet));
                }
                _ => write!(percent, "%{octet:02X}").unwrap(),
            }
        }
        let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
        self.insert(&hexadecimal, secret, "in hexadecimal");
        self.insert(&percent.replace("%20", "+"), secret, "in a form");
        self.insert(&percent, secret, "percent-encoded");
        self.insert(&numbers.join(", "), secret, "as numbers");
        self.insert(&secret.escape_ascii().to_string(), secret, "with escapes");
        if let Ok(text) = std::str::from_utf8(secret) {
            self.insert(text, secret, "as it is");
            self.insert(format!("{text:?}").trim_matches('"'), secret, "as Rust shows it");
            let json = serde_json::to_string(text).unwrap();
            self.insert(json.trim_matches('"'), secret, "in JSON");
        }
        self.add_base64(secret);
    }

    /// At all three alignments: what stands before a secret moves its letters.
    fn add_base64(&mut self, secret: &[u8]) {
        for before in 0..3 {
            let encoded = STANDARD.encode([&vec![0; before][..], secret].concat());
            let encoded = encoded.trim_end_matches('=');
            // The letters at both ends hold bits of the neighbours.
            let shared_end = usize::from(!(before + secret.len()).is_multiple_of(3));
            let own = encoded.get([0, 2, 3][before]..encoded.len() - shared_end).unwrap();
            self.insert(own, secret, "in base64");
            self.insert(&own.replace('+', "-").replace('/', "_"), secret, "in base64url");
        }
    }

    fn insert(&mut self, form: &str, secret: &[u8], how: &str) {
        let what = format!("{:?} {how}", secret.escape_ascii().to_string());
        self.forms.entry(form.to_owned()).or_insert(what);
    }

    /// The log's lines that hold a secret.
    pub(super) fn found_in(&self, log: &str) -> Vec<String> {
        let mut leaks = Vec::new();
        for line in log.lines() {
            let found: BTreeSet<&String> = self
                .forms
                .iter()
                .filter(|(form, _)| line.contains(*form))
                .map(|(_, w)| w)
                .collect();
            leaks.extend(found.into_iter().map(|what| format!("{what}: {line}")));
        }
        leaks
    }
}

/// Shorter ones ("nil", or none) stand in honest lines.
const SHORTEST: usize = 5;

/// Takes what misses its padding or has bits left over: it was sent, and is as secret.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

#[test]
fn a_secret_is_found_in_each_form() {
    let secrets = Secrets::default();
    assert!(secrets.found_in("connection=1 login=alice wrong login name or password").is_empty());
    for line in [
        "password zX4qV7",
        "CL=cL1.nt%20%225ecr%3Dt%26%2F%2B~9x",
        "CL=cL1.nt+%225ecr%3Dt%26%2F%2B~9x",
        r#"{"client":"cL1.nt \"5ecr=t&/+~9x"}"#,
        "Secret([122, 88, 52, 113, 86, 55])",
        "7a5834715637",
    ] {
        assert!(!secrets.found_in(line).is_empty(), "{line}");
    }
    for before in ["\0alice\0", "\0bob\0", "\0carol\0\0"] {
        for after in ["", "!", "!!"] {
            let line = STANDARD.encode(format!("{before}zX4qV7{after}"));
            assert!(!secrets.found_in(&line).is_empty(), "{line}");
        }
    }
}

#[test]
fn what_carries_a_secret_is_found() {
    let mut secrets = Secrets::default();
    let source =
        "# x\nC: A1 AUTHENTICATE PLAIN {plain nobody nil}\n[login: nobody \"o w n\" PLAIN]\n";
    secrets.learn(&Transcript::parse(Protocol::Imap, source).unwrap());
    assert!(!secrets.found_in(&STANDARD.encode("\0nobody\0nil")).is_empty());
    assert!(!secrets.found_in("password=o w n").is_empty());
    assert!(secrets.found_in("nil").is_empty());
}
