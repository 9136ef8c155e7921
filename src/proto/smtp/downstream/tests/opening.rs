//! The first lines: what is forgiven, and who is sent away.

use super::*;

/// What the machine says, the greeting taken off, to these octets in one piece and one by one.
fn hears(input: &[u8]) -> String {
    let run = |size: usize| {
        let mut machine = machine(OFFERED, LoginBounds::default());
        input.chunks(size).for_each(|chunk| machine.handle_input(chunk));
        drain(&mut machine).split_off("S: 220 localhost ESMTP saslgate\n".len())
    };
    let whole = run(input.len());
    assert_eq!(run(1), whole);
    whole
}

const AWAY: &str = "S: 421 4.7.0 This is an SMTP server, and that was no SMTP command\n[close]\n";
const UNKNOWN: &str = "S: 500 5.5.2 Unknown command\n";

#[test]
fn noise_before_the_first_command() {
    for noise in [&b"\0\0"[..], b"\xff\xfb\x01\xff", b" ", b"12 !"] {
        assert_eq!(hears(&[noise, b"HELO a\r\n"].concat()), "S: 250 localhost\n");
    }
    // Only there.
    assert_eq!(hears(b"NOOP\r\n\0NOOP\r\n"), format!("S: 250 2.0.0 OK\n{UNKNOWN}"));
}

#[test]
fn one_line_that_is_no_command_is_forgiven() {
    assert_eq!(hears(b"garbage\r\nHELO a\r\n"), format!("{UNKNOWN}S: 250 localhost\n"));
    assert_eq!(hears(b"\r\nHELO a\r\n"), format!("{UNKNOWN}S: 250 localhost\n"));
    assert_eq!(hears(b"\x01\nHELO a\n"), format!("{UNKNOWN}S: 250 localhost\n"));
    assert_eq!(hears(b"garbage\r\n\0HELO a\r\n"), format!("{UNKNOWN}{AWAY}"));
    assert_eq!(hears(b"A1 LOGIN a b\r\nA2 NOOP\r\nHELO a\r\n"), format!("{UNKNOWN}{AWAY}"));
    // Whoever has spoken SMTP may be wrong more often.
    let wrong = [b"NOOP\r\n".to_vec(), b"x\r\n".repeat(4)].concat();
    assert_eq!(hears(&wrong), format!("S: 250 2.0.0 OK\n{}", UNKNOWN.repeat(4)));
    // A long line is a line.
    let long = [b"x".repeat(20_000), b"\r\n".to_vec(), b"y\r\n".to_vec()].concat();
    assert_eq!(hears(&long), format!("S: 500 5.5.2 The line is too long\n{AWAY}"));
}

#[test]
fn browsers_are_sent_away() {
    for request in [
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:2525\r\n\r\n",
        "POST / HTTP/1.1\r\n\r\nHELO a\r\nMAIL FROM:<a@b>\r\n",
        "GET /\r\n",
        "\0GET /\r\n",
        "connect mail.example.org:25 http/1.1\n",
    ] {
        assert_eq!(hears(request.as_bytes()), AWAY, "{request}");
    }
    // Also later: a page may have sent something that we know in front.
    assert_eq!(hears(b"NOOP\r\nPOST / HTTP/1.1\r\nNOOP\r\n"), format!("S: 250 2.0.0 OK\n{AWAY}"));
}

#[test]
fn a_tls_handshake_has_no_line_end_to_wait_for() {
    assert_eq!(hears(b"\x16"), AWAY);
    assert_eq!(hears(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), AWAY);
    // Only as the first octet of all, and not where a long line happens to be cut.
    let noise = |size: usize| {
        let mut machine = machine(CLEAR, LoginBounds { line: 30, ..LoginBounds::default() });
        let line = [&[0; 30][..], b"\x16\x16\r\nHELO a\r\n"].concat();
        line.chunks(size).for_each(|chunk| machine.handle_input(chunk));
        drain(&mut machine)
    };
    let expected =
        "S: 220 localhost ESMTP saslgate\nS: 500 5.5.2 The line is too long\nS: 250 localhost\n";
    assert_eq!(noise(100), expected);
    assert_eq!(noise(1), expected);
}
