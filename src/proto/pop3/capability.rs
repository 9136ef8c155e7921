//! What the client is shown of the upstream's CAPA list (RFC 2449 section 5) after login. The hard
//! thing is that a capability is an offer: what the gateway keeps from the upstream must not be
//! offered, and everything else must be.

/// Whether a client that is logged in sees this line of a CAPA response, given without its line end.
///
/// The line's first word is its name (RFC 2449 section 3, `capability = capa-tag *(SP param)`), in any
/// case. `hide` is the account's: names (`EXPIRE`), or beginnings with a `*` (`X-*`).
pub fn shown(line: &[u8], hide: &[String]) -> bool {
    let name = name(line);
    let mut hidden = HIDDEN.into_iter().chain(hide.iter().map(|pattern| pattern.trim()));
    !hidden.any(|pattern| covers(pattern.as_bytes(), name))
}

/// The name that stands at a capability line's front.
pub fn name(line: &[u8]) -> &[u8] {
    line.split(|octet| octet.is_ascii_whitespace()).next().unwrap_or_default()
}

fn covers(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.strip_suffix(b"*") {
        Some(beginning) => {
            let front = name.get(..beginning.len());
            front.is_some_and(|front| front.eq_ignore_ascii_case(beginning))
        }
        None => name.eq_ignore_ascii_case(pattern),
    }
}

/// Never shown after login. AUTH-RESP-CODE (RFC 3206) stays: it tells how refusals look, and offers
/// nothing.
const HIDDEN: [&str; 9] = [
    // Logging in is over, and the guard of the relay answers these commands itself.
    "SASL",
    "USER",
    "STLS",
    // No names of RFC 2449, but offers all the same where a server makes them.
    "APOP",
    "AUTH",
    "AUTH=*",
    // The UTF8 command belongs before the login (RFC 6856 section 2), which was ours.
    "UTF8",
    // The talk of front ends with their own back ends (Dovecot's, Exchange's).
    "XCLIENT",
    "BACKENDAUTHENTICATE*",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hide: &[&str], list: &str, expected: &str) {
        let hide: Vec<String> = hide.iter().map(|&name| name.to_owned()).collect();
        let left = list.split('|').filter(|line| shown(line.as_bytes(), &hide));
        assert_eq!(left.collect::<Vec<_>>().join("|"), expected);
    }

    #[test]
    fn what_servers_list() {
        // Exchange Online.
        check(&[], "TOP|UIDL|SASL PLAIN XOAUTH2|USER|STLS", "TOP|UIDL");
        // Gmail.
        check(
            &[],
            "USER|RESP-CODES|EXPIRE 0|LOGIN-DELAY 300|TOP|UIDL|X-GOOGLE-RICO|SASL PLAIN XOAUTH2 OAUTHBEARER",
            "RESP-CODES|EXPIRE 0|LOGIN-DELAY 300|TOP|UIDL|X-GOOGLE-RICO",
        );
        // Dovecot.
        check(
            &[],
            "CAPA|TOP|UIDL|RESP-CODES|PIPELINING|AUTH-RESP-CODE|STLS|USER|SASL PLAIN LOGIN|XCLIENT",
            "CAPA|TOP|UIDL|RESP-CODES|PIPELINING|AUTH-RESP-CODE",
        );
        // RFC 2449 section 5 and RFC 6856.
        check(
            &[],
            "LANG|UTF8 USER|EXPIRE 60 USER|IMPLEMENTATION Shlemazle-Plotz-v302|APOP|AUTH|AUTH=PLAIN",
            "LANG|EXPIRE 60 USER|IMPLEMENTATION Shlemazle-Plotz-v302",
        );
    }

    #[test]
    fn names_are_compared_whole_and_without_case() {
        check(&[], "sasl PLAIN|StLs|USERS|SASLX|XUSER", "USERS|SASLX|XUSER");
        check(&[], "SASL\tPLAIN|USER |STLS\r", "");
    }

    #[test]
    fn what_the_account_hides() {
        check(&[" uidl ", "X-*"], "TOP|UIDL|x-a|X|UIDLX|X-", "TOP|X|UIDLX");
        check(&["EXPIRE 0", ""], "EXPIRE 0|EXPIRE", "EXPIRE 0|EXPIRE");
        check(&["*"], "TOP|UIDL", "");
    }
}
