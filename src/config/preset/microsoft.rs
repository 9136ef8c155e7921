//! Microsoft 365 in its four clouds, and Outlook.com. The hard thing is that they differ in little, but a value of one
//! cloud is good for nothing in another: host, sign-in server and scopes go together, so one macro writes them all.
//!
//! Sources, by cloud:
//! - all: Microsoft's page "Authenticate an IMAP, POP or SMTP connection using OAuth";
//! - GCC High and DoD: the README of sasl-xoauth2 (its section on these clouds was contributed from Microsoft) and
//!   EmailEngine's documentation name sign-in server, scopes and hosts; DoD's hosts stand in EmailEngine's alone, and no
//!   source names its POP3 server, so it is taken to be the IMAP one as in the other clouds;
//! - 21Vianet: sign-in server and scopes as in EmailEngine and Microsoft's support module Mail.Protocols for PowerShell;
//!   the SMTP host as the programs of its users have it;
//! - Outlook.com: Microsoft's page "POP, IMAP, and SMTP settings for Outlook.com".
//!
//! `IMAP4REV2` and `ENABLE` are hidden: Exchange offers them since 2026, but its answers are not what old clients that then
//! use them expect.

use super::{
    ClientSecretMethod, GrantText, MechanismText, Preset, ServerPreset, SignInPreset, TenantRule,
    UpstreamTlsText,
};

macro_rules! microsoft {
    (
        $name:literal, $title:literal, $about:literal,
        login: $login:literal, app_scope: $app_scope:literal, scopes: $scopes:literal,
        imap: $imap:literal, smtp: $smtp:literal,
        tenant: $tenant:expr, grants: $grants:expr, limits: $limits:expr $(,)?
    ) => {
        Preset {
            name: $name,
            title: $title,
            about: $about,
            token_url: Some(concat!($login, "/{tenant}/oauth2/v2.0/token")),
            tenant: $tenant,
            grants: $grants,
            app_scopes: &[concat!($app_scope, "/.default")],
            refresh_token_scopes: &["offline_access"],
            client_secret_method: ClientSecretMethod::Post,
            sign_in: Some(&SignInPreset {
                authorization_url: concat!($login, "/{tenant}/oauth2/v2.0/authorize"),
                device_url: Some(concat!($login, "/{tenant}/oauth2/v2.0/devicecode")),
                // Any port matches, but a path would have to be registered.
                redirect_uri: "http://localhost",
                scopes: &["openid", "profile"],
                // Whoever is signed in already may be somebody else.
                parameters: &[("prompt", "select_account")],
            }),
            mechanism: Some(MechanismText::Xoauth2),
            hide_capabilities: &["IMAP4REV2", "ENABLE"],
            imap: Some(&ServerPreset {
                host: $imap,
                tls: UpstreamTlsText::Implicit,
                scope: concat!($scopes, "/IMAP.AccessAsUser.All"),
                connection_limit: None,
                extensions: &[],
            }),
            pop3: Some(&ServerPreset {
                host: $imap,
                tls: UpstreamTlsText::Implicit,
                scope: concat!($scopes, "/POP.AccessAsUser.All"),
                connection_limit: None,
                extensions: &[],
            }),
            smtp: Some(&ServerPreset {
                host: $smtp,
                tls: UpstreamTlsText::StartTls,
                scope: concat!($scopes, "/SMTP.Send"),
                // Beyond it Exchange answers 432 4.3.2, and the mail waits for the client's next attempt.
                connection_limit: Some(3),
                // The size is what Exchange advertises; a mailbox may have a lower limit of its own.
                extensions: &[
                    "SIZE 157286400",
                    "PIPELINING",
                    "DSN",
                    "ENHANCEDSTATUSCODES",
                    "8BITMIME",
                    "BINARYMIME",
                    "CHUNKING",
                    "SMTPUTF8",
                ],
            }),
            limits: $limits,
        }
    };
}

