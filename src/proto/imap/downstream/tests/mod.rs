//! The machine in conversations, as `proto::conversation::downstream` plays them.

mod bounds;
mod commands;
mod login;
mod tls;

use super::*;
use crate::proto::{
    RefusalReason,
    conversation::downstream::{self as conversation, drain},
};

const CLEAR: LocalTls = LocalTls::Unavailable;

/// Plays the conversation of a client that has read the greeting.
fn check(tls: LocalTls, conversation: &str) {
    check_within(tls, LoginBounds::default(), conversation);
}

fn check_within(tls: LocalTls, bounds: LoginBounds, conversation: &str) {
    let greeted = || {
        let mut machine = ImapDownstream::new(tls, bounds);
        assert!(drain(&mut machine).starts_with("S: * OK [CAPABILITY IMAP4rev1 "));
        machine
    };
    conversation::check(greeted, conversation);
}
