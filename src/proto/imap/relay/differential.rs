//! Where the commands of a session begin and which of them are kept, read by the [relay](super) and by
//! imap-codec. The hard thing is that imap-codec cannot wait: here the upstream says `+` and tagged answers
//! exactly when the relay does not go on without.

use imap_codec::{
    CommandCodec, IdleDoneCodec,
    decode::Decoder as _,
    imap_types::command::{Command, CommandBody},
};

use super::{client::Client, guard::Answers, head::HEAD};
use crate::proto::{Step, imap::literal::announced};

/// One command, as imap-codec reads it.
struct Read {
    begins: usize,
    tag: Vec<u8>,
    kept: bool,
}

/// Takes `data` for what a client sends after its login, as far as imap-codec understands it.
///
/// # Panics
/// If the relay sees a command begin elsewhere, or keeps another one than a login.
pub fn fuzz_session(data: &[u8]) {
    let (commands, input) = read(data);
    // A head that is told within so many octets (RFC 2683 section 3.2.1.5 has 1000 for a whole line).
    if commands.iter().any(|it| it.tag.len() + LONGEST_WORD > HEAD) {
        return;
    }
    let expected: Vec<(usize, bool)> = commands.iter().map(|it| (it.begins, it.kept)).collect();
    let seen = relayed(input, &commands);
    assert_eq!(seen, expected, "{}", input.escape_ascii());
}

/// All whole commands at the front, and how far they reach.
fn read(data: &[u8]) -> (Vec<Read>, &[u8]) {
    let mut commands = Vec::new();
    let mut rest = data;
    while let Ok((behind, command)) = CommandCodec::default().decode(rest) {
        let is_idle = command.body == CommandBody::Idle;
        let behind = if is_idle {
            let Ok((behind, _)) = IdleDoneCodec::default().decode(behind) else { break };
            behind
        } else {
            behind
        };
        let (octets, _) = rest.split_at(rest.len() - behind.len());
        let kept = is_kept(&command);
        // A literal of a command that is kept is never asked for, so it never comes.
        if kept && asks(octets) || is_doubtful(octets) {
            break;
        }
        let begins = data.len() - rest.len();
        let tag = command.tag.as_ref().as_bytes().to_vec();
        commands.push(Read { begins, tag, kept });
        rest = behind;
    }
    let (input, _) = data.split_at(data.len() - rest.len());
    (commands, input)
}

/// Whether a line ends in `+}` and announces no literal: an atom to imap-codec (RFC 3501 section 9 bars only
/// `{`), but a server may go on with octets that we take for a command, so the connection ends.
fn is_doubtful(octets: &[u8]) -> bool {
    let lines = octets.split(|&octet| octet == b'\n');
    let mut lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.any(|line| line.ends_with(b"+}") && announced(line).is_none())
}

/// Whether a line ends as if it announced a synchronizing literal.
fn asks(octets: &[u8]) -> bool {
    octets.windows(4).any(|it| matches!(it, [b'0'..=b'9', b'}', b'\r', b'\n']))
}

/// What never goes upstream after a login; see [`super::guard`]. A line whose *tag* is LOGIN or AUTHENTICATE
/// is kept as well: it is more likely a login without a tag.
fn is_kept(command: &Command<'_>) -> bool {
    let body = &command.body;
    let tag = command.tag.as_ref();
    matches!(
        body,
        CommandBody::Login { .. } | CommandBody::Authenticate { .. } | CommandBody::Compress { .. }
    ) || ["LOGIN", "AUTHENTICATE"].iter().any(|name| tag.eq_ignore_ascii_case(name))
}

/// Where the relay sees commands begin, and whether it keeps them.
fn relayed(input: &[u8], commands: &[Read]) -> Vec<(usize, bool)> {
    let (mut client, mut answers) = (Client::new(), Answers::default());
    let (mut seen, mut rest) = (Vec::new(), input);
    let mut unanswered: Vec<&[u8]> = Vec::new();
    let mut holds = 0;
    while !rest.is_empty() {
        let before = client.counts();
        let step = client.inspect(rest, &mut answers);
        let after = client.counts();
        if after.commands > before.commands {
            let kept = after.guarded > before.guarded;
            let tag = commands.get(seen.len()).map(|it| it.tag.as_slice());
            unanswered.extend(tag.filter(|_| !kept));
            seen.push((input.len() - rest.len(), kept));
        }
        match step {
            Step::Forward(octets) | Step::Discard(octets) => {
                holds = 0;
                let (_, behind) = rest.split_at(octets);
                rest = behind;
            }
            // Only the upstream can help: by a `+`, or else by its answers.
            Step::Hold => {
                holds += 1;
                assert!(holds < 3, "{} is held", rest.escape_ascii());
                while answers.pop().is_some() {}
                if holds == 2 || client.handle_continuation().is_err() {
                    unanswered.drain(..).for_each(|tag| client.handle_completion(tag));
                }
            }
            step @ (Step::Replace { .. } | Step::Insert(_) | Step::End(_)) => {
                unreachable!("{step:?} at {} of {}", rest.escape_ascii(), input.escape_ascii())
            }
        }
    }
    seen
}

/// The longest of the words that make a command.
const LONGEST_WORD: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for client in [
            "A1 NOOP\r\nA2 LOGIN a b\r\nA3 SELECT INBOX\r\n",
            "A LOGIN {1+}\r\na {1+}\r\nb\r\nB AUTHENTICATE PLAIN AGEAYg==\r\nC LOGOUT\r\n",
            "A IDLE\r\nDONE\r\nA UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS ({4+}\r\nDate)])\r\n",
            "A APPEND x {5}\r\nA L\r\n\r\nB COMPRESS DEFLATE\r\n",
            "login NOOP\r\nA SELECT a}\r\nB SELECT \"{5}\"\r\nC SELECT \"\\\"{1}\"\r\nD CHECK\r\n",
            "A STATUS a{b (MESSAGES)\r\nA SEARCH TEXT {0}\r\n\r\nA ENABLE X\r\n",
            "A ID NIL\r\nB NAMESPACE\r\nC GETQUOTAROOT x\r\nD UNSELECT\r\nE MOVE 1 x\r\n",
            "A STARTTLS\r\n",
            "",
        ] {
            fuzz_session(client.as_bytes());
        }
        let many: String = (0..100).map(|number| format!("A{number} NOOP\r\n")).collect();
        fuzz_session(many.as_bytes());
        let (commands, _) = read(b"A IDLE\r\nDONE\r\nB LOGIN a {1+}\r\nb\r\nC NOOP\r\n");
        let found: Vec<(usize, bool)> = commands.iter().map(|it| (it.begins, it.kept)).collect();
        assert_eq!(found, [(0, false), (14, true), (33, false)]);
    }
}
