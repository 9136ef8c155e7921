//! From what went wrong to the [`Refusal`] that the client hears: the reason chooses the code on the
//! wire, the sentence says what to do. Only a wrong local login may look like one.

use std::io;

use crate::{
    config::{AccountConfig, Authentication, Protocol, SigninRefusal, UpstreamConfig},
    guide::command::argument,
    platform::descriptors,
    proto::{Refusal, RefusalReason, Rejection, verdict::is_about_the_credential},
    store::StoreError,
    token::{TokenError, TokenErrorKind},
    upstream::{DialError, OpenError},
};

pub(super) fn wrong_login() -> Refusal {
    Refusal::new(RefusalReason::WrongLogin, "wrong login name or local password")
}

pub(super) fn store_unavailable() -> Refusal {
    Refusal::new(
        RefusalReason::TokenUnavailable,
        "the gateway cannot check passwords just now, please try again later",
    )
}

/// It was pushed out in the moment in which its password was right.
pub(super) fn crowded() -> Refusal {
    Refusal::new(RefusalReason::ConnectionLimit, "too many connections, please try again later")
}

pub(super) fn too_slow() -> Refusal {
    Refusal::new(
        RefusalReason::UpstreamUnavailable,
        "the mail server or the sign-in service took too long, please try again later",
    )
}

pub(super) fn no_upstream(account: &AccountConfig, protocol: Protocol) -> Refusal {
    Refusal::new(
        RefusalReason::Configuration,
        match &account.identity.opens {
            None => {
                format!("{} has no {protocol} server in the gateway's configuration", account.login)
            }
            Some(shared) => {
                format!("{} has no {protocol} server that opens {shared} by a token", account.login)
            }
        },
    )
}

pub(super) fn account_limit(account: &AccountConfig, limit: usize) -> Refusal {
    Refusal::new(
        RefusalReason::AccountLimit,
        format!(
            "{} has {limit} connections open, its limit; close some mail programs, or raise \
             connection_limit",
            account.login
        ),
    )
}

pub(super) fn token(error: &TokenError) -> Refusal {
    let reason = match error.kind {
        TokenErrorKind::SignIn => RefusalReason::SignIn,
        TokenErrorKind::Policy => RefusalReason::Policy,
        TokenErrorKind::Configuration => RefusalReason::Configuration,
        TokenErrorKind::Unavailable | TokenErrorKind::TooSoon => RefusalReason::TokenUnavailable,
    };
    Refusal::new(reason, error.text.clone())
}

/// A server that takes a password, and there is none yet, or one for another host.
pub(super) fn no_stored_password(
    account: &AccountConfig,
    config: &UpstreamConfig,
    protocol: Protocol,
) -> Refusal {
    Refusal::new(
        RefusalReason::Configuration,
        format!(
            "the gateway has no password of {} for {config}; {}",
            account.login,
            set_password(account, protocol)
        ),
    )
}

/// The store does not give the password out.
pub(super) fn no_password_from_store(
    account: &AccountConfig,
    protocol: Protocol,
    error: &StoreError,
) -> Refusal {
    match error {
        StoreError::Unavailable(_) => Refusal::new(
            RefusalReason::TokenUnavailable,
            "the gateway cannot read the stored password just now, please try again later",
        ),
        StoreError::Key(_) | StoreError::Unusable(_) => Refusal::new(
            RefusalReason::Configuration,
            format!(
                "the gateway cannot read the password for the {protocol} server of {}; {}",
                account.login,
                set_password(account, protocol)
            ),
        ),
    }
}

/// The server has refused this very password a moment ago.
pub(super) fn password_refused_before(account: &AccountConfig, protocol: Protocol) -> Refusal {
    Refusal::new(
        RefusalReason::UpstreamRefused,
        format!(
            "the {protocol} server of {} has refused the stored password, which is not tried again \
             for some minutes; {}",
            account.login,
            set_password(account, protocol)
        ),
    )
}

fn set_password(account: &AccountConfig, protocol: Protocol) -> String {
    let (login, name) = (argument(&account.login), protocol.name());
    format!("set it with: saslgate account upstream-password {login} --protocol {name}")
}

