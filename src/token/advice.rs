//! What a provider's error codes mean for people: a table. The hard thing is the sorting, since the
//! kind decides whether a person, an administrator, an operator or only time can help; all else is
//! words. Sources: RFC 6749 section 5.2, OpenID Connect Core section 3.1.2.6, and Microsoft's list
//! of AADSTS codes (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>).

pub(super) use self::unattended::in_sight_of;
use super::TokenErrorKind;
use crate::{
    config::{ClientAuthentication, Grant, OAuthConfig, Provider},
    guide::command,
};

mod unattended;

/// What to do; becomes a sentence for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// A person signs in again.
    SignIn,
    /// A person or an administrator agrees to the permissions, then signs in again.
    Consent,
    /// The administrator looks at the tenant's rules.
    AskAdministrator,
    /// The user's own account needs repair.
    RepairUser,
    /// The client secret, or what stands in its place.
    CheckSecret,
    /// What is read for each request, and could not be used.
    CheckFiles,
    /// The time, which an assertion names.
    CheckClock,
    /// What a domain's administrator has delegated to a service account.
    CheckDelegation,
    /// The key file and the mailbox of a service account.
    CheckServiceAccount,
    /// The user's own password.
    CheckPassword,
    /// A person signs in, and the account says so.
    SignInInstead,
    /// Scopes and the permissions of the application.
    CheckScopes,
    /// Client id, tenant and cloud.
    CheckApplication,
    /// Where the browser comes back to.
    RegisterRedirect,
    /// All of the above.
    CheckConfiguration,
    /// The token URL, or what stands between.
    CheckTokenUrl,
    /// Nothing.
    TryLater,
}

impl Advice {
    /// A sentence, with this account's own values.
    pub(super) fn sentence(self, login: &str, oauth: &OAuthConfig) -> String {
        let asking = asking(oauth);
        let typed = command::argument(login);
        match self {
            Self::SignIn => format!("Sign in again: saslgate signin {typed}"),
            Self::Consent if !oauth.grant.needs_sign_in() => {
                format!("Let an administrator agree to the permissions of {asking}.")
            }
            Self::Consent => format!(
                "Let the user or an administrator agree to the permissions of {asking}, then sign in \
                 again: saslgate signin {typed}"
            ),
            Self::AskAdministrator => {
                format!("Ask the administrator{} to allow {asking} for {login}.", of_tenant(oauth))
            }
            Self::RepairUser => {
                format!("The user {login} or an administrator must repair that account.")
            }
            Self::CheckSecret => check_secret(login, oauth),
            Self::CheckFiles => {
                "Put that right; `saslgate config check` tells whether it is.".to_owned()
            }
            Self::CheckClock => check_clock(oauth),
            Self::CheckDelegation => format!(
                "Let the domain's administrator delegate exactly these scopes to it (Admin console, \
                 Security, API controls, Domain-wide delegation): {}",
                oauth.scopes.join(" ")
            ),
            Self::CheckServiceAccount => format!(
                "Check the mailbox of {login} ({}), whether Google still has the key in \
                 service_account_key, and the clock of this machine.",
                oauth.grant.user().unwrap_or_default()
            ),
            Self::CheckPassword => format!(
                "Correct owner_password of {login} (user {}).",
                oauth.grant.user().unwrap_or_default()
            ),
            Self::SignInInstead => format!(
                "Write grant = \"refresh_token\" for {login}, then sign in: saslgate signin {typed}"
            ),
            Self::CheckScopes => format!(
                "Compare the scopes of {login} ({}) with the permissions of {asking}.",
                oauth.scopes.join(" ")
            ),
            Self::CheckApplication => {
                format!("Check client_id ({}){} of {login}.", oauth.client_id, and_tenant(oauth))
            }
            Self::RegisterRedirect => {
                let uri = oauth.sign_in.redirect_uri.as_ref().map_or("", |uri| uri.as_str());
                format!("Register {uri} as a redirect address of {asking}.")
            }
            Self::CheckConfiguration => check_configuration(login, oauth),
            Self::CheckTokenUrl => format!(
                "If this lasts, check token_url ({}) and what stands between here and there.",
                oauth.token_url
            ),
            Self::TryLater => "It will be tried again.".to_owned(),
        }
    }
}

/// Who asks, as people know it.
fn asking(oauth: &OAuthConfig) -> String {
    match oauth.grant {
        Grant::ServiceAccount { .. } => "the service account".to_owned(),
        Grant::Password { .. } | Grant::ClientCredentials | Grant::RefreshToken => {
            format!("the application {}", oauth.client_id)
        }
    }
}

/// The key with which the application proves who it is.
fn proof(oauth: &OAuthConfig) -> &'static str {
    match oauth.client_authentication {
        ClientAuthentication::Public | ClientAuthentication::Secret(_) => "client_secret",
        ClientAuthentication::Certificate { .. } => "client_certificate",
        ClientAuthentication::FederatedToken { .. } => "federated_token_file",
    }
}

