//! German. The hard thing is the administrators' own language: product pages keep the names that they
//! have in the German portals where those are settled, and their English ones where people search by them.

mod advice;
mod what;

pub(super) use self::{advice::advice, what::what};
use super::Verdict;
use crate::check::{Light, StepKind};

pub(super) fn title(kind: StepKind, protocols: &str) -> String {
    match kind {
        StepKind::Configuration => "Konfiguration".to_owned(),
        StepKind::LocalSide => "Lokales Passwort und lokale Ports".to_owned(),
        StepKind::Resolve => format!("Name des {protocols}-Servers"),
        StepKind::Connect => format!("Verbindung zum {protocols}-Server"),
        StepKind::Tls => format!("TLS und Zertifikat des {protocols}-Servers"),
        StepKind::Credential => "Zugriffstoken oder Passwort".to_owned(),
        StepKind::Claims => "Inhalt des Zugriffstokens".to_owned(),
        StepKind::Login => format!("{protocols}-Anmeldung"),
        StepKind::Inbox => "Posteingang (INBOX)".to_owned(),
        StepKind::Mail => "Testmail".to_owned(),
        StepKind::Arrival => "Ankunft der Testmail".to_owned(),
    }
}

pub(super) fn light(light: Option<Light>) -> &'static str {
    match light {
        Some(Light::Green) => "grün",
        Some(Light::Yellow) => "gelb",
        Some(Light::Red) => "rot",
        None => "nicht versucht",
    }
}

pub(super) fn waits(step: usize) -> String {
    format!("Nicht versucht: Zuerst muss Schritt {step} behoben werden.")
}

pub(super) fn summary(login: &str, verdict: Verdict, begin_at: Option<usize>) -> String {
    match (verdict, begin_at) {
        (Verdict::Works, None) => format!("{login} funktioniert."),
        (Verdict::Works, Some(step)) => {
            format!("{login} funktioniert; sehen Sie sich Schritt {step} an.")
        }
        (Verdict::Open, None) => format!("Ob {login} funktioniert, war nicht zu sehen."),
        (Verdict::Open, Some(step)) => {
            format!("Ob {login} funktioniert, war nicht zu sehen: Beginnen Sie mit Schritt {step}.")
        }
        (Verdict::Fails, None) => format!("{login} funktioniert nicht."),
        (Verdict::Fails, Some(step)) => format!(
            "{login} funktioniert nicht: Beginnen Sie mit Schritt {step}. Nach einer Änderung an der \
             Konfiguration: saslgate reload"
        ),
    }
}

/// Of ours, inside a server's words: what stands for some that hold the credential, and where one denies the
/// login that it offers.
pub(super) fn translated(what: String) -> String {
    OURS.iter().fold(what, |what, (english, german)| what.replace(english, german))
}

const OURS: [(&str, &str); 2] = [
    ("(it repeated the credential)", "(er wiederholt die Zugangsdaten)"),
    ("; and says to AUTH ", "; und antwortet auf AUTH "),
];
