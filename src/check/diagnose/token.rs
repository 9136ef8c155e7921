//! What a token endpoint's refusal means. The hard thing is that the same code asks for another remedy
//! where nobody signs in, and where the application proves itself in another way.

use crate::{
    check::{About, Finding},
    token::{Cause, CertificateFault, TokenError, TokenErrorKind},
};

/// Why there is no token.
pub fn token_error(error: &TokenError, about: &About) -> Finding {
    let text = error.text.clone();
    match &error.cause {
        Cause::Provider { error: word, code, status, retry_after, what } => {
            let refused = Refused { word: word.as_deref(), code: *code, about };
            let retry_after_seconds = retry_after.map(|pause| pause.as_secs());
            let throttled = matches!(status, 429 | 408) || word.as_deref() == Some("slow_down");
            if throttled || *code == Some(LOOP) {
                return Finding::EndpointThrottled { retry_after_seconds };
            }
            let fault = || Finding::EndpointFault { status: Some(*status), text: what.clone() };
            if *status >= 500 {
                return fault();
            }
            // A redirect, a web page, a token that is none: mostly it is not the token endpoint at all.
            if word.is_none() {
                return Finding::NoOauthAnswer { status: Some(*status), text: what.clone() };
            }
            // Microsoft says invalid_grant of some passing faults, too; only their codes tell.
            let passing = || (error.kind == TokenErrorKind::Unavailable).then(fault);
            refused.by_code().or_else(passing).or_else(|| refused.by_word()).unwrap_or_else(|| {
                Finding::ProviderRefused { error: word.clone(), code: *code, text }
            })
        }
        Cause::Unreachable { host, what } => {
            let inner =
                what.strip_prefix("cannot be reached (").and_then(|it| it.strip_suffix(')'));
            let text = inner.unwrap_or(what).to_owned();
            match (&about.proxy, inner) {
                (Some(proxy), Some(_)) => Finding::ProxyUnreachable { host: proxy.clone(), text },
                _ => Finding::EndpointUnreachable { host: host.clone(), text },
            }
        }
        Cause::Certificate { host, fault } => certificate(host.clone(), *fault),
        Cause::Unanswered { what } => Finding::NoOauthAnswer { status: None, text: what.clone() },
        Cause::SignInMissing => Finding::SignInMissing,
        Cause::Store { text } => Finding::StoreFault { text: text.clone() },
        Cause::External => Finding::ExternalTokenFails { text },
        Cause::Refused => {
            let user = about.mailboxes.first().map(|(_, mailbox)| mailbox.clone());
            Finding::TokenRefused { user: user.unwrap_or_default(), text }
        }
        Cause::Request { .. } | Cause::Person | Cause::Own => {
            Finding::ProviderRefused { error: None, code: None, text }
        }
    }
}

/// What is wrong with what the token endpoint shows, as at a mail server.
fn certificate(host: String, fault: CertificateFault) -> Finding {
    match fault {
        CertificateFault::UnknownIssuer => {
            Finding::CertificateUnknownIssuer { host, issuer: None, sha256: None }
        }
        CertificateFault::Name => Finding::CertificateNameMismatch { host, names: Vec::new() },
        CertificateFault::Expired => Finding::CertificateExpired { host },
        CertificateFault::NotYetValid => Finding::CertificateNotYetValid { host },
    }
}

/// What a sign-in that has failed means; `None` where the error's own sentence says all that is known.
pub fn signin_error(error: &TokenError, about: &About) -> Option<Finding> {
    if !matches!(
        error.cause,
        Cause::Provider { .. }
            | Cause::Unreachable { .. }
            | Cause::Certificate { .. }
            | Cause::Unanswered { .. }
    ) {
        return None;
    }
    let finding = token_error(error, about);
    // Said of a code that is too old, or was used before. No earlier sign-in has anything to do with it.
    let of_earlier = matches!(finding, Finding::GrantExpired { .. } | Finding::GrantRevoked { .. });
    let unknown = matches!(finding, Finding::ProviderRefused { code: None, .. });
    (!of_earlier && !unknown).then_some(finding)
}

