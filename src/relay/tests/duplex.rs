use std::io;

use proptest::prelude::*;

use super::{Dice, Marks, followed, strewn};
use crate::{
    proto::{
        Refusal, RefusalReason, RelayFault,
        Side::{self, Downstream, Upstream},
        smtp::{extension::Extensions, relay::SmtpRelay},
    },
    relay::{Duplex, Early, EndCause, Patience, buffer::CAPACITY},
};

/// Both buffers full, and the answers of ours that may wait (one more than their bound).
const BOUND: usize = 2 * CAPACITY + 2 * (16 * 1024 + 16);

fn duplex() -> Duplex {
    Duplex::new(Box::new(Marks::default()), Early::default())
}

/// Gives as much as there is room for; tells how much that was.
pub(super) fn offer(duplex: &mut Duplex, from: Side, octets: &[u8]) -> usize {
    let Some(space) = duplex.space(from) else { return 0 };
    let count = space.len().min(octets.len());
    if count > 0 {
        space[..count].copy_from_slice(&octets[..count]);
        duplex.filled(from, count);
    }
    count
}

/// Takes everything that is ready for `to`.
pub(super) fn taken(duplex: &mut Duplex, to: Side) -> String {
    let mut all = Vec::new();
    while !duplex.pending(to).is_empty() {
        let count = duplex.pending(to).len();
        all.extend_from_slice(duplex.pending(to));
        duplex.written(to, count);
    }
    String::from_utf8(all).unwrap()
}

pub(super) fn give(duplex: &mut Duplex, from: Side, text: &str) {
    assert_eq!(offer(duplex, from, text.as_bytes()), text.len(), "no room for {text}");
}

fn farewell() -> Refusal {
    Refusal::new(RefusalReason::ShuttingDown, "see you")
}

