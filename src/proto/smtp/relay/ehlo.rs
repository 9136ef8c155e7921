//! The upstream's answer to EHLO. The hard thing is that nearly all of it passes as it came, and that
//! what passes must still be a reply: its last line is told by a space behind the code (RFC 5321
//! section 4.2.1).

use bytes::Bytes;

use crate::proto::smtp::{
    extension::Extensions,
    reply::{ReplyLine, reply_line},
};

/// Takes out what the client must not use behind the gateway.
#[derive(Clone, Debug)]
pub(super) struct EhloFilter {
    hide: Vec<String>,
}

/// What the upstream has said so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EhloReply {
    /// Its end has not come yet.
    Partial,
    /// It is no reply.
    Malformed,
    /// All of it.
    Whole {
        /// Octets.
        length: usize,
        /// The code.
        code: u16,
        /// What the upstream offers, if it does.
        extensions: Option<Extensions>,
        /// What passes in its place; `None`: all of it.
        with: Option<Bytes>,
    },
}

impl EhloFilter {
    /// Hides these keywords as well.
    pub(super) fn new(hide: &[String]) -> Self {
        Self { hide: hide.to_vec() }
    }

    /// Reads the reply at the front of `input`.
    ///
    /// `ehlo-ok-rsp = "250" SP Domain [ SP ehlo-greet ] CRLF / ( "250-" Domain [ SP ehlo-greet ] CRLF
    /// *( "250-" ehlo-line CRLF ) "250" SP ehlo-line CRLF )`
    pub(super) fn read(&self, input: &[u8]) -> EhloReply {
        let mut lines: Vec<(&[u8], ReplyLine<'_>)> = Vec::new();
        for line in input.split_inclusive(|&octet| octet == b'\n') {
            let Some(content) = line.strip_suffix(b"\n") else { break };
            let Some(read) = content.strip_suffix(b"\r").and_then(reply_line) else {
                return EhloReply::Malformed;
            };
            if lines.first().is_some_and(|(_, first)| first.code != read.code) {
                return EhloReply::Malformed;
            }
            lines.push((line, read));
            if read.last {
                return self.whole(&lines, read.code);
            }
        }
        EhloReply::Partial
    }

    fn whole(&self, lines: &[(&[u8], ReplyLine<'_>)], code: u16) -> EhloReply {
        let length = lines.iter().map(|(line, _)| line.len()).sum();
        if code != 250 {
            return EhloReply::Whole { length, code, extensions: None, with: None };
        }
        let keywords = lines.iter().skip(1).map(|(_, read)| String::from_utf8_lossy(read.text));
        let extensions = Extensions::from_keywords(&keywords.collect::<Vec<_>>());
        let kept: Vec<&[u8]> = lines
            .iter()
            .enumerate()
            .filter(|(number, (_, read))| *number == 0 || !self.hides(read.text))
            .map(|(_, (line, _))| *line)
            .collect();
        let with = (kept.len() < lines.len()).then(|| with_last_line(&kept));
        EhloReply::Whole { length, code, extensions: Some(extensions), with }
    }

    fn hides(&self, text: &[u8]) -> bool {
        let mut words = text.split(|&octet| octet == b' ').filter(|word| !word.is_empty());
        let word = words.next().unwrap_or_default();
        // `AUTH=LOGIN` is how drafts before RFC 2554 wrote it.
        let keyword = word.split(|&octet| octet == b'=').next().unwrap_or_default();
        let is = |name: &str| keyword.eq_ignore_ascii_case(name.as_bytes());
        NEVER.into_iter().any(is) || self.hide.iter().any(|name| is(name))
    }
}

/// The lines as one reply.
fn with_last_line(lines: &[&[u8]]) -> Bytes {
    let Some((last, before)) = lines.split_last() else { return Bytes::new() };
    let mut reply = before.concat();
    match last.split_at_checked(3) {
        Some((code, [b'-', text @ ..])) => {
            reply.extend_from_slice(code);
            reply.push(b' ');
            reply.extend_from_slice(text);
        }
        Some(_) | None => reply.extend_from_slice(last),
    }
    reply.into()
}

/// A login, TLS, another client's name, the roles turned round: nothing for a client that is logged in.
const NEVER: [&str; 9] = [
    "AUTH",
    "STARTTLS",
    "XCLIENT",
    "XFORWARD",
    "ETRN",
    "X-EXPS",
    "X-ANONYMOUSTLS",
    "X-LINK2STATE",
    "XEXCH50",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reply: &str) -> EhloReply {
        EhloFilter::new(&["DSN".to_owned()]).read(reply.as_bytes())
    }

    fn passes(reply: &str) -> String {
        match read(reply) {
            EhloReply::Whole { with: Some(with), .. } => String::from_utf8(with.to_vec()).unwrap(),
            EhloReply::Whole { length, .. } => reply.split_at(length).0.to_owned(),
            other @ (EhloReply::Partial | EhloReply::Malformed) => format!("{other:?}"),
        }
    }

    #[test]
    fn what_passes() {
        for (reply, passed) in [
            (
                "250-mx.example.org Hello [192.0.2.1]\r\n250-SIZE 157286400\r\n250-PIPELINING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-STARTTLS\r\n250-X-ANONYMOUSTLS\r\n250-AUTH NTLM LOGIN\r\n250-X-EXPS GSSAPI NTLM LOGIN\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-CHUNKING\r\n250-XEXCH50\r\n250-XRDST\r\n250 XSHADOW\r\n",
                "250-mx.example.org Hello [192.0.2.1]\r\n250-SIZE 157286400\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-BINARYMIME\r\n250-CHUNKING\r\n250-XRDST\r\n250 XSHADOW\r\n",
            ),
            ("250-a\r\n250-SIZE\r\n250 AUTH PLAIN\r\n", "250-a\r\n250 SIZE\r\n"),
            ("250-a\r\n250-auth=LOGIN\r\n250 X-EXPS=LOGIN\r\n", "250 a\r\n"),
            ("250-a\r\n250-\r\n250 AUTH\r\n", "250-a\r\n250 \r\n"),
            ("250-a\r\n250-Size\t5\r\n250 XCLIENT NAME\r\n", "250-a\r\n250 Size\t5\r\n"),
            ("250-a\n250 SIZE\r\n", "Malformed"),
            ("250-AUTH greets you\r\n250 OK\r\n", "250-AUTH greets you\r\n250 OK\r\n"),
            ("250-a\r\n250-AUTHORITY\r\n250\r\n", "250-a\r\n250-AUTHORITY\r\n250\r\n"),
            ("250 a\r\n250 b\r\n", "250 a\r\n"),
            ("501-AUTH\r\n501 AUTH\r\n", "501-AUTH\r\n501 AUTH\r\n"),
            ("250-a\r\n250 SIZE", "Partial"),
            ("250-a\r\n251 SIZE\r\n", "Malformed"),
            ("250-a\r\nSIZE\r\n", "Malformed"),
        ] {
            assert_eq!(passes(reply), passed, "{reply}");
        }
    }

    #[test]
    fn what_is_known_is_what_the_upstream_said() {
        let EhloReply::Whole { length, code, extensions: Some(extensions), .. } =
            read("250-a SIZE 5\r\n250-DSN\r\n250 SIZE 9\r\nrest")
        else {
            panic!("not whole")
        };
        assert_eq!((length, code), (35, 250));
        assert_eq!(extensions.keywords(), ["SIZE 9", "DSN"]);
    }
}
