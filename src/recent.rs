//! The last lines of the log, kept in memory for `saslgate report`. The hard thing is that it runs for years
//! beside everything else: it is bounded in lines and in octets, and a line costs one short lock.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, PoisonError},
};

use tracing_subscriber::fmt::MakeWriter;

/// Of this process, as there is one log of it.
pub static RECENT: RecentLog = RecentLog::new();

/// A ring of log lines.
#[derive(Debug)]
pub struct RecentLog(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    lines: VecDeque<String>,
    octets: usize,
}

impl RecentLog {
    /// Without a line.
    pub const fn new() -> Self {
        Self(Mutex::new(Ring { lines: VecDeque::new(), octets: 0 }))
    }

    /// What it has, the oldest first.
    pub fn lines(&self) -> Vec<String> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.lines.iter().cloned().collect()
    }

    fn keep(&self, line: &str) {
        let line: String = line.chars().take(MAX_LINE).collect();
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.octets += line.len();
        ring.lines.push_back(line);
        while ring.lines.len() > MAX_LINES || ring.octets > MAX_OCTETS {
            let Some(oldest) = ring.lines.pop_front() else { break };
            ring.octets = ring.octets.saturating_sub(oldest.len());
        }
    }
}

impl Default for RecentLog {
    fn default() -> Self {
        Self::new()
    }
}

/// The formatter writes each event at once, with the end of its line.
impl io::Write for &RecentLog {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        String::from_utf8_lossy(octets).lines().for_each(|line| self.keep(line));
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for &'static RecentLog {
    type Writer = &'static RecentLog;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

const MAX_LINES: usize = 500;
/// Characters; what is beyond them of one line is lost.
const MAX_LINE: usize = 2000;
const MAX_OCTETS: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_bounds() {
        let recent = RecentLog::new();
        for number in 0..1000 {
            (&recent).write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        let lines = recent.lines();
        assert_eq!(lines.len(), MAX_LINES);
        assert_eq!(lines.first().map(String::as_str), Some("line 500"));
        assert_eq!(lines.last().map(String::as_str), Some("line 999"));
        for _ in 0..MAX_LINES {
            (&recent).write_all("ü".repeat(10_000).as_bytes()).unwrap();
        }
        let lines = recent.lines();
        assert!(lines.iter().all(|line| line.chars().count() == MAX_LINE));
        let octets: usize = lines.iter().map(String::len).sum();
        assert!(octets <= MAX_OCTETS && octets > MAX_OCTETS / 2, "{octets}");
    }
}