pub(super) fn cause(duplex: Duplex) -> String {
    duplex.into_ended().cause.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Two streams of any content pass each other, cut anywhere, while each reader takes what it
    /// likes when it likes.
    #[test]
    fn whatever_the_cuts_the_bytes_are_the_same(
        lengths in (0usize..150_000, 0usize..150_000),
        seed in 1u64..,
        largest in prop_oneof![Just(3000usize), Just(20_000), Just(100_000)],
        laziness in 1usize..10,
    ) {
        let content = [strewn(lengths.0, b"%^", seed), strewn(lengths.1, b"%^", !seed)];
        let (mut given, mut got) = ([0, 0], [Vec::new(), Vec::new()]);
        let mut dice = Dice(seed);
        let mut duplex = duplex();
        while !duplex.is_finished() {
            prop_assert!(!(duplex.patience() == Patience::Fixed), "closed without a reason");
            let way = dice.roll(2);
            let (from, to) = if way == 0 { (Downstream, Upstream) } else { (Upstream, Downstream) };
            let rest = &content[way][given[way]..];
            let count = rest.len().min(1 + dice.roll(largest));
            given[way] += offer(&mut duplex, from, &rest[..count]);
            // The server ends once it has everything, the client at once.
            let may_end = way == 0 || got[0].len() == followed(&content[0]).len();
            if given[way] == content[way].len() && may_end {
                duplex.handle_eof(from);
            }
            if dice.roll(laziness) == 0 {
                let count = duplex.pending(to).len().min(1 + dice.roll(largest));
                got[way].extend_from_slice(&duplex.pending(to)[..count]);
                if count > 0 {
                    duplex.written(to, count);
                }
            }
            if duplex.wants_shutdown(to) {
                duplex.handle_shutdown(to);
            }
            if dice.roll(5) == 0 {
                duplex.settle();
            }
            prop_assert!(duplex.held() <= BOUND, "{} octets held", duplex.held());
        }
        for way in [0, 1] {
            prop_assert!(got[way] == followed(&content[way]), "way {way} differs");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever happens in whatever order, nothing grows, nothing is offered to a closed side, and the
    /// deadline ends it.
    #[test]
    fn every_story_has_an_end(seed in 1u64.., steps in 1usize..400) {
        let content = strewn(CAPACITY, b"%^!?[].#", seed);
        let mut dice = Dice(seed);
        let mut duplex = duplex();
        for _ in 0..steps {
            let side = if dice.roll(2) == 0 { Downstream } else { Upstream };
            match dice.roll(40) {
                0 => duplex.handle_eof(side),
                1 => duplex.handle_read_error(side, io::ErrorKind::ConnectionReset.into()),
                2 => duplex.handle_write_error(side, io::ErrorKind::BrokenPipe.into()),
                3 => duplex.stop(&farewell()),
                4 => duplex.handle_quiet(side),
                5..10 => duplex.settle(),
                10..20 => {
                    let count = duplex.pending(side).len().min(1 + dice.roll(CAPACITY));
                    if count > 0 {
                        duplex.written(side, count);
                    }
                }
                _ => {
                    let start = dice.roll(content.len());
                    let end = content.len().min(start + dice.roll(CAPACITY));
                    offer(&mut duplex, side, &content[start..end]);
                }
            }
            if duplex.wants_shutdown(side) {
                duplex.handle_shutdown(side);
                prop_assert!(duplex.pending(side).is_empty());
            }
            prop_assert!(duplex.held() <= BOUND, "{} octets held", duplex.held());
        }
        // The first may find a fault, which gets its last word.
        duplex.handle_deadline();
        duplex.handle_deadline();
        prop_assert!(duplex.is_finished());
    }
}

#[test]
fn every_step_keeps_its_place() {
    let mut duplex = duplex();
    give(&mut duplex, Downstream, "a%b^c!d\n");
    assert_eq!(taken(&mut duplex, Upstream), "a<percent>b(caret)^cd\n");
    assert_eq!(taken(&mut duplex, Downstream), "(no)\n");
}

#[test]
fn an_answer_waits_for_the_end_of_the_line_before_it() {
    let mut duplex = duplex();
    give(&mut duplex, Upstream, "half a ");
    give(&mut duplex, Downstream, "!");
    assert_eq!(taken(&mut duplex, Downstream), "half a ");
    give(&mut duplex, Upstream, "line\n");
    assert_eq!(taken(&mut duplex, Downstream), "line\n(no)\n");
}

#[test]
fn a_hold_ends_with_a_step_of_the_other_side() {
    let mut duplex = duplex();
    give(&mut duplex, Downstream, "before?after");
    assert_eq!(taken(&mut duplex, Upstream), "before");
    give(&mut duplex, Upstream, ".");
    assert_eq!(taken(&mut duplex, Upstream), "after");
}

#[test]
fn early_bytes_go_first() {
    let early = Early { from_downstream: "c1%".into(), from_upstream: "s1[".into() };
    let mut duplex = Duplex::new(Box::new(Marks::default()), early);
    give(&mut duplex, Downstream, "c2");
    give(&mut duplex, Upstream, "]s2");
    assert_eq!(taken(&mut duplex, Upstream), "c1<percent>c2");
    assert_eq!(taken(&mut duplex, Downstream), "s1[]s2");
    assert_eq!(duplex.into_ended().from_client, 5);
}

#[test]
fn a_reader_that_stands_still_stops_the_other_side_at_the_bound() {
    let mut duplex = duplex();
    let mail = strewn(10 * CAPACITY, b"", 7);
    let mut given = 0;
    while let count @ 1.. = offer(&mut duplex, Upstream, &mail[given..]) {
        given += count;
    }
    assert_eq!(given, CAPACITY);
    assert_eq!(duplex.patience(), Patience::Idle);
    // A small step does not make reading worthwhile, a large one does.
    duplex.written(Downstream, 100);
    assert!(duplex.space(Upstream).is_none());
    duplex.written(Downstream, CAPACITY / 4);
    assert!(duplex.space(Upstream).is_some());
}

#[test]
fn guarded_commands_without_a_reader_are_no_way_to_fill_memory() {
    let mut duplex = duplex();
    let guarded = [b'!'; CAPACITY];
    let mut given = 0;
    while let count @ 1.. = offer(&mut duplex, Downstream, &guarded) {
        given += count;
        assert!(given < 10 * CAPACITY, "answers are collected without end");
    }
    assert!(duplex.held() <= BOUND, "{} octets held", duplex.held());
    let answers = taken(&mut duplex, Downstream);
    assert_eq!(answers, "(no)\n".repeat(given));
}

#[test]
fn an_idle_session_holds_no_memory_and_a_short_hold_little() {
    let mut duplex = duplex();
    give(&mut duplex, Downstream, "noop\n");
    give(&mut duplex, Upstream, "ok\n[");
    taken(&mut duplex, Upstream);
    taken(&mut duplex, Downstream);
    duplex.settle();
    assert_eq!(duplex.allocated(), 1);
    give(&mut duplex, Upstream, "]");
    taken(&mut duplex, Downstream);
    assert!(duplex.space(Downstream).is_some());
    duplex.settle();
    assert_eq!(duplex.allocated(), 0);
}

#[test]
fn a_line_that_the_server_never_finished_still_arrives() {
    let mut duplex = duplex();
    give(&mut duplex, Upstream, "ok\n[half of ");
    assert_eq!(taken(&mut duplex, Downstream), "ok\n");
    duplex.handle_eof(Upstream);
    assert_eq!(taken(&mut duplex, Downstream), "[half of ");
    assert!(duplex.wants_shutdown(Downstream) && duplex.wants_shutdown(Upstream));
    assert_eq!(cause(duplex), "the mail server closed the connection");
}

#[test]
fn who_waits_for_a_server_that_is_gone_hears_of_it_once() {
    let mourning =
        || Duplex::new(Box::new(Marks { mourns: true, ..Marks::default() }), Early::default());
    let mut duplex = mourning();
    give(&mut duplex, Upstream, "one\n");
    duplex.handle_eof(Upstream);
    assert!(!duplex.wants_shutdown(Downstream));
    assert_eq!(taken(&mut duplex, Downstream), "one\n(lost)\n");
    duplex.written(Upstream, 0);
    assert_eq!(taken(&mut duplex, Downstream), "");
    assert!(duplex.wants_shutdown(Downstream));
    // Not in the middle of a response, and not for our own end of it.
    let mut duplex = mourning();
    give(&mut duplex, Upstream, "[half");
    duplex.handle_eof(Upstream);
    assert_eq!(taken(&mut duplex, Downstream), "[half");
    let mut duplex = mourning();
    duplex.stop(&farewell());
    duplex.handle_eof(Upstream);
    assert!(!taken(&mut duplex, Downstream).contains("(lost)"));
}

#[test]
fn two_messages_settled_in_one_segment_are_told_of_both() {
    let extensions = Extensions { chunking: true, ..Extensions::UNKNOWN };
    let relay = SmtpRelay::new(extensions, &[]);
    let mut duplex = Duplex::new(Box::new(relay), Early::default());
    for sender in ["a@b", "c@d"] {
        let mail = format!("MAIL FROM:<{sender}>\r\nRCPT TO:<x@y>\r\nBDAT 2 LAST\r\nhi");
        give(&mut duplex, Downstream, &mail);
    }
    give(&mut duplex, Upstream, &"250 ok\r\n".repeat(6));
    let told = std::iter::from_fn(|| duplex.poll_delivery());
    assert_eq!(told.map(|delivery| delivery.sender).collect::<Vec<_>>(), ["a@b", "c@d"]);
}

#[test]
fn what_a_leaving_client_left_undecided_is_not_sent() {
    let mut duplex = duplex();
    give(&mut duplex, Downstream, "whole\n?half");
    duplex.handle_eof(Downstream);
    assert_eq!(taken(&mut duplex, Upstream), "whole\n");
    // The server could still free it.
    assert!(!duplex.wants_shutdown(Upstream));
    assert_eq!(duplex.patience(), Patience::WhileBytesPass);
    duplex.handle_deadline();
    assert!(duplex.is_finished() && duplex.pending(Upstream).is_empty());
    assert_eq!(cause(duplex), "the client closed the connection");
}

#[test]
fn what_only_the_client_could_have_completed_keeps_nobody_waiting() {
    let mut duplex = duplex();
    give(&mut duplex, Downstream, "whole\n?&half");
    duplex.handle_eof(Downstream);
    assert_eq!(taken(&mut duplex, Upstream), "whole\n");
    assert!(!duplex.wants_shutdown(Upstream));
    give(&mut duplex, Upstream, ".\n");
    assert!(duplex.wants_shutdown(Upstream) && duplex.pending(Upstream).is_empty());
    assert_eq!(cause(duplex), "the client closed the connection");
}

#[test]
fn a_client_that_is_gone_is_still_heard_to_its_end() {
    let mut duplex = duplex();
    give(&mut duplex, Downstream, "literal?");
    duplex.handle_write_error(Downstream, io::ErrorKind::BrokenPipe.into());
    give(&mut duplex, Downstream, "content\n");
    duplex.handle_eof(Downstream);
    assert!(!duplex.wants_shutdown(Upstream));
    give(&mut duplex, Upstream, ".^%");
    assert_eq!(taken(&mut duplex, Upstream), "literalcontent\n");
    assert_eq!(taken(&mut duplex, Downstream), "");
    assert!(duplex.wants_shutdown(Upstream));
    duplex.handle_shutdown(Upstream);
    assert!(!duplex.is_finished());
    duplex.handle_eof(Upstream);
    assert!(duplex.is_finished());
    assert_eq!(cause(duplex), "the connection to the client broke: broken pipe");
}

#[test]
fn a_client_that_is_gone_does_not_cost_a_whole_download() {
    let mut duplex = duplex();
    duplex.handle_write_error(Downstream, io::ErrorKind::BrokenPipe.into());
    duplex.handle_eof(Downstream);
    duplex.handle_shutdown(Upstream);
    let progress = duplex.progress();
    let mail = strewn(CAPACITY, b"", 3);
    let mut megabytes = 0;
    while !duplex.is_finished() {
        megabytes += offer(&mut duplex, Upstream, &mail);
        assert!(megabytes <= 2 * 1024 * 1024);
    }
    assert_eq!(duplex.progress(), progress, "dropped octets extended the deadline");
}

#[test]
fn an_upstream_that_takes_nothing_more_is_still_heard_to_its_end() {
    let mut duplex = duplex();
    give(&mut duplex, Downstream, "append");
    duplex.handle_write_error(Upstream, io::ErrorKind::ConnectionReset.into());
    // The client goes on, and its bytes go nowhere: also not into memory.
    for _ in 0..100 {
        give(&mut duplex, Downstream, "more and more");
        assert_eq!(duplex.held(), 0);
    }
    give(&mut duplex, Upstream, "bye: too large\n");
    duplex.handle_eof(Upstream);
    assert!(!duplex.wants_shutdown(Downstream));
    assert_eq!(taken(&mut duplex, Downstream), "bye: too large\n");
    assert!(duplex.wants_shutdown(Downstream));
    duplex.handle_shutdown(Downstream);
    assert!(!duplex.is_finished(), "the client may still be reading");
    duplex.handle_eof(Downstream);
    assert!(duplex.is_finished());
    assert_eq!(cause(duplex), "the connection to the mail server broke: connection reset");
}

#[test]
fn a_fault_ends_both_sides_with_a_last_word() {
    let mut duplex = duplex();
    give(&mut duplex, Upstream, "ok\n");
    give(&mut duplex, Downstream, "good\n#bad");
    assert_eq!(taken(&mut duplex, Upstream), "good\n");
    assert_eq!(
        taken(&mut duplex, Downstream),
        "ok\nBYE Your mail program broke the protocol: it sent a hash sign\n"
    );
    assert!(duplex.wants_shutdown(Upstream) && duplex.wants_shutdown(Downstream));
    assert!(duplex.space(Upstream).is_none());
    assert_eq!(duplex.patience(), Patience::Fixed);
    assert_eq!(cause(duplex), "the client broke the protocol: it sent a hash sign");
}

#[test]
fn nothing_is_said_in_the_middle_of_a_response() {
    let mut duplex = duplex();
    give(&mut duplex, Upstream, "half of a #");
    assert_eq!(taken(&mut duplex, Downstream), "half of a ");
    assert_eq!(cause(duplex), "the mail server broke the protocol: it sent a hash sign");
}

#[test]
fn a_stop_closes_a_quiet_client_at_once() {
    let mut duplex = duplex();
    duplex.stop(&farewell());
    assert_eq!(taken(&mut duplex, Downstream), "BYE see you\n");
    duplex.handle_quiet(Downstream);
    duplex.handle_shutdown(Downstream);
    duplex.handle_shutdown(Upstream);
    assert!(!duplex.is_finished(), "quiet before the last word is not quiet after it");
    duplex.handle_quiet(Downstream);
    assert!(duplex.is_finished());
    assert_eq!(cause(duplex), "the gateway ended the session");
}

#[test]
fn holding_for_ever_is_a_fault() {
    let mut duplex = duplex();
    let held = [&b"?"[..], &strewn(CAPACITY, b"", 5)].concat();
    assert_eq!(offer(&mut duplex, Downstream, &held), CAPACITY);
    assert!(duplex.space(Downstream).is_none());
    assert_eq!(duplex.patience(), Patience::WhileBytesPass);
    duplex.handle_deadline();
    assert!(taken(&mut duplex, Downstream).starts_with("BYE Your mail program"));
    let fault = duplex.into_ended().cause;
    assert!(matches!(fault, EndCause::Fault(RelayFault { side: Downstream, .. })), "{fault}");
}

#[test]
fn a_stuck_server_is_at_fault_at_once_when_the_client_cannot_help() {
    let mut duplex = duplex();
    duplex.handle_eof(Downstream);
    let held = [&b"["[..], &strewn(CAPACITY, b"", 5)].concat();
    assert_eq!(offer(&mut duplex, Upstream, &held), CAPACITY);
    let fault = duplex.into_ended().cause;
    assert!(matches!(fault, EndCause::Fault(RelayFault { side: Upstream, .. })), "{fault}");
}

#[test]
fn what_is_owed_at_the_deadline_is_named() {
    let mut duplex = duplex();
    give(&mut duplex, Upstream, "mail");
    duplex.handle_eof(Upstream);
    duplex.handle_deadline();
    assert_eq!(cause(duplex), "the client stopped reading, and the rest was dropped");
}
