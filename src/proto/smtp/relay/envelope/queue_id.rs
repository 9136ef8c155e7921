//! The name that a server gives to a message it has accepted. The hard thing is that nothing says
//! where it stands in the reply (RFC 5321 section 4.2.1 leaves the text to the server): each server
//! has a form of its own, and an unknown form must not yield a word at random.

use crate::proto::text::printable;

/// The queue id in the words of a final reply.
pub(super) fn queue_id(words: &[u8]) -> Option<String> {
    let text = printable(words, TEXT);
    let words: Vec<&str> = text.split_whitespace().collect();
    let id = queued_as(&words)
        .or_else(|| id_equals(&words))
        .or_else(|| gmail(&words))
        .or_else(|| exchange(&words))
        .or_else(|| before_its_fate(&words))
        .or_else(|| ok_and_name(&words))?;
    let id = id.trim_matches(|c: char| "<>()[].,;:'\"".contains(c));
    (!id.is_empty()).then(|| id.chars().take(LONGEST).collect())
}

/// Postfix and what learnt from it: `2.0.0 Ok: queued as 4Q2h1p0Xn9z1`; `Message queued with id 1a2b`.
fn queued_as<'a>(words: &[&'a str]) -> Option<&'a str> {
    behind(words, &["queued", "as"]).or_else(|| behind(words, &["queued", "with", "id"]))
}

/// Exim: `OK id=1rAbCd-0001Xy-2Z`.
fn id_equals<'a>(words: &[&'a str]) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix("id="))
}

/// Gmail: `2.0.0 OK  1699999999 a1-20020a05640207c1b029012345si123edp.7 - gsmtp`.
fn gmail<'a>(words: &[&'a str]) -> Option<&'a str> {
    match words {
        [.., id, "-", "gsmtp"] => Some(id),
        _ => None,
    }
}

/// Exchange: `2.6.0 <1@example.org> [InternalId=5, Hostname=a.example.com] 1 bytes in 0.1, 9 KB/sec
/// Queued mail for delivery`. The number means nothing without the host; message traces know the
/// message-id.
fn exchange<'a>(words: &[&'a str]) -> Option<&'a str> {
    words.windows(2).find_map(|pair| match pair {
        [id, next] if next.starts_with("[InternalId=") => Some(*id),
        _ => None,
    })
}

/// Sendmail and OpenSMTPD: `2.0.0 3AGBx5Qk012345 Message accepted for delivery`; Dovecot:
/// `2.0.0 <alice@example.org> qBx3LzAbCdEf Saved`.
fn before_its_fate<'a>(words: &[&'a str]) -> Option<&'a str> {
    let is = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
    let named = words.windows(3).find_map(|three| match three {
        [id, message, accepted] if is(message, "message") && is(accepted, "accepted") => Some(*id),
        _ => None,
    });
    let named = named.or_else(|| match words {
        [.., id, fate] if is(fate, "saved") || is(fate, "queued") => Some(*id),
        _ => None,
    });
    named.filter(|id| is_name(id))
}

/// Amazon and others: `Ok 0100018c0a1b2c3d-4e5f6a7b-000000`.
fn ok_and_name<'a>(words: &[&'a str]) -> Option<&'a str> {
    let words = match words {
        [status, rest @ ..] if is_enhanced_status(status) => rest,
        words => words,
    };
    match words {
        [ok, id] if ok.eq_ignore_ascii_case("ok") && is_name(id) => Some(id),
        _ => None,
    }
}

/// Whether this is rather a name than a word, a path or a status.
fn is_name(word: &str) -> bool {
    let has_digit = word.bytes().any(|octet| octet.is_ascii_digit());
    let is_long = word.len() >= 8;
    let is_path = word.starts_with('<');
    (has_digit || is_long) && !is_path && !is_enhanced_status(word)
}

/// RFC 3463 section 2: `status-code = class "." subject "." detail`.
fn is_enhanced_status(word: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    word.split('.').count() == 3 && word.split('.').all(is_number)
}

/// The word behind these.
fn behind<'a>(words: &[&'a str], these: &[&str]) -> Option<&'a str> {
    let fits = |window: &[&str]| {
        window.iter().zip(these).all(|(word, this)| word.eq_ignore_ascii_case(this))
    };
    let at = words.windows(these.len()).position(fits)?;
    words.get(at + these.len()).copied()
}

/// Characters of a reply that are looked at.
const TEXT: usize = 500;

/// Characters of an id; Exchange's message-ids are the longest.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (words, expected) in [
            // Postfix.
            ("2.0.0 Ok: queued as 4Q2h1p0Xn9z1", Some("4Q2h1p0Xn9z1")),
            (
                "2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 7D1F5",
                Some("7D1F5"),
            ),
            ("Ok: Queued As ABC.", Some("ABC")),
            // Stalwart.
            ("2.0.0 Message queued with id 1a2b3c4d.", Some("1a2b3c4d")),
            // Exim.
            ("OK id=1rAbCd-0001Xy-2Z", Some("1rAbCd-0001Xy-2Z")),
            // Sendmail, OpenSMTPD.
            ("2.0.0 3AGBx5Qk012345 Message accepted for delivery", Some("3AGBx5Qk012345")),
            ("2.0.0: 7be4fe2a Message accepted for delivery", Some("7be4fe2a")),
            ("Message accepted for delivery", None),
            ("2.0.0 Message accepted for delivery", None),
            // Exchange.
            (
                "2.6.0 <AM9PR01@AM9PR01.eurprd01.prod.exchangelabs.com> [InternalId=1234567890, Hostname=AM9PR01.prod.outlook.com] 8519 bytes in 0.123, 67.461 KB/sec Queued mail for delivery",
                Some("AM9PR01@AM9PR01.eurprd01.prod.exchangelabs.com"),
            ),
            ("2.6.0 Queued mail for delivery", None),
            // Gmail.
            (
                "2.0.0 OK  1699999999 a1-20020a05640207c1b029012345si123edp.7 - gsmtp",
                Some("a1-20020a05640207c1b029012345si123edp.7"),
            ),
            ("OK 1234 abc - gsmtp", Some("abc")),
            // Dovecot.
            ("2.0.0 <alice@example.org> qBx3LzAbCdEfGh Saved", Some("qBx3LzAbCdEfGh")),
            ("2.0.0 qBx3LzAbCdEfGh queued", Some("qBx3LzAbCdEfGh")),
            ("2.0.0 <alice@example.org> Saved", None),
            ("Message saved", None),
            // Amazon.
            (
                "Ok 0100018c0a1b2c3d-4e5f6a7b-1234-000000",
                Some("0100018c0a1b2c3d-4e5f6a7b-1234-000000"),
            ),
            // None at all.
            ("2.0.0 Ok", None),
            ("OK, completed", None),
            ("Ok done", None),
            ("", None),
            ("queued as", None),
            ("queued as ...", None),
        ] {
            assert_eq!(queue_id(words.as_bytes()).as_deref(), expected, "{words}");
        }
    }

    #[test]
    fn an_id_is_bounded_and_harmless() {
        let long = format!("queued as {}", "x".repeat(400));
        assert_eq!(queue_id(long.as_bytes()).map(|id| id.len()), Some(LONGEST));
        assert_eq!(queue_id(b"queued as a\x1b[31mb\xff"), Some("a".into()));
    }
}
