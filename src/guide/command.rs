//! Commands and links for administrators, each with an account's own values in it: pure functions, in one place for
//! every text that tells somebody what to type. The hard thing is quoting. A value stands between single quotes in which
//! PowerShell reads nothing but quotes, and PowerShell takes typographic quotes for quotes, too; so no value can become a
//! command, whatever it holds.
//!
//! All commands but the first are for Exchange Online PowerShell, after [`connect_exchange_online`], and are the same in
//! every cloud; the clouds differ in that first command alone, in the sign-in host, and in the administrators' pages
//! ([`Cloud`]).
//!
//! Sources: Microsoft's pages "Authenticate an IMAP, POP or SMTP connection using OAuth", "Enable or disable
//! authenticated client SMTP submission", "Connect to Exchange Online PowerShell", and those of each cmdlet.

use url::form_urlencoded;

use crate::config::{OAuthConfig, Protocol};

/// Which of Microsoft's clouds a tenant lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// The public one; GCC too.
    Worldwide,
    /// Of the United States' government.
    GccHigh,
    /// Of its Department of Defense.
    Dod,
    /// In China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// The one to which an account's token endpoint and its first mail server belong. GCC High and DoD have one sign-in
    /// host, so `mail_host` decides between them. `None`: not Microsoft.
    pub fn of(oauth: &OAuthConfig, mail_host: &str) -> Option<Self> {
        match oauth.token_url.host_str()? {
            "login.microsoftonline.com" => Some(Self::Worldwide),
            "login.microsoftonline.us" if mail_host.contains("dod") => Some(Self::Dod),
            "login.microsoftonline.us" => Some(Self::GccHigh),
            "login.partner.microsoftonline.cn" | "login.chinacloudapi.cn" => Some(Self::China),
            _ => None,
        }
    }

    /// Where its users and applications sign in.
    pub fn login_base(self) -> &'static str {
        match self {
            Self::Worldwide => "https://login.microsoftonline.com",
            Self::GccHigh | Self::Dod => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
        }
    }

    /// Where its applications are registered.
    pub fn admin_center(self) -> &'static str {
        match self {
            Self::Worldwide => "https://entra.microsoft.com",
            Self::GccHigh | Self::Dod => "https://entra.microsoft.us",
            Self::China => "https://entra.microsoftonline.cn",
        }
    }

    fn exchange_environment(self) -> Option<&'static str> {
        match self {
            Self::Worldwide => None,
            Self::GccHigh => Some("O365USGovGCCHigh"),
            Self::Dod => Some("O365USGovDoD"),
            Self::China => Some("O365China"),
        }
    }
}

/// Once on the administrator's machine.
pub fn install_exchange_module() -> String {
    "Install-Module ExchangeOnlineManagement -Scope CurrentUser".to_owned()
}

/// Begins a session of Exchange Online PowerShell; the others need it.
pub fn connect_exchange_online(cloud: Cloud) -> String {
    match cloud.exchange_environment() {
        None => "Connect-ExchangeOnline".to_owned(),
        Some(name) => format!("Connect-ExchangeOnline -ExchangeEnvironmentName {name}"),
    }
}

/// Makes an application known to Exchange. `object_id` is that of the *enterprise application*: the one shown under App
/// registrations is another one, and is accepted here and refused at every login. `None` writes [`OBJECT_ID`] in its place.
pub fn new_service_principal(app_id: &str, object_id: Option<&str>) -> String {
    let object_id = object_id.unwrap_or(OBJECT_ID);
    format!("New-ServicePrincipal -AppId {} -ObjectId {}", quoted(app_id), quoted(object_id))
}

/// Shows which applications Exchange knows, to compare their object ids.
pub fn list_service_principals() -> String {
    "Get-ServicePrincipal | Format-List DisplayName, AppId, ObjectId".to_owned()
}

/// Takes back a service principal that was made with a wrong object id: by its application's id, for the wrong object id
/// is not known here, and nobody should type the right one in its place.
pub fn remove_service_principal(app_id: &str) -> String {
    format!("Remove-ServicePrincipal -Identity {}", quoted(app_id))
}

/// Lets somebody open a mailbox: a user by the address, an application by its service principal's object id
/// ([`OBJECT_ID`] where it is not known).
pub fn add_mailbox_permission(mailbox: &str, who: &str) -> String {
    format!(
        "Add-MailboxPermission -Identity {} -User {} -AccessRights FullAccess",
        quoted(mailbox),
        quoted(who)
    )
}

/// Lets somebody send as a mailbox; `who` as in [`add_mailbox_permission`].
pub fn add_send_as(mailbox: &str, who: &str) -> String {
    format!(
        "Add-RecipientPermission -Identity {} -Trustee {} -AccessRights SendAs -Confirm:$false",
        quoted(mailbox),
        quoted(who)
    )
}

