//! The mailbox check: the road of a connection, step by step, for one account. The hard thing is to
//! name the cause: each step tells what was tried and what came back ([`Step`]), a [`Finding`] is an id
//! with parameters, and its words, cause and remedy, come from a catalogue per language ([`words`]).

mod about;
#[cfg(test)]
pub(crate) mod examples;
mod finding;
mod report;
pub mod words;

pub use self::{
    about::About,
    finding::Finding,
    report::{Light, Report, Step, StepKind},
    words::Language,
};