/// The worldwide cloud, to which GCC belongs.
pub(super) const WORLDWIDE: Preset = microsoft!(
    "microsoft365",
    "Microsoft 365",
    "mailboxes of an organization in the worldwide cloud, GCC included",
    login: "https://login.microsoftonline.com",
    app_scope: "https://outlook.office365.com",
    scopes: "https://outlook.office.com",
    imap: "outlook.office365.com",
    smtp: "smtp.office365.com",
    tenant: TenantRule::Organization { consumers: true },
    grants: ORGANIZATION_GRANTS,
    limits: ORGANIZATION_LIMITS,
);

pub(super) const GCC_HIGH: Preset = microsoft!(
    "microsoft365-gcc-high",
    "Microsoft 365 GCC High",
    "mailboxes of an organization in the cloud of the US government",
    login: "https://login.microsoftonline.us",
    app_scope: "https://outlook.office365.us",
    scopes: "https://outlook.office365.us",
    imap: "outlook.office365.us",
    smtp: "smtp.office365.us",
    tenant: TenantRule::Organization { consumers: false },
    grants: ORGANIZATION_GRANTS,
    limits: ORGANIZATION_LIMITS,
);

pub(super) const DOD: Preset = microsoft!(
    "microsoft365-dod",
    "Microsoft 365 DoD",
    "mailboxes of the US Department of Defense",
    login: "https://login.microsoftonline.us",
    app_scope: "https://outlook.office365.us",
    scopes: "https://outlook.office365.us",
    imap: "outlook-dod.office365.us",
    smtp: "outlook-dod.office365.us",
    tenant: TenantRule::Organization { consumers: false },
    grants: ORGANIZATION_GRANTS,
    limits: ORGANIZATION_LIMITS,
);

pub(super) const CHINA: Preset = microsoft!(
    "microsoft365-21vianet",
    "Microsoft 365 operated by 21Vianet",
    "mailboxes of an organization in the cloud in China",
    login: "https://login.partner.microsoftonline.cn",
    app_scope: "https://partner.outlook.cn",
    scopes: "https://partner.outlook.cn",
    imap: "partner.outlook.cn",
    smtp: "smtp.partner.outlook.cn",
    tenant: TenantRule::Organization { consumers: false },
    grants: ORGANIZATION_GRANTS,
    limits: ORGANIZATION_LIMITS,
);

pub(super) const OUTLOOK_COM: Preset = microsoft!(
    "outlook.com",
    "Outlook.com",
    "mailboxes of people at outlook.com, hotmail.com, live.com or msn.com",
    login: "https://login.microsoftonline.com",
    app_scope: "https://outlook.office365.com",
    scopes: "https://outlook.office.com",
    imap: "outlook.office365.com",
    smtp: "smtp-mail.outlook.com",
    tenant: TenantRule::Consumers,
    grants: &[GrantText::RefreshToken],
    limits: &[
        "POP3 and IMAP are off until their owner switches them on (step 1).",
        "SMTP: 3 connections at once; saslgate lets more logins wait their turn.",
        "A sign-in ends when nothing has used it for 90 days; saslgate uses it at least once a day.",
    ],
);

const ORGANIZATION_GRANTS: &[GrantText] =
    &[GrantText::RefreshToken, GrantText::ClientCredentials, GrantText::Password];

/// From Microsoft's pages on Exchange Online limits, SMTP submission and refresh tokens.
const ORGANIZATION_LIMITS: &[&str] = &[
    "SMTP: 3 connections at once per mailbox (saslgate lets more logins wait their turn), 30 messages a \
     minute, 10000 recipients a day.",
    "IMAP and POP3: Microsoft names no number; 16 connections at once is the default of Exchange Server.",
    "An access token lives for 60 to 90 minutes, and so does an IMAP session at most; programs connect \
     again by themselves.",
    "A sign-in ends when nothing has used it for 90 days (saslgate uses it at least once a day), and when \
     the tenant's sign-in frequency or an administrator says so.",
];
