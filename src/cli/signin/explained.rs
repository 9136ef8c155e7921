//! What a sign-in that has failed means, and what to do. The hard thing is to say it once: where the
//! provider's refusal has a known cause, the check's words come after the sentence, else nothing does.

use std::fmt::Write as _;

use crate::{
    check::{About, Language, diagnose, words},
    cli::Failure,
    config::AccountConfig,
    token::TokenError,
};

/// Why nobody is signed in.
pub(super) enum Fault {
    /// The provider's doing, or the account's.
    Token(TokenError),
    /// Another.
    Other(Failure),
}

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl Fault {
    /// With the words of what was found, if anything was.
    pub(super) fn explained(self, account: &AccountConfig, language: Language) -> Failure {
        match self {
            Self::Token(error) => {
                let more = explanation(&error, &About::new(account), language);
                let failure = Failure::from(error);
                Failure { text: failure.text + &more, ..failure }
            }
            Self::Other(failure) => failure,
        }
    }
}

/// Lines to add; empty where nothing more is known.
fn explanation(error: &TokenError, about: &About, language: Language) -> String {
    let mut text = String::new();
    let Some(finding) = diagnose::signin_error(error, about) else { return text };
    let words = words::of(&finding, about, language);
    let _ = write!(text, "\n{}", words.what);
    for remedy in &words.remedy {
        let _ = write!(text, "\n→ {}", remedy.text);
        for line in &remedy.lines {
            let _ = write!(text, "\n    {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests;
