//! How a person signs in: in a browser that comes back to us ([`BrowserFlow`]), in any browser with its
//! last address pasted ([`PasteFlow`]), or on another device ([`DeviceFlow`]). The hard thing is who it
//! was: a token of the wrong person opens the wrong mailbox, so nothing is stored before that is settled.
//!
//! ```text
//! link ─► the provider's page ─► redirect, pasted text or polling
//!           └ state, iss ─► code ─► token endpoint (PKCE) ─► id_token: is it the right person?
//!                                                              └ stored, durably ─► "Signed in"
//! ```

use std::{borrow::Cow, sync::Arc, time::Duration};

use url::Url;

use super::{
    Cause, Clock, TokenError, TokenErrorKind,
    advice::{self, Advice},
    answer::Failure,
    endpoint::{Endpoint, Errand},
};
use crate::{
    config::{AccountConfig, OAuthConfig, RedirectUri},
    guide::command::argument,
    store::Store,
};
use authorization::{Authorization, Code, Returned};
use keep::Asked;
use landing::{Gate, Landing, Open};

pub use device::DeviceFlow;
pub use paste::{PasteFlow, Pasted};

mod authorization;
mod device;
#[cfg(any(test, fuzzing))]
pub mod fuzz_logic;
mod identity;
mod keep;
mod landing;
mod page;
mod paste;

/// Signs a person in for one account.
pub struct SigningIn<'a> {
    account: &'a AccountConfig,
    oauth: &'a OAuthConfig,
    store: &'a dyn Store,
    endpoint: Endpoint,
    clock: Clock,
}

/// A sign-in that is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// Who it is, where the provider has said so.
    pub name: Option<String>,
    /// What people should know beside that.
    pub remark: Option<String>,
}

impl Welcome {
    /// One sentence.
    pub fn summary(&self) -> String {
        self.name
            .as_ref()
            .map_or_else(|| "Signed in.".to_owned(), |it| format!("Signed in as {it}."))
    }
}

impl<'a> SigningIn<'a> {
    /// Prepares it; `deadline` bounds one exchange with the provider.
    ///
    /// # Errors
    /// Nobody has to sign in for this account.
    pub fn new(
        account: &'a AccountConfig,
        store: &'a dyn Store,
        deadline: Duration,
        clock: Clock,
    ) -> Result<Self, TokenError> {
        let login = account.token_login();
        let oauth = account.oauth.as_ref().ok_or_else(|| {
            let why = match account.external_token {
                Some(_) => "another program gets its tokens (grant = \"external\")",
                None => "its servers take passwords",
            };
            mistake(format!("{login} needs no sign-in: {why}."))
        })?;
        if !oauth.grant.needs_sign_in() {
            let grant = oauth.grant.name();
            return Err(mistake(format!("{login} needs no sign-in: grant = \"{grant}\".")));
        }
        Ok(Self { account, oauth, store, endpoint: Endpoint::new(deadline), clock })
    }

    /// Begins one that comes back to this machine's loopback. The link works from now on.
    ///
    /// # Errors
    /// A setting is missing, the port is taken, or the browser would come back elsewhere.
    pub async fn browser(&self) -> Result<BrowserFlow, TokenError> {
        let uri = self.redirect_uri()?;
        let Some(loopback) = uri.loopback() else {
            return Err(mistake(format!(
                "The browser of {} comes back to {}, which is not on this machine. Sign in with: \
                 saslgate signin {} --paste",
                self.login(),
                uri.as_str(),
                self.login(),
            )));
        };
        let landing = Landing::bind(uri, loopback).await?;
        let port = landing.port();
        let authorization = Authorization::new(&self.login(), self.oauth, uri.with_port(port))?;
        let authorization = Arc::new(authorization);
        let open = landing.open(Gate {
            authorization: Arc::clone(&authorization),
            issuer: self.oauth.sign_in.issuer.clone(),
            host: uri.host().to_owned(),
            port,
            path: uri.path().to_owned(),
        });
        Ok(BrowserFlow { authorization, open })
    }

    /// Begins one whose last address is pasted.
    ///
    /// # Errors
    /// A setting is missing.
    pub fn paste(&self) -> Result<PasteFlow, TokenError> {
        let uri = self.redirect_uri()?.as_str().to_owned();
        Ok(PasteFlow::new(Authorization::new(&self.login(), self.oauth, uri)?))
    }

    /// Begins one on another device.
    ///
    /// # Errors
    /// A setting is missing, or the provider says no.
    pub async fn device(&self) -> Result<DeviceFlow, TokenError> {
        DeviceFlow::begin(self).await
    }

