//! The relay told a second time, slowly and in other words, for the fuzzer and the tests to compare.
//! The hard thing is to be independent: it shares no code with the first telling but the list of
//! hidden capabilities, and knows a command by its words alone.

use std::collections::VecDeque;

use super::fuzz_logic::Wire;
use crate::proto::{Counts, Relay, Side, pop3::capability::shown};

/// Both directions and all that is under way.
#[derive(Debug, Default)]
pub(super) struct Model {
    paced: bool,
    from_client: VecDeque<u8>,
    from_server: VecDeque<u8>,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    /// Commands that are not answered, in upper case; an empty one is answered by us.
    due: VecDeque<String>,
    /// What passed of a reply of many lines, from the CRLF of its first line on.
    lines: Option<Vec<u8>>,
    /// The line that was last passed on ended in LF.
    waits: bool,
    /// In a line that is too long.
    skips: bool,
    /// The client has sent QUIT.
    quit: bool,
    /// The upstream has answered QUIT, or has gone unasked.
    gone: bool,
    ended: bool,
    counts: Counts,
}

impl Model {
    pub(super) fn new(paced: bool) -> Self {
        Self { paced, ..Self::default() }
    }

    pub(super) fn send(&mut self, from: Side, piece: &[u8]) {
        match from {
            Side::Downstream => self.from_client.extend(piece),
            Side::Upstream => self.from_server.extend(piece),
        }
        while !self.ended {
            while self.take_command() {}
            if !self.take_reply() {
                return;
            }
        }
    }

    /// A whole line of the client's; `false` if there is none, or it must wait.
    fn take_command(&mut self) -> bool {
        if self.quit {
            self.from_client.clear();
        }
        let busy = self.due.len() >= 1024 || !self.due.is_empty() && (self.waits || self.paced);
        if busy || self.from_client.is_empty() {
            return false;
        }
        let end = self.from_client.iter().position(|&octet| octet == b'\n').map(|lf| lf + 1);
        self.skips |= end.unwrap_or(self.from_client.len() + 1) > 255;
        let Some(end) = end else {
            if self.skips {
                self.from_client.clear();
            }
            return false;
        };
        let line: Vec<u8> = self.from_client.drain(..end).collect();
        let content = without_end(&line);
        let words = words(content);
        let word = content.split(|&octet| octet == b' ').next().unwrap_or_default();
        let good = content.iter().all(|octet| (32..127).contains(octet)) && passes(word);
        self.counts.commands += 1;
        if self.skips || !good {
            self.counts.guarded += 1;
            self.due.push_back(String::new());
            (self.skips, self.waits) = (false, false);
            return true;
        }
        self.quit |= words == "QUIT";
        self.waits = !line.ends_with(b"\r\n");
        self.due.push_back(words);
        self.to_server.extend(line);
        true
    }

    /// A line of the upstream's, or an octet of a message, or an answer of ours; `false` if there is
    /// none.
    fn take_reply(&mut self) -> bool {
        let due = self.due.front().cloned();
        match (&self.lines, due.as_deref()) {
            (None, Some("")) => {
                self.to_client.extend_from_slice(OURS);
                self.due.pop_front();
                true
            }
            (None, _) if self.gone => {
                self.ended = !self.from_server.is_empty();
                self.ended
            }
            (Some(_), due) if due.is_none_or(|due| first(due) != "CAPA") => {
                self.from_server.pop_front().map(|octet| self.take_octet(octet)).is_some()
            }
            (lines, due) => {
                let inside = lines.is_some();
                let lf = self.from_server.iter().take(8192).position(|&octet| octet == b'\n');
                let Some(lf) = lf else {
                    self.ended = self.from_server.len() >= 8192;
                    return self.ended;
                };
                let line: Vec<u8> = self.from_server.drain(..=lf).collect();
                if inside {
                    self.take_capability(&line)
                } else {
                    self.take_line(&line, due)
                }
                true
            }
        }
    }

    fn take_octet(&mut self, octet: u8) {
        self.to_client.push(octet);
        let lines = self.lines.get_or_insert_default();
        lines.push(octet);
        if lines.ends_with(b"\r\n.\r\n") {
            self.lines = None;
            let command = self.due.pop_front().unwrap_or_default();
            self.counts.messages += u64::from(first(&command) == "RETR");
        }
    }

    fn take_capability(&mut self, line: &[u8]) {
        let content = without_end(line);
        if content == b"." {
            self.lines = None;
            self.due.pop_front();
        }
        if content == b"." || shown(content, &[]) {
            self.to_client.extend_from_slice(line);
        }
    }

    fn take_line(&mut self, line: &[u8], due: Option<&str>) {
        let status = without_end(line).split(|&octet| octet == b' ').next().unwrap_or_default();
        let status = String::from_utf8_lossy(status).to_ascii_uppercase();
        self.ended = match (status.as_str(), due) {
            ("+OK" | "-ERR", Some(_)) | ("-ERR", None) => false,
            _ => true,
        };
        if self.ended {
            return;
        }
        self.gone |= due.is_none_or(|due| due == "QUIT");
        self.to_client.extend_from_slice(line);
        let due = due.unwrap_or_default();
        let many = matches!(first(due), "CAPA" | "RETR" | "TOP")
            || matches!(due, "LIST" | "UIDL" | "LANG");
        if status == "+OK" && many {
            self.lines = Some(b"\r\n".to_vec());
        } else {
            self.due.pop_front();
        }
    }

    /// Whatever servers make of what they see, they see no login where one may begin.
    pub(super) fn assert_only_commands(&self) {
        for line in self.to_server.split(|&octet| octet == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            assert!(
                !line.iter().any(u8::is_ascii_control),
                "an end of a line, or a blank, to some"
            );
            let letters = line.iter().take_while(|octet| octet.is_ascii_alphanumeric()).count();
            assert!(line.is_empty() || passes(line.split_at(letters).0), "an unknown command");
        }
        for line in self.to_server.split_inclusive(|&octet| octet == b'\n') {
            assert!(line.ends_with(b"\n") && line.len() <= 255, "no line, or two to some");
        }
    }

    pub(super) fn assert_same(&self, wire: &Wire) {
        let (to_client, to_server) = (wire.reached_client(OURS), wire.reached(Side::Upstream));
        for (wire, model) in [(&to_server, &self.to_server), (&to_client, &self.to_client)] {
            assert!(wire == model, "{}\nis not\n{}", wire.escape_ascii(), model.escape_ascii());
        }
        assert_eq!(wire.relay.counts(), self.counts);
        assert_eq!(wire.ended.map(|fault| fault.side), self.ended.then_some(Side::Upstream));
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n").or_else(|| line.strip_suffix(b"\n")).unwrap_or(line)
}

/// The words of a line in upper case, with one space between them.
fn words(content: &[u8]) -> String {
    let text: String = content.iter().map(|&octet| char::from(octet)).collect();
    text.to_ascii_uppercase().split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn first(words: &str) -> &str {
    words.split(' ').next().unwrap_or_default()
}

fn passes(word: &[u8]) -> bool {
    const COMMANDS: &str = "|CAPA|STAT|LIST|RETR|DELE|NOOP|RSET|QUIT|TOP|UIDL|LAST|UTF8|LANG|";
    let plain = word.iter().all(u8::is_ascii_alphanumeric) && !word.is_empty();
    plain && COMMANDS.contains(&format!("|{}|", words(word)))
}

/// Stands for every answer of ours.
const OURS: &[u8] = b"<ours>";