/// Switches protocols on for one mailbox; SMTP is [`enable_smtp_auth`]'s switch. Empty where there are none.
pub fn enable_protocols(mailbox: &str, protocols: &[Protocol]) -> String {
    let switches: String = Protocol::ALL
        .into_iter()
        .filter(|protocol| protocols.contains(protocol))
        .map(|protocol| match protocol {
            Protocol::Imap => " -ImapEnabled $true",
            Protocol::Pop3 => " -PopEnabled $true",
            Protocol::Smtp => " -SmtpClientAuthenticationDisabled $false",
        })
        .collect();
    if switches.is_empty() {
        return switches;
    }
    format!("Set-CASMailbox -Identity {}{switches}", quoted(mailbox))
}

/// Allows SMTP AUTH to one mailbox, whatever the tenant says.
pub fn enable_smtp_auth(mailbox: &str) -> String {
    enable_protocols(mailbox, &[Protocol::Smtp])
}

/// Allows SMTP AUTH to all mailboxes of the tenant that do not say otherwise.
pub fn enable_smtp_auth_tenant() -> String {
    "Set-TransportConfig -SmtpClientAuthenticationDisabled $false".to_owned()
}

/// Shows what a mailbox allows.
pub fn show_protocols(mailbox: &str) -> String {
    format!(
        "Get-CASMailbox -Identity {} | Format-List ImapEnabled, PopEnabled, \
         SmtpClientAuthenticationDisabled",
        quoted(mailbox)
    )
}

/// The page on which an administrator agrees for the whole tenant; `login_base` as of [`Cloud::login_base`]. The tenants
/// that stand for many become `organizations`, the only one of them that has such a page.
pub fn admin_consent_url(login_base: &str, tenant: &str, client_id: &str) -> String {
    let shared = ["common", "organizations", "consumers"];
    let shared = shared.iter().any(|it| tenant.eq_ignore_ascii_case(it));
    let tenant = if shared { "organizations" } else { tenant };
    let tenant: String = form_urlencoded::byte_serialize(tenant.as_bytes()).collect();
    let client_id: String = form_urlencoded::byte_serialize(client_id.as_bytes()).collect();
    format!("{}/{tenant}/adminconsent?client_id={client_id}", login_base.trim_end_matches('/'))
}

/// The same, of an account's own values; `None` where its tokens do not come from Microsoft.
pub fn admin_consent_url_of(oauth: &OAuthConfig) -> Option<String> {
    let tenant = microsoft_tenant(oauth)?;
    let base = oauth.token_url.origin().ascii_serialization();
    Some(admin_consent_url(&base, tenant, &oauth.client_id))
}

/// The tenant in the token URL of one of Microsoft's clouds.
pub fn microsoft_tenant(oauth: &OAuthConfig) -> Option<&str> {
    Cloud::of(oauth, "")?;
    oauth.token_url.path_segments()?.next().filter(|tenant| !tenant.is_empty())
}

/// Where Google Workspace's administrator delegates scopes to a service account.
pub fn google_delegation_url() -> &'static str {
    "https://admin.google.com/ac/owl/domainwidedelegation"
}

/// Where a Google account's owner sees and revokes what applications may do.
pub fn google_connections_url() -> &'static str {
    "https://myaccount.google.com/connections"
}

/// The page of one application in Microsoft's admin center; there, *Managed application in local directory* leads to
/// the enterprise application with its object id.
pub fn application_url(cloud: Cloud, client_id: &str) -> String {
    let mut url = format!(
        "{}/#view/Microsoft_AAD_RegisteredApps/ApplicationMenuBlade/~/Overview/appId/",
        cloud.admin_center()
    );
    url.extend(form_urlencoded::byte_serialize(client_id.as_bytes()));
    url
}

/// A PowerShell string literal of exactly this text. PowerShell reads five characters as a single quote, and two of them in
/// a row as the first one; a character that moves a terminal's cursor has no business in a name, and is shown as none.
fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{201B}' => literal.extend([c, c]),
            _ if c.is_control() => literal.push(char::REPLACEMENT_CHARACTER),
            _ => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

