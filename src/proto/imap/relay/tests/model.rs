//! An IMAP server that knows nothing of the relay's code and reads as real ones do, which is not all
//! alike. It answers everything and remembers what it took for commands.

/// How this server reads what the grammar leaves open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    /// A bare LF ends a line.
    pub(super) bare_lf: bool,
    /// Literals are refused, synchronizing ones before they are sent.
    pub(super) refuses: bool,
    /// An announcement may be followed by blanks.
    pub(super) lenient: bool,
    /// A quoted string may go on behind a line's end.
    pub(super) long_quotes: bool,
    /// An announcement in an open quoted string is one.
    pub(super) ignores_quotes: bool,
    /// An announcement must stand where an argument may begin.
    pub(super) exact: bool,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    habits: Habits,
    unread: Vec<u8>,
    command: Vec<u8>,
    literal: usize,
    idling: Option<String>,
    /// The first words of everything that it took for a command.
    pub(super) commands: Vec<String>,
}

impl Model {
    pub(super) fn new(habits: Habits) -> Self {
        Self { habits, ..Self::default() }
    }

    /// Reads, and answers.
    pub(super) fn read(&mut self, octets: &[u8]) -> String {
        self.unread.extend_from_slice(octets);
        let mut said = String::new();
        loop {
            let here = self.literal.min(self.unread.len());
            self.unread.drain(..here);
            self.literal -= here;
            if self.literal > 0 {
                return said;
            }
            let Some(line) = self.next_line() else { return said };
            said += &self.take(&line);
        }
    }

    fn next_line(&mut self) -> Option<Vec<u8>> {
        let mut quoted = false;
        for (at, octet) in self.unread.iter().enumerate() {
            quoted ^= *octet == b'"';
            let ends = *octet == b'\n'
                && (self.habits.bare_lf || at > 0 && self.unread[at - 1] == b'\r')
                && !(quoted && self.habits.long_quotes);
            if ends {
                let line: Vec<u8> = self.unread.drain(..=at).collect();
                let line = line.strip_suffix(b"\n").unwrap();
                return Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
            }
        }
        None
    }

    fn take(&mut self, line: &[u8]) -> String {
        if let Some(tag) = self.idling.take() {
            let verdict = if line.eq_ignore_ascii_case(b"DONE") { "OK" } else { "BAD" };
            return format!("{tag} {verdict} idled\r\n");
        }
        self.command.extend_from_slice(line);
        let open = line.iter().filter(|octet| **octet == b'"').count() % 2 == 1;
        let announced = self.announced(line).filter(|_| !open || self.habits.ignores_quotes);
        let words = String::from_utf8_lossy(&self.command).into_owned();
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        let (tag, word) = (
            words.first().copied().unwrap_or("*").to_owned(),
            words.get(1).copied().unwrap_or_default().to_ascii_uppercase(),
        );
        match announced {
            Some((octets, waits)) if !(self.habits.refuses && waits) => {
                self.literal = octets;
                self.command.push(b' ');
                return if waits { "+ go ahead\r\n".to_owned() } else { String::new() };
            }
            Some(_) => {
                self.command.clear();
                return format!("{tag} NO refused\r\n");
            }
            None => self.command.clear(),
        }
        if words.is_empty() {
            return String::new();
        }
        self.commands.push(word.clone());
        if word == "IDLE" {
            self.idling = Some(tag);
            return "+ idling\r\n".to_owned();
        }
        let legal = !tag.contains(['(', ')', '{', '%', '*', '"', '\\', '+']);
        if legal { format!("{tag} OK done\r\n") } else { "* BAD tag\r\n".to_owned() }
    }

    fn announced(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = std::str::from_utf8(line).ok()?;
        let line = if self.habits.lenient { line.trim_end() } else { line };
        let (before, number) = line.strip_suffix('}')?.rsplit_once('{')?;
        if self.habits.exact && !before.ends_with([' ', '(', '~']) {
            return None;
        }
        let waits = !number.ends_with('+');
        Some((number.strip_suffix('+').unwrap_or(number).parse().ok()?, waits))
    }
}
