//! With the eye that IMAP has on it: whether the two keep their contract.

use super::{
    duplex::{cause, give, offer, taken},
    strewn,
};
use crate::{
    proto::{
        Relay,
        Side::{Downstream, Upstream},
        imap::{capability::CapabilityFilter, relay::ImapRelay},
    },
    relay::{Duplex, Early, Patience, buffer::CAPACITY},
};

fn duplex() -> Duplex {
    let relay: Box<dyn Relay> = Box::new(ImapRelay::new(CapabilityFilter::new(&[])));
    Duplex::new(relay, Early::default())
}

#[test]
fn an_impatient_append_waits_for_the_go_ahead_and_a_login_behind_it_goes_nowhere() {
    let message = String::from_utf8(strewn(3 * CAPACITY, b"", 41)).unwrap();
    let said = format!("A1 APPEND x {{{}}}\r\n{message}\r\nA2 LOGIN me secret\r\n", message.len());
    let (mut given, mut heard) = (0, String::new());
    let mut duplex = duplex();
    while let count @ 1.. = offer(&mut duplex, Downstream, &said.as_bytes()[given..]) {
        given += count;
        heard += &taken(&mut duplex, Upstream);
    }
    assert_eq!(heard, "A1 APPEND x {196608}\r\n");
    assert_eq!(duplex.patience(), Patience::WhileBytesPass);
    give(&mut duplex, Upstream, "+ go ahead\r\n");
    heard += &taken(&mut duplex, Upstream);
    while let count @ 1.. = offer(&mut duplex, Downstream, &said.as_bytes()[given..]) {
        given += count;
        heard += &taken(&mut duplex, Upstream);
    }
    assert!(heard == said.replace("A2 LOGIN me secret\r\n", ""));
    give(&mut duplex, Upstream, "A1 OK done\r\n");
    let answers = taken(&mut duplex, Downstream);
    assert!(answers.starts_with("+ go ahead\r\n") && answers.contains("A2 BAD"), "{answers}");
    assert_eq!(duplex.into_ended().counts.guarded, 1);
}

#[test]
fn a_fetch_that_the_server_breaks_off_arrives_as_far_as_it_went() {
    let mut duplex = duplex();
    give(&mut duplex, Downstream, "A1 FETCH 1 BODY[]\r\n");
    give(&mut duplex, Upstream, "* 1 FETCH (BODY[] {1000}\r\nhalf of it");
    duplex.handle_eof(Upstream);
    assert_eq!(taken(&mut duplex, Downstream), "* 1 FETCH (BODY[] {1000}\r\nhalf of it");
    assert!(duplex.wants_shutdown(Downstream));
    assert_eq!(cause(duplex), "the mail server closed the connection");
}

#[test]
fn a_client_that_ends_inside_a_command_keeps_nobody_waiting() {
    for open in ["A2 NOO", "A2 LOGIN me secr", "A2 NOOP\r", "A2", "A2 LOG"] {
        let mut duplex = duplex();
        give(&mut duplex, Downstream, &format!("A1 APPEND x {{3}}\r\nabc\r\n{open}"));
        duplex.handle_eof(Downstream);
        assert_eq!(taken(&mut duplex, Upstream), "A1 APPEND x {3}\r\n");
        assert!(!duplex.wants_shutdown(Upstream), "{open}");
        give(&mut duplex, Upstream, "+ go ahead\r\n");
        let passed = taken(&mut duplex, Upstream);
        assert!(passed.starts_with("abc\r\n") && !passed.contains("LOG"), "{passed}");
        assert!(duplex.wants_shutdown(Upstream), "{open}");
        give(&mut duplex, Upstream, "A1 OK done\r\n");
        assert!(taken(&mut duplex, Downstream).ends_with("A1 OK done\r\n"));
    }
}
