//! IMAP servers as they read, octet by octet, and knowing nothing of the relay's code. The hard thing is
//! what the grammar leaves open: where a line ends, and where a literal is announced.

use crate::proto::fuzz_logic::session::Reading;

/// How this server reads what the grammar leaves open. None of them: as RFC 3501 has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::proto) struct Habits {
    /// A bare LF ends a line.
    pub(in crate::proto) bare_lf: bool,
    /// An announcement may be followed by blanks.
    pub(in crate::proto) lenient: bool,
    /// A quoted string may go on behind a line's end.
    pub(in crate::proto) long_quotes: bool,
    /// An announcement in an open quoted string is one.
    pub(in crate::proto) ignores_quotes: bool,
    /// An announcement may stand behind anything.
    pub(in crate::proto) anywhere: bool,
}

/// One server, with one way to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) struct Reader {
    habits: Habits,
    /// The largest literal that it takes unasked.
    unasked: Option<u64>,
    state: State,
    line: Vec<u8>,
    quoted: bool,
    escaped: bool,
    /// Behind a literal of the same command.
    continued: bool,
    tag: Vec<u8>,
    word: String,
    /// The command under way has been answered before its end.
    answered: bool,
    /// Tags of commands that are not answered.
    outstanding: Vec<Vec<u8>>,
    said: Ear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Line,
    Literal(u64),
    /// It has to ask for the literal first.
    Announced(u64),
    IdleAnnounced,
    Idle,
}

impl Reader {
    /// A server at rest; `unasked` is the largest literal that it takes without asking for it.
    pub(in crate::proto) fn new(habits: Habits, unasked: Option<u64>) -> Self {
        Self {
            habits,
            unasked,
            state: State::Line,
            line: Vec::new(),
            quoted: false,
            escaped: false,
            continued: false,
            tag: Vec::new(),
            word: String::new(),
            answered: false,
            outstanding: Vec::new(),
            said: Ear::default(),
        }
    }

    fn ends_line(&mut self, octet: u8) -> bool {
        match octet {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.quoted => self.escaped = true,
            b'"' => self.quoted = !self.quoted,
            _ => {}
        }
        self.line.push(octet);
        octet == b'\n'
            && (self.habits.bare_lf || self.line.ends_with(b"\r\n"))
            && !(self.quoted && self.habits.long_quotes)
    }

    /// Blanks and controls of any number stand for the space behind the tag.
    fn learn_words(&mut self) {
        let blank = |octet: &u8| *octet <= b' ' && !b"\r\n".contains(octet);
        let mut rest = self.line.iter().copied().skip_while(|octet| blank(octet)).peekable();
        self.tag.clear();
        while let Some(octet) = rest.next_if(|octet| *octet > b' ') {
            self.tag.push(octet);
        }
        let word = rest.skip_while(|octet| blank(octet));
        let word = word.take_while(u8::is_ascii_alphanumeric).map(char::from);
        self.word = word.collect::<String>().to_ascii_uppercase();
    }

