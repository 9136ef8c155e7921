//! How a login begins, by what the server offers and what we have. The hard thing is a server that does
//! not say what it offers: it is asked for what most servers know.

use super::{Pop3Upstream, State};
use crate::{
    proto::{
        BearerMechanism, Rejection,
        mechanism::encoded,
        pop3::capability,
        text::printable,
        verdict::{OFFERED, UNSENDABLE, protocol},
    },
    sasl::{bearer::user_is_sendable, plain},
    secret::Secret,
};

impl Pop3Upstream {
    /// Always in two lines: Exchange refuses the token in the first, and a token breaks the bound of 255
    /// octets for an AUTH line (RFC 5034 section 4).
    pub(super) fn begin_bearer(&mut self, user: &str, token: &Secret) -> Result<State, Rejection> {
        let Some(mechanism) = self.options.choose(|name| self.offers(name).unwrap_or(true)) else {
            return Err(Rejection::NoMechanism { offered: self.offered() });
        };
        let response = self.options.bearer_response(mechanism, user, token);
        self.begin_auth(mechanism.name(), Some(mechanism), response)
    }

    /// PLAIN where it is listed, else the protocol's own commands.
    pub(super) fn begin_password(
        &mut self,
        user: &str,
        password: Secret,
    ) -> Result<State, Rejection> {
        if !user_is_sendable(user) {
            return Err(protocol(UNSENDABLE));
        }
        if self.offers("PLAIN") == Some(true) {
            let response = plain::initial_response(user, &password);
            return self.begin_auth("PLAIN", None, response.as_ref().map(encoded));
        }
        if self.capabilities.is_some() && !self.lists("USER") {
            return Err(Rejection::NoMechanism { offered: self.offered() });
        }
        if password.expose().iter().any(|octet| b"\r\n\0".contains(octet)) {
            return Err(protocol(UNSENDABLE));
        }
        self.command(&[b"USER ", user.as_bytes()])?;
        Ok(State::Name { password })
    }

    /// Names the mechanism; `response` is what then goes in base64, if it can be sent.
    fn begin_auth(
        &mut self,
        name: &str,
        mechanism: Option<BearerMechanism>,
        response: Option<Secret>,
    ) -> Result<State, Rejection> {
        let response = response.ok_or_else(|| protocol(UNSENDABLE))?;
        self.command(&[b"AUTH ", name.as_bytes()])?;
        Ok(State::Challenge { mechanism, response })
    }

    /// Whether a line of the list has this name.
    pub(super) fn lists(&self, name: &str) -> bool {
        self.capabilities.iter().flatten().any(|line| has_name(line, name))
    }

    /// Whether the SASL line names this mechanism (RFC 2449 section 6.3); `None`: nobody knows.
    fn offers(&self, mechanism: &str) -> Option<bool> {
        let lines = self.capabilities.as_ref()?;
        let mut listed = lines.iter().filter(|line| has_name(line, "SASL"));
        let named = |line: &String| {
            line.split_ascii_whitespace().skip(1).any(|one| one.eq_ignore_ascii_case(mechanism))
        };
        Some(listed.any(named))
    }

    pub(super) fn offered(&self) -> String {
        let list = self.capabilities.as_deref().unwrap_or_default().join(", ");
        printable(list.as_bytes(), OFFERED)
    }
}

fn has_name(line: &str, name: &str) -> bool {
    capability::name(line.as_bytes()).eq_ignore_ascii_case(name.as_bytes())
}
