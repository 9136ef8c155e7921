//! How a login begins: AUTHENTICATE, or LOGIN. The hard thing is LOGIN's arguments: a name or a password
//! may hold what would end its quoted string or the line. Such a value goes as a literal, which waits for
//! the server's word, since a server that refused it would read the value as a command.

use super::{ImapUpstream, State};
use crate::{
    proto::{
        BearerMechanism, Rejection, UpstreamCredential,
        mechanism::encoded,
        verdict::{UNSENDABLE, protocol},
    },
    sasl::{
        bearer::user_is_sendable,
        plain::{self, password_is_sendable},
    },
    secret::Secret,
};

impl ImapUpstream {
    /// Sends the first line of a login; what is awaited then.
    pub(super) fn begin(
        &mut self,
        user: &str,
        credential: &UpstreamCredential,
    ) -> Result<State, Rejection> {
        match credential {
            UpstreamCredential::Bearer(token) => self.begin_bearer(user, token),
            UpstreamCredential::Password(password) => self.begin_password(user, password),
        }
    }

    fn begin_bearer(&mut self, user: &str, token: &Secret) -> Result<State, Rejection> {
        let chosen = self.options.choose(|name| self.offers(&format!("AUTH={name}")));
        let mechanism = chosen.ok_or_else(|| self.no_mechanism())?;
        let response = self.options.bearer_response(mechanism, user, token);
        self.begin_authenticate(mechanism.name(), Some(mechanism), response)
    }

    /// AUTHENTICATE PLAIN, which carries any name (RFC 6855 section 5), or LOGIN where it is allowed.
    fn begin_password(&mut self, user: &str, password: &Secret) -> Result<State, Rejection> {
        if self.offers("AUTH=PLAIN") {
            let message = plain::initial_response(user, password);
            return self.begin_authenticate("PLAIN", None, message.as_ref().map(encoded));
        }
        // RFC 3501 section 6.2.3: it must not even be tried.
        if self.offers("LOGINDISABLED") {
            return Err(self.no_mechanism());
        }
        let tag = self.next_tag();
        let lines = login_command(&tag, user, password).ok_or_else(|| protocol(UNSENDABLE))?;
        Ok(self.next_line(tag, None, lines.into_iter()))
    }

    fn begin_authenticate(
        &mut self,
        name: &str,
        mechanism: Option<BearerMechanism>,
        response: Option<Secret>,
    ) -> Result<State, Rejection> {
        let response = response.ok_or_else(|| protocol(UNSENDABLE))?;
        let tag = self.next_tag();
        let command = [tag.as_bytes(), b" AUTHENTICATE ", name.as_bytes()];
        if self.offers("SASL-IR") {
            self.transmit(&[command.as_slice(), &[b" ", response.expose()]].concat());
            return Ok(State::Verdict { tag, mechanism, challenge: None });
        }
        self.transmit(&command);
        Ok(State::Challenge { tag, mechanism, lines: vec![response].into_iter() })
    }
}

/// The lines of a LOGIN command without their line ends; each behind the first waits for a `+`.
///
/// `login = "LOGIN" SP userid SP password`. `None` if name or password cannot be sent: no literal
/// holds a NUL (RFC 3501 section 9, `CHAR8`), and neither does an empty name or password mean anything.
fn login_command(tag: &str, user: &str, password: &Secret) -> Option<Vec<Secret>> {
    if !user_is_sendable(user) || !password_is_sendable(password) {
        return None;
    }
    let (user, user_octets) = astring(user.as_bytes());
    let (password, password_octets) = astring(password.expose());
    let front = [tag.as_bytes(), b" LOGIN ", user.expose()].concat();
    let mut lines = Vec::with_capacity(3);
    let front = match user_octets {
        None => front,
        Some(octets) => {
            lines.push(Secret::new(front));
            octets.expose().to_vec()
        }
    };
    lines.push(Secret::new([&front, b" ".as_slice(), password.expose()].concat()));
    lines.extend(password_octets);
    Some(lines)
}

/// `astring = 1*ASTRING-CHAR / string`: a quoted string where it can be one, else a literal's
/// announcement and its octets.
fn astring(value: &[u8]) -> (Secret, Option<Secret>) {
    if !value.iter().all(|&octet| octet == b' ' || octet.is_ascii_graphic()) {
        return (Secret::new(format!("{{{}}}", value.len())), Some(Secret::new(value)));
    }
    let mut quoted = Vec::with_capacity(2 * value.len() + 2);
    quoted.push(b'"');
    for &octet in value {
        if matches!(octet, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(octet);
    }
    quoted.push(b'"');
    (Secret::new(quoted), None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(user: &str, password: &str) -> Option<Vec<String>> {
        let lines = login_command("G1", user, &Secret::new(password))?;
        let text = |line: &Secret| String::from_utf8(line.expose().to_vec()).unwrap();
        Some(lines.iter().map(text).collect())
    }

    #[test]
    fn quoted_where_it_can_be() {
        for (user, password, expected) in [
            ("alice", "secret", vec![r#"G1 LOGIN "alice" "secret""#]),
            ("a b", r#"q"\ {3}"#, vec![r#"G1 LOGIN "a b" "q\"\\ {3}""#]),
            ("alice", "gr\u{fc}n", vec![r#"G1 LOGIN "alice" {5}"#, "gr\u{fc}n"]),
            ("j\u{fc}rg", "x", vec!["G1 LOGIN {5}", "j\u{fc}rg \"x\""]),
            ("j\u{fc}rg", "a\r\nb", vec!["G1 LOGIN {5}", "j\u{fc}rg {4}", "a\r\nb"]),
            ("alice", "\t", vec![r#"G1 LOGIN "alice" {1}"#, "\t"]),
        ] {
            assert_eq!(lines(user, password).unwrap(), expected);
        }
    }

    #[test]
    fn what_cannot_be_sent() {
        for (user, password) in [("", "x"), ("a\0", "x"), ("a\r\nb", "x"), ("a", ""), ("a", "\0")] {
            assert_eq!(lines(user, password), None, "{user:?} {password:?}");
        }
    }

    proptest! {
        /// Our own server side, which reads RFC 3501's grammar, takes the same name and password out.
        #[test]
        fn round_trip(user in "\\PC{1,30}", password in prop::collection::vec(1..=255u8, 1..30)) {
            use crate::proto::{
                Credentials, Downstream as _, DownstreamEvent, LocalTls, LoginBounds, Machine as _,
                Output, imap::downstream::ImapDownstream,
            };
            let mut server = ImapDownstream::new(LocalTls::Established, LoginBounds::default());
            for line in login_command("G1", &user, &Secret::new(password.as_slice())).unwrap() {
                server.handle_input(line.expose());
                server.handle_input(b"\r\n");
            }
            let outputs = std::iter::from_fn(|| server.poll_output());
            let login = outputs.filter_map(|output| match output {
                Output::Event(DownstreamEvent::Login(credentials)) => Some(credentials),
                Output::Event(_) | Output::Transmit(_) => None,
            }).next();
            let Some(Credentials { login, password: read, .. }) = login else {
                panic!("no login");
            };
            prop_assert_eq!(login, user.as_bytes());
            prop_assert_eq!(read.expose(), password);
            prop_assert!(Box::new(server).into_residue().is_empty());
        }
    }
}
