//! The transcripts, run against the pure machines: as written, and chopped at every octet. What one
//! looks like is in tests/README.md.

// A transcript that cannot be read fails its test.
#![allow(clippy::panic)]

mod transcript;

use std::{collections::BTreeMap, fs, path::Path};

use saslgate::proto::RefusalReason;
use transcript::{
    format::{Act, Leg, Protocol, REASONS, Transcript},
    run::{Cut, run},
    sent::segments,
};

#[test]
fn as_written() {
    check_all(Cut::Whole);
}

#[test]
fn chopped_at_every_octet() {
    check_all(Cut::EveryOctet);
}

/// What a client may send at once gives the same answers when it does.
#[test]
fn pipelined_until_login() {
    let pipelined = transcripts().into_iter().filter_map(|(name, transcript)| {
        transcript.pipelined().map(|transcript| (name, transcript))
    });
    check(&pipelined.collect(), Cut::Whole);
}

#[test]
fn every_reason_is_shown() {
    for protocol in Protocol::ALL {
        reasons_of(protocol);
    }
}

fn reasons_of(protocol: Protocol) {
    let acts = transcripts_of(protocol).into_values().flat_map(|transcript| transcript.steps);
    let shown: Vec<RefusalReason> = acts
        .filter_map(|step| match step.act {
            Act::Refuse(refusal) | Act::Dismiss(refusal) => Some(refusal.reason),
            Act::Send(_)
            | Act::Expect(_)
            | Act::Effect(_)
            | Act::Dial { .. }
            | Act::Farewell(_)
            | Act::UpstreamGone => None,
        })
        .collect();
    // The machine itself refuses for want of TLS: tls_required_*.txt.
    let of_the_driver = REASONS.iter().filter(|&&reason| reason != RefusalReason::TlsRequired);
    let missing: Vec<_> = of_the_driver.filter(|reason| !shown.contains(reason)).collect();
    assert!(missing.is_empty(), "no {protocol:?} transcript refuses with {missing:?}");
}

#[test]
fn a_wrong_transcript_fails() {
    let source = "# a server that says nothing of itself\nS: * OK hello\n";
    let mismatch =
        run(&Transcript::parse(Protocol::Imap, source).unwrap(), Cut::Whole).unwrap_err();
    let shown = mismatch.to_string();
    assert_eq!(mismatch.line, 2, "{shown}");
    assert!(shown.contains("S: * OK hello"), "{shown}");
    assert!(shown.contains("| S: * OK [CAPABILITY IMAP4rev1 "), "{shown}");
}

#[test]
fn a_transcript_without_its_end_fails() {
    let source = "# a greeting that is not written\n[local tls: none]\n";
    let mismatch =
        run(&Transcript::parse(Protocol::Imap, source).unwrap(), Cut::Whole).unwrap_err();
    assert!(mismatch.to_string().starts_with("at the end: the gateway said more"), "{mismatch}");
}

#[test]
fn mistakes_name_their_line() {
    for (source, expected) in [
        ("C: A1 NOOP\n", "line 1: the first line says"),
        ("# x\n\nA1 NOOP\n", "line 3: `A1` cannot stand here"),
        ("# x\nC+ A1 NOOP\n", "line 2: there is no segment to join"),
        ("# x\n[local tls: sometimes]\n", "line 2: unknown local TLS"),
        ("# x\n[bounds: lines 3]\n", "line 2: unknown bound `lines`"),
        ("# x\n[refuse: Whim]\n", "line 2: unknown reason `Whim`"),
        ("# x\n[close\n", "line 2: an effect ends in `]`"),
        ("# x\nC: A1 {plain only}\n", "line 2: wrong arguments in {plain only}"),
        ("# x\nC: A1 \\q\n", "line 2: unknown escape `\\q`"),
        ("# x\nC: A1 {capabilities A}\n", "line 2: wrong arguments"),
    ] {
        let mistake = Transcript::parse(Protocol::Imap, source).unwrap_err();
        assert!(mistake.starts_with(expected), "{source:?}: {mistake}");
    }
}

