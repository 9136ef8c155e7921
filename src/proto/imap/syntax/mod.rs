//! The commands of a client that has not logged in yet (RFC 3501 section 9). The hard thing is to
//! agree with [the framing](super::downstream), which has counted the octets of all literals before
//! a command comes here. The parsers count them again, and where the two disagree the command is
//! refused as a whole.

mod string;

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag_no_case, take_while1},
    character::complete::char,
    combinator::{all_consuming, opt, value, verify},
    multi::many_m_n,
    sequence::{delimited, preceded, terminated},
};

pub(crate) use self::string::is_atom_char;
pub use self::string::is_tag_char;
use self::string::{Text, astring, line_end, space, string};
use crate::secret::Secret;

/// A command's name, sorted by what a client may do with it before login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// RFC 3501 section 6.1.1.
    Capability,
    /// RFC 3501 section 6.1.2.
    Noop,
    /// RFC 3501 section 6.1.3.
    Logout,
    /// RFC 3501 section 6.2.1.
    StartTls,
    /// RFC 3501 section 6.2.2.
    Authenticate,
    /// RFC 3501 section 6.2.3.
    Login,
    /// RFC 2971.
    Id,
    /// A command of the authenticated or the selected state.
    AfterLogin,
}

/// The tag at a command's front, and what follows it.
///
/// `tag = 1*<any ASTRING-CHAR except "+">`
pub fn command_tag(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let parsed: IResult<_, _> = take_while1(is_tag_char).parse(input);
    parsed.ok().map(|(rest, tag)| (tag, rest))
}

/// The command's name, behind the tag, and its arguments.
pub fn verb(input: &[u8]) -> Option<(Verb, &[u8])> {
    let (rest, name) = preceded(space, take_while1(is_atom_char)).parse(input).ok()?;
    let own = OWN_COMMANDS.iter().find(|(own, _)| name.eq_ignore_ascii_case(own.as_bytes()));
    if let Some(&(_, verb)) = own {
        return Some((verb, rest));
    }
    let known = AFTER_LOGIN
        .split_ascii_whitespace()
        .any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    known.then_some((Verb::AfterLogin, rest))
}

/// Whether a command without arguments really has none.
pub fn no_arguments(input: &[u8]) -> bool {
    all_consuming(line_end).parse(input).is_ok()
}

/// What stands behind LOGIN: the name and the password.
///
/// `login = "LOGIN" SP userid SP password`, both `astring`.
pub fn login(input: &[u8]) -> Option<(Vec<u8>, Secret)> {
    let arguments = (preceded(space, astring), preceded(space, astring));
    let (_, (user, password)) = all_consuming(terminated(arguments, line_end)).parse(input).ok()?;
    Some((user.to_vec(), Secret::new(password.to_vec())))
}

/// What stands behind AUTHENTICATE: the mechanism and the initial response (RFC 4959 section 7),
/// still encoded.
///
/// `authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")]`
pub fn authenticate(input: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    // Whether it is good base64 is decided when it is decoded: the answer differs.
    let initial = take_while1(|octet: u8| octet.is_ascii_graphic());
    let arguments = (preceded(space, take_while1(is_atom_char)), opt(preceded(space, initial)));
    all_consuming(terminated(arguments, line_end)).parse(input).ok().map(|(_, parsed)| parsed)
}

/// Whether this is what may stand behind ID; nothing of it is kept.
///
/// `id_params_list = "(" #(string SPACE nstring) ")" / nil`, at most 30 pairs, fields of at most 30
/// octets and values of at most 1024 (RFC 2971 section 3.3).
pub fn id(input: &[u8]) -> bool {
    let list = opt((id_pair, many_m_n(0, 29, preceded(space, id_pair))));
    let list = value((), delimited(char('('), list, char(')')));
    all_consuming(delimited(space, alt((list, nil)), line_end)).parse(input).is_ok()
}