struct Refused<'a> {
    word: Option<&'a str>,
    code: Option<u32>,
    about: &'a About,
}

impl Refused<'_> {
    fn by_code(&self) -> Option<Finding> {
        let code = self.code;
        Some(match code? {
            700_082 | 700_084 | 70_008 => Finding::GrantExpired { code },
            50_173 | 50_132 | 50_133 | 70_000 | 54_005 | 50_089 => Finding::GrantRevoked { code },
            70_043 => Finding::SignInFrequency,
            50_076 | 50_079 | 50_072 | 50_074 | 50_078 => Finding::MfaNeeded { code },
            53_003 | 50_158 | 530_032 => Finding::ConditionalAccess { code },
            53_000 | 53_001 | 50_097 | 50_005 => Finding::DevicePolicy { code },
            65_001 | 65_004 => self.consent(),
            90_094 | 90_095 => Finding::AdminConsentMissing { code },
            90_002 | 50_194 | 90_130 | 9_002_332 | 9_001_023 | 90_038 => {
                Finding::TenantWrong { code }
            }
            700_016 | 70_001 => Finding::ClientIdWrong { code },
            7_000_112 => Finding::ApplicationDisabled,
            50_105 => Finding::NotAssigned,
            7_000_215 => Finding::SecretWrong,
            7_000_222 => Finding::SecretExpired,
            7_000_218 => Finding::SecretMissing,
            700_025 => Finding::SecretNotWanted,
            70_002 => self.proof_refused(),
            70_021 | 700_211..=700_214 | 700_027 | 50_012 | 700_023 | 700_030 => {
                Finding::AssertionRefused { code }
            }
            700_024 => Finding::ClockWrong,
            50_011 => self.redirect(),
            650_052 | 650_056 | 650_057 | 500_011 | 70_011 | 28_002 | 700_022 => {
                Finding::ScopeWrong { code }
            }
            50_020 | 50_034 => Finding::UserUnknown { code },
            50_053 | 50_055 | 50_057 | 50_126 | 50_144 => Finding::UserUnusable { code },
            _ => return None,
        })
    }

    /// Only where no code says more.
    fn by_word(&self) -> Option<Finding> {
        let code = self.code;
        let google = self.about.grant == Some("service_account");
        Some(match self.word? {
            "unauthorized_client" | "access_denied" if google => Finding::DelegationMissing,
            // A number that is not known says more than the word: it is looked up, and not guessed at.
            "invalid_grant" if code.is_none() && self.about.grant == Some("refresh_token") => {
                Finding::GrantRevoked { code }
            }
            "invalid_client" | "deleted_client" | "disabled_client" if !google => {
                self.proof_refused()
            }
            "unauthorized_client" | "unsupported_grant_type" => Finding::GrantNotAllowed,
            "consent_required" => self.consent(),
            "admin_policy_enforced" => Finding::AdminConsentMissing { code },
            "invalid_scope" | "invalid_resource" | "invalid_target" => Finding::ScopeWrong { code },
            "mfa_required" => Finding::MfaNeeded { code },
            _ => return None,
        })
    }

    /// Where nobody signs in, only an administrator can agree.
    fn consent(&self) -> Finding {
        let code = self.code;
        if self.about.app_only {
            Finding::AdminConsentMissing { code }
        } else {
            Finding::ConsentMissing { code }
        }
    }

    fn proof_refused(&self) -> Finding {
        let code = self.code;
        match self.about.proof {
            None => Finding::ClientIdWrong { code },
            Some("client_secret") => Finding::SecretWrong,
            Some(_) => Finding::AssertionRefused { code },
        }
    }

    fn redirect(&self) -> Finding {
        let redirect_uri = self.about.redirect_uri.clone().unwrap_or_default();
        Finding::RedirectMismatch { redirect_uri }
    }
}

/// "LoopDetected": too many requests.
const LOOP: u32 = 50_196;
