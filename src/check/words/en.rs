//! English. The hard thing is to say whose fault it is in a sentence that a person who has never heard
//! of OAuth can pass on.

mod advice;
mod what;

pub(super) use self::{advice::advice, what::what};
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

pub(super) fn summary(login: &str, light: Light, begin_at: Option<usize>) -> String {
    match (light, begin_at) {
        (Light::Green, _) | (Light::Yellow, None) => format!("{login} works."),
        (Light::Yellow, Some(step)) => format!("{login} works; look at step {step}."),
        (Light::Red, None) => format!("{login} does not work."),
        (Light::Red, Some(step)) => format!(
            "{login} does not work: begin with step {step}. After a change in the configuration: \
             saslgate reload"
        ),
    }
}
