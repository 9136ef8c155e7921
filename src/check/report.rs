//! What a check has seen, step by step. The hard thing is that a step which could not be tried says
//! which one it waits for, so that a reader begins at the right place.

use std::time::Duration;

use serde::Serialize;
use strum::IntoStaticStr;

use super::Finding;
use crate::config::Protocol;

/// A step's colour; the later ones are worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// As it should be.
    Green,
    /// It works, or may pass; somebody should look.
    Yellow,
    /// It does not work.
    Red,
}

impl Light {
    /// 0, 1 or 2.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Green => 0,
            Self::Yellow => 1,
            Self::Red => 2,
        }
    }
}

/// What a step tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StepKind {
    /// The account's settings.
    Configuration,
    /// Local passwords, and the daemon.
    LocalSide,
    /// The server's name.
    Resolve,
    /// TCP.
    Connect,
    /// TLS and the certificate.
    Tls,
    /// An access token, or the stored password.
    Credential,
    /// What the access token says.
    Claims,
    /// IMAP, POP3 or SMTP login.
    Login,
    /// SELECT INBOX.
    Inbox,
    /// The test mail.
    Mail,
    /// Its arrival.
    Arrival,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// From 1.
    pub number: usize,
    /// What it tries.
    pub kind: StepKind,
    /// At whose server, where there is one: protocols that share a host and port share the steps to it.
    pub protocols: Vec<Protocol>,
    /// What was tried: a file, `host:port`, a URL, a user; as it is, in no language.
    pub tried: String,
    /// What was found; empty where it was not tried.
    pub findings: Vec<Finding>,
    /// The number of the step that must be mended first; then nothing was tried.
    pub waits_for: Option<usize>,
    /// How long it took.
    #[serde(rename = "milliseconds", serialize_with = "milliseconds")]
    pub took: Duration,
}

impl Step {
    /// The worst of its findings; `None` where it was not tried.
    pub fn light(&self) -> Option<Light> {
        self.findings.iter().map(|finding| self.light_of(finding)).max()
    }

    /// The colour of one of its findings. What a token says of itself is an omen and no verdict: the servers
    /// decide, and a login that they refuse is red at its own step, with the same finding.
    pub fn light_of(&self, finding: &Finding) -> Light {
        let light = finding.light();
        if self.kind == StepKind::Claims { light.min(Light::Yellow) } else { light }
    }

    /// Whether it is a login that was let in.
    fn is_let_in(&self) -> bool {
        let good =
            |it: &Finding| matches!(it, Finding::LoginGood { .. } | Finding::SmtpWorksAs { .. });
        self.findings.iter().any(good)
    }
}

/// One account's check.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whose.
    pub login: String,
    /// In order.
    pub steps: Vec<Step>,
}

impl Report {
    /// The worst of all.
    pub fn light(&self) -> Light {
        self.steps.iter().filter_map(Step::light).max().unwrap_or(Light::Green)
    }

    /// Whether every server has let us in. Without that nothing is shown to work, though all of it may pass.
    pub fn is_let_in(&self) -> bool {
        self.shut().is_none()
    }

    /// Where to begin: `None` if there is nothing to do.
    pub fn begin_at(&self) -> Option<usize> {
        match self.light() {
            Light::Green => None,
            Light::Red => self.first(Light::Red),
            // A remark that is yellow, too, is not why a login did not come about.
            Light::Yellow => self
                .shut()
                .map(|login| login.waits_for.unwrap_or(login.number))
                .or_else(|| self.first(Light::Yellow)),
        }
    }

    /// The first login that was not let in.
    fn shut(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.kind == StepKind::Login && !step.is_let_in())
    }

    fn first(&self, light: Light) -> Option<usize> {
        self.steps.iter().find(|step| step.light() == Some(light)).map(|step| step.number)
    }
}

fn milliseconds<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

/// Times as whole seconds since 1970.
pub(super) mod unix_seconds {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use serde::{Deserialize, de::Error};

    fn seconds(time: &SystemTime) -> u64 {
        time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    pub(crate) fn serialize<S: serde::Serializer>(
        time: &SystemTime,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_u64(seconds(time))
    }

    fn time<E: Error>(seconds: u64) -> Result<SystemTime, E> {
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        time.ok_or_else(|| E::custom("a time beyond all clocks"))
    }

    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<SystemTime, D::Error> {
        time(u64::deserialize(from)?)
    }

    pub(crate) mod option {
        use serde::Deserialize;

        use super::{SystemTime, seconds};

        pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(
            from: D,
        ) -> Result<Option<SystemTime>, D::Error> {
            Option::<u64>::deserialize(from)?.map(super::time).transpose()
        }

        pub(crate) fn serialize<S: serde::Serializer>(
            time: &Option<SystemTime>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => to.serialize_some(&seconds(time)),
                None => to.serialize_none(),
            }
        }
    }
}
