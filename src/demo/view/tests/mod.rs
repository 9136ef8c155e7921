//! Whole conversations as people see them. Each is also heard one octet at a time, and no secret may
//! be in what is shown.

mod pop3;
mod printing;
mod smtp;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Redact, conversation::Conversation};
use crate::{proto::Side, secret::Secret};

const PASSWORD: &str = "k7w2-x9qz";
const TOKEN: &str = "demo.s3cr3t-token";

/// `C` and `S` at the margin are the local leg, indented the provider's. `{password}`, `{plain}`,
/// `{user64}`, `{password64}`, `{xoauth2}` and `{token}` stand for what is on the wire; a line ends
/// with CRLF unless it ends with `\`, and `~` is a CRLF inside it.
#[track_caller]
fn check(script: &str, expected: &str) {
    for size in [usize::MAX, 1, 7] {
        assert_eq!(shown(script, size), expected, "cut into {size}");
    }
    let secrets = [PASSWORD.into(), TOKEN.into(), user64(), password64(), plain(), xoauth2()];
    for secret in secrets {
        assert!(!expected.contains(&secret), "{secret} is shown");
    }
}

fn shown(script: &str, size: usize) -> String {
    let redact = Redact::new("demo@example.org", &Secret::new(PASSWORD));
    let mut conversation = Conversation::default();
    let mut shown = String::new();
    for line in script.lines() {
        let (side, indent) =
            if line.starts_with(' ') { (Side::Upstream, "    ") } else { (Side::Downstream, "") };
        let (speaker, text) = line.trim_start().split_once(": ").unwrap_or(("C", ""));
        let from_peer = (speaker == "C") == (side == Side::Downstream);
        let wire = on_the_wire(text);
        for chunk in wire.as_bytes().chunks(size.min(wire.len().max(1))) {
            for line in conversation.hear(&redact, side, from_peer, chunk) {
                shown.push_str(&format!("{indent}{:?}: {}\n", line.speaker, line.text));
            }
        }
    }
    shown.replace("Client: ", "C: ").replace("Server: ", "S: ")
}

fn on_the_wire(text: &str) -> String {
    let text = text
        .replace("{password}", PASSWORD)
        .replace("{plain}", &plain())
        .replace("{user64}", &user64())
        .replace("{password64}", &password64())
        .replace("{xoauth2}", &xoauth2())
        .replace("{token}", TOKEN)
        .replace('~', "\r\n");
    match text.strip_suffix('\\') {
        Some(text) => text.to_owned(),
        None => text + "\r\n",
    }
}

fn plain() -> String {
    STANDARD.encode(format!("\0demo@example.org\0{PASSWORD}"))
}

fn user64() -> String {
    STANDARD.encode("demo@example.org")
}

fn password64() -> String {
    STANDARD.encode(PASSWORD)
}

fn xoauth2() -> String {
    STANDARD.encode(format!("user=demo@example.org\x01auth=Bearer {TOKEN}\x01\x01"))
}

#[test]
fn both_legs_of_a_login_are_shown_without_secrets() {
    check(
        r#"S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] saslgate
C: a1 login "demo@example.org" "{password}"
    S: * OK provider
    C: A1 AUTHENTICATE XOAUTH2 {xoauth2}
    S: A1 OK [CAPABILITY IMAP4rev1 IDLE] Logged in
S: a1 OK [CAPABILITY IMAP4rev1 IDLE] Logged in
C: a2 SELECT INBOX
    C: a2 SELECT INBOX
"#,
        "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] saslgate
C: a1 LOGIN demo@example.org <password>
    S: * OK provider
    C: A1 AUTHENTICATE XOAUTH2 <access token of demo@example.org>
    S: A1 OK [CAPABILITY IMAP4rev1 IDLE] Logged in
S: a1 OK [CAPABILITY IMAP4rev1 IDLE] Logged in
C: a2 SELECT INBOX
    C: a2 SELECT INBOX
",
    );
}

#[test]
fn a_login_in_atoms_literals_or_beyond_the_grammar_hides_the_password() {
    check(
        r"C: a1 LOGIN demo@example.org {password}
S: a1 NO [AUTHENTICATIONFAILED] no
C: a2 LOGIN {16}
S: + go ahead
C: demo@example.org {9}
S: + go ahead
C: {password}
S: a2 OK done
C: a3 LOGIN {16+}
C: demo@example.org {9+}
C: {password}
S: a3 BAD no
C: a4 LOGIN demo@example.org
C: a5 LOGIN demo@example.org {password} {password}
C: a6 LOGIN {password} {password}
C: a7 LOGIN  {password}
",
        "C: a1 LOGIN demo@example.org <password>
S: a1 NO [AUTHENTICATIONFAILED] no
C: a2 LOGIN <user name and password in literals>
S: + go ahead
C: <hidden>
C: …
S: + go ahead
C: <hidden>
S: a2 OK done
C: a3 LOGIN <user name and password in literals>
C: <hidden>
C: …
C: <hidden>
S: a3 BAD no
C: a4 LOGIN <hidden>
C: a5 LOGIN <hidden>
C: <hidden: it holds the password>
C: a7 LOGIN <hidden>
",
    );
}

