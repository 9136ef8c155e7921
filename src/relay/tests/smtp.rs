//! With the eye that SMTP has on it: whoever ends a connection, the client hears what became of its
//! message, or it would send it again.

use super::duplex::{cause, give, taken};
use crate::{
    proto::{
        Refusal, RefusalReason,
        Side::{Downstream, Upstream},
        smtp::{extension::Extensions, relay::SmtpRelay},
    },
    relay::{Duplex, Early, Patience},
};

/// A relay whose client has said this, each command with its reply.
fn duplex(talk: &[(&str, &str)]) -> Duplex {
    let relay = SmtpRelay::new(Extensions { chunking: true, ..Extensions::UNKNOWN }, &[]);
    let mut duplex = Duplex::new(Box::new(relay), Early::default());
    for (said, reply) in talk {
        give(&mut duplex, Downstream, said);
        assert_eq!(taken(&mut duplex, Upstream), *said);
        give(&mut duplex, Upstream, reply);
        assert_eq!(taken(&mut duplex, Downstream), *reply);
    }
    duplex
}

const BEGIN: [(&str, &str); 3] = [
    ("MAIL FROM:<a@b>\r\n", "250 a\r\n"),
    ("RCPT TO:<c@d>\r\n", "250 b\r\n"),
    ("DATA\r\n", "354 go\r\n"),
];

fn stop(duplex: &mut Duplex) {
    duplex.stop(&Refusal::new(RefusalReason::ShuttingDown, "see you"));
}

const SEE_YOU: &str = "421 4.3.2 see you\r\n";

#[test]
fn a_stop_behind_a_message_waits_for_its_reply() {
    for (begin, said) in [
        (&BEGIN[..], "hi\r\n.\r\n"),
        (&BEGIN[..2], "BDAT 4 LAST\r\nhi\r\n"),
        (&BEGIN[..2], "BDAT 4 LAST\r\nhi\r\nMAIL FROM:<a@b>\r\nBDAT 9\r\nhi"),
    ] {
        let mut duplex = duplex(begin);
        give(&mut duplex, Downstream, said);
        stop(&mut duplex);
        assert_eq!(taken(&mut duplex, Downstream), "");
        assert_eq!(duplex.patience(), Patience::Verdict);
        // Nothing else begins.
        assert_eq!(taken(&mut duplex, Upstream), said);
        give(&mut duplex, Downstream, "MAIL FROM:<a@b>\r\n");
        give(&mut duplex, Upstream, "250-in\r\n");
        assert_eq!(taken(&mut duplex, Upstream), "");
        assert!(!duplex.wants_shutdown(Upstream) && !duplex.wants_shutdown(Downstream));
        give(&mut duplex, Upstream, "250 time\r\n");
        assert_eq!(taken(&mut duplex, Downstream), format!("250-in\r\n250 time\r\n{SEE_YOU}"));
        assert!(duplex.wants_shutdown(Upstream) && duplex.wants_shutdown(Downstream));
        assert_eq!(duplex.poll_delivery().map(|told| told.code), Some(250));
        assert_eq!(cause(duplex), "the gateway ended the session");
    }
}

#[test]
fn a_client_that_is_gone_behind_its_message_is_owed_nothing() {
    let mut duplex = duplex(&BEGIN);
    give(&mut duplex, Downstream, "hi\r\n.\r\n");
    duplex.handle_eof(Downstream);
    duplex.handle_write_error(Downstream, std::io::ErrorKind::BrokenPipe.into());
    assert_eq!(duplex.patience(), Patience::WhileBytesPass);
}

#[test]
fn a_silent_session_ends_with_a_word() {
    let mut duplex = duplex(&BEGIN[..1]);
    assert_eq!(duplex.patience(), Patience::Idle);
    duplex.handle_deadline();
    let words = "421 4.4.2 Nothing has passed for too long; please log in again\r\n";
    assert_eq!(taken(&mut duplex, Downstream), words);
    assert!(duplex.wants_shutdown(Upstream));
    assert_eq!(cause(duplex), "nothing has passed for too long");
}

#[test]
fn a_stop_within_a_message_is_one_at_once() {
    for (begin, said) in [
        (&BEGIN[..], "hi\r\n"),
        (&BEGIN[..2], "BDAT 4 LAST\r\nhi"),
        (&BEGIN[..2], "BDAT 4\r\nhi\r\n"),
        (&BEGIN[..0], "MAIL FROM:<a@b>\r\n"),
    ] {
        let mut duplex = duplex(begin);
        give(&mut duplex, Downstream, said);
        stop(&mut duplex);
        assert_eq!(taken(&mut duplex, Downstream), SEE_YOU);
        assert_eq!(taken(&mut duplex, Upstream), said);
        assert!(duplex.wants_shutdown(Upstream));
    }
}