    fn take_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let seen = !self.quoted || self.habits.ignores_quotes;
        (self.quoted, self.escaped) = (false, false);
        match self.announced(line).filter(|_| seen) {
            // It asks for nothing more.
            Some((_, true)) if self.answered => self.end_command(),
            Some((octets, true)) => {
                self.state = State::Announced(octets);
                self.continued = true;
            }
            Some((octets, false)) => self.begin_literal(octets),
            None => self.end_command(),
        }
    }

    fn begin_literal(&mut self, octets: u64) {
        self.continued = true;
        self.state = if octets == 0 { State::Line } else { State::Literal(octets) };
    }

    fn end_command(&mut self) {
        let idle = self.word == "IDLE" && !self.continued;
        self.continued = false;
        if self.tag.is_empty() {
            return;
        }
        if idle {
            self.state = State::IdleAnnounced;
            return;
        }
        self.state = State::Line;
        if !std::mem::take(&mut self.answered) {
            self.outstanding.push(self.tag.clone());
        }
    }

    /// The command under way comes to nothing.
    fn give_up(mut self) -> Self {
        self.state = State::Line;
        self.continued = false;
        self
    }

    fn announced(&self, line: &[u8]) -> Option<(u64, bool)> {
        let line = if self.habits.lenient { line.trim_ascii_end() } else { line };
        let brace = line.iter().rposition(|&octet| octet == b'{')?;
        let (before, number) = line.split_at_checked(brace)?;
        let number = number.strip_prefix(b"{")?.strip_suffix(b"}")?;
        let placed = matches!(before, [.., b' ' | b'(' | b'~']);
        let waits = number.last() != Some(&b'+');
        let number = number.strip_suffix(b"+").unwrap_or(number);
        let digits = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
        let octets: u64 = std::str::from_utf8(number).ok().filter(|_| digits)?.parse().ok()?;
        let taken = waits || self.unasked.is_some_and(|most| octets <= most);
        (taken && (placed || self.habits.anywhere)).then_some((octets, waits))
    }

    /// It says a whole response.
    fn says(self, response: &Said) -> Vec<Self> {
        match response {
            Said::GoOn => match self.state {
                State::Announced(octets) => {
                    let mut next = self;
                    next.begin_literal(octets);
                    vec![next]
                }
                State::IdleAnnounced => vec![Self { state: State::Idle, ..self }],
                State::Line | State::Literal(_) | State::Idle => vec![],
            },
            Said::Bad => {
                let mut ways = vec![self.clone()];
                if let Some(place) = self.outstanding.iter().position(|tag| !is_tag(tag)) {
                    let mut next = self.clone();
                    next.outstanding.remove(place);
                    ways.push(next);
                }
                if matches!(self.state, State::Announced(_)) && !is_tag(&self.tag) {
                    ways.push(self.give_up());
                }
                ways
            }
            Said::Tagged(tag) => self.says_tagged(tag),
        }
    }

    fn says_tagged(self, tag: &[u8]) -> Vec<Self> {
        let mut ways = Vec::new();
        if let Some(place) = self.outstanding.iter().position(|one| one == tag) {
            let mut next = self.clone();
            next.outstanding.remove(place);
            ways.push(next);
        }
        if self.tag == tag {
            match self.state {
                State::Announced(_) | State::IdleAnnounced | State::Idle => {
                    ways.push(self.give_up());
                }
                // It has to read the rest all the same.
                State::Literal(_) => ways.push(Self { answered: true, ..self }),
                State::Line => {}
            }
        }
        ways
    }
}

impl Reading for Reader {
    fn read(&mut self, octet: u8) -> Result<(), &'static str> {
        match self.state {
            State::Announced(_) | State::IdleAnnounced => {
                return Err("octets before the server's word");
            }
            State::Literal(left) => {
                self.state = if left > 1 { State::Literal(left - 1) } else { State::Line };
                return Ok(());
            }
            State::Line | State::Idle => {}
        }
        let ends = self.ends_line(octet);
        if self.state == State::Idle {
            if ends {
                let done = self.line.trim_ascii_end().eq_ignore_ascii_case(b"DONE");
                self.line.clear();
                self.word.clear();
                self.end_command();
                return if done { Ok(()) } else { Err("something other than DONE in IDLE") };
            }
            return Ok(());
        }
        // Even what has no end yet must not be a login.
        if !self.continued && !octet.is_ascii_alphanumeric() && self.line.len() < LONGEST_HEAD {
            self.learn_words();
            if FORBIDDEN.contains(&self.word.as_str()) {
                return Err("a command that must never come");
            }
        }
        if ends {
            self.take_line();
        }
        Ok(())
    }

    fn hear(&mut self, octet: u8) -> Option<Vec<Self>> {
        let said = self.said.hear(octet)?;
        Some(self.clone().says(&said))
    }

    fn answers(&self) -> Vec<String> {
        let verdict = |tag: &Vec<u8>, verdict: &str| match is_tag(tag) {
            true => format!("{} {verdict} x\r\n", String::from_utf8_lossy(tag)),
            false => "* BAD x\r\n".to_owned(),
        };
        let mut answers: Vec<_> = self.outstanding.iter().map(|tag| verdict(tag, "OK")).collect();
        match self.state {
            State::Announced(_) | State::IdleAnnounced => {
                answers.push("+ go\r\n".to_owned());
                answers.push(verdict(&self.tag, "NO"));
            }
            State::Idle => answers.push(verdict(&self.tag, "BAD")),
            State::Line | State::Literal(_) => {}
        }
        answers
    }

    fn is_between_commands(&self) -> bool {
        self.state == State::Line && !self.continued && self.line.is_empty()
    }
}

