//! Between two peers, through a relay. `C:` and `S:` are what the peers send, a line each; `->` is what
//! then reaches the upstream, `<-` what reaches the client. `\n`, `\r` and `\0` stand for themselves, a
//! `\` at the end for a line without CRLF.

use crate::proto::Side;

/// The peers' lines, and what they stand for.
pub(in crate::proto) fn sent(script: &str) -> impl Iterator<Item = (&str, Side, Vec<u8>)> {
    script.lines().filter_map(|line| {
        let side = match line.get(..2)? {
            "C:" => Side::Downstream,
            "S:" => Side::Upstream,
            _ => return None,
        };
        let said = line.get(3..).unwrap_or_default();
        let said = match said.strip_suffix('\\') {
            Some(open) => open.to_owned(),
            None => said.to_owned() + "\r\n",
        };
        let said = said.replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0");
        Some((line, side, said.into_bytes()))
    })
}

/// One line for what reached one side in one go and ends in CRLF.
pub(in crate::proto) fn arrivals(passed: &[(Side, Vec<u8>)]) -> Vec<String> {
    let mut runs: Vec<(Side, Vec<u8>)> = Vec::new();
    for (to, octets) in passed {
        match runs.last_mut() {
            Some((last, run)) if last == to => run.extend_from_slice(octets),
            Some(_) | None => runs.push((*to, octets.clone())),
        }
    }
    let mut lines = Vec::new();
    for (to, run) in runs {
        let arrow = if to == Side::Upstream { "->" } else { "<-" };
        let mut rest = run.as_slice();
        while !rest.is_empty() {
            let end = rest.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2);
            let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
            lines.push(format!("{arrow} {}", shown(line)).trim_end().to_owned());
            rest = behind;
        }
    }
    lines
}

fn shown(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line).into_owned();
    let line = match line.strip_suffix("\r\n") {
        Some(line) => line.to_owned(),
        None => line + "\\",
    };
    line.replace('\r', "\\r").replace('\n', "\\n").replace('\0', "\\0")
}