#[test]
fn a_stop_at_quit_leaves_the_last_word_to_the_upstream() {
    let mut duplex = duplex(&BEGIN);
    give(&mut duplex, Downstream, "hi\r\n.\r\nQUIT\r\n");
    stop(&mut duplex);
    give(&mut duplex, Upstream, "250 ok\r\n");
    assert_eq!(taken(&mut duplex, Downstream), "250 ok\r\n");
    give(&mut duplex, Upstream, "221 bye\r\n");
    assert_eq!(taken(&mut duplex, Downstream), "221 bye\r\n");
    assert!(duplex.wants_shutdown(Downstream));
}

#[test]
fn a_stop_waits_for_nobody_who_is_gone_and_not_for_ever() {
    let sent = || {
        let mut duplex = duplex(&BEGIN);
        give(&mut duplex, Downstream, "hi\r\n.\r\n");
        stop(&mut duplex);
        duplex
    };
    let mut lost = sent();
    lost.handle_eof(Upstream);
    assert!(taken(&mut lost, Downstream).ends_with("not confirmed\r\n"));
    assert!(lost.wants_shutdown(Downstream));

    let mut left = sent();
    left.handle_write_error(Downstream, std::io::ErrorKind::BrokenPipe.into());
    taken(&mut left, Upstream);
    assert!(left.wants_shutdown(Upstream));

    let mut silent = sent();
    taken(&mut silent, Upstream);
    silent.handle_deadline();
    assert_eq!(taken(&mut silent, Downstream), SEE_YOU);
    assert_eq!(silent.patience(), Patience::Fixed);
    silent.handle_deadline();
    assert!(silent.is_finished());
    assert_eq!(cause(silent), "the gateway ended the session");
}

/// Some servers drop a message whose sender is gone before they could say that they have it.
#[test]
fn the_upstream_does_not_see_the_end_of_a_client_that_waits_for_its_reply() {
    for (said, replies) in [
        ("hi\r\n.\r\n", &["250 ok\r\n"][..]),
        ("hi\r\n.\r\nQUIT\r\n", &["250 ok\r\n", "221 bye\r\n"]),
    ] {
        let mut duplex = duplex(&BEGIN);
        give(&mut duplex, Downstream, said);
        duplex.handle_eof(Downstream);
        assert_eq!(taken(&mut duplex, Upstream), said);
        for reply in replies {
            // RFC 5321 section 4.5.3.2.6: a server may take ten minutes.
            assert_eq!(duplex.patience(), Patience::Idle);
            assert!(!duplex.wants_shutdown(Upstream));
            give(&mut duplex, Upstream, reply);
            assert_eq!(taken(&mut duplex, Downstream), *reply);
        }
        assert!(duplex.wants_shutdown(Upstream));
    }
}

#[test]
fn a_client_that_ends_within_its_message_keeps_nobody_waiting() {
    for (begin, said) in [
        (&BEGIN[..], "hi\r\n.\r"),
        (&BEGIN[..2], "BDAT 4 LAST\r\nhi\r"),
        (&BEGIN[..2], "BDAT 4\r\nhi\r\n"),
    ] {
        let mut duplex = duplex(begin);
        give(&mut duplex, Downstream, said);
        duplex.handle_eof(Downstream);
        assert_eq!(taken(&mut duplex, Upstream), said);
        assert!(duplex.wants_shutdown(Upstream));
    }
}

#[test]
fn what_a_client_sent_before_it_ended_still_waits_for_its_go_ahead() {
    let mut duplex = duplex(&BEGIN[..2]);
    give(&mut duplex, Downstream, "DATA\r\nhi\r\n.\r\nQUIT\r\n");
    duplex.handle_eof(Downstream);
    assert_eq!(taken(&mut duplex, Upstream), "DATA\r\n");
    assert!(!duplex.wants_shutdown(Upstream));
    give(&mut duplex, Upstream, "354 go\r\n");
    assert_eq!(taken(&mut duplex, Upstream), "hi\r\n.\r\nQUIT\r\n");
    give(&mut duplex, Upstream, "250 ok\r\n221 bye\r\n");
    assert_eq!(taken(&mut duplex, Downstream), "354 go\r\n250 ok\r\n221 bye\r\n");
    assert!(duplex.wants_shutdown(Upstream));
}