fn check_clock(oauth: &OAuthConfig) -> String {
    match &oauth.client_authentication {
        ClientAuthentication::FederatedToken { file } => {
            format!("Check the program that renews {}.", file.display())
        }
        ClientAuthentication::Public
        | ClientAuthentication::Secret(_)
        | ClientAuthentication::Certificate { .. } => {
            "Set the clock of this machine right.".to_owned()
        }
    }
}

fn check_configuration(login: &str, oauth: &OAuthConfig) -> String {
    match oauth.grant {
        Grant::ServiceAccount { .. } => {
            format!("Check service_account_key, mailbox and scopes of {login}.")
        }
        Grant::Password { .. } | Grant::ClientCredentials | Grant::RefreshToken => {
            format!("Check client_id, {} and scopes of {login}.", proof(oauth))
        }
    }
}

fn check_secret(login: &str, oauth: &OAuthConfig) -> String {
    let client_id = &oauth.client_id;
    match &oauth.client_authentication {
        ClientAuthentication::Public | ClientAuthentication::Secret(_) => {
            format!("Correct client_secret of {login} (application {client_id}).")
        }
        ClientAuthentication::Certificate { certificate, .. } => format!(
            "Check that the certificate {} is registered with the application {client_id}, and has not \
             expired.",
            certificate.display()
        ),
        ClientAuthentication::FederatedToken { file } => format!(
            "Compare the federated credential of the application {client_id} (issuer, subject, \
             audience) with the assertion in {}.",
            file.display()
        ),
    }
}

/// How the provider is called in texts.
pub(super) fn provider(oauth: &OAuthConfig) -> &str {
    match Provider::at(&oauth.token_url) {
        Some(provider) => provider.title(),
        None if is_microsoft(oauth) => "Microsoft 365",
        None if is_google(oauth) => "Google",
        None => oauth.token_url.host_str().unwrap_or("the token endpoint"),
    }
}

/// Whether the tokens come from one of Microsoft's clouds.
pub(super) fn is_microsoft(oauth: &OAuthConfig) -> bool {
    oauth.token_url.host_str().is_some_and(|host| MICROSOFT.contains(&host))
}

/// Whether the tokens come from Google.
pub(super) fn is_google(oauth: &OAuthConfig) -> bool {
    let host = oauth.token_url.host_str();
    matches!(host, Some("oauth2.googleapis.com" | "www.googleapis.com" | "accounts.google.com"))
}

fn of_tenant(oauth: &OAuthConfig) -> String {
    tenant(oauth).map_or_else(String::new, |tenant| format!(" of {tenant}"))
}

fn and_tenant(oauth: &OAuthConfig) -> String {
    tenant(oauth).map_or_else(String::new, |tenant| format!(" and tenant ({tenant})"))
}

/// Microsoft's token URLs begin with the tenant.
pub(crate) fn tenant(oauth: &OAuthConfig) -> Option<&str> {
    let url = &oauth.token_url;
    MICROSOFT.contains(&url.host_str()?).then(|| url.path_segments()?.next())?
}

/// One line of the tables.
pub(super) struct Row<T: 'static> {
    codes: &'static [T],
    pub(super) kind: TokenErrorKind,
    /// Continues "The provider …".
    pub(super) what: &'static str,
    pub(super) advice: Advice,
}

/// What an AADSTS number means, where it is known.
pub(super) fn of_code(code: u32) -> Option<&'static Row<u32>> {
    AADSTS.iter().find(|row| row.codes.contains(&code))
}

/// What an OAuth error means; the last row stands for all that is unknown.
pub(super) fn of_error(error: &str) -> &'static Row<&'static str> {
    ERRORS.iter().find(|row| row.codes.contains(&error)).unwrap_or(&UNKNOWN)
}

const MICROSOFT: &[&str] = &[
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
];

use Advice::{
    AskAdministrator, CheckApplication, CheckClock, CheckConfiguration, CheckScopes, CheckSecret,
    Consent, RegisterRedirect, RepairUser, SignIn, TryLater,
};
use TokenErrorKind::{Configuration, Policy, Unavailable};

const fn row<T>(
    codes: &'static [T],
    kind: TokenErrorKind,
    what: &'static str,
    advice: Advice,
) -> Row<T> {
    Row { codes, kind, what, advice }
}

