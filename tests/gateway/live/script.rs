//! What a transcript takes for granted and a real gateway must be given: who may log in with which
//! password, what the token endpoint answers, and what makes each refusal happen.

use saslgate::proto::{Refusal, RefusalReason};

use crate::transcript::{
    format::{Act, Credential, Protocol, Step, Transcript},
    text,
};

pub(super) struct Script {
    pub(super) transcript: Transcript,
    pub(super) logins: Vec<Login>,
}

/// `[login: USER PASSWORD METHOD]` and what becomes of it.
#[derive(Clone)]
pub(super) struct Login {
    /// Its step.
    pub(super) at: usize,
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
    pub(super) outcome: Outcome,
}

#[derive(Clone)]
pub(super) enum Outcome {
    /// The upstream is dialled with these tokens, one after the other.
    Dialled(Vec<String>),
    /// Refused, and nobody dials.
    Refused(Refusal),
    /// The transcript ends here.
    Unwritten,
}

impl Login {
    /// Whether the password must be right for this to happen.
    pub(super) fn is_right(&self) -> bool {
        match &self.outcome {
            Outcome::Dialled(_) => true,
            Outcome::Refused(refusal) => refusal.reason != RefusalReason::WrongLogin,
            // An empty password is nobody's.
            Outcome::Unwritten => !self.password.is_empty(),
        }
    }
}

impl Script {
    pub(super) fn new(mut transcript: Transcript) -> Result<Self, String> {
        let mut steps = Vec::new();
        let protocol = transcript.setup.protocol;
        for step in std::mem::take(&mut transcript.steps) {
            let after_login = steps.last().is_some_and(is_login);
            if after_login && let Act::Refuse(Refusal { reason, .. }) = &step.act {
                steps.extend(Transcript::parse(protocol, cause(protocol, *reason))?.steps);
            }
            steps.push(step);
        }
        transcript.steps = steps;
        let logins = logins(&transcript.steps)?;
        Ok(Self { transcript, logins })
    }

    /// The token endpoint's answers.
    pub(super) fn answers(&self) -> Vec<(u16, String)> {
        let mut answers = Vec::new();
        let mut known = String::new();
        for login in &self.logins {
            match &login.outcome {
                Outcome::Dialled(tokens) => {
                    for token in tokens.iter().filter(|&token| *token != known) {
                        answers.push((200, grant(token)));
                    }
                    known = tokens.last().cloned().unwrap_or(known);
                }
                Outcome::Refused(refusal) => answers.extend(fault(refusal.reason)),
                Outcome::Unwritten => answers.extend(fault(RefusalReason::TokenUnavailable)),
            }
        }
        answers.extend(fault(RefusalReason::TokenUnavailable));
        answers
    }

    /// The token's user, whom the upstream knows.
    pub(super) fn mailbox(&self) -> Option<String> {
        self.transcript.steps.iter().find_map(|step| match &step.act {
            Act::Dial { user, .. } => Some(user.clone()),
            Act::Send(_)
            | Act::Expect(_)
            | Act::Effect(_)
            | Act::Refuse(_)
            | Act::Dismiss(_)
            | Act::Farewell(_)
            | Act::UpstreamGone => None,
        })
    }

    /// The stored password for the upstream, where it takes one.
    pub(super) fn password(&self) -> Option<&Vec<u8>> {
        self.transcript.steps.iter().find_map(|step| match &step.act {
            Act::Dial { credential: Credential::Password(password), .. } => Some(password),
            Act::Dial { .. }
            | Act::Send(_)
            | Act::Expect(_)
            | Act::Effect(_)
            | Act::Refuse(_)
            | Act::Dismiss(_)
            | Act::Farewell(_)
            | Act::UpstreamGone => None,
        })
    }

    /// How often a wrong login may be tried.
    pub(super) fn wrong_logins(&self) -> usize {
        let wrong = self.logins.iter().filter(|login| !login.is_right()).count();
        if self.dismisses(RefusalReason::TooManyFailures) { wrong } else { wrong + 1 }
    }

    pub(super) fn dismisses(&self, reason: RefusalReason) -> bool {
        self.transcript
            .steps
            .iter()
            .any(|step| matches!(&step.act, Act::Dismiss(refusal) if refusal.reason == reason))
    }

    /// Whether a refused token has a successor.
    pub(super) fn replaces_its_token(&self) -> bool {
        self.logins.iter().any(|login| {
            matches!(&login.outcome, Outcome::Dialled(tokens) if tokens.first() != tokens.last())
        })
    }
}

