//! What a refusal means where nobody has signed in: with client credentials, a service account, or a user's
//! password. The hard thing is that the same words of a provider then ask for another remedy, and never for a
//! sign-in.

use super::{
    Advice::{
        self, CheckConfiguration, CheckDelegation, CheckPassword, CheckServiceAccount, Consent,
        SignInInstead,
    },
    Row, row,
};
use crate::{
    config::{Grant, OAuthConfig},
    token::{
        TokenErrorKind::{self, Configuration, Policy},
        answer::Failure,
    },
};

/// The same failure, in the sight of the grant.
pub(in crate::token) fn in_sight_of(oauth: &OAuthConfig, failure: Failure) -> Failure {
    let Some(error) = failure.error.as_deref() else { return failure };
    let by_code = |rows: &'static [Row<u32>]| {
        failure.code.and_then(|code| rows.iter().find(|row| row.codes.contains(&code)))
    };
    let by_error = |rows: &'static [Row<&'static str>]| {
        let unknown = failure.code.is_none();
        rows.iter().find(|row| unknown && row.codes.contains(&error))
    };
    let found = match &oauth.grant {
        Grant::RefreshToken => return failure,
        Grant::ClientCredentials => {
            found(by_error(APPLICATION)).or_else(|| found(by_code(CONSENT)))
        }
        Grant::ServiceAccount { .. } => found(by_error(SERVICE_ACCOUNT)),
        Grant::Password { .. } => found(by_code(PASSWORD_CODES))
            .or_else(|| found(by_code(CONSENT)))
            .or_else(|| found(by_error(PASSWORD))),
    };
    let (kind, what, advice) = match found {
        Some(found) => found,
        // Nobody can sign in again.
        None if failure.kind == TokenErrorKind::SignIn => {
            (Configuration, "does not accept the request", CheckConfiguration)
        }
        None => return failure,
    };
    let shown = failure.code.map_or_else(|| error.to_owned(), |code| format!("AADSTS{code}"));
    // What is refused is no refresh token.
    Failure { kind, what: format!("{what} ({shown})"), advice, refused_grant: false, ..failure }
}

type Found = (TokenErrorKind, &'static str, Advice);

fn found<T>(row: Option<&'static Row<T>>) -> Option<Found> {
    row.map(|row| (row.kind, row.what, row.advice))
}

const NOBODY_AGREED: &str = "says that nobody has agreed to the application's permissions";
const NO_SECOND_FACTOR: &str =
    "asks for multi-factor authentication, which grant = \"password\" cannot do";

#[rustfmt::skip]
const CONSENT: &[Row<u32>] = &[
    row(&[65001, 65004, 90094, 90095], Policy, NOBODY_AGREED, Consent),
];

#[rustfmt::skip]
const APPLICATION: &[Row<&str>] = &[
    row(&["consent_required"], Policy, NOBODY_AGREED, Consent),
];

#[rustfmt::skip]
const SERVICE_ACCOUNT: &[Row<&str>] = &[
    row(&["unauthorized_client", "access_denied"], Configuration, "says that the service account may not act for users with these scopes", CheckDelegation),
    row(&["invalid_grant"], Configuration, "does not accept the service account, or does not know the user for whom it acts", CheckServiceAccount),
    row(&["invalid_client", "deleted_client", "disabled_client"], Configuration, "does not know the service account, or it is disabled", CheckServiceAccount),
];

#[rustfmt::skip]
const PASSWORD_CODES: &[Row<u32>] = &[
    row(&[50126], Configuration, "says that the user's name or password is wrong", CheckPassword),
    row(&[50055, 50144], Configuration, "says that the user's password has expired", CheckPassword),
    row(&[50076, 50079, 50072, 50074, 50078], Configuration, NO_SECOND_FACTOR, SignInInstead),
];

#[rustfmt::skip]
const PASSWORD: &[Row<&str>] = &[
    row(&["invalid_grant"], Configuration, "says that the user's name or password is wrong", CheckPassword),
    row(&["interaction_required", "login_required", "mfa_required"], Configuration, NO_SECOND_FACTOR, SignInInstead),
    row(&["consent_required"], Policy, NOBODY_AGREED, Consent),
    row(&["unauthorized_client", "unsupported_grant_type"], Configuration, "does not allow grant = \"password\" to the application", SignInInstead),
];