/// What a server has said, as far as it matters.
enum Said {
    GoOn,
    Bad,
    Tagged(Vec<u8>),
}

/// Tells responses apart, their literals included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::proto) struct Ear {
    line: Vec<u8>,
    literal: u64,
    /// Behind a literal: the response's first line.
    first: Option<Vec<u8>>,
}

impl Ear {
    pub(in crate::proto) fn is_at_rest(&self) -> bool {
        self.line.is_empty() && self.literal == 0 && self.first.is_none()
    }

    fn hear(&mut self, octet: u8) -> Option<Said> {
        if self.literal > 0 {
            self.literal -= 1;
            return None;
        }
        self.line.push(octet);
        if octet != b'\n' {
            return None;
        }
        let line = std::mem::take(&mut self.line);
        let content = line.strip_suffix(b"\n").unwrap_or(&line);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        let whole = [self.first.as_deref().unwrap_or_default(), content].concat();
        if let Some(octets) = literal_of(content).filter(|_| may_hold_literal(&whole)) {
            self.literal = octets;
            self.first = Some(whole);
            return None;
        }
        self.first = None;
        said(&whole)
    }
}

impl crate::proto::fuzz_logic::session::Listening for Ear {
    fn hear(&mut self, octet: u8) {
        self.hear(octet);
    }

    fn is_at_rest(&self) -> bool {
        self.is_at_rest()
    }
}

fn literal_of(line: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(line);
    let number = text.strip_suffix('}')?.rsplit_once('{')?.1;
    let number = number.strip_suffix('+').unwrap_or(number);
    let sound = number.len() <= 20 && number.bytes().all(|octet| octet.is_ascii_digit());
    number.parse().ok().filter(|_| sound)
}

/// Words for people announce nothing; a response code may, until it is closed.
fn may_hold_literal(response: &[u8]) -> bool {
    if response.first() == Some(&b'+') {
        return false;
    }
    let Some((_, _, words)) = status(response) else { return true };
    let upper = words.to_ascii_uppercase();
    words.starts_with(b"[") && !words.contains(&b']') && !upper.starts_with(b"[CAPABILITY ")
}

fn said(response: &[u8]) -> Option<Said> {
    if response.first() == Some(&b'+') {
        return Some(Said::GoOn);
    }
    match status(response) {
        Some((tag, verdict, _))
            if tag != b"*" && matches!(verdict.as_str(), "OK" | "NO" | "BAD") =>
        {
            Some(Said::Tagged(tag.to_vec()))
        }
        Some((b"*", verdict, _)) if verdict == "BAD" => Some(Said::Bad),
        Some(_) | None => None,
    }
}

/// Tag, condition, and what follows.
fn status(response: &[u8]) -> Option<(&[u8], String, &[u8])> {
    let mut words = response.splitn(3, |&octet| octet == b' ');
    let (tag, condition) = (words.next()?, words.next()?);
    let sound = !tag.is_empty() && tag.iter().all(|&octet| octet > b' ');
    let condition = String::from_utf8_lossy(condition).to_ascii_uppercase();
    let known = ["OK", "NO", "BAD", "BYE", "PREAUTH"].contains(&condition.as_str());
    (sound && known).then(|| (tag, condition, words.next().unwrap_or_default()))
}

fn is_tag(octets: &[u8]) -> bool {
    let barred = |octet: &u8| *octet <= b' ' || *octet > b'~' || b"(){%*\"\\+".contains(octet);
    !octets.is_empty() && !octets.iter().any(barred)
}

const FORBIDDEN: [&str; 5] = ["LOGIN", "AUTHENTICATE", "STARTTLS", "COMPRESS", "UNAUTHENTICATE"];

/// A head is looked for in so many octets.
const LONGEST_HEAD: usize = 6000;