#[test]
fn authenticate_hides_every_line_until_the_server_ends_it() {
    check(
        r"C: a1 AUTHENTICATE PLAIN {plain}
S: a1 NO no
C: a2 authenticate plain
S: +
C: {plain}
S: a2 NO no
C: a3 AUTHENTICATE LOGIN {user64}
S: + UGFzc3dvcmQ6
C: {password64}
S: a3 NO no
C: a4 AUTHENTICATE LOGIN
S: + VXNlcm5hbWU6
C: {user64}
S: + UGFzc3dvcmQ6
C: {password64}
C: a5 NOOP
S: a4 OK done
S: a5 OK done
C: a6 AUTHENTICATE PLAIN
S: +
C: *
S: a6 BAD cancelled
C: a7 AUTHENTICATE X-OWN {password64}
S: a7 NO unknown
C: a8 AUTHENTICATE PLAIN {plain} {plain}
S: a8 BAD no
C: a9 NOOP
",
        "C: a1 AUTHENTICATE PLAIN <user name and password>
S: a1 NO no
C: a2 AUTHENTICATE PLAIN
S: +
C: <user name and password>
S: a2 NO no
C: a3 AUTHENTICATE LOGIN <user name or password>
S: + <challenge>
C: <user name or password>
S: a3 NO no
C: a4 AUTHENTICATE LOGIN
S: + <challenge>
C: <user name or password>
S: + <challenge>
C: <user name or password>
C: <user name or password>
S: a4 OK done
S: <hidden: an answer to a hidden line>
C: a6 AUTHENTICATE PLAIN
S: +
C: *
S: a6 BAD cancelled
C: a7 AUTHENTICATE <hidden> <hidden>
S: a7 NO unknown
C: a8 AUTHENTICATE <hidden>
S: a8 BAD no
C: a9 NOOP
",
    );
}

#[test]
fn a_refused_token_is_shown_with_its_challenge() {
    check(
        r"    C: A1 AUTHENTICATE OAUTHBEARER
    S: +
    C: {xoauth2}
    S: + eyJzdGF0dXMiOiI0MDEifQ==
    C: AQ==
    S: A1 NO [AUTHENTICATIONFAILED] no
",
        "    C: A1 AUTHENTICATE OAUTHBEARER
    S: +
    C: <access token of demo@example.org>
    S: + <challenge>
    C: AQ==
    S: A1 NO [AUTHENTICATIONFAILED] no
",
    );
}

#[test]
fn lines_that_are_no_known_commands_are_hidden() {
    check(
        r"C: {plain}
C: {password}
C: a1 PASS {password}
C: a2 X{password} NOOP
C: a3 NOOP {password}
C: DONE
C: \
C: 
C: a4  LOGIN demo@example.org {password}
S: * BAD {password} is not a command
",
        "C: <hidden: not a command that is known here>
C: <hidden: not a command that is known here>
C: <hidden: not a command that is known here>
C: <hidden: not a command that is known here>
C: <hidden: it holds the password>
C: DONE
C: <hidden: not a command that is known here>
C: <hidden: not a command that is known here>
S: <hidden: it holds the password>
",
    );
}

#[test]
fn literals_are_counted_and_long_lines_cut() {
    let long = "x".repeat(200);
    let message = "Subject: x\r\n\r\na1 LOGIN a b\r\n";
    let script = format!(
        "C: a1 APPEND Sent (\\Seen) {{{length}}}
S: + go ahead
C: {message}
S: a1 OK Stored
C: a2 FETCH 1 BODY[]
S: * 1 FETCH (BODY[] {{{length}}}
S: {message} FLAGS (\\Seen))
S: a2 OK Done
C: a3 SEARCH SUBJECT {{3+}}
C: abc
C: a4 NOOP {long}
",
        length = message.len(),
        message = message.replace("\r\n", "~"),
    );
    let expected = format!(
        "C: a1 APPEND Sent (\\Seen) {{28}}
S: + go ahead
C: … 28 octets of message
S: a1 OK Stored
C: a2 FETCH 1 BODY[]
S: * 1 FETCH (BODY[] {{28}}
S: … 28 octets of message
S:  FLAGS (\\Seen))
S: a2 OK Done
C: a3 SEARCH SUBJECT {{3+}}
C: … 3 octets
C: a4 NOOP {}…
",
        "x".repeat(112)
    );
    check(&script, &expected);
}

#[test]
fn what_a_server_echoes_of_a_hidden_line_is_hidden() {
    check(
        r"C: a1 AUTHENTICATE PLAIN
S: a1 NO not here
C: {plain}
S: {plain} BAD unknown command
C: a2 NOOP
S: a2 OK done
S: a2 OK twice
S: +{password64}
",
        "C: a1 AUTHENTICATE PLAIN
S: a1 NO not here
C: <hidden: not a command that is known here>
S: <hidden: an answer to a hidden line>
C: a2 NOOP
S: a2 OK done
S: <hidden: an answer to a hidden line>
S: <hidden: an answer to a hidden line>
",
    );
}

#[test]
fn what_follows_a_large_literal_is_only_hinted_at() {
    let message = "x".repeat(10_000);
    check(
        &format!("C: a1 NOOP\nS: * 1 FETCH (BODY[] {{10000}}\nS: {message})\nS: a1 OK done\n"),
        "C: a1 NOOP
S: * 1 FETCH (BODY[] {10000}
S: … 10000 octets of message
S: …
S: a1 OK done
",
    );
}

#[test]
fn a_refused_literal_does_not_swallow_the_next_command() {
    check(
        r"C: a1 APPEND Sent {100}
S: a1 NO [TRYCREATE] no
C: a2 LOGIN demo@example.org {password}
S: a2 OK done
",
        "C: a1 APPEND Sent {100}
S: a1 NO [TRYCREATE] no
C: a2 LOGIN demo@example.org <password>
S: a2 OK done
",
    );
}

#[test]
fn a_terminal_is_not_told_what_to_do() {
    check("S: * OK \x1b]0;title\x07 \u{9b}31m\n", "S: * OK ·]0;title· ·31m\n");
}
