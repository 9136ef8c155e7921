//! What every upstream machine does with a token before its own framing: choose the mechanism, and make
//! what it says. The hard thing is that a refusal may come as a challenge, and the right answer to it
//! depends on the mechanism.

use super::{BearerMechanism, UpstreamOptions};
use crate::{
    sasl::{base64, oauthbearer, xoauth2},
    secret::Secret,
};

impl BearerMechanism {
    /// The registered name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::XOAuth2 => "XOAUTH2",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }

    /// What acknowledges the error challenge, in base64.
    pub(crate) fn error_answer(self) -> Vec<u8> {
        base64::encode(match self {
            Self::XOAuth2 => xoauth2::ERROR_ANSWER,
            Self::OAuthBearer => oauthbearer::ERROR_ANSWER,
        })
    }
}

impl UpstreamOptions {
    /// The mechanism that carries a token: the one that is set, or one of both, if the server offers it.
    pub(crate) fn choose(&self, offers: impl Fn(&str) -> bool) -> Option<BearerMechanism> {
        let both = [BearerMechanism::XOAuth2, BearerMechanism::OAuthBearer];
        let mut wanted =
            both.into_iter().filter(|one| self.mechanism.is_none_or(|set| set == *one));
        wanted.find(|mechanism| offers(mechanism.name()))
    }

    /// The initial response in base64; `None` if name or token [cannot be sent](crate::sasl::bearer).
    pub(crate) fn bearer_response(
        &self,
        mechanism: BearerMechanism,
        user: &str,
        token: &Secret,
    ) -> Option<Secret> {
        let response = match mechanism {
            BearerMechanism::XOAuth2 => xoauth2::initial_response(user, token),
            BearerMechanism::OAuthBearer => {
                oauthbearer::initial_response(user, &self.host, self.port, token)
            }
        };
        response.map(|response| encoded(&response))
    }
}

/// A response as it goes over the wire.
pub(crate) fn encoded(response: &Secret) -> Secret {
    Secret::new(base64::encode(response.expose()))
}
