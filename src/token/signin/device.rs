//! A sign-in on another device (RFC 8628). The hard thing is patience: the provider says how often it
//! may be asked, and one that is asked too often, or too soon after a fault, says no for longer.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::{
    super::{
        TokenErrorKind, advice,
        answer::{self, Answer, Failure, Response},
        endpoint::Errand,
    },
    SigningIn, TokenError, Welcome,
    authorization::scopes,
    keep::Asked,
    mistake,
};
use crate::{proto::text::printable, secret::Secret};

/// A sign-in that waits for a person elsewhere.
pub struct DeviceFlow {
    offer: Offer,
    began: Instant,
}

/// RFC 8628 section 3.2.
struct Offer {
    device_code: Secret,
    user_code: String,
    verification_uri: Url,
    lifetime: Duration,
    interval: Duration,
}

impl DeviceFlow {
    pub(super) async fn begin(signing_in: &SigningIn<'_>) -> Result<Self, TokenError> {
        let login = signing_in.login();
        if advice::is_google(signing_in.oauth) {
            return Err(mistake(format!(
                "Google does not allow a device code for mail. Sign in with a browser anywhere: saslgate signin \
                 {login} --paste"
            )));
        }
        let Some(device_url) = &signing_in.oauth.sign_in.device_url else {
            return Err(mistake(format!(
                "{login} has no device_url: write the address of the provider's device endpoint in the \
                 account, or sign in with: saslgate signin {login} --paste"
            )));
        };
        let began = Instant::now();
        let scopes = scopes(signing_in.oauth).collect();
        let response = signing_in.endpoint.device_code(signing_in.oauth, device_url, scopes).await;
        let response = response.map_err(|failure| signing_in.describe(&failure))?;
        let offer = read(&response).ok_or_else(|| {
            mistake(format!(
                "{} answers with something that is not a device code. Check device_url ({device_url}) \
                 of {login}.",
                advice::provider(signing_in.oauth)
            ))
        })?;
        Ok(Self { offer, began })
    }

    /// Where the person goes, with any browser on any device.
    pub fn verification_uri(&self) -> &Url {
        &self.offer.verification_uri
    }

    /// What the person enters there.
    pub fn user_code(&self) -> &str {
        &self.offer.user_code
    }

    /// How long the code is good for, from its beginning.
    pub fn lifetime(&self) -> Duration {
        self.offer.lifetime
    }

    /// Waits at most `patience` for the person.
    ///
    /// # Errors
    /// Nobody came, the provider or the store says no, or it was the wrong person.
    pub async fn finish(
        self,
        signing_in: &SigningIn<'_>,
        patience: Duration,
    ) -> Result<Welcome, TokenError> {
        let patience = patience.min(self.offer.lifetime);
        let errand = Errand::Device { device_code: &self.offer.device_code };
        let ask = || signing_in.endpoint.exchange(signing_in.oauth, errand);
        match poll(ask, self.offer.interval, self.began + patience).await {
            Ok(answer) => {
                let now = (signing_in.clock)();
                signing_in.keep(answer, Asked::default(), now).await
            }
            Err(None) => Err(signing_in.too_late()),
            Err(Some(failure)) => Err(signing_in.describe(&failure)),
        }
    }
}

/// Asks until there is an answer; without a failure the time is over.
async fn poll<F: Future<Output = Result<Answer, Failure>>>(
    ask: impl Fn() -> F,
    mut interval: Duration,
    deadline: Instant,
) -> Result<Answer, Option<Failure>> {
    let mut pause = interval;
    loop {
        // Not as a sum: a pause is the provider's word, and may be longer than any clock runs.
        if pause >= deadline.saturating_duration_since(Instant::now()) {
            tokio::time::sleep_until(deadline).await;
            return Err(None);
        }
        tokio::time::sleep(pause).await;
        let failure = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        match failure.error.as_deref() {
            Some("authorization_pending") => pause = interval,
            Some("slow_down") => {
                interval += SLOWER;
                pause = interval;
            }
            Some("expired_token") => return Err(None),
            Some(error @ ("access_denied" | "authorization_declined")) => {
                return Err(Some(answer::refusal(error, None)));
            }
            // RFC 8628 section 3.5: after a connection that timed out, exponentially later.
            _ if failure.kind == TokenErrorKind::Unavailable => {
                pause = (pause * 2).min(LONGEST_PAUSE).max(failure.retry_after.unwrap_or_default());
            }
            _ => return Err(Some(failure)),
        }
    }
}

#[derive(Deserialize)]
struct Offered {
    device_code: String,
    user_code: String,
    /// Google has another name for it.
    #[serde(alias = "verification_url")]
    verification_uri: String,
    expires_in: Option<f64>,
    interval: Option<f64>,
}