/// `string SPACE nstring`
fn id_pair(input: &[u8]) -> IResult<&[u8], ()> {
    let field = verify(string, |field: &Text<'_>| field.len() <= 30);
    let content = verify(string, |content: &Text<'_>| content.len() <= 1024);
    value((), (field, space, alt((value((), content), nil)))).parse(input)
}

/// `nil = "NIL"`
fn nil(input: &[u8]) -> IResult<&[u8], ()> {
    value((), tag_no_case("NIL")).parse(input)
}

/// The commands that we answer ourselves.
const OWN_COMMANDS: [(&str, Verb); 7] = [
    ("CAPABILITY", Verb::Capability),
    ("NOOP", Verb::Noop),
    ("LOGOUT", Verb::Logout),
    ("STARTTLS", Verb::StartTls),
    ("AUTHENTICATE", Verb::Authenticate),
    ("LOGIN", Verb::Login),
    ("ID", Verb::Id),
];

/// What real clients send once they are logged in: RFC 3501 and 9051, then the extensions in the
/// order of their RFCs. Only the words of an answer and the test for a client that speaks another
/// protocol hang on this list; nothing on it is run.
const AFTER_LOGIN: &str = "\
    SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE LIST LSUB STATUS APPEND \
    CHECK CLOSE EXPUNGE SEARCH FETCH STORE COPY UID \
    ENABLE NAMESPACE IDLE UNSELECT MOVE \
    RLIST RLSUB GETACL SETACL DELETEACL LISTRIGHTS MYRIGHTS URLFETCH GENURLAUTH RESETKEY \
    COMPRESS LANGUAGE COMPARATOR SORT THREAD CONVERT CONVERSIONS CANCELUPDATE \
    GETMETADATA SETMETADATA GETANNOTATION SETANNOTATION NOTIFY ESEARCH UNAUTHENTICATE REPLACE \
    GETQUOTA GETQUOTAROOT SETQUOTA XLIST";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags() {
        let check = |input: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(tag, rest)| (tag.as_bytes(), rest.as_bytes()));
            assert_eq!(command_tag(input.as_bytes()), expected, "{input}");
        };
        check("A1 NOOP", Some(("A1", " NOOP")));
        check("a]!#$&',-./:;<=>?@^_`|}~9 NOOP", Some(("a]!#$&',-./:;<=>?@^_`|}~9", " NOOP")));
        for wrong in ["+ NOOP", "* NOOP", " NOOP", "", "\"A\" NOOP", "{1}", "\\", "\0A", "ä NOOP"]
        {
            check(wrong, None);
        }
        check("A+ NOOP", Some(("A", "+ NOOP")));
    }

    #[test]
    fn verbs() {
        let check = |input: &str, expected| {
            assert_eq!(verb(input.as_bytes()).map(|(verb, _)| verb), expected, "{input}");
        };
        check(" NOOP\r\n", Some(Verb::Noop));
        check(" lOgIn a b\r\n", Some(Verb::Login));
        check(" starttls\r\n", Some(Verb::StartTls));
        check(" select INBOX\r\n", Some(Verb::AfterLogin));
        check(" LOGI a b\r\n", None);
        check("  NOOP\r\n", None);
        check("+ NOOP\r\n", None);
        check(" / HTTP/1.1\r\n", None);
        check("\r\n", None);
    }

    #[test]
    fn mechanisms() {
        let check = |input: &str, expected: Option<(&str, Option<&str>)>| {
            let expected = expected.map(|(name, ir)| (name.as_bytes(), ir.map(str::as_bytes)));
            assert_eq!(authenticate(input.as_bytes()), expected, "{input}");
        };
        check(" PLAIN\r\n", Some(("PLAIN", None)));
        check(" PLAIN =\r\n", Some(("PLAIN", Some("="))));
        check(" plain AHRpbQB4\r\n", Some(("plain", Some("AHRpbQB4"))));
        check(" PLAIN a b\r\n", None);
        check(" PLAIN \r\n", None);
        check(" \"PLAIN\"\r\n", None);
        check("\r\n", None);
    }

    #[test]
    fn identifications() {
        let check = |input: &[u8], expected| {
            assert_eq!(id(input), expected, "{}", input.escape_ascii());
        };
        check(b" NIL\r\n", true);
        check(b" nil\r\n", true);
        check(b" ()\r\n", true);
        check(b" (\"name\" \"x\" \"version\" NIL)\r\n", true);
        check(b" ({4}\r\nname {3}\r\na)b)\r\n", true);
        check(b" (\"name\")\r\n", false);
        check(b" (name \"x\")\r\n", false);
        check(b" (NIL \"x\")\r\n", false);
        check(b" (\"name\" \"x\" )\r\n", false);
        check(b"\r\n", false);
        check(b" NIL NIL\r\n", false);
        let pairs = |count| format!(" ({})\r\n", vec!["\"a\" NIL"; count].join(" "));
        check(pairs(30).as_bytes(), true);
        check(pairs(31).as_bytes(), false);
        let sized = |f, v| format!(" (\"{}\" \"{}\")\r\n", "f".repeat(f), "v".repeat(v));
        check(sized(30, 1024).as_bytes(), true);
        check(sized(31, 1024).as_bytes(), false);
        check(sized(30, 1025).as_bytes(), false);
    }

    proptest! {
        /// No input makes a parser panic.
        #[test]
        fn any_octets(input in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (login(&input), authenticate(&input), id(&input), verb(&input));
        }
    }
}
