//! What token programs print: the token itself, or JSON with it. The hard thing is the end of its life, which
//! each program writes in its own way.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::answer::is_token;
use crate::secret::Secret;

/// A token as it was printed.
pub(super) struct Printed {
    pub(super) token: Secret,
    /// From now; `None` where nothing is said.
    pub(super) lifetime: Option<Duration>,
}

/// The names that Microsoft's, Google's and other tools use.
#[derive(Deserialize)]
struct Document {
    access_token: Option<String>,
    #[serde(rename = "accessToken")]
    access_token_in_camel_case: Option<String>,
    expires_in: Option<Time>,
    /// By the azure CLI: seconds since 1970.
    expires_on: Option<Time>,
    /// By the azure CLI a local time without its zone, so only a time in UTC or a number is read.
    #[serde(rename = "expiresOn")]
    expires_on_in_words: Option<Time>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Number(f64),
    Text(String),
    Odd(serde::de::IgnoredAny),
}

impl Time {
    fn seconds(&self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(seconds) => *seconds,
            Self::Text(text) => text.trim().parse().ok()?,
            Self::Odd(_) => return None,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }

    fn moment(&self) -> Option<SystemTime> {
        if let Some(seconds) = self.seconds() {
            return UNIX_EPOCH.checked_add(seconds);
        }
        match self {
            Self::Text(text) => humantime::parse_rfc3339(text.trim()).ok(),
            Self::Number(_) | Self::Odd(_) => None,
        }
    }
}

/// Reads it; what is wrong continues "The program …".
pub(super) fn read(output: &Secret, now: SystemTime) -> Result<Printed, String> {
    let text = output.expose().trim_ascii();
    if text.is_empty() {
        return Err("brings nothing".to_owned());
    }
    if !text.starts_with(b"{") {
        return Ok(Printed { token: token(text)?, lifetime: None });
    }
    // The parser's own words may quote the token, so they are dropped.
    let missing = || "brings JSON without an access_token or accessToken".to_owned();
    let document: Document = serde_json::from_slice(text).map_err(|_| missing())?;
    let lifetime = lifetime(&document, now);
    let token = document.access_token.or(document.access_token_in_camel_case);
    let token = token.map(Secret::new).ok_or_else(missing)?;
    Ok(Printed { token: self::token(token.expose())?, lifetime })
}

/// A time that is over is a life of nothing.
fn lifetime(document: &Document, now: SystemTime) -> Option<Duration> {
    let lifetime = document.expires_in.as_ref().and_then(Time::seconds).or_else(|| {
        let on = document.expires_on.as_ref().and_then(Time::moment);
        let on = on.or_else(|| document.expires_on_in_words.as_ref().and_then(Time::moment))?;
        Some(on.duration_since(now).unwrap_or_default())
    });
    lifetime.map(|lifetime| lifetime.min(LONGEST_LIFETIME))
}

fn token(text: &[u8]) -> Result<Secret, String> {
    // One word: an error message on the standard output is not taken for a token.
    let fit = str::from_utf8(text).is_ok_and(|it| is_token(it) && !it.contains(' '));
    if fit { Ok(Secret::new(text)) } else { Err("brings something that is not a token".to_owned()) }
}

/// Keeps sums of times in range.
const LONGEST_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[track_caller]
    fn check(output: &str, expected: Result<(&str, Option<u64>), &str>) {
        let printed = read(&Secret::new(output), now());
        let printed = printed.as_ref().map(|it| {
            (str::from_utf8(it.token.expose()).unwrap(), it.lifetime.map(|it| it.as_secs()))
        });
        assert_eq!(printed.map_err(String::as_str), expected, "{output}");
    }

    #[test]
    fn a_bare_token_or_json() {
        check("abc.def\n", Ok(("abc.def", None)));
        check("  abc\r\n\r\n", Ok(("abc", None)));
        for (member, expected) in [
            (r#""access_token":"t""#, None),
            (r#""access_token":"t","expires_in":1800"#, Some(1800)),
            (r#""access_token":"t","expires_in":"1800""#, Some(1800)),
            (r#""access_token":"t","expires_in":null"#, None),
            (r#""access_token":"t","accessToken":"t","expires_in":60"#, Some(60)),
            (r#""access_token":"t","expires_in":[1]"#, None),
            (
                r#""accessToken":"t","expires_on":1800000600,"expiresOn":"2027-01-15 09:10:00.0""#,
                Some(600),
            ),
            (r#""accessToken":"t","expiresOn":"2027-01-15T08:10:00Z""#, Some(600)),
            (r#""accessToken":"t","expiresOn":1800000600"#, Some(600)),
            // A local time without its zone says nothing.
            (r#""accessToken":"t","expiresOn":"2027-01-15 09:10:00.000000""#, None),
            (r#""accessToken":"t","expires_on":1700000000"#, Some(0)),
            (r#""accessToken":"t","expires_in":1e300"#, None),
        ] {
            check(&format!("{{{member}}}\n"), Ok(("t", expected)));
        }
    }

    #[test]
    fn anything_else_is_refused_and_not_repeated() {
        check("", Err("brings nothing"));
        check("\n", Err("brings nothing"));
        check("error: not signed in", Err("brings something that is not a token"));
        check("a\u{1}auth=Bearer b", Err("brings something that is not a token"));
        check("a\nb", Err("brings something that is not a token"));
        check(r#"{"access_token":""}"#, Err("brings something that is not a token"));
        check("{\"secret", Err("brings JSON without an access_token or accessToken"));
        check(r#"{"token":"t"}"#, Err("brings JSON without an access_token or accessToken"));
    }
}
