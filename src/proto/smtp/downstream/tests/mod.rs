//! Conversations with the machine, written as they look on the wire:
//!
//! - `C: ` a line from the client (consecutive ones come in one segment), `S: ` a line of ours,
//! - `[…]` an event of the machine,
//! - `> …` what the driver does: `> tls`, `> ok`, `> no REASON text`, `> close REASON text`,
//!   `> residue`.
//!
//! Each conversation is also played octet by octet and with every segment cut at every place, and
//! must come out the same.

mod bounds;
mod commands;
mod login;
mod opening;
mod tls;

use super::*;
use crate::proto::{Credentials, RefusalReason};

const CLEAR: LocalTls = LocalTls::Unavailable;
const OFFERED: LocalTls = LocalTls::Offer { login_in_clear: true };
const DEMANDED: LocalTls = LocalTls::Offer { login_in_clear: false };

fn machine(tls: LocalTls, bounds: LoginBounds) -> SmtpDownstream {
    let options = SmtpOptions {
        name: "localhost".into(),
        promise: Extensions::UNKNOWN,
        obsolete_auth_line: false,
    };
    SmtpDownstream::new(tls, bounds, options)
}

/// Plays the conversation of a client that has read the greeting.
fn check(tls: LocalTls, conversation: &str) {
    check_within(tls, LoginBounds::default(), conversation);
}

fn check_within(tls: LocalTls, bounds: LoginBounds, conversation: &str) {
    let play = |feed: &dyn Fn(&mut SmtpDownstream, &[u8])| {
        let mut machine = machine(tls, bounds);
        assert_eq!(drain(&mut machine), "S: 220 localhost ESMTP saslgate\n");
        play(Box::new(machine), conversation, feed)
    };
    let expected = conversation.trim_start();
    assert_eq!(play(&|machine, segment| machine.handle_input(segment)), expected);
    let octets = |machine: &mut SmtpDownstream, segment: &[u8]| {
        segment.chunks(1).for_each(|octet| machine.handle_input(octet));
    };
    assert_eq!(play(&octets), expected, "octet by octet");
    for cut in 1..conversation.len().min(500) {
        let two = |machine: &mut SmtpDownstream, segment: &[u8]| {
            let (head, tail) = segment.split_at(cut.min(segment.len()));
            machine.handle_input(head);
            machine.handle_input(tail);
        };
        assert_eq!(play(&two), expected, "cut at {cut}");
    }
}

/// The conversation as it really goes.
fn play(
    mut machine: Box<SmtpDownstream>,
    conversation: &str,
    feed: &dyn Fn(&mut SmtpDownstream, &[u8]),
) -> String {
    let mut seen = String::new();
    let mut lines = conversation.trim_start().lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("C: ") {
            let mut segment = format!("{text}\r\n");
            seen += &format!("{line}\n");
            while let Some(line) = lines.next_if(|line| line.starts_with("C: ")) {
                segment += &format!("{}\r\n", line.trim_start_matches("C: "));
                seen += &format!("{line}\n");
            }
            feed(&mut machine, segment.as_bytes());
        } else if let Some(action) = line.strip_prefix("> ") {
            seen += &format!("{line}\n");
            if action == "residue" {
                let residue = machine.into_residue();
                return seen + &format!("{}\n", residue.escape_ascii());
            }
            act(&mut machine, action);
        } else {
            continue;
        }
        seen += &drain(&mut machine);
    }
    seen
}

fn act(machine: &mut SmtpDownstream, action: &str) {
    let (verb, rest) = action.split_once(' ').unwrap_or((action, ""));
    let refusal = || {
        let (reason, text) = rest.split_once(' ').unwrap();
        let reason = match reason {
            "WrongLogin" => RefusalReason::WrongLogin,
            "SignIn" => RefusalReason::SignIn,
            "ShuttingDown" => RefusalReason::ShuttingDown,
            "TooManyFailures" => RefusalReason::TooManyFailures,
            "Timeout" => RefusalReason::Timeout,
            other => panic!("add {other}"),
        };
        Refusal::new(reason, text)
    };
    match verb {
        "tls" => machine.handle_tls_established(),
        "ok" => machine.conclude(Ok(Welcome { capabilities: vec!["SIZE 1000".into()] })),
        "no" => machine.conclude(Err(refusal())),
        "close" => machine.close(refusal()),
        other => panic!("no such action: {other}"),
    }
}

/// All outputs; replies that follow each other are one text.
fn drain(machine: &mut SmtpDownstream) -> String {
    let mut seen = String::new();
    while let Some(output) = machine.poll_output() {
        match output {
            Output::Transmit(bytes) => {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                assert!(text.ends_with("\r\n"), "{text:?}");
                seen.extend(text.split_terminator("\r\n").map(|line| format!("S: {line}\n")));
            }
            Output::Event(DownstreamEvent::StartTls) => seen += "[starttls]\n",
            Output::Event(DownstreamEvent::Close) => seen += "[close]\n",
            Output::Event(DownstreamEvent::Login(Credentials { login, password, method })) => {
                let (login, password) = (login.escape_ascii(), password.expose().escape_ascii());
                seen += &format!("[{method:?} <{login}> <{password}>]\n");
            }
        }
    }
    seen
}
