//! The machine in conversations, as `proto::conversation::downstream` plays them.

mod bounds;
mod commands;
mod login;
mod opening;
mod tls;

use super::*;
use crate::proto::{
    RefusalReason,
    conversation::downstream::{self as conversation, drain},
};

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
    let greeted = || {
        let mut machine = machine(tls, bounds);
        assert_eq!(drain(&mut machine), "S: 220 localhost ESMTP saslgate\n");
        machine
    };
    conversation::check(greeted, conversation);
}
