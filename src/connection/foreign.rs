//! Clients of something other than mail, told by their first octets: only for the log, since the
//! machine has sent them away already.

use tracing::info;

use super::Client;

/// Tells in the log what a client that was sent away may have meant; `opening` is how it began.
pub(super) fn tell(client: &Client, opening: &[u8]) {
    match Opening::of(opening) {
        Some(Opening::Tls) => info!(
            connection = client.number,
            client = %client.address,
            protocol = %client.protocol,
            "sent away: the client begins with TLS on a port that does not; choose tls = \
             \"implicit\" or \"auto\" for this [[listen]], or STARTTLS or no TLS in the client",
        ),
        Some(Opening::Http) => info!(
            connection = client.number,
            client = %client.address,
            protocol = %client.protocol,
            "sent away: it speaks HTTP; a web page or a web program has found this port, which is for mail",
        ),
        None => {}
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    Tls,
    Http,
}

impl Opening {
    fn of(opening: &[u8]) -> Option<Self> {
        if opening.first() == Some(&TLS_HANDSHAKE) {
            return Some(Self::Tls);
        }
        METHODS.iter().any(|method| opening.starts_with(method)).then_some(Self::Http)
    }
}

/// ContentType handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// RFC 9110 section 9 and its registry, as far as the first octets are kept; the last one begins HTTP/2.
const METHODS: [&[u8]; 12] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"OPTIONS ",
    b"CONNECT ",
    b"DELETE ",
    b"PATCH ",
    b"TRACE ",
    b"PROPFIND",
    b"QUERY ",
    b"PRI * HT",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings() {
        for (opening, expected) in [
            (&b"\x16\x03\x01\x02"[..], Some(Opening::Tls)),
            (b"\x16", Some(Opening::Tls)),
            (b"GET ", Some(Opening::Http)),
            (b"CONNECT ", Some(Opening::Http)),
            (b"DELETE /", Some(Opening::Http)),
            (b"DELE 1\r\n", None),
            (b"CONN", None),
            (b"GET1", None),
            (b"a LO", None),
            (b"", None),
        ] {
            assert_eq!(Opening::of(opening), expected, "{opening:?}");
        }
    }
}
