//! The machine in conversations, as `proto::conversation::downstream` plays them.

mod bounds;
mod commands;
mod login;

use super::*;
use crate::proto::{
    RefusalReason,
    conversation::downstream::{self as conversation, drain},
};

const CLEAR: LocalTls = LocalTls::Unavailable;
const OFFERED: LocalTls = LocalTls::Offer { login_in_clear: true };
const DEMANDED: LocalTls = LocalTls::Offer { login_in_clear: false };

/// Plays the conversation of a client that has read the greeting.
fn check(tls: LocalTls, conversation: &str) {
    check_within(tls, LoginBounds::default(), conversation);
}

fn check_within(tls: LocalTls, bounds: LoginBounds, conversation: &str) {
    let greeted = || {
        let mut machine = Pop3Downstream::new(tls, bounds);
        assert_eq!(drain(&mut machine), "S: +OK saslgate ready\n");
        machine
    };
    conversation::check(greeted, conversation);
}