#[rustfmt::skip]
const AADSTS: &[Row<u32>] = &[
    row(&[700082, 700084, 70008], TokenErrorKind::SignIn, "says that the sign-in has ended because it was not used for too long", SignIn),
    row(&[70043], TokenErrorKind::SignIn, "says that the administrator's sign-in frequency has ended the sign-in", SignIn),
    row(&[50173, 50132, 50133, 70000, 54005, 50089], TokenErrorKind::SignIn, "says that the sign-in was revoked or the password has changed", SignIn),
    row(&[50076, 50079, 50072, 50074, 50078], TokenErrorKind::SignIn, "asks for multi-factor authentication", SignIn),
    row(&[50158, 53003, 530032, 53000, 53001, 50097, 50005], Policy, "says that conditional access or device rules forbid this", AskAdministrator),
    row(&[65001, 65004, 90094, 90095], TokenErrorKind::SignIn, "says that nobody has agreed to the application's permissions", Consent),
    row(&[650052, 650056, 650057, 500011, 70011, 28002, 700022], Configuration, "does not know a scope or resource, or the application lacks that permission", CheckScopes),
    row(&[7000215], Configuration, "says that the client secret is wrong", CheckSecret),
    row(&[7000222], Configuration, "says that the client secret has expired", CheckSecret),
    row(&[7000218], Configuration, "wants a client secret from this application", CheckSecret),
    row(&[700025], Configuration, "says that this is a public application, which must not send a client secret", CheckSecret),
    row(&[70021, 700211, 700212, 700213, 700214], Configuration, "knows no federated credential that fits the assertion", CheckSecret),
    row(&[700024], Configuration, "says that the application's assertion is not valid at this time", CheckClock),
    row(&[700027, 50012, 70002, 700023, 700030], Configuration, "does not accept the application's credentials", CheckSecret),
    row(&[700016, 70001], Configuration, "does not know the application in this tenant", CheckApplication),
    row(&[7000112], Policy, "says that the application is disabled in this tenant", AskAdministrator),
    row(&[50105], Policy, "says that the user is not assigned to the application", AskAdministrator),
    row(&[90002, 50194, 90130, 9002332, 9001023, 90038], Configuration, "says that the tenant does not exist or does not fit the application", CheckApplication),
    row(&[50020, 50034], Configuration, "does not know the user in this tenant", CheckApplication),
    row(&[50011], Configuration, "says that the redirect address is not registered with the application", RegisterRedirect),
    row(&[50053], Policy, "says that the user is locked", RepairUser),
    row(&[50055, 50144], TokenErrorKind::SignIn, "says that the user's password has expired", RepairUser),
    row(&[50057], Policy, "says that the user is disabled", RepairUser),
    row(&[50126], TokenErrorKind::SignIn, "says that the user's password is wrong", RepairUser),
    row(&[50196, 50033, 90006, 90012, 90024, 90033, 90055, 70012, 50134], Unavailable, "has a passing fault", TryLater),
];

#[rustfmt::skip]
const ERRORS: &[Row<&str>] = &[
    row(&["invalid_grant"], TokenErrorKind::SignIn, "says that the sign-in has ended or was revoked", SignIn),
    row(&["interaction_required", "login_required", "account_selection_required"], TokenErrorKind::SignIn, "wants to see the user", SignIn),
    row(&["consent_required"], TokenErrorKind::SignIn, "says that nobody has agreed to the application's permissions", Consent),
    row(&["access_denied"], Policy, "says that access is forbidden", AskAdministrator),
    row(&["invalid_client"], Configuration, "does not accept the application's credentials", CheckSecret),
    row(&["unauthorized_client"], Configuration, "does not allow this grant to the application", CheckApplication),
    row(&["invalid_scope", "invalid_resource", "invalid_target"], Configuration, "does not know a scope or resource", CheckScopes),
    row(&["temporarily_unavailable", "server_error", "slow_down"], Unavailable, "has a passing fault", TryLater),
];

const UNKNOWN: Row<&str> =
    row(&[], Configuration, "does not accept the request", CheckConfiguration);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_code_stands_in_one_row() {
        let mut seen = HashSet::new();
        for code in AADSTS.iter().flat_map(|row| row.codes) {
            assert!(seen.insert(*code), "{code} stands twice");
        }
        assert_eq!(of_code(7000222).unwrap().advice, CheckSecret);
        assert!(of_code(1).is_none());
        assert_eq!(of_error("never_heard").kind, Configuration);
    }

    #[test]
    fn sentences_name_the_accounts_own_values() {
        const LOGIN: &str = "User@Example.test";
        let mut oauth =
            super::super::tests::account("https://id.example.test/token").oauth.unwrap();
        assert_eq!(provider(&oauth), "id.example.test");
        assert_eq!(tenant(&oauth), None);
        oauth.token_url =
            "https://login.microsoftonline.com/example.ch/oauth2/v2.0/token".parse().unwrap();
        assert_eq!(provider(&oauth), "Microsoft 365");
        assert_eq!(
            AskAdministrator.sentence(LOGIN, &oauth),
            "Ask the administrator of example.ch to allow the application app-id for \
             User@Example.test.",
        );
        assert_eq!(
            CheckApplication.sentence(LOGIN, &oauth),
            "Check client_id (app-id) and tenant (example.ch) of User@Example.test.",
        );
        assert_eq!(
            SignIn.sentence(LOGIN, &oauth),
            "Sign in again: saslgate signin User@Example.test",
        );
    }
}
