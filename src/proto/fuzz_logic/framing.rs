//! Lines, literals and messages, as everything that reads a stream cuts them out of it. The hard thing is
//! that nobody may notice where the network cuts: so each reader is held against a reading of the whole,
//! which also knows to the octet where a bound lies.

use crate::proto::{
    DownstreamEvent, LocalTls, LoginBounds, Machine, Output,
    dot::DotEnd,
    imap::{
        downstream::ImapDownstream,
        literal::read_from_right,
        relay::fuzz_logic::fuzz_line,
        response::{Response, ResponseReader, response},
    },
    line::fuzz_intake,
    pop3::reply::LineReader,
    smtp::reply::{ReplyReader, reply_line},
};

/// Drives one of the readers, which the first octet chooses, with the rest: what is left before a login,
/// the end of a message, the end of a command's line, the responses of the three protocols, and the
/// literals of a login. In a stream 0xff and a number stand for many octets.
///
/// # Panics
/// If cutting the input changes what is read, or a bound holds elsewhere than it says.
pub fn fuzz_framing(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    match choice % 7 {
        0 => fuzz_intake(data),
        1 => message(&stream(data)),
        2 => fuzz_line(&stream(data)),
        3 => same(&stream(data), imap_reader, imap_whole),
        4 => same(&stream(data), smtp_reader, smtp_whole),
        5 => same(&stream(data), pop3_reader, pop3_whole),
        _ => login(data),
    }
}

/// Long lines out of short inputs.
fn stream(data: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut octets = data.iter();
    while let Some(&octet) = octets.next() {
        match octet {
            0xff => {
                let many = octets.next().map_or(0, |&many| usize::from(many));
                stream.resize(stream.len() + many * 1021, b'x');
            }
            _ => stream.push(octet),
        }
        if stream.len() > LONGEST {
            break;
        }
    }
    stream
}

/// What is long takes its time.
fn cuts(stream: &[u8]) -> [usize; 5] {
    if stream.len() > 4096 { [127, 509, 1021, 4096, usize::MAX] } else { [1, 2, 3, 7, usize::MAX] }
}

/// What was read, and what was wrong in the end.
type Read = (Vec<Vec<u8>>, Option<&'static str>);

fn same(stream: &[u8], reader: fn(&[u8], usize) -> Read, whole: fn(&[u8]) -> Read) {
    let expected = whole(stream);
    for cut in cuts(stream) {
        assert!(reader(stream, cut) == expected, "cut every {cut} octets: {:?}", expected.1);
    }
}

fn imap_reader(stream: &[u8], cut: usize) -> Read {
    let mut reader = ResponseReader::default();
    pull(stream, cut, |piece| {
        reader.push(piece);
        move_on(|| reader.next_response())
    })
}

fn smtp_reader(stream: &[u8], cut: usize) -> Read {
    let mut reader = ReplyReader::default();
    let shown = |reply: crate::proto::smtp::reply::Reply| {
        [reply.code.to_string().into_bytes(), reply.lines.join(&b"\r\n"[..])].concat()
    };
    pull(stream, cut, |piece| {
        reader.push(piece);
        move_on(|| reader.next_reply().map(|reply| reply.map(shown)))
    })
}

fn pop3_reader(stream: &[u8], cut: usize) -> Read {
    let mut reader = LineReader::default();
    pull(stream, cut, |piece| {
        reader.push(piece);
        move_on(|| reader.next_line().map(|line| line.map(|line| line.to_vec())))
    })
}

fn pull(stream: &[u8], cut: usize, mut next: impl FnMut(&[u8]) -> Read) -> Read {
    let mut all = Vec::new();
    for piece in stream.chunks(cut) {
        let (some, fault) = next(piece);
        all.extend(some);
        if fault.is_some() {
            return (all, fault);
        }
    }
    (all, None)
}

fn move_on(mut next: impl FnMut() -> Result<Option<Vec<u8>>, &'static str>) -> Read {
    let mut some = Vec::new();
    loop {
        match next() {
            Ok(Some(one)) => some.push(one),
            Ok(None) => return (some, None),
            Err(fault) => return (some, Some(fault)),
        }
    }
}

/// The front line without its end, and what follows. It has at most `bound` octets, its end included.
fn line(rest: &[u8], bound: usize) -> Option<Front<'_>> {
    let end = rest.iter().position(|&octet| octet == b'\n').map_or(rest.len(), |lf| lf + 1);
    let (line, behind) = rest.split_at(end);
    if end > bound || end == bound && !line.ends_with(b"\n") {
        return Some(Front::Endless);
    }
    if !line.ends_with(b"\n") {
        return None;
    }
    Some(match line.strip_suffix(b"\r\n") {
        Some(content) => Front::Line(content, behind),
        None => Front::BareLf,
    })
}

