//! Service extensions (RFC 5321 section 4.1.1.1): what the client is promised before login, when the
//! upstream is not known yet, and what the upstream then has. The hard thing is that clients rarely
//! send EHLO again after AUTH: what is not promised before is never used, and what is promised and
//! then missing must be refused by us, at its use.

/// The extensions whose use the gateway must judge; whatever else an upstream offers is shown only in
/// its own EHLO reply after login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// RFC 1870; the most octets that a message may have, or `None` within for "no fixed limit".
    pub size: Option<Option<u64>>,
    /// RFC 2920. The gateway can always promise it: where the upstream lacks it, it sends one command
    /// at a time.
    pub pipelining: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 2034.
    pub enhanced_status_codes: bool,
    /// RFC 3030.
    pub chunking: bool,
    /// RFC 3030; only together with CHUNKING.
    pub binary_mime: bool,
}

impl Extensions {
    /// What can be promised for an upstream of which nothing is known.
    pub const UNKNOWN: Self = Self {
        size: None,
        pipelining: true,
        eight_bit_mime: false,
        dsn: false,
        smtputf8: false,
        enhanced_status_codes: false,
        chunking: false,
        binary_mime: false,
    };

    /// Reads EHLO keywords, one an entry with its parameters (`SIZE 1000`). PIPELINING is what the
    /// upstream says.
    pub fn from_keywords<S: AsRef<str>>(keywords: &[S]) -> Self {
        let mut extensions = Self { pipelining: false, ..Self::UNKNOWN };
        for line in keywords {
            let mut words = line.as_ref().split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                // RFC 1870 section 4: no number, or 0, is no fixed limit.
                "SIZE" => {
                    let most = words.next().and_then(|number| number.parse().ok());
                    extensions.size = Some(most.filter(|&most| most != 0));
                }
                "PIPELINING" => extensions.pipelining = true,
                "8BITMIME" => extensions.eight_bit_mime = true,
                "DSN" => extensions.dsn = true,
                "SMTPUTF8" => extensions.smtputf8 = true,
                "ENHANCEDSTATUSCODES" => extensions.enhanced_status_codes = true,
                "CHUNKING" => extensions.chunking = true,
                "BINARYMIME" => extensions.binary_mime = true,
                _ => {}
            }
        }
        extensions.binary_mime &= extensions.chunking;
        extensions
    }

    /// What both have; the lower SIZE.
    pub fn intersection(self, other: Self) -> Self {
        let size = match (self.size, other.size) {
            (Some(Some(one)), Some(Some(two))) => Some(Some(one.min(two))),
            (Some(one), Some(two)) => Some(one.or(two)),
            (None, _) | (_, None) => None,
        };
        Self {
            size,
            pipelining: self.pipelining && other.pipelining,
            eight_bit_mime: self.eight_bit_mime && other.eight_bit_mime,
            dsn: self.dsn && other.dsn,
            smtputf8: self.smtputf8 && other.smtputf8,
            enhanced_status_codes: self.enhanced_status_codes && other.enhanced_status_codes,
            chunking: self.chunking && other.chunking,
            binary_mime: self.binary_mime && other.binary_mime,
        }
    }

    /// The keywords with their parameters, as EHLO shows them.
    pub fn keywords(self) -> Vec<String> {
        let size = self.size.map(|most| match most {
            Some(most) => format!("SIZE {most}"),
            None => "SIZE".to_owned(),
        });
        let flags = [
            (self.pipelining, "PIPELINING"),
            (self.eight_bit_mime, "8BITMIME"),
            (self.dsn, "DSN"),
            (self.smtputf8, "SMTPUTF8"),
            (self.enhanced_status_codes, "ENHANCEDSTATUSCODES"),
            (self.chunking, "CHUNKING"),
            (self.binary_mime, "BINARYMIME"),
        ];
        let flags = flags.into_iter().filter(|(has, _)| *has).map(|(_, name)| name.to_owned());
        size.into_iter().chain(flags).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Extensions {
        Extensions::from_keywords(&line.split(", ").collect::<Vec<_>>())
    }

    #[test]
    fn keywords_are_read_and_shown() {
        for (written, shown) in [
            ("", ""),
            (
                "size 157286400, PIPELINING, DSN, AUTH LOGIN XOAUTH2",
                "SIZE 157286400, PIPELINING, DSN",
            ),
            ("SIZE, 8bitmime", "SIZE, 8BITMIME"),
            ("SIZE 0", "SIZE"),
            ("SIZE many", "SIZE"),
            ("BINARYMIME", ""),
            ("BINARYMIME, CHUNKING, SMTPUTF8", "SMTPUTF8, CHUNKING, BINARYMIME"),
            ("ENHANCEDSTATUSCODES, STARTTLS, X", "ENHANCEDSTATUSCODES"),
        ] {
            assert_eq!(of(written).keywords().join(", "), shown, "{written}");
        }
    }

    #[test]
    fn a_promise_is_what_all_have() {
        for (one, two, both) in [
            ("SIZE 10, DSN", "SIZE 20, 8BITMIME", "SIZE 10"),
            ("SIZE", "SIZE 20", "SIZE 20"),
            ("SIZE", "SIZE", "SIZE"),
            ("SIZE 10, CHUNKING", "CHUNKING", "CHUNKING"),
            ("PIPELINING, DSN", "PIPELINING, DSN", "PIPELINING, DSN"),
        ] {
            for (a, b) in [(one, two), (two, one)] {
                assert_eq!(of(a).intersection(of(b)).keywords().join(", "), both, "{a} / {b}");
            }
        }
    }
}
