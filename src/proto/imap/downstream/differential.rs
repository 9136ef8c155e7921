//! The commands of a client that has not logged in yet, read by us and by imap-codec. The hard thing is where
//! we read more than the grammar has: each such choice stands in [`CHOICES`], and what none of them
//! explains is a fault.

use imap_codec::{
    CommandCodec,
    decode::Decoder as _,
    imap_types::{
        auth::AuthMechanism,
        command::{Command, CommandBody},
        core::{IString, NString},
    },
};

use super::{ImapDownstream, MAX_UNASKED_LITERAL};
use crate::{
    proto::{
        Downstream as _, DownstreamEvent, LocalTls, LoginBounds, Machine as _, Output, Refusal,
        RefusalReason,
        imap::syntax::{self, Verb},
    },
    sasl::{base64, plain},
};

/// Something that is good for us and not for imap-codec, with its reason.
struct Choice {
    #[expect(dead_code, reason = "for whoever reads the table")]
    reason: &'static str,
    applies: fn(&[u8]) -> bool,
}

/// All that we take and imap-codec does not.
const CHOICES: [Choice; 4] = [
    Choice {
        reason: "LF alone ends a line (RFC 3501 section 2.2 has CRLF): people and scripts type at this \
            port, and before login nobody else reads it (`proto::line`)",
        applies: |octets| {
            let bare = |pair: &[u8]| matches!(pair, [before, b'\n'] if *before != b'\r');
            octets.first() == Some(&b'\n') || octets.windows(2).any(bare)
        },
    },
    Choice {
        reason: "a backslash stands for itself in an atom, and in a quoted string before anything but \" \
            and \\ (RFC 3501 section 9 has neither): clients send DOM\\user as a person types it",
        applies: has_stray_backslash,
    },
    Choice {
        reason: "octets above 127 may stand in a quoted string (RFC 9051 section 9, not RFC 3501): old \
            clients send passwords in their own character set",
        applies: |octets| !octets.is_ascii(),
    },
    Choice {
        reason: "whether an initial response is base64 is decided when it is decoded, since the answer \
            says so (RFC 3501 section 6.2.2); both refuse it",
        applies: |octets| {
            let command = syntax::command_tag(octets).and_then(|(_, rest)| syntax::verb(rest));
            let arguments = command.filter(|(verb, _)| *verb == Verb::Authenticate);
            let initial = arguments.and_then(|(_, rest)| syntax::authenticate(rest)?.1);
            initial.is_some_and(|it| it != b"=" && base64::decode(it).is_none())
        },
    },
];

/// One that begins no escape. What is inside a literal counts as well, which only makes this wider.
fn has_stray_backslash(octets: &[u8]) -> bool {
    let (mut quoted, mut rest) = (false, octets);
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match (first, behind.first()) {
            (b'"', _) => quoted = !quoted,
            (b'\\', Some(b'"' | b'\\')) if quoted => rest = behind.get(1..).unwrap_or_default(),
            (b'\\', _) => return true,
            _ => {}
        }
    }
    false
}

/// Takes `data` for what a client sends before its login.
///
/// # Panics
/// If imap-codec reads a command otherwise, and none of our choices says why.
pub fn fuzz_commands(data: &[u8]) {
    one(data);
    several(data);
}

/// One command, gathered with its literals: what we take, imap-codec takes for the same.
fn one(data: &[u8]) {
    let Some((tag, rest)) = syntax::command_tag(data) else { return };
    let Some((verb, arguments)) = syntax::verb(rest) else { return };
    let ours = match verb {
        Verb::Login => syntax::login(arguments)
            .map(|(user, password)| Said::Login(user, password.expose().to_vec())),
        Verb::Authenticate => syntax::authenticate(arguments).map(|(name, initial)| {
            let initial = initial.map(|it| if it == b"=" { Vec::new() } else { decoded(it) });
            Said::Authenticate(name.to_ascii_uppercase(), initial)
        }),
        Verb::Id => syntax::id(arguments).then_some(Said::Other("ID")),
        Verb::Capability => syntax::no_arguments(arguments).then_some(Said::Other("CAPABILITY")),
        Verb::Noop => syntax::no_arguments(arguments).then_some(Said::Other("NOOP")),
        Verb::Logout => syntax::no_arguments(arguments).then_some(Said::Other("LOGOUT")),
        // imap-codec has it behind a feature that the demo does not need.
        Verb::StartTls | Verb::AfterLogin => return,
    };
    let Some(ours) = ours else { return };
    if CHOICES.iter().any(|choice| (choice.applies)(data)) {
        return;
    }
    match CommandCodec::default().decode(data) {
        Ok((b"", command)) => {
            assert_eq!(command.tag.as_ref().as_bytes(), tag);
            assert_eq!(said(&command.body), Some(ours), "{}", data.escape_ascii());
        }
        other => unreachable!("{other:?} of {}", data.escape_ascii()),
    }
}

