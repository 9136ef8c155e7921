//! Between a client and a server of ours, before its login:
//!
//! - `C: ` a line from the client (consecutive ones come in one segment), `S: ` a line of ours,
//! - `[…]` an event of the machine,
//! - `> …` what the driver does: `> tls`, `> ok CAPABILITY…`, `> no REASON text`,
//!   `> alert REASON text`, `> close REASON text`, `> residue`.

use crate::proto::{
    Credentials, Downstream, DownstreamEvent, Output, Refusal, RefusalReason, Welcome,
};

/// Plays a conversation as it stands, octet by octet, and with every segment cut at every place; `make`
/// has the machine as it is where the conversation begins.
pub(in crate::proto) fn check<D: Downstream>(make: impl Fn() -> D, conversation: &str) {
    let play = |feed: &dyn Fn(&mut D, &[u8])| play(Box::new(make()), conversation, feed);
    let expected = conversation.trim_start();
    assert_eq!(play(&|machine, segment| machine.handle_input(segment)), expected);
    let octets = |machine: &mut D, segment: &[u8]| {
        segment.chunks(1).for_each(|octet| machine.handle_input(octet));
    };
    assert_eq!(play(&octets), expected, "octet by octet");
    for cut in 1..conversation.len().min(500) {
        let two = |machine: &mut D, segment: &[u8]| {
            let (head, tail) = segment.split_at(cut.min(segment.len()));
            machine.handle_input(head);
            machine.handle_input(tail);
        };
        assert_eq!(play(&two), expected, "cut at {cut}");
    }
}

/// The conversation as it really goes.
fn play<D: Downstream>(
    mut machine: Box<D>,
    conversation: &str,
    feed: &dyn Fn(&mut D, &[u8]),
) -> String {
    let mut seen = String::new();
    let mut lines = conversation.trim_start().lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("C: ") {
            let mut segment = format!("{text}\r\n");
            seen += &format!("{line}\n");
            while let Some(line) = lines.next_if(|line| line.starts_with("C: ")) {
                segment += &format!("{}\r\n", line.strip_prefix("C: ").unwrap());
                seen += &format!("{line}\n");
            }
            feed(&mut machine, segment.as_bytes());
        } else if let Some(action) = line.strip_prefix("> ") {
            seen += &format!("{line}\n");
            if action == "residue" {
                let residue = machine.into_residue();
                return seen + &format!("{}\n", residue.escape_ascii());
            }
            act(machine.as_mut(), action);
        } else {
            continue;
        }
        seen += &drain(machine.as_mut());
    }
    seen
}

fn act(machine: &mut impl Downstream, action: &str) {
    let (verb, rest) = action.split_once(' ').unwrap_or((action, ""));
    let refusal = |alert| {
        let (reason, text) = rest.split_once(' ').unwrap();
        let reason = match reason {
            "WrongLogin" => RefusalReason::WrongLogin,
            "SignIn" => RefusalReason::SignIn,
            "ShuttingDown" => RefusalReason::ShuttingDown,
            "TooManyFailures" => RefusalReason::TooManyFailures,
            "ConnectionLimit" => RefusalReason::ConnectionLimit,
            "Timeout" => RefusalReason::Timeout,
            other => panic!("add {other}"),
        };
        Refusal { alert, ..Refusal::new(reason, text) }
    };
    match verb {
        "tls" => machine.handle_tls_established(),
        "ok" => machine
            .conclude(Ok(Welcome { capabilities: rest.split(' ').map(str::to_owned).collect() })),
        "no" => machine.conclude(Err(refusal(false))),
        "alert" => machine.conclude(Err(refusal(true))),
        "close" => machine.close(refusal(false)),
        other => panic!("no such action: {other}"),
    }
}

/// All outputs; replies that follow each other are one text.
pub(in crate::proto) fn drain(machine: &mut impl Downstream) -> String {
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
