//! What the client is shown of the upstream's capabilities after login. The hard thing is that a
//! capability is an offer: whatever the gateway keeps from the upstream, or cannot follow, must not be
//! offered, and everything else must be.

/// Chooses the capabilities that a client sees.
///
/// Names are compared without regard to case (RFC 3501 section 9 note 1).
#[derive(Clone, Debug, Default)]
pub struct CapabilityFilter {
    /// Names in capitals; one that ends in `*` stands for all that begin so.
    hide: Vec<String>,
}

impl CapabilityFilter {
    /// A filter that hides `hide` and whatever can never be shown. Entries are names
    /// (`IMAP4rev2`), or beginnings with a `*` (`X-*`).
    pub fn new(hide: &[String]) -> Self {
        Self { hide: hide.iter().map(|name| name.trim().to_ascii_uppercase()).collect() }
    }

    /// Whether a client sees `capability`. What makes a server an IMAP server is always seen.
    pub fn shows(&self, capability: &str) -> bool {
        let name = capability.to_ascii_uppercase();
        let mut hidden = HIDDEN.iter().copied().chain(self.hide.iter().map(String::as_str));
        name == REQUIRED || !hidden.any(|pattern| covers(pattern, &name))
    }

    /// The part of `list` that a client sees, in order; with IMAP4rev1, which RFC 3501 section 7.2.1
    /// demands in every list, in front if it was missing.
    pub fn apply(&self, mut list: Vec<String>) -> Vec<String> {
        list.retain(|capability| self.shows(capability));
        if !list.iter().any(|capability| capability.eq_ignore_ascii_case(REQUIRED)) {
            list.insert(0, "IMAP4rev1".to_owned());
        }
        list
    }
}

fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

const REQUIRED: &str = "IMAP4REV1";

/// Never shown after login. SASL-IR may stay: without a mechanism it offers nothing.
const HIDDEN: [&str; 11] = [
    // Logging in is over, and the guard of the relay answers these commands itself.
    "AUTH=*",
    "LOGINDISABLED",
    "STARTTLS",
    "UNAUTHENTICATE",
    // The relay reads along, so both directions stay uncompressed (RFC 4978).
    "COMPRESS=*",
    // Would send the client to another server, where its local password is worth nothing (RFC 2221,
    // RFC 2193).
    "LOGIN-REFERRALS",
    "MAILBOX-REFERRALS",
    // Exchange's talk among its own front and back ends.
    "BACKENDAUTHENTICATE*",
    "CLIENTACCESSRULES",
    "CLIENTNETWORKPRESENCELOCATION",
    // Gmail's joke.
    "XYZZY",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hide: &[&str], list: &str, expected: &str) {
        let hide: Vec<String> = hide.iter().map(|&name| name.to_owned()).collect();
        let list = list.split_whitespace().map(str::to_owned).collect();
        assert_eq!(CapabilityFilter::new(&hide).apply(list).join(" "), expected);
    }

    #[test]
    fn exchange_online() {
        check(
            &["imap4rev2", "ENABLE"],
            "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT ENABLE \
             IMAP4rev2 CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE \
             BACKENDAUTHENTICATE-IR CHILDREN IDLE NAMESPACE LITERAL+",
            "IMAP4 IMAP4rev1 SASL-IR UIDPLUS MOVE ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+",
        );
    }

    #[test]
    fn gmail() {
        check(
            &[],
            "IMAP4rev1 UNSELECT IDLE X-GM-EXT-1 XYZZY UIDPLUS COMPRESS=DEFLATE ENABLE MOVE CONDSTORE \
             UTF8=ACCEPT LITERAL- APPENDLIMIT=35651584",
            "IMAP4rev1 UNSELECT IDLE X-GM-EXT-1 UIDPLUS ENABLE MOVE CONDSTORE UTF8=ACCEPT LITERAL- \
             APPENDLIMIT=35651584",
        );
    }

    #[test]
    fn names_are_compared_without_case() {
        check(&["move", "x-*"], "imap4REV1 auth=plain StartTls Move X-A x-b XA", "imap4REV1 XA");
    }

    #[test]
    fn a_name_is_no_beginning() {
        check(&["ID"], "IMAP4rev1 ID IDLE STARTTLSX", "IMAP4rev1 IDLE STARTTLSX");
    }

    #[test]
    fn what_makes_it_an_imap_server_stays() {
        check(&["*"], "IMAP4rev1 IDLE", "IMAP4rev1");
        check(&["IMAP4rev1"], "IDLE", "IMAP4rev1 IDLE");
        check(&[], "", "IMAP4rev1");
    }
}