/// A command, as far as it matters before a login.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Login(Vec<u8>, Vec<u8>),
    Authenticate(Vec<u8>, Option<Vec<u8>>),
    Other(&'static str),
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other commands are alike here")]
fn said(body: &CommandBody<'_>) -> Option<Said> {
    Some(match body {
        CommandBody::Login { username, password } => {
            Said::Login(username.as_ref().to_vec(), password.declassify().as_ref().to_vec())
        }
        CommandBody::Authenticate { mechanism, initial_response } => Said::Authenticate(
            mechanism.as_ref().to_ascii_uppercase().into_bytes(),
            initial_response.as_ref().map(|it| it.declassify().to_vec()),
        ),
        CommandBody::Id { .. } => Said::Other("ID"),
        CommandBody::Capability => Said::Other("CAPABILITY"),
        CommandBody::Noop => Said::Other("NOOP"),
        CommandBody::Logout => Said::Other("LOGOUT"),
        _ => return None,
    })
}

fn decoded(text: &[u8]) -> Vec<u8> {
    base64::decode(text).unwrap_or_default()
}

/// Several commands in one go: what imap-codec takes, we take for the same.
fn several(data: &[u8]) {
    let mut expected = Vec::new();
    let mut rest = data;
    while let Ok((behind, command)) = CommandCodec::default().decode(rest) {
        let (octets, _) = rest.split_at(rest.len() - behind.len());
        let Some(answer) = expect(&command, octets) else { break };
        rest = behind;
        let over = matches!(
            command.body,
            CommandBody::Logout | CommandBody::Authenticate { initial_response: None, .. }
        );
        expected.push(answer);
        if over {
            break;
        }
    }
    let (input, _) = data.split_at(data.len() - rest.len());
    assert_eq!(serve(input), expected, "{}", input.escape_ascii());
}

/// The tag and what a client must hear or have been understood as; `None` where our bounds (RFC 2971
/// section 3.3, RFC 7888 section 5) say otherwise, or where a client waits for a `+` that we do not send.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other commands are alike here")]
fn expect(command: &Command<'_>, octets: &[u8]) -> Option<(Vec<u8>, String)> {
    let tag = command.tag.as_ref().as_bytes().to_vec();
    let answer = match &command.body {
        _ if octets.len() > MAX_UNASKED_LITERAL => return None,
        CommandBody::Login { username, password } => {
            login(username.as_ref(), password.declassify().as_ref())
        }
        CommandBody::Authenticate { mechanism, initial_response: Some(initial) } => {
            // With LOGIN, another line follows.
            let is_login = mechanism.as_ref().eq_ignore_ascii_case("LOGIN");
            match plain::decode(initial.declassify()) {
                _ if is_login => return None,
                Ok(message) if *mechanism == AuthMechanism::Plain => {
                    login(&message.authcid, message.password.expose())
                }
                Ok(_) | Err(_) => "refused".to_owned(),
            }
        }
        // The next line belongs to it.
        CommandBody::Authenticate { .. } => return None,
        CommandBody::Id { parameters } => {
            let parameters = parameters.as_deref().unwrap_or_default();
            let fits = |(field, content): &(_, _)| fits_id(field, content);
            if parameters.len() > 30 || !parameters.iter().all(fits) || octets.ends_with(b" )\r\n")
            {
                return None;
            }
            "OK".to_owned()
        }
        CommandBody::Capability | CommandBody::Noop | CommandBody::Logout => "OK".to_owned(),
        _ if octets.windows(3).any(|it| it == b"}\r\n") => return None,
        _ => "BAD Log in first".to_owned(),
    };
    Some((tag, answer))
}

fn fits_id(field: &IString<'_>, content: &NString<'_>) -> bool {
    field.as_ref().len() <= 30 && content.0.as_ref().is_none_or(|it| it.as_ref().len() <= 1024)
}

fn login(user: &[u8], password: &[u8]) -> String {
    format!("{} {}", user.escape_ascii(), password.escape_ascii())
}

/// The tag of each answer, with what was understood.
fn serve(input: &[u8]) -> Vec<(Vec<u8>, String)> {
    let bounds = LoginBounds {
        line: usize::MAX,
        literal: usize::MAX,
        total: usize::MAX,
        faults: usize::MAX,
    };
    let mut machine = ImapDownstream::new(LocalTls::Established, bounds);
    machine.handle_input(input);
    let mut said = Vec::new();
    let mut login_said = None;
    while let Some(output) = machine.poll_output() {
        match output {
            Output::Event(DownstreamEvent::Login(credentials)) => {
                login_said = Some(login(&credentials.login, credentials.password.expose()));
                machine.conclude(Err(Refusal::new(RefusalReason::WrongLogin, "wrong")));
            }
            Output::Event(_) => {}
            Output::Transmit(replies) => {
                for line in replies.split_inclusive(|&octet| octet == b'\n') {
                    said.extend(answer(line, &mut login_said));
                }
            }
        }
    }
    said
}

/// A tagged answer; one to a login stands for what was understood.
fn answer(line: &[u8], login: &mut Option<String>) -> Option<(Vec<u8>, String)> {
    if line.starts_with(b"* ") || line.starts_with(b"+ ") {
        return None;
    }
    let text = line.trim_ascii_end();
    let blank = text.iter().position(|&octet| octet == b' ')?;
    let (tag, words) = text.split_at(blank);
    let words = String::from_utf8_lossy(words.get(1..)?).into_owned();
    let said = match login.take() {
        Some(login) => login,
        None if words.starts_with("OK") => "OK".to_owned(),
        None if words == "BAD Log in first" => words,
        None => "refused".to_owned(),
    };
    Some((tag.to_vec(), said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for client in [
            "A1 CAPABILITY\r\nA2 LOGIN a b\r\nA3 NOOP\r\nA4 LOGIN c d\r\n",
            "A1 LOGIN {1}\r\na {3+}\r\nb\r\n\r\nA2 SELECT x\r\n",
            "A1 LOGIN \"a\\\"\\\\\" NIL\r\nA2 LOGIN DOM\\a \"x\\y\"\r\n",
            "A1 LOGIN \"\u{e4}\" b\r\n",
            "A1 LOGIN a b\n",
            "A1 AUTHENTICATE PLAIN AGEAYg==\r\nA2 AUTHENTICATE plain =\r\nA3 NOOP\r\n",
            "A1 AUTHENTICATE PLAIN AGEAYh==\r\n",
            "A1 AUTHENTICATE PLAIN AGEAYg\r\n",
            "A1 AUTHENTICATE X-Y AGEAYg==\r\n",
            "A1 AUTHENTICATE LOGIN YQ==\r\n*\r\nA2 LOGOUT\r\nA3 NOOP\r\n",
            "A1 ID (\"name\" \"x\" \"version\" NIL)\r\nA2 ID ({4+}\r\nname \"\")\r\nA3 ID NIL\r\n",
            "A1 ID (\"name\" \"x\" )\r\nA1 ID ()\r\n",
            "A1 STATUS a (MESSAGES)\r\nA2 IDLE\r\nA3 ENABLE X\r\nA4 GETQUOTAROOT x\r\nA5 LOGOUT\r\n",
            "A1 APPEND x {3+}\r\nabc\r\nA2 APPEND x {3}\r\nabc\r\n",
            "]! LOGIN ] ]\r\n",
            "",
        ] {
            fuzz_commands(client.as_bytes());
        }
    }

    #[test]
    fn each_choice_is_one() {
        for (index, command) in [
            &b"A LOGIN a b\n"[..],
            b"A LOGIN \"DOM\\a\" b\r\n",
            b"A LOGIN \"\xfc\" b\r\n",
            b"A AUTHENTICATE PLAIN !\r\n",
        ]
        .into_iter()
        .enumerate()
        {
            let applies: Vec<bool> = CHOICES.iter().map(|it| (it.applies)(command)).collect();
            let expected: Vec<bool> = (0..CHOICES.len()).map(|it| it == index).collect();
            assert_eq!(applies, expected, "{}", command.escape_ascii());
            assert!(CommandCodec::default().decode(command).is_err(), "{}", command.escape_ascii());
        }
    }
}