#[test]
fn texts_become_octets() {
    use transcript::text::{Tags, octets, pieces};
    for (text, expected) in [
        ("A1 LOGIN {5}", &b"A1 LOGIN {5}\r\n"[..]),
        ("alice\\", b"alice"),
        ("a\\\\", b"a\\\r\n"),
        ("\\s\\x00\\xff\\r\\", b" \0\xff\r"),
        ("{repeat 3 ab}...", b"ababab...\r\n"),
        // RFC 4616 section 4.
        ("{plain tim tanstaaftanstaaf}", b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n"),
        ("{plain Ursel Kurt xipj3plmq}", b"VXJzZWwAS3VydAB4aXBqM3BsbXE=\r\n"),
        ("{plain \"\" \"a b\" \"\"}", b"AGEgYgA=\r\n"),
        // RFC 7628 section 4.1, the GS2 header and the host as there.
        (
            "{oauthbearer user@example.com vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg== \
             server.example.com 143}",
            b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVh\
              cmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB\r\n",
        ),
        // Microsoft's own example.
        (
            "{xoauth2 test@contoso.onmicrosoft.com \
             EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA}",
            b"dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFv\
              N0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==\r\n",
        ),
        ("{base64 {\"status\":\"401\"}}", b"eyJzdGF0dXMiOiI0MDEifQ==\r\n"),
    ] {
        let pieces = pieces(text, false).unwrap();
        let octets = octets(&pieces, &Tags::new()).unwrap();
        assert_eq!(
            octets.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{text}"
        );
    }
}

/// Fuzz seeds and benches read transcripts without running them.
#[test]
fn segments_tell_their_place() {
    let source = "# two upstreams\n\
                  C: A1 LOGIN a b\n\
                  [token: T for u]\n    S: * OK hi\n\
                  [token: T for u]\n    S: <tag2> OK in\n    [ok: IMAP4rev1]\n\
                  C> A2 NOOP\n";
    let seen: Vec<_> = segments(&Transcript::parse(Protocol::Imap, source).unwrap())
        .into_iter()
        .map(|segment| (segment.leg, segment.dial, segment.relay, segment.octets))
        .collect();
    let expected = [
        (Leg::Local, 0, false, b"A1 LOGIN a b\r\n".to_vec()),
        (Leg::Upstream, 1, false, b"* OK hi\r\n".to_vec()),
        (Leg::Upstream, 2, false, b"G2 OK in\r\n".to_vec()),
        (Leg::Local, 2, true, b"A2 NOOP\r\n".to_vec()),
    ];
    assert_eq!(seen, expected);
}

fn check_all(cut: Cut) {
    check(&transcripts(), cut);
}

fn check(transcripts: &BTreeMap<String, Transcript>, cut: Cut) {
    assert!(!transcripts.is_empty(), "no transcripts");
    let failures: Vec<String> = transcripts
        .iter()
        .filter_map(|(name, transcript)| {
            let mismatch = run(transcript, cut).err()?;
            Some(format!("{name}: {}\n{mismatch}", transcript.about))
        })
        .collect();
    let (failed, all) = (failures.len(), transcripts.len());
    assert!(failed == 0, "{failed} of {all} transcripts differ\n\n{}", failures.join("\n"));
}

/// All transcripts by folder and file name.
fn transcripts() -> BTreeMap<String, Transcript> {
    Protocol::ALL.into_iter().flat_map(transcripts_of).collect()
}

fn transcripts_of(protocol: Protocol) -> BTreeMap<String, Transcript> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(protocol.folder());
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    files
        .map(|file| file.unwrap_or_else(|error| panic!("{folder:?}: {error}")).path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{}/{name}", protocol.folder());
            let source = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
            let transcript =
                Transcript::parse(protocol, &source).unwrap_or_else(|e| panic!("{name}: {e}"));
            (name, transcript)
        })
        .collect()
}