pub(super) fn upstream(
    account: &AccountConfig,
    config: &UpstreamConfig,
    protocol: Protocol,
    error: &OpenError,
) -> Refusal {
    let mailbox = account.mailbox(protocol);
    let (reason, text) = match error {
        OpenError::Dial(DialError::Connect(error)) if descriptors::are_used_up(error) => {
            return no_descriptors(error);
        }
        OpenError::Rejected(Rejection::Credential { text }) if !is_about_the_credential(text) => (
            RefusalReason::Policy,
            format!(
                "{config} does not allow {protocol} for {mailbox} ({error}): the administrator must \
                 switch it on for the mailbox"
            ),
        ),
        OpenError::Rejected(Rejection::Credential { .. }) => match &config.authentication {
            Authentication::OAuth => (
                RefusalReason::UpstreamRefused,
                format!(
                    "{config} refuses a fresh token for {mailbox} ({error}): check scopes, consent, \
                     mailbox permission, and that the protocol is enabled for it"
                ),
            ),
            Authentication::Password { user } => (
                RefusalReason::UpstreamRefused,
                format!(
                    "{config} refuses the stored password of {user} ({error}); {}",
                    set_password(account, protocol)
                ),
            ),
        },
        OpenError::Rejected(Rejection::NotConnected { .. }) => (
            if mailbox.eq_ignore_ascii_case(&account.token_owner()) {
                RefusalReason::UpstreamRefused
            } else {
                RefusalReason::NotAuthorized
            },
            format!(
                "{config} accepts the login but gives no access to {mailbox} ({error}): check the \
                 mailbox permission of the signed-in user or application"
            ),
        ),
        OpenError::Rejected(Rejection::NoMechanism { .. }) => (
            RefusalReason::Configuration,
            format!("{config} is not usable: {error}; check host, port, auth and mechanism"),
        ),
        OpenError::Rejected(
            Rejection::Busy { .. } | Rejection::Protocol { .. } | Rejection::StartTls { .. },
        )
        | OpenError::Dial(_)
        | OpenError::TlsSettings(_)
        | OpenError::Handshake(_)
        | OpenError::Broken(_)
        | OpenError::Silent
        | OpenError::NoStartTls => (
            RefusalReason::UpstreamUnavailable,
            format!("the mail server {config} cannot be used just now: {error}"),
        ),
    };
    Refusal::new(reason, text)
}

/// The fault is the gateway's own, not the mail server's.
fn no_descriptors(error: &io::Error) -> Refusal {
    let text = format!(
        "the gateway has no file descriptors left ({error}), please try again later; its operator should {}",
        descriptors::REMEDY
    );
    Refusal::new(RefusalReason::UpstreamUnavailable, text)
}

/// The rows that a person must do something about, and whose text is worth an alert.
pub(super) fn needs_a_person(reason: RefusalReason) -> bool {
    match reason {
        RefusalReason::SignIn | RefusalReason::Policy | RefusalReason::Configuration => true,
        RefusalReason::WrongLogin
        | RefusalReason::TokenUnavailable
        | RefusalReason::UpstreamUnavailable
        | RefusalReason::UpstreamRefused
        | RefusalReason::NotAuthorized
        | RefusalReason::TlsRequired
        | RefusalReason::ConnectionLimit
        | RefusalReason::AccountLimit
        | RefusalReason::ShuttingDown
        | RefusalReason::Timeout
        | RefusalReason::TooManyFailures => false,
    }
}

/// Applies the administrator's choice for the rows that need a person.
pub(super) fn as_configured(refusal: Refusal, choice: SigninRefusal) -> Refusal {
    match choice {
        SigninRefusal::Credentials if needs_a_person(refusal.reason) => {
            Refusal { reason: RefusalReason::WrongLogin, ..refusal }
        }
        SigninRefusal::Credentials | SigninRefusal::Temporary => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::judge;

    #[test]
    fn whose_mailbox_it_is_depends_on_who_signed_in() {
        let text = "[defaults]\nprovider = \"microsoft365\"\ntenant = \"example.ch\"\nclient_id = \"id\"\n\
            [[account]]\nlogin = \"scan\"\nmailbox = \"Anna@example.ch\"\ntoken_owner = \"anna@example.ch\"\n\
            [[account]]\nlogin = \"info@example.ch\"\ntoken_from = \"scan\"\n";
        let accounts = judge(text).unwrap_or_else(|error| panic!("{error}")).config.accounts;
        let error =
            OpenError::Rejected(Rejection::NotConnected { text: "not connected".to_owned() });
        let reasons: Vec<RefusalReason> = accounts
            .iter()
            .map(|account| {
                let server = account.imap.as_ref().unwrap();
                upstream(account, server, Protocol::Imap, &error).reason
            })
            .collect();
        assert_eq!(reasons, [RefusalReason::UpstreamRefused, RefusalReason::NotAuthorized]);
    }
}