/// How a stream begins.
enum Front<'a> {
    /// With a line, and what follows.
    Line(&'a [u8], &'a [u8]),
    Endless,
    BareLf,
}

fn imap_whole(mut rest: &[u8]) -> Read {
    let (mut all, mut gathered, mut skipped) = (Vec::new(), Vec::new(), 0u64);
    loop {
        let content = match line(rest, (64 * 1024usize).saturating_sub(gathered.len())) {
            None => return (all, None),
            Some(Front::Endless) => return (all, Some("an endless response")),
            Some(Front::BareLf) => return (all, Some("a line that does not end in CRLF")),
            Some(Front::Line(content, behind)) => {
                rest = behind;
                content
            }
        };
        gathered.extend_from_slice(content);
        let data = matches!(response(&gathered), Some(Response::Data));
        let Some(literal) = read_from_right(content).filter(|_| data) else {
            all.push(std::mem::take(&mut gathered));
            continue;
        };
        skipped = skipped.saturating_add(literal.octets);
        if skipped > 64 * 1024 {
            return (all, Some("too much data before the login"));
        }
        let octets = usize::try_from(literal.octets).unwrap_or(usize::MAX);
        let Some((_, behind)) = rest.split_at_checked(octets) else { return (all, None) };
        rest = behind;
    }
}

fn smtp_whole(mut rest: &[u8]) -> Read {
    let (mut all, mut lines, mut octets) = (Vec::new(), Vec::new(), 0);
    let mut code = 0;
    loop {
        let content = match line(rest, 16 * 1024) {
            None => return (all, None),
            Some(Front::Endless) => return (all, Some("an endless line")),
            Some(Front::BareLf) => return (all, Some("a line that does not end in CRLF")),
            Some(Front::Line(content, behind)) => {
                rest = behind;
                content
            }
        };
        let Some(read) = reply_line(content) else {
            return (all, Some("a reply outside the grammar"));
        };
        if !lines.is_empty() && code != read.code {
            return (all, Some("a reply whose lines have different codes"));
        }
        code = read.code;
        octets += content.len() + 2;
        if octets > SMTP_REPLY || lines.len() >= SMTP_LINES {
            return (all, Some("an endless reply"));
        }
        lines.push(read.text.to_vec());
        if read.last {
            octets = 0;
            let text = std::mem::take(&mut lines).join(&b"\r\n"[..]);
            all.push([code.to_string().into_bytes(), text].concat());
        }
    }
}

fn pop3_whole(mut rest: &[u8]) -> Read {
    let mut all = Vec::new();
    loop {
        match line(rest, 16 * 1024) {
            None => return (all, None),
            Some(Front::Endless) => return (all, Some("an endless line")),
            Some(Front::BareLf) => return (all, Some("a line that does not end in CRLF")),
            Some(Front::Line(content, behind)) => {
                rest = behind;
                all.push(content.to_vec());
            }
        }
    }
}

/// A message ends at the first CRLF.CRLF, or at once where `.` CRLF is all of it.
fn message(stream: &[u8]) {
    let with_front = [b"\r\n", stream].concat();
    let end = with_front.windows(5).position(|five| five == b"\r\n.\r\n").map(|at| at + 3);
    for cut in cuts(stream) {
        let (mut finder, mut passed, mut found) = (DotEnd::new(), 0, None);
        for piece in stream.chunks(cut) {
            found = finder.find(piece).map(|here| passed + here);
            passed += piece.len();
            if found.is_some() {
                break;
            }
        }
        assert_eq!(found, end, "cut every {cut} octets");
    }
}