fn read(response: &Response) -> Option<Offer> {
    if !(200..300).contains(&response.status) {
        return None;
    }
    let offered: Offered = serde_json::from_slice(&response.body).ok()?;
    let user_code = printable(offered.user_code.as_bytes(), LONGEST_CODE);
    let verification_uri = Url::parse(&offered.verification_uri).ok()?;
    // People are sent there to sign in.
    let is_fit = verification_uri.scheme() == "https"
        || verification_uri.scheme() == "http" && verification_uri.host_str() == Some("localhost");
    if !is_fit || user_code.is_empty() || offered.device_code.is_empty() {
        return None;
    }
    let seconds = |given: Option<f64>, usual| {
        given.and_then(|it| Duration::try_from_secs_f64(it).ok()).unwrap_or(usual)
    };
    Some(Offer {
        device_code: Secret::new(offered.device_code),
        user_code,
        verification_uri,
        lifetime: seconds(offered.expires_in, USUAL_LIFETIME).min(LONGEST_LIFETIME),
        interval: seconds(offered.interval, USUAL_INTERVAL).clamp(SHORTEST_INTERVAL, LONGEST_PAUSE),
    })
}

/// RFC 8628 section 3.5.
const SLOWER: Duration = Duration::from_secs(5);

/// RFC 8628 section 3.2.
const USUAL_INTERVAL: Duration = Duration::from_secs(5);

/// Whatever the provider says.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where the provider does not say; Microsoft's.
const USUAL_LIFETIME: Duration = Duration::from_secs(900);

const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 3600);

const LONGEST_CODE: usize = 64;

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use zeroize::Zeroizing;

    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response { status, retry_after: None, body: Zeroizing::new(body.into()) }
    }

    /// Plays these answers, and says after how many seconds each was asked for.
    async fn play(script: &[(u16, &str)], lifetime: u64) -> (Result<(), Option<String>>, Vec<u64>) {
        let start = Instant::now();
        let asked = Rc::new(RefCell::new(Vec::new()));
        let mut script = script.iter();
        let replies = RefCell::new(&mut script);
        let ask = || {
            asked.borrow_mut().push(start.elapsed().as_secs());
            let (status, body) = replies.borrow_mut().next().expect("a poll beyond the script");
            let result = answer::read(&response(*status, body));
            async move { result }
        };
        let deadline = start + Duration::from_secs(lifetime);
        let result = poll(ask, USUAL_INTERVAL, deadline).await;
        let result = result.map(|_| ()).map_err(|failure| failure.map(|failure| failure.what));
        (result, Rc::into_inner(asked).unwrap().into_inner())
    }

    const PENDING: (u16, &str) = (400, r#"{"error":"authorization_pending"}"#);
    const SLOW: (u16, &str) = (400, r#"{"error":"slow_down"}"#);
    const TOKEN: (u16, &str) = (200, r#"{"access_token":"a","token_type":"Bearer"}"#);

    #[tokio::test(start_paused = true)]
    async fn slow_down_counts_for_good() {
        let script = [PENDING, SLOW, PENDING, PENDING, SLOW, PENDING, TOKEN];
        let (result, asked) = play(&script, 900).await;
        assert_eq!(result, Ok(()));
        assert_eq!(asked, [5, 10, 20, 30, 40, 55, 70]);
    }

    #[tokio::test(start_paused = true)]
    async fn faults_are_asked_after_later_and_later() {
        let script = [(503, ""), (500, ""), PENDING, (502, ""), TOKEN];
        let (result, asked) = play(&script, 900).await;
        assert_eq!(result, Ok(()));
        assert_eq!(asked, [5, 15, 35, 40, 50]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_the_end() {
        assert_eq!(play(&[PENDING, PENDING], 12).await, (Err(None), vec![5, 10]));
        let expired = (400, r#"{"error":"expired_token"}"#);
        assert_eq!(play(&[expired], 900).await.0, Err(None));
        for error in ["access_denied", "authorization_declined"] {
            let body = format!(r#"{{"error":"{error}"}}"#);
            let (result, asked) = play(&[PENDING, (400, &body)], 900).await;
            let what = result.unwrap_err().unwrap();
            assert!(what.contains("cancelled") && what.contains(error), "{what}");
            assert_eq!(asked, [5, 10]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_ages_ends_with_the_code() {
        let start = Instant::now();
        let ask = || async {
            let retry_after = Some(Duration::MAX);
            Err(Failure { retry_after, ..Failure::passing("is busy", true) })
        };
        let deadline = start + Duration::from_secs(900);
        assert!(matches!(poll(ask, USUAL_INTERVAL, deadline).await, Err(None)));
        assert_eq!(start.elapsed().as_secs(), 900);
    }

    #[test]
    fn an_offer_is_read_with_care() {
        let fields = r#""device_code":"d","user_code":"AB\u001b-CD""#;
        let body = format!(r#"{{{fields},"verification_uri":"https://id.test/d","interval":7}}"#);
        let offer = read(&response(200, &body)).unwrap();
        assert_eq!(offer.user_code, "AB -CD");
        assert_eq!(offer.interval, Duration::from_secs(7));
        assert_eq!(offer.lifetime, USUAL_LIFETIME);
        let google = format!(
            r#"{{{fields},"verification_url":"https://g.test/d","expires_in":60,"interval":0}}"#
        );
        let offer = read(&response(200, &google)).unwrap();
        assert_eq!((offer.lifetime, offer.interval), (Duration::from_secs(60), SHORTEST_INTERVAL));
        for uri in ["http://id.test/d", "javascript:alert(1)", "d"] {
            let body = format!(r#"{{{fields},"verification_uri":"{uri}"}}"#);
            assert!(read(&response(200, &body)).is_none(), "{uri}");
        }
        assert!(read(&response(400, &body)).is_none());
        assert!(read(&response(200, "[]")).is_none());
    }
}
