//! How a login begins, by what the server offers and what we have. The hard thing is to say nothing in
//! the first line that is worth stealing: what carries the credential waits for the server's word.

use super::{SmtpUpstream, State};
use crate::{
    proto::{
        BearerMechanism, Rejection, UpstreamCredential,
        mechanism::encoded,
        text::printable,
        verdict::{OFFERED, UNSENDABLE, protocol},
    },
    sasl::{login, plain},
    secret::Secret,
};

/// What carries the credential.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mechanism {
    Bearer(BearerMechanism),
    Plain,
    Login,
}

/// What we are going to say, in base64.
#[derive(Debug)]
pub(super) struct Dialogue {
    pub(super) mechanism: Mechanism,
    pub(super) response: Secret,
    /// The second response of LOGIN.
    pub(super) password: Option<Secret>,
}

impl Mechanism {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bearer(mechanism) => mechanism.name(),
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}

impl SmtpUpstream {
    /// Names the mechanism to the server; what is awaited then.
    pub(super) fn begin(
        &mut self,
        user: &str,
        credential: &UpstreamCredential,
    ) -> Result<State, Rejection> {
        let no_mechanism = || Rejection::NoMechanism { offered: self.offered() };
        let dialogue = match credential {
            UpstreamCredential::Bearer(token) => {
                let mechanism = self.options.choose(|name| self.offers(name));
                self.carry(mechanism.ok_or_else(no_mechanism)?, user, token)
            }
            UpstreamCredential::Password(password) if self.offers("PLAIN") => {
                plain_dialogue(user, password)
            }
            UpstreamCredential::Password(password) if self.offers("LOGIN") => {
                login_dialogue(user, password)
            }
            UpstreamCredential::Password(_) => return Err(no_mechanism()),
        };
        let dialogue = dialogue.ok_or_else(|| protocol(UNSENDABLE))?;
        self.command(&[b"AUTH ", dialogue.mechanism.name().as_bytes()])?;
        Ok(State::Challenge(dialogue))
    }

    fn carry(&self, mechanism: BearerMechanism, user: &str, token: &Secret) -> Option<Dialogue> {
        let response = self.options.bearer_response(mechanism, user, token)?;
        Some(Dialogue { mechanism: Mechanism::Bearer(mechanism), response, password: None })
    }

    /// Whether the server lists this mechanism.
    fn offers(&self, mechanism: &str) -> bool {
        self.keywords.iter().any(|line| {
            // `AUTH=` is how it was written before RFC 2554, and some servers say it both ways.
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            words.next().is_some_and(|word| word.eq_ignore_ascii_case("AUTH"))
                && words.any(|word| word.eq_ignore_ascii_case(mechanism))
        })
    }

    pub(super) fn offered(&self) -> String {
        printable(self.keywords.join(", ").as_bytes(), OFFERED)
    }
}

fn plain_dialogue(user: &str, password: &Secret) -> Option<Dialogue> {
    let response = encoded(&plain::initial_response(user, password)?);
    Some(Dialogue { mechanism: Mechanism::Plain, response, password: None })
}

fn login_dialogue(user: &str, password: &Secret) -> Option<Dialogue> {
    let [name, password] = login::responses(user, password)?;
    let password = Some(encoded(&password));
    Some(Dialogue { mechanism: Mechanism::Login, response: encoded(&name), password })
}
