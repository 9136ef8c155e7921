//! An SMTP server that knows nothing of the relay's code and reads as real ones do, which is not all
//! alike. It answers everything and remembers what it took for commands.

/// How this server reads what the grammar leaves open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    /// A bare LF ends a line.
    pub(super) bare_lf: bool,
    /// A CR ends a line, too.
    pub(super) bare_cr: bool,
    /// Anything but a letter in front of a verb, and any control behind it, is skipped.
    pub(super) generous: bool,
    /// It takes no message: DATA is refused, and chunks are.
    pub(super) refuses: bool,
    /// It answers before a message is over.
    pub(super) hasty: bool,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    habits: Habits,
    unread: Vec<u8>,
    chunk: usize,
    /// It is in a message: what of it has come.
    message: Option<Vec<u8>>,
    answered: bool,
    /// The verbs of everything that it took for a command.
    pub(super) commands: Vec<String>,
    /// Messages in full, and chunks.
    pub(super) messages: Vec<Vec<u8>>,
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
            if self.chunk > 0 {
                let here = self.chunk.min(self.unread.len());
                let chunk: Vec<u8> = self.unread.drain(..here).collect();
                self.messages.last_mut().unwrap().extend(chunk);
                self.chunk -= here;
                if self.chunk > 0 {
                    return said;
                }
                said += self.chunk_reply();
            } else if let Some(message) = &mut self.message {
                if self.unread.is_empty() {
                    return said;
                }
                message.push(self.unread.remove(0));
                said += self.in_message();
            } else {
                let Some(line) = self.next_line() else { return said };
                said += &self.take(&line);
            }
        }
    }

    fn in_message(&mut self) -> &'static str {
        let Some(message) = &self.message else { return "" };
        if message.ends_with(b"\r\n.\r\n") {
            self.messages.extend(self.message.take());
            return if std::mem::take(&mut self.answered) { "" } else { "250 queued as X\r\n" };
        }
        if self.habits.hasty && message.len() > 6 && !self.answered {
            self.answered = true;
            return "452 enough\r\n";
        }
        ""
    }

    fn next_line(&mut self) -> Option<Vec<u8>> {
        let Habits { bare_lf, bare_cr, .. } = self.habits;
        let ends = |at: usize| {
            let before = at.checked_sub(1).map(|before| self.unread[before]);
            match self.unread[at] {
                b'\n' => bare_lf || before == Some(b'\r'),
                b'\r' => bare_cr && self.unread.get(at + 1).is_some_and(|next| *next != b'\n'),
                _ => false,
            }
        };
        let end = (0..self.unread.len()).find(|at| ends(*at))?;
        let line: Vec<u8> = self.unread.drain(..=end).collect();
        Some(line.trim_ascii_end().to_vec())
    }

    fn take(&mut self, line: &[u8]) -> String {
        let text = String::from_utf8_lossy(line).to_ascii_uppercase();
        let text = if self.habits.generous {
            let text = text.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
            text.replace(|c: char| c.is_control(), " ")
        } else {
            text
        };
        let words: Vec<&str> = text.split(' ').collect();
        let verb = words.first().copied().unwrap_or_default();
        self.commands.push(verb.to_owned());
        match verb {
            "DATA" if !self.habits.refuses => {
                self.message = Some(b"\r\n".to_vec());
                "354 go ahead\r\n".into()
            }
            "DATA" => "554 no\r\n".into(),
            "BDAT" => {
                self.messages.push(Vec::new());
                self.chunk = words.get(1).and_then(|size| size.parse().ok()).unwrap_or(0);
                if self.chunk == 0 { self.chunk_reply().into() } else { String::new() }
            }
            "EHLO" => {
                "250-model\r\n250-SIZE 1000\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 AUTH PLAIN\r\n"
                    .into()
            }
            "AUTH" => "334 \r\n".into(),
            "MAIL" | "RCPT" | "NOOP" | "RSET" => "250-ok\r\n250 ok\r\n".into(),
            "QUIT" => "221 bye\r\n".into(),
            _ => "500 what?\r\n".into(),
        }
    }

    fn chunk_reply(&self) -> &'static str {
        if self.habits.refuses { "503 no\r\n" } else { "250 got it\r\n" }
    }
}
