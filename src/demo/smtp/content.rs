//! Where a message ends that came with DATA. smtp-proto's reader would end it at `CRLF . CR CR LF` as
//! well, and not at a lone dot in the first line; RFC 5321 section 4.1.1.4 knows one end, `CRLF . CRLF`,
//! whose first CRLF may be that of the DATA command. Whoever sees another end than his neighbour lets
//! mail be smuggled in.

/// Finds the end, and takes away the dots that the client has added (RFC 5321 section 4.5.2).
#[derive(Debug, Default)]
pub(crate) struct Dots {
    behind: Behind,
}

/// What came last.
#[derive(Clone, Copy, Debug, Default)]
enum Behind {
    /// CRLF.
    #[default]
    LineEnd,
    Text,
    Cr,
    /// CRLF and a dot, which is no content.
    Dot,
    /// CRLF, a dot, CR: it is content if no LF follows.
    DotCr,
}

impl Dots {
    /// Takes the next octets, and hands the message's own to `keep`. Returns how many octets were
    /// taken if the message ended among them; the rest is not its business.
    pub(crate) fn take(&mut self, octets: &[u8], mut keep: impl FnMut(&[u8])) -> Option<usize> {
        // What is content and not handed on yet begins here.
        let mut start = 0;
        for (at, &octet) in octets.iter().enumerate() {
            let run = || octets.get(start..at).unwrap_or_default();
            self.behind = match (self.behind, octet) {
                (Behind::LineEnd, b'.') => {
                    keep(run());
                    start = at + 1;
                    Behind::Dot
                }
                (Behind::Dot, b'\r') => {
                    start = at + 1;
                    Behind::DotCr
                }
                (Behind::DotCr, b'\n') => return Some(at + 1),
                (Behind::DotCr, octet) => {
                    keep(b"\r");
                    if octet == b'\r' { Behind::Cr } else { Behind::Text }
                }
                (Behind::Cr, b'\n') => Behind::LineEnd,
                (_, b'\r') => Behind::Cr,
                _ => Behind::Text,
            };
        }
        keep(octets.get(start..).unwrap_or_default());
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content of `wire` and what follows its end, cut into pieces of `size`.
    fn read(wire: &str, size: usize) -> Option<(String, String)> {
        let (mut dots, mut content, mut taken) = (Dots::default(), Vec::new(), 0);
        for piece in wire.as_bytes().chunks(size) {
            if let Some(end) = dots.take(piece, |octets| content.extend_from_slice(octets)) {
                taken += end;
                let rest = wire.as_bytes()[taken..].to_vec();
                let text = |octets| String::from_utf8(octets).unwrap();
                return Some((text(content), text(rest)));
            }
            taken += piece.len();
        }
        None
    }

    #[test]
    fn one_end_and_no_other() {
        for (wire, expected) in [
            ("a\r\n.\r\nQUIT\r\n", Some(("a\r\n", "QUIT\r\n"))),
            (".\r\nQUIT\r\n", Some(("", "QUIT\r\n"))),
            ("a\r\n..\r\n.b\r\n..c\r\n.\r\n", Some(("a\r\n.\r\nb\r\n.c\r\n", ""))),
            ("\n.\n\n.\r\n\r.\r\n\r.\ra\r\n.\r\n", Some(("\n.\n\n.\r\n\r.\r\n\r.\ra\r\n", ""))),
            ("a\r\n.\nb\r\n.\r\n", Some(("a\r\n\nb\r\n", ""))),
            ("a\r\n.\rb\r\n.\r\n", Some(("a\r\n\rb\r\n", ""))),
            ("a\r\n.\r\r\nb\r\n.\r\n", Some(("a\r\n\r\r\nb\r\n", ""))),
            ("a\r\n.\r\r\n.\r\n", Some(("a\r\n\r\r\n", ""))),
            ("a\r\r\n.\r\n", Some(("a\r\r\n", ""))),
            ("a\r\n.b.\r\n", None),
            ("a\r\n.\r", None),
        ] {
            let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
            for size in 1..=wire.len() {
                assert_eq!(read(wire, size), expected, "{wire:?} in pieces of {size}");
            }
        }
    }
}
