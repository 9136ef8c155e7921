//! The mailbox check: the road of a connection, step by step, for one account. The hard thing is to
//! name the cause: each step tells what was tried and what came back ([`Step`]), a [`Finding`] is an id
//! with parameters, and its words, cause and remedy, come from a catalogue per language ([`words`]).

mod about;
mod claims;
mod credential;
pub mod diagnose;
mod dialogue;
#[cfg(test)]
pub(crate) mod examples;
mod finding;
mod identity;
mod local;
mod login;
mod mail;
mod report;
mod run;
mod server;
pub mod words;

pub use self::{
    about::About,
    claims::Claims,
    finding::Finding,
    mail::is_address,
    report::{Light, Report, Step, StepKind},
    run::{CheckContext, Listener, OnStep, Options, run},
    words::Language,
};