/// A word of a command line as a shell takes it: what a shell could read otherwise stands between quotes.
pub fn argument(text: &str) -> String {
    let is_plain =
        |c: char| c.is_alphanumeric() || matches!(c, '@' | '.' | '_' | '-' | '+' | '/' | ':');
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if cfg!(windows) {
        format!("\"{}\"", text.replace('"', ""))
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Stands where an enterprise application's object id is not known.
pub const OBJECT_ID: &str = "<OBJECT-ID-OF-THE-ENTERPRISE-APPLICATION>";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Grant;

    const APP: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn commands_carry_their_values() {
        for (command, expected) in [
            (connect_exchange_online(Cloud::Worldwide), "Connect-ExchangeOnline"),
            (
                connect_exchange_online(Cloud::Dod),
                "Connect-ExchangeOnline -ExchangeEnvironmentName O365USGovDoD",
            ),
            (
                new_service_principal(APP, Some("9999")),
                "New-ServicePrincipal -AppId '11111111-2222-3333-4444-555555555555' -ObjectId '9999'",
            ),
            (
                add_mailbox_permission("info@example.ch", OBJECT_ID),
                "Add-MailboxPermission -Identity 'info@example.ch' -User \
                 '<OBJECT-ID-OF-THE-ENTERPRISE-APPLICATION>' -AccessRights FullAccess",
            ),
            (
                add_send_as("info@example.ch", "anna@example.ch"),
                "Add-RecipientPermission -Identity 'info@example.ch' -Trustee 'anna@example.ch' \
                 -AccessRights SendAs -Confirm:$false",
            ),
            (
                enable_protocols("a@example.ch", &[Protocol::Smtp, Protocol::Imap, Protocol::Pop3]),
                "Set-CASMailbox -Identity 'a@example.ch' -ImapEnabled $true -PopEnabled $true \
                 -SmtpClientAuthenticationDisabled $false",
            ),
            (
                enable_smtp_auth("a@example.ch"),
                "Set-CASMailbox -Identity 'a@example.ch' -SmtpClientAuthenticationDisabled $false",
            ),
            (
                remove_service_principal(APP),
                "Remove-ServicePrincipal -Identity '11111111-2222-3333-4444-555555555555'",
            ),
            (enable_protocols("a@example.ch", &[]), ""),
        ] {
            assert_eq!(command, expected);
        }
    }

    #[test]
    fn no_value_becomes_a_command() {
        for (value, literal) in [
            ("o'brien@example.ch", "'o''brien@example.ch'"),
            (
                "a\u{2019}; Remove-Mailbox x; \u{201B}",
                "'a\u{2019}\u{2019}; Remove-Mailbox x; \u{201B}\u{201B}'",
            ),
            ("$(Get-Date) `n \"x\" {0}", "'$(Get-Date) `n \"x\" {0}'"),
            ("a\r\nb\x1b[2J", "'a\u{FFFD}\u{FFFD}b\u{FFFD}[2J'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(value), literal);
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn no_value_becomes_a_shell_command() {
        for (value, word) in [
            ("anna@example.ch", "anna@example.ch"),
            ("*@example.ch", "'*@example.ch'"),
            ("o'brien@example.ch", "'o'\\''brien@example.ch'"),
            ("a;rm$(b)`c`@example.ch", "'a;rm$(b)`c`@example.ch'"),
            ("/etc/my mail/a.toml", "'/etc/my mail/a.toml'"),
            ("a\n\x1bb", "'a\u{FFFD}\u{FFFD}b'"),
            ("", "''"),
        ] {
            assert_eq!(argument(value), word);
        }
    }

    #[test]
    fn the_consent_link_is_of_the_tenant() {
        let base = Cloud::GccHigh.login_base();
        assert_eq!(
            admin_consent_url(base, "example.us", APP),
            format!("https://login.microsoftonline.us/example.us/adminconsent?client_id={APP}")
        );
        assert_eq!(
            admin_consent_url(base, "COMMON", "a&b=c d"),
            "https://login.microsoftonline.us/organizations/adminconsent?client_id=a%26b%3Dc+d"
        );
        assert_eq!(
            admin_consent_url(base, "../evil?x", "a"),
            "https://login.microsoftonline.us/..%2Fevil%3Fx/adminconsent?client_id=a"
        );
    }

    #[test]
    fn the_cloud_is_known_by_its_hosts() {
        let oauth =
            |url: &str| OAuthConfig::new(url.parse().unwrap(), APP, Grant::ClientCredentials);
        let us = oauth("https://login.microsoftonline.us/t/oauth2/v2.0/token");
        assert_eq!(Cloud::of(&us, "outlook.office365.us"), Some(Cloud::GccHigh));
        assert_eq!(Cloud::of(&us, "outlook-dod.office365.us"), Some(Cloud::Dod));
        assert_eq!(microsoft_tenant(&us), Some("t"));
        assert_eq!(
            admin_consent_url_of(&us).unwrap(),
            format!("https://login.microsoftonline.us/t/adminconsent?client_id={APP}")
        );
        let other = oauth("https://oauth2.googleapis.com/token");
        assert_eq!((Cloud::of(&other, ""), admin_consent_url_of(&other)), (None, None));
    }
}