    /// Whose sign-in it is, which need not be whose it was asked for.
    fn login(&self) -> Cow<'a, str> {
        self.account.token_login()
    }

    fn redirect_uri(&self) -> Result<&'a RedirectUri, TokenError> {
        self.oauth.sign_in.redirect_uri.as_ref().ok_or_else(|| {
            mistake(format!("{} has no redirect_uri: write it in the account.", self.login()))
        })
    }

    /// Takes a code to the token endpoint.
    async fn redeem(
        &self,
        authorization: &Authorization,
        code: &Code,
    ) -> Result<Welcome, TokenError> {
        let errand = Errand::Code {
            code: &code.code,
            verifier: authorization.verifier(),
            redirect_uri: authorization.redirect_uri(),
        };
        let mut pauses = PAUSES.iter();
        let (started, answer) = loop {
            let started = (self.clock)();
            let failure = match self.endpoint.exchange(self.oauth, errand).await {
                Ok(answer) => break (started, answer),
                Err(failure) => failure,
            };
            // A code that is certainly unspent saves the person a second sign-in.
            let again = failure.unspent && failure.kind == TokenErrorKind::Unavailable;
            let asked = failure.retry_after.unwrap_or_default();
            match pauses.next() {
                Some(pause) if again && asked <= LONGEST_WAIT => {
                    tokio::time::sleep(asked.max(*pause)).await;
                }
                _ => return Err(self.describe_code(failure)),
            }
        };
        let asked = Asked { issuer: code.issuer.as_deref(), nonce: authorization.nonce() };
        self.keep(answer, asked, started).await
    }

    /// What `invalid_grant` means of a code, other than of a refresh token.
    fn describe_code(&self, mut failure: Failure) -> TokenError {
        // Where Microsoft's number is known, its row says it better.
        if let Some(codes) = failure.what.strip_prefix(advice::of_error("invalid_grant").what) {
            failure.what = format!("{REFUSED_CODE}{codes}");
        }
        self.describe(&failure)
    }

    /// A failure in words for people.
    fn describe(&self, failure: &Failure) -> TokenError {
        let advice = if failure.advice == Advice::TryLater {
            "Try again in a moment.".to_owned()
        } else {
            failure.advice.sentence(&self.login(), self.oauth)
        };
        let trace = failure.trace_id.as_ref();
        let trace = trace.map_or_else(String::new, |id| format!(" (trace id {id})"));
        let provider = advice::provider(self.oauth);
        let text = format!("{provider} {}{trace}. {advice}", failure.what);
        TokenError { kind: failure.kind, text, cause: failure.cause(self.oauth) }
    }

    /// A provider that does not know the redirect address never sends the browser there: it shows so,
    /// and nobody here hears of it.
    fn never_back(&self) -> TokenError {
        let late = self.too_late();
        let advice = Advice::RegisterRedirect.sentence(&self.login(), self.oauth);
        let text = format!(
            "{} If the browser shows that the redirect address does not fit (AADSTS50011, \
             redirect_uri_mismatch): {advice}",
            late.text
        );
        TokenError { text, ..late }
    }

    fn too_late(&self) -> TokenError {
        let login = self.login();
        let text = format!(
            "Nobody has signed in for {login} in time. Again: saslgate signin {}",
            argument(&login)
        );
        TokenError { kind: TokenErrorKind::SignIn, text, cause: Cause::Person }
    }
}

/// A sign-in that waits for the browser. It is over when this goes.
pub struct BrowserFlow {
    authorization: Arc<Authorization>,
    open: Open,
}

impl BrowserFlow {
    /// What to open in the browser; no secret.
    pub fn link(&self) -> &Url {
        self.authorization.link()
    }

    /// Waits at most `patience` for the person. What follows has deadlines of its own.
    ///
    /// # Errors
    /// Nobody came, the provider or the store says no, or it was the wrong person.
    pub async fn finish(
        mut self,
        signing_in: &SigningIn<'_>,
        patience: Duration,
    ) -> Result<Welcome, TokenError> {
        // Not as a moment: who writes --timeout may mean "for ever".
        let answer = tokio::time::timeout(patience, self.open.answer()).await;
        let result = match answer.ok().flatten() {
            Some(answer) => settle(signing_in, &self.authorization, answer).await,
            None => Err(signing_in.never_back()),
        };
        // The browser hears what happened, not what might: the sign-in is stored by now.
        let outcome = result.as_ref().map(Welcome::summary).map_err(|error| error.text.clone());
        self.open.close(outcome).await;
        result
    }
}

/// What an answer leads to.
async fn settle(
    signing_in: &SigningIn<'_>,
    authorization: &Authorization,
    answer: Returned,
) -> Result<Welcome, TokenError> {
    match answer {
        Returned::Code(code) => signing_in.redeem(authorization, &code).await,
        Returned::Refused(failure) => Err(signing_in.describe(&failure)),
        Returned::Wrong(text) => Err(mistake(text)),
    }
}

/// Something that the operator must put right.
fn mistake(text: String) -> TokenError {
    TokenError { kind: TokenErrorKind::Configuration, text, cause: Cause::Person }
}

const REFUSED_CODE: &str = "does not accept the code: it was used before, is too old, is not whole, \
    or is not of this sign-in";

/// For a provider that wants a pause. A code lasts no longer than minutes, and the browser waits.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Before a code is offered again. It is good for a minute or more.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];
