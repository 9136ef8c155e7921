//! What a server says, first line by first line. The hard thing is that only the command tells whether
//! more lines follow (RFC 1939 section 3).

/// How a response begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `+OK`.
    Ok,
    /// `-ERR`.
    Err,
    /// `+ `, in a SASL exchange (RFC 5034 section 4).
    Continue,
}

/// Reads the first line of a response, without its line end: its status and the words behind it.
/// The status is in upper case by RFC 1939 section 3; no server is known to do otherwise, but to read
/// it in any case does no harm.
pub fn status(line: &[u8]) -> Option<(Status, &[u8])> {
    let end = line.iter().position(|&octet| octet == b' ').unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end)?;
    let status = match word.to_ascii_uppercase().as_slice() {
        b"+OK" => Status::Ok,
        b"-ERR" => Status::Err,
        b"+" => Status::Continue,
        _ => return None,
    };
    Some((status, rest.strip_prefix(b" ").unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        for (line, expected) in [
            ("+OK 2 messages", Some((Status::Ok, "2 messages"))),
            ("+OK", Some((Status::Ok, ""))),
            ("-ERR [AUTH] no", Some((Status::Err, "[AUTH] no"))),
            ("+ ", Some((Status::Continue, ""))),
            ("+", Some((Status::Continue, ""))),
            ("+ dGVzdA==", Some((Status::Continue, "dGVzdA=="))),
            ("+OKAY", None),
            ("OK", None),
            ("", None),
        ] {
            let expected = expected.map(|(status, words)| (status, words.as_bytes()));
            assert_eq!(status(line.as_bytes()), expected, "{line}");
        }
    }
}
