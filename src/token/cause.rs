//! Why there is no token, for programs. The hard thing is that it must outlive the refusal: what is
//! remembered and answered again later still has the cause of the first time.

use std::time::Duration;

/// What stands behind a [`TokenError`](super::TokenError). No secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The token endpoint has answered.
    Provider {
        /// OAuth's word, where it has the usual form.
        error: Option<String>,
        /// The AADSTS number.
        code: Option<u32>,
        /// HTTP status.
        status: u16,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
        /// What it did, without a subject.
        what: String,
    },
    /// The token endpoint has not answered.
    Unreachable {
        /// Its host.
        host: String,
        /// Why, without a subject.
        what: String,
    },
    /// Whoever answers in the token endpoint's place shows a certificate that is not believed.
    Certificate {
        /// The endpoint's host.
        host: String,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// The token endpoint was reached, and its answer did not come to an end.
    Unanswered {
        /// What it did, without a subject.
        what: String,
    },
    /// The request could not be made from what is configured: a file, a proxy, a CA.
    Request {
        /// Why, without a subject.
        what: String,
    },
    /// Nobody has signed in.
    SignInMissing,
    /// The store does not give or take what it must.
    Store {
        /// Its own words.
        text: String,
    },
    /// Another program was to bring the token.
    External,
    /// The mail server has refused the token, and there is no other.
    Refused,
    /// A setting is missing, or a person has done something else than was needed: as the text says.
    Person,
    /// Something of our own, that passes.
    Own,
}

/// Why a certificate is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// Nobody who is trusted has signed it.
    UnknownIssuer,
    /// It is for other names.
    Name,
    /// It has ended.
    Expired,
    /// It has not begun.
    NotYetValid,
}
