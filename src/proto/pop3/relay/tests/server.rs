//! A POP3 server that knows nothing of the relay's code and reads as real ones do, which is not all
//! alike. It answers everything, with the number of the answer, and remembers what it took for
//! commands.

/// How this server reads what the grammar leaves open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    /// A bare LF ends a line.
    pub(super) bare_lf: bool,
    /// A NUL or a CR ends one too.
    pub(super) divides: bool,
    /// A line that is longer than it must read (RFC 2449 section 4) is two.
    pub(super) short_lines: bool,
    /// Blanks before a command are skipped.
    pub(super) skips_blanks: bool,
    /// It refuses everything.
    pub(super) refuses: bool,
}

#[derive(Debug, Default)]
pub(super) struct Pop3Server {
    habits: Habits,
    unread: Vec<u8>,
    /// The first words of everything that it took for a command.
    pub(super) commands: Vec<String>,
}

impl Pop3Server {
    pub(super) fn new(habits: Habits) -> Self {
        Self { habits, ..Self::default() }
    }

    /// Reads, and answers.
    pub(super) fn read(&mut self, octets: &[u8]) -> String {
        self.unread.extend_from_slice(octets);
        let mut said = String::new();
        while let Some(line) = self.next_line() {
            said += &self.take(&line);
        }
        said
    }

    fn next_line(&mut self) -> Option<String> {
        let ends = |(at, octet): (usize, &u8)| match octet {
            b'\n' => self.habits.bare_lf || at > 0 && self.unread[at - 1] == b'\r',
            b'\r' => self.habits.divides && self.unread.get(at + 1) != Some(&b'\n'),
            b'\0' => self.habits.divides,
            _ => self.habits.short_lines && at == 254,
        };
        let end = self.unread.iter().enumerate().position(ends)?;
        let line: Vec<u8> = self.unread.drain(..=end).collect();
        let line = String::from_utf8_lossy(&line).into_owned();
        Some(line.trim_end_matches(['\r', '\n', '\0']).to_owned())
    }

    fn take(&mut self, line: &str) -> String {
        let line = if self.habits.skips_blanks { line.trim_start() } else { line };
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let word = word.to_ascii_uppercase();
        self.commands.push(word.clone());
        let number = self.commands.len();
        if self.habits.refuses {
            return format!("-ERR {number}\r\n");
        }
        match (word.as_str(), rest.trim()) {
            ("RETR" | "TOP", _) | ("LIST" | "UIDL" | "LANG", "") => {
                format!("+OK {number}\r\n+OK\r\n..\r\n-ERR\r\n.\r\n")
            }
            ("CAPA", _) => format!("+OK {number}\r\nUIDL\r\nSASL PLAIN\r\n.\r\n"),
            ("STAT" | "DELE" | "NOOP" | "RSET" | "LIST" | "UIDL" | "LANG" | "QUIT", _) => {
                format!("+OK {number}\r\n")
            }
            _ => format!("-ERR {number}\r\n"),
        }
    }
}
