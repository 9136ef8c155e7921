//! English. The hard thing is to say whose fault it is in a sentence that a person who has never heard
//! of OAuth can pass on.

mod advice;
mod what;

pub(super) use self::{advice::advice, what::what};
use super::Verdict;
use crate::check::{Light, StepKind};

pub(super) fn title(kind: StepKind, protocols: &str) -> String {
    match kind {
        StepKind::Configuration => "Configuration".to_owned(),
        StepKind::LocalSide => "Local password and ports".to_owned(),
        StepKind::Resolve => format!("Name of the {protocols} server"),
        StepKind::Connect => format!("Connection to the {protocols} server"),
        StepKind::Tls => format!("TLS and certificate of the {protocols} server"),
        StepKind::Credential => "Access token or password".to_owned(),
        StepKind::Claims => "What the access token says".to_owned(),
        StepKind::Login => format!("{protocols} login"),
        StepKind::Inbox => "INBOX".to_owned(),
        StepKind::Mail => "Test mail".to_owned(),
        StepKind::Arrival => "Arrival of the test mail".to_owned(),
    }
}

pub(super) fn light(light: Option<Light>) -> &'static str {
    match light {
        Some(Light::Green) => "green",
        Some(Light::Yellow) => "yellow",
        Some(Light::Red) => "red",
        None => "not tried",
    }
}

pub(super) fn waits(step: usize) -> String {
    format!("Not tried: step {step} must be mended first.")
}

pub(super) fn summary(login: &str, verdict: Verdict, begin_at: Option<usize>) -> String {
    match (verdict, begin_at) {
        (Verdict::Works, None) => format!("{login} works."),
        (Verdict::Works, Some(step)) => format!("{login} works; look at step {step}."),
        (Verdict::Open, None) => format!("Whether {login} works could not be seen."),
        (Verdict::Open, Some(step)) => {
            format!("Whether {login} works could not be seen: begin with step {step}.")
        }
        (Verdict::Fails, None) => format!("{login} does not work."),
        (Verdict::Fails, Some(step)) => format!(
            "{login} does not work: begin with step {step}. After a change in the configuration: \
             saslgate reload"
        ),
    }
}