fn logins(steps: &[Step]) -> Result<Vec<Login>, String> {
    let found = steps.iter().enumerate().filter(|(_, step)| is_login(step));
    let found = found.map(|(at, step)| {
        let written = step.written.trim_start_matches("[login: ").trim_end_matches(']');
        let [user, password, _method] = <[_; 3]>::try_from(text::words(written)?)
            .map_err(|_| format!("[login: {written}] has not three words"))?;
        let after = steps.get(at + 1..).unwrap_or_default();
        let outcome = match after.first().map(|step| &step.act) {
            None => Outcome::Unwritten,
            Some(Act::Refuse(refusal)) => Outcome::Refused(refusal.clone()),
            Some(Act::Dismiss(Refusal {
                reason: RefusalReason::TooManyFailures, text, ..
            })) => Outcome::Refused(Refusal::new(RefusalReason::WrongLogin, text.as_str())),
            Some(_) => {
                let own = after.iter().take_while(|step| !is_login(step));
                Outcome::Dialled(own.filter_map(token).collect())
            }
        };
        Ok(Login { at, user, password, outcome })
    });
    found.collect()
}

fn is_login(step: &Step) -> bool {
    step.written.starts_with("[login: ")
}

fn token(step: &Step) -> Option<String> {
    let token = step.written.strip_prefix("[token: ")?.split_once(" for ")?.0;
    Some(token.to_owned())
}

fn grant(token: &str) -> String {
    format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600}}"#)
}

/// What the token endpoint says for a login to be refused so, if it is asked at all.
fn fault(reason: RefusalReason) -> Option<(u16, String)> {
    let (code, body) = match reason {
        RefusalReason::SignIn => (400, r#"{"error":"invalid_grant","error_codes":[700082]}"#),
        RefusalReason::Policy => (400, r#"{"error":"invalid_grant","error_codes":[53003]}"#),
        RefusalReason::Configuration => {
            (400, r#"{"error":"invalid_client","error_codes":[7000222]}"#)
        }
        RefusalReason::TokenUnavailable => (503, "down"),
        RefusalReason::WrongLogin
        | RefusalReason::UpstreamUnavailable
        | RefusalReason::UpstreamRefused
        | RefusalReason::NotAuthorized
        | RefusalReason::TlsRequired
        | RefusalReason::ConnectionLimit
        | RefusalReason::AccountLimit
        | RefusalReason::ShuttingDown
        | RefusalReason::Timeout
        | RefusalReason::TooManyFailures => return None,
    };
    Some((code, body.to_owned()))
}

/// What the upstream says for a login to be refused so, where the transcript leaves it out.
fn cause(protocol: Protocol, reason: RefusalReason) -> &'static str {
    match (protocol, reason) {
        (Protocol::Imap, RefusalReason::NotAuthorized) => IMAP_NO_ACCESS,
        (Protocol::Pop3, RefusalReason::NotAuthorized) => POP3_NO_ACCESS,
        (Protocol::Smtp, RefusalReason::NotAuthorized) => SMTP_NO_ACCESS,
        _ => "# nothing\n",
    }
}

const IMAP_NO_ACCESS: &str = "\
# a token's owner without access to the mailbox
[token: tOk3n-77d1 for shared@example.org]
    S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready
    C: <tag1> AUTHENTICATE XOAUTH2 {xoauth2 shared@example.org tOk3n-77d1}
    S: <tag1> OK done
    C: <tag2> CAPABILITY
    S: <tag2> BAD User is authenticated but not connected.
    [reject: not connected User is authenticated but not connected.]
";

const POP3_NO_ACCESS: &str = "\
# a token's owner without access to the mailbox
[token: tOk3n-77d1 for shared@example.org]
    S: +OK ready
    C: CAPA
    S: +OK
    S: SASL XOAUTH2
    S: .
    C: AUTH XOAUTH2
    S: +\\s
    C: {xoauth2 shared@example.org tOk3n-77d1}
    S: -ERR User is authenticated but not connected.
    [reject: not connected User is authenticated but not connected.]
";

const SMTP_NO_ACCESS: &str = "\
# a token's owner without access to the mailbox
[token: tOk3n-77d1 for shared@example.org]
    S: 220 ready
    C: EHLO [127.0.0.1]
    S: 250-ready
    S: 250 AUTH XOAUTH2
    C: AUTH XOAUTH2
    S: 334\\s
    C: {xoauth2 shared@example.org tOk3n-77d1}
    S: 535 5.7.3 User is authenticated but not connected.
    [reject: not connected 535 5.7.3 User is authenticated but not connected.]
";
