//! What differs, for people: the expected and the actual leg side by side, flush left.

use std::fmt;

use super::format::Leg;

/// Where a conversation left its transcript.
#[derive(Debug)]
pub(crate) struct Mismatch {
    /// The transcript's line; 0 at its end.
    pub(crate) line: usize,
    /// What was wrong.
    pub(crate) what: String,
    /// The leg that is shown.
    pub(crate) leg: Leg,
    /// This leg's lines as written.
    pub(crate) expected: Vec<String>,
    /// This leg's lines as they came.
    pub(crate) actual: Vec<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match self.line {
            0 => "at the end".to_string(),
            line => format!("line {line}"),
        };
        writeln!(f, "{line}: {} ({:?} leg)", self.what, self.leg)?;
        let width = self.expected.iter().map(|line| clip(line).chars().count()).max();
        let width = width.unwrap_or(0).max("expected".len());
        writeln!(f, "{:width$} | actual", "expected")?;
        for row in 0..self.expected.len().max(self.actual.len()) {
            let cell = |lines: &[String]| lines.get(row).map_or(String::new(), |line| clip(line));
            writeln!(f, "{:width$} | {}", cell(&self.expected), cell(&self.actual))?;
        }
        Ok(())
    }
}

/// Octets from the gateway as lines under its mark on that leg; control octets are escaped.
pub(crate) fn lines(mark: char, octets: &[u8]) -> Vec<String> {
    let whole = octets.split_inclusive(|&octet| octet == b'\n');
    whole
        .map(|line| match line.strip_suffix(b"\r\n") {
            Some(line) => format!("{mark}: {}", escaped(line)),
            None => format!("{mark}: {}\\", escaped(line)),
        })
        .collect()
}

/// An event in brackets.
pub(crate) fn effect(name: &[u8]) -> String {
    format!("[{}]", escaped(name))
}

fn escaped(octets: &[u8]) -> String {
    let printable = |octet: u8| octet == b' ' || octet.is_ascii_graphic();
    let show = |octet: &u8| match *octet {
        octet if printable(octet) => char::from(octet).to_string(),
        octet => octet.escape_ascii().to_string(),
    };
    octets.iter().map(show).collect()
}

fn clip(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(line)),
        None => line.to_string(),
    }
}

const WIDTH: usize = 100;
