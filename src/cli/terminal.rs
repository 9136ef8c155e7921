//! What passes over the terminal. The hard thing is secrets: they are asked for without an echo, or
//! read as one line of standard input; never taken from arguments, which everybody on the machine sees.

use std::{
    fmt::Display,
    io::{self, BufRead, IsTerminal, Read, Write},
};

use super::{
    Failure,
    log::{self, no_color},
};
use crate::{platform, secret::Secret};

/// Writes a line to standard output.
pub(crate) fn say(line: impl Display) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    judge(writeln!(output, "{line}").and_then(|()| output.flush()))
}

/// Writes what has its own line ends to standard output.
pub(crate) fn write_out(text: &[u8]) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    judge(output.write_all(text).and_then(|()| output.flush()))
}

/// Whoever closed it (`| head`) has seen enough.
fn judge(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::fault(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a remark beside the result to standard error.
pub(crate) fn remark(line: impl Display) {
    // There is nowhere left to complain to.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes what went wrong to standard error.
pub(crate) fn complain(text: &str) {
    let (red, plain) = if io::stderr().is_terminal() && !no_color() {
        ("\x1b[1;31m", "\x1b[0m")
    } else {
        ("", "")
    };
    // systemd takes it as the line's priority (sd-daemon(3)): err.
    let priority = if log::is_journal() { "<3>" } else { "" };
    let mut lines = text.lines();
    remark(format_args!("{priority}{red}error:{plain} {}", lines.next().unwrap_or_default()));
    for line in lines {
        remark(format_args!("{priority}       {line}"));
    }
}

/// Whether standard output is for people who see colours.
pub(crate) fn shows_colours() -> bool {
    io::stdout().is_terminal() && !no_color()
}

/// Asks whether to go on, unless `yes` was said beforehand. Where nobody can be asked, it is a mistake
/// not to have said so.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::mistake("nothing was changed: say --yes where nobody can be asked"));
    }
    let fault = |error| Failure::fault(format!("cannot read from the terminal: {error}"));
    write!(io::stderr(), "{question} [y/N] ").map_err(fault)?;
    let mut answer = String::new();
    io::stdin().lock().take(MAX_ANSWER).read_line(&mut answer).map_err(fault)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::fault("nothing was changed")),
    }
}

/// Asks for a secret on the terminal, twice if `again`; or, if standard input is not a terminal, reads
/// its first line.
pub(crate) fn read_secret(prompt: &str, again: bool) -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        return first_line(io::stdin().lock());
    }
    let fault = |error: io::Error| {
        if error.kind() == io::ErrorKind::Interrupted {
            // The terminal is itself again; the signal's own end would cut any words short.
            std::process::exit(130);
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Failure::fault("nothing was typed, and nothing was changed");
        }
        Failure::fault(format!("cannot read from the terminal: {error}"))
    };
    let ask = |prompt: &str| {
        let text = platform::survive_interrupt(|| rpassword::prompt_password(prompt));
        text.flatten().map(|text| Secret::new(text.into_bytes())).map_err(fault)
    };
    let secret = ask(&format!("{prompt}: "))?;
    if again && ask(&format!("{prompt} (again): "))?.expose() != secret.expose() {
        return Err(Failure::mistake("the two are not the same: nothing was changed"));
    }
    Ok(secret)
}

/// The same for who writes to us and waits: one line, and what follows may come later.
pub(crate) fn read_pasted(prompt: &str) -> Result<Secret, Failure> {
    if io::stdin().is_terminal() {
        return read_secret(prompt, false);
    }
    pasted_line(io::stdin().lock())
}

/// The next line of standard input, for who asks for several; `None` at its end.
pub(crate) fn next_secret() -> Result<Option<Secret>, Failure> {
    let line = bounded_line(io::stdin().lock(), "a line of standard input is longer than 64 KiB")?;
    if line.is_empty() {
        return Ok(None);
    }
    let text = line.expose();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    Ok(Some(Secret::new(text.strip_suffix(b"\r").unwrap_or(text))))
}

fn pasted_line(input: impl BufRead) -> Result<Secret, Failure> {
    let too_long =
        "the line is longer than 64 KiB: paste the address that the browser shows, alone";
    bounded_line(input, too_long)
}

fn bounded_line(input: impl BufRead, too_long: &str) -> Result<Secret, Failure> {
    let fault = |error| Failure::fault(format!("cannot read standard input: {error}"));
    let mut line = Vec::with_capacity(MAX_SECRET + 1);
    input.take(MAX_SECRET as u64 + 1).read_until(b'\n', &mut line).map_err(fault)?;
    if line.len() > MAX_SECRET {
        crate::secret::wipe(&mut line);
        return Err(Failure::mistake(too_long));
    }
    Ok(Secret::new(line))
}

/// The first line without its end; whatever follows is refused, since it would be lost in silence.
fn first_line(input: impl BufRead) -> Result<Secret, Failure> {
    let fault = |error| Failure::fault(format!("cannot read standard input: {error}"));
    // As large as it can get, so that no half-filled copy is left behind in freed memory.
    let mut line = Vec::with_capacity(MAX_SECRET + 1);
    let mut input = input.take(MAX_SECRET as u64 + 1);
    input.read_until(b'\n', &mut line).map_err(fault)?;
    let mut rest = Vec::new();
    input.read_to_end(&mut rest).map_err(fault)?;
    if !rest.is_empty() || line.len() > MAX_SECRET {
        crate::secret::wipe(&mut rest);
        crate::secret::wipe(&mut line);
        return Err(Failure::mistake(
            "standard input holds more than one line, or a line of more than 64 KiB: give the secret \
             alone",
        ));
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    // Windows editors and shells put it before a text; no password or token begins with it.
    let secret = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line);
    let secret = Secret::new(secret);
    crate::secret::wipe(&mut line);
    Ok(secret)
}

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

const MAX_ANSWER: u64 = 1024;

const MAX_SECRET: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &[u8], expected: Option<&[u8]>) {
        let secret = first_line(input).ok();
        assert_eq!(secret.as_ref().map(Secret::expose), expected);
    }

    #[test]
    fn one_line_is_a_secret() {
        check(b"hunter2", Some(b"hunter2"));
        check(b"hunter2\n", Some(b"hunter2"));
        check(b" a b \r\n", Some(b" a b "));
        check(b"", Some(b""));
        check("\u{FEFF}hunter2\r\n".as_bytes(), Some(b"hunter2"));
        check("\u{FEFF}\u{FEFF}".as_bytes(), Some(BYTE_ORDER_MARK));
        check(b"a\nb\n", None);
        check(&vec![b'a'; MAX_SECRET], Some(&vec![b'a'; MAX_SECRET]));
        check(&vec![b'a'; MAX_SECRET + 1], None);
    }

    #[test]
    fn what_is_pasted_is_never_cut() {
        let line = |input: &[u8]| pasted_line(input).ok().map(|it| it.expose().to_vec());
        assert_eq!(line(b"address\nmore"), Some(b"address\n".to_vec()));
        assert_eq!(line(&vec![b'a'; MAX_SECRET]), Some(vec![b'a'; MAX_SECRET]));
        assert_eq!(line(&vec![b'a'; MAX_SECRET + 1]), None);
    }
}