/// A login in two literals opens exactly if each line, each literal and the whole are within bounds.
fn login(data: &[u8]) {
    let [line, literal, total, user, password, asked, ..] = *data else { return };
    let [line, literal, user, password] = [line, literal, user, password].map(usize::from);
    let (total, plus) = (2 * usize::from(total), if asked % 2 == 0 { "+" } else { "" });
    if user == 0 || password == 0 {
        return;
    }
    let lines = [
        format!("A LOGIN {{{user}{plus}}}\r\n"),
        format!(" {{{password}{plus}}}\r\n"),
        "\r\n".into(),
    ];
    let [first, second, third] = &lines;
    let (name, word) = ("n".repeat(user), "p".repeat(password));
    let command = [first, &name, second, &word, third.as_str()].concat();
    let opens = lines.iter().all(|one| one.len() <= line)
        && user.max(password) <= literal
        && command.len() <= total;
    for cut in [1, 3, usize::MAX] {
        let bounds = LoginBounds { line, literal, total, faults: 1 };
        let mut machine = ImapDownstream::new(LocalTls::Unavailable, bounds);
        let mut opened = false;
        for piece in command.as_bytes().chunks(cut) {
            machine.handle_input(piece);
            while let Some(output) = machine.poll_output() {
                opened |= matches!(output, Output::Event(DownstreamEvent::Login(_)));
            }
        }
        assert_eq!(opened, opens, "{bounds:?}, cut every {cut} octets: {command}");
    }
}

const SMTP_REPLY: usize = crate::proto::smtp::reply::REPLY;
const SMTP_LINES: usize = crate::proto::smtp::reply::LINES;

/// Octets of a stream; some more than any bound.
const LONGEST: usize = 80 * 1024;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    #[test]
    fn seeds() {
        let long = |octets: &[u8]| [b"* ".as_slice(), octets].concat();
        for data in [
            b"* OK a\r\n* 1 X {3}\r\na\r\n)\r\n* BYE {5}\r\n".to_vec(),
            b"250-a\r\n250-b\r\n250 c\r\n354 d\r\n250-e\r\n251 f\r\n".to_vec(),
            b"+OK\r\n.\r\na\nb".to_vec(),
            b"a\r\n..\r\n.\r\n.\r\n".to_vec(),
            b".\r\n".to_vec(),
            b"A X {5+}\r".to_vec(),
            b"A X \"a\\\"{5}".to_vec(),
            long(&[0xff, 16, b'\r', b'\n']),
            long(&[0xff, 64, b'\r', b'\n']),
            long(&[0xff, 65, b'\r', b'\n']),
        ] {
            (0..6).for_each(|choice| fuzz_framing(&[&[choice], data.as_slice()].concat()));
        }
    }

    #[test]
    fn a_bound_holds_to_the_octet() {
        // `A LOGIN {5+}` CRLF, the name, ` {5+}` CRLF, the password and CRLF have 14, 5, 7, 5 and 2.
        for (line, literal, total) in
            [(14, 5, 17), (13, 5, 17), (14, 4, 17), (14, 5, 16), (14, 5, 18)]
        {
            fuzz_framing(&[6, line, literal, total, 5, 5, 0]);
        }
        for short in 0..4 {
            let line = |octets: usize| [b"+OK ", "x".repeat(octets).as_bytes(), b"\r\n"].concat();
            let read = |stream: &[u8]| pop3_reader(stream, 1).1;
            let longest = 16 * 1024 - 6;
            assert_eq!(read(&line(longest - short)), None);
            assert_eq!(read(&line(longest + 1 + short)), Some("an endless line"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_octets(choice in 0..7u8, data in vec(any::<u8>(), 0..60)) {
            fuzz_framing(&[&[choice], data.as_slice()].concat());
        }

        #[test]
        fn what_frames(choice in 1..6u8, data in vec(select(b"\r\n\r\n. {}3+\"\\a2550-*OK".to_vec()), 0..60)) {
            fuzz_framing(&[&[choice], data.as_slice()].concat());
        }
    }
}
