//! Between a server and a client of ours, before its login. `S:` and `C:` are the wire, the driver's part
//! stands in brackets (`[tls]`, `[login USER]` with a token, `[password USER PASSWORD]`), and what the
//! machine tells its driver behind `=`. `\r` and `\0` in a password stand for themselves, and so do
//! `\r\n` in what the server says.

use crate::{
    proto::{Output, Upstream, UpstreamCredential},
    secret::Secret,
};

/// Plays a conversation in pieces of several lengths, each line for itself.
pub(in crate::proto) fn check<U: Upstream>(make: impl Fn() -> U, expected: &str) {
    let expected: String =
        expected.trim().lines().map(|line| line.trim_start().to_owned() + "\n").collect();
    for cut in [usize::MAX, 1, 2, 3, 5] {
        assert_eq!(play(make(), &expected, cut), expected, "in pieces of {cut}");
    }
}

/// Plays the `S:` lines and bracketed acts of `script`, in pieces of `cut` octets, and writes down
/// everything.
pub(in crate::proto) fn play(mut machine: impl Upstream, script: &str, cut: usize) -> String {
    let mut log = String::new();
    for line in script.lines().map(str::trim_start) {
        if let Some(said) = line.strip_prefix("S:") {
            let said = format!("{}\r\n", said.strip_prefix(' ').unwrap_or(said));
            for piece in said.replace("\\r\\n", "\r\n").as_bytes().chunks(cut) {
                machine.handle_input(piece);
            }
        } else if line == "[tls]" {
            machine.handle_tls_established();
        } else if let Some(user) = line.strip_prefix("[login ") {
            let token = UpstreamCredential::Bearer(Secret::new("token"));
            machine.authenticate(user.trim_end_matches(']'), token);
        } else if let Some(login) = line.strip_prefix("[password ") {
            let (user, password) = login.trim_end_matches(']').split_once(' ').unwrap();
            let password = password.replace("\\r", "\r").replace("\\0", "\0");
            machine.authenticate(user, UpstreamCredential::Password(Secret::new(password)));
        } else {
            continue;
        }
        log += &format!("{line}\n");
        while let Some(output) = machine.poll_output() {
            log += &match output {
                Output::Transmit(line) => {
                    let line = std::str::from_utf8(&line).unwrap();
                    format!("C: {}\n", line.strip_suffix("\r\n").unwrap())
                }
                Output::Event(event) => format!("= {event:?}\n"),
            };
        }
    }
    let residue = Box::new(machine).into_residue();
    if !residue.is_empty() {
        log += &format!("residue {:?}\n", String::from_utf8_lossy(&residue));
    }
    log
}
