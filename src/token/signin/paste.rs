//! What people paste. The hard thing is that they paste anything: the whole address, the link that they
//! started with, half a line, or the bare code, which cannot say whose it is (PKCE protects it still).

use url::Url;

use super::{
    SigningIn, TokenError, Welcome,
    authorization::{Authorization, Code, Returned},
    settle,
};
use crate::secret::Secret;

/// A sign-in that waits for a person to paste where the browser ended.
pub struct PasteFlow {
    authorization: Authorization,
}

/// What became of a pasted text.
#[derive(Debug)]
pub enum Pasted {
    /// The sign-in is over, well or not.
    Done(Result<Welcome, TokenError>),
    /// It was something else; the reason is for people, and they may try again.
    Unfit(&'static str),
}

impl PasteFlow {
    pub(super) fn new(authorization: Authorization) -> Self {
        Self { authorization }
    }

    /// What to open in a browser, anywhere; no secret.
    pub fn link(&self) -> &Url {
        self.authorization.link()
    }

    /// Goes on with what was pasted.
    pub async fn finish(&self, signing_in: &SigningIn<'_>, pasted: &Secret) -> Pasted {
        let issuer = signing_in.oauth.sign_in.issuer.as_deref();
        match self.read(pasted, issuer) {
            Ok(answer) => Pasted::Done(settle(signing_in, &self.authorization, answer).await),
            Err(reason) => Pasted::Unfit(reason),
        }
    }

    /// What the text is, without going on with it.
    #[cfg(any(test, fuzzing))]
    pub(super) fn fuzz_read(
        &self,
        pasted: &Secret,
        issuer: Option<&str>,
    ) -> Result<Returned, &'static str> {
        self.read(pasted, issuer)
    }

    fn read(&self, pasted: &Secret, issuer: Option<&str>) -> Result<Returned, &'static str> {
        let text = std::str::from_utf8(pasted.expose()).map_err(|_| NO_TEXT)?;
        // Windows shells put the mark before what they pipe.
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err(EMPTY);
        }
        let Some(query) = query(text) else {
            // RFC 6749 appendix A.11: code = 1*VSCHAR
            let is_code = text.bytes().all(|octet| octet.is_ascii_graphic());
            return if is_code {
                let code = Secret::new(text);
                Ok(Returned::Code(Code { code, issuer: None }))
            } else {
                Err(NO_CODE)
            };
        };
        match self.authorization.judge(query, issuer) {
            Some(answer) => Ok(answer),
            None if has(query, "client_id") => Err(START),
            None if has(query, "code") || has(query, "error") => Err(OTHER),
            None => Err(NO_ANSWER),
        }
    }
}

/// The query of an address, whole or cut at its front; `None` for a bare code.
fn query(text: &str) -> Option<&str> {
    let text = text.split_once('#').map_or(text, |(before, _)| before);
    if let Some((_, query)) = text.split_once('?') {
        return Some(query);
    }
    let is_address = text.contains("://");
    let is_query = ["code=", "state=", "error="].iter().any(|name| text.starts_with(name));
    if is_address { Some("") } else { is_query.then_some(text) }
}

fn has(query: &str, name: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == name)
}

const NO_TEXT: &str = "this is no text";
const EMPTY: &str = "nothing was pasted";
const NO_CODE: &str = "this is neither an address nor a code: paste the whole address that the browser \
    shows after the sign-in";
const START: &str = "this is the link to the sign-in page: open it, sign in, and paste the address that \
    the browser shows then";
const OTHER: &str = "this address belongs to another sign-in: open the link above, sign in, and paste the \
    address that the browser shows then";
const NO_ANSWER: &str = "this address holds no code: paste the one that the browser shows after the \
    sign-in";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Grant, OAuthConfig};

    fn flow() -> (PasteFlow, String) {
        let token_url = "https://id.example.test/token".parse().unwrap();
        let mut oauth = OAuthConfig::new(token_url, "app", Grant::RefreshToken);
        oauth.sign_in.authorization_url = Some("https://id.example.test/a".parse().unwrap());
        let authorization = Authorization::new("me", &oauth, "http://127.0.0.1".into()).unwrap();
        let state = authorization.link().query_pairs().find(|(key, _)| key == "state").unwrap().1;
        let state = state.into_owned();
        (PasteFlow::new(authorization), state)
    }

    #[test]
    fn an_address_in_every_form_and_a_bare_code() {
        let (flow, state) = flow();
        for text in [
            format!("http://127.0.0.1/?code=c-1&state={state}"),
            format!("  http://127.0.0.1/?state={state}&code=c%2D1#  \r"),
            format!("127.0.0.1/?code=c-1&state={state}"),
            format!("?code=c-1&state={state}"),
            format!("code=c-1&state={state}"),
            "c-1".to_owned(),
        ] {
            let Ok(Returned::Code(code)) = flow.read(&Secret::new(text.clone()), None) else {
                panic!("{text} was refused");
            };
            assert_eq!(code.code.expose(), b"c-1", "{text}");
        }
        // Microsoft's and Google's codes.
        for code in ["M.C507_BAY.2.U.4f=-x!*$~", "4/0AX4XfWh_a-b", "0.AXoA==.AgABAA"] {
            let answer = flow.read(&Secret::new(code), None);
            assert!(matches!(answer, Ok(Returned::Code(_))), "{code}");
        }
        let denied = format!("http://127.0.0.1/?error=access_denied&state={state}");
        assert!(matches!(flow.read(&Secret::new(denied), None), Ok(Returned::Refused(_))));
    }

    #[test]
    fn what_else_people_paste() {
        let (flow, state) = flow();
        for (text, reason) in [
            (String::new(), EMPTY),
            ("two words".to_owned(), NO_CODE),
            (flow.link().to_string(), START),
            ("http://127.0.0.1/?code=c&state=other".to_owned(), OTHER),
            ("http://127.0.0.1/?code=c".to_owned(), OTHER),
            ("http://127.0.0.1/".to_owned(), NO_ANSWER),
            (format!("http://127.0.0.1/?state={state}"), NO_ANSWER),
        ] {
            assert_eq!(flow.read(&Secret::new(text.clone()), None).err(), Some(reason), "{text}");
        }
    }
}
