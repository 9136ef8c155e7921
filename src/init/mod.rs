//! From a newcomer's answers to a configuration, and from a configuration to what is typed into a mail program. The hard
//! thing is what must not be in it: no secret passes through here, only the names of the files that hold one.
//!
//! Nothing here reads or writes anything; the conversation itself is the command line's.

mod answers;
mod guess;
mod plan;
mod program;
#[cfg(test)]
mod tests;

pub use self::{
    answers::{Answers, Endpoints, Proof, ServerAnswer, UnfitServer},
    guess::{domain, is_address, provider_of, tenant_of},
    plan::{account_text, file_name, main_text},
    program::settings,
};
