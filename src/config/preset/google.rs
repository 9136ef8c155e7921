//! Gmail and Google Workspace. The hard thing is the refresh token: Google gives one only to who asks for it by its own two
//! parameters, and one scope, which its device flow does not allow, opens all three protocols.
//!
//! Sources: Google's pages "IMAP, POP, and SMTP" (servers, ports, sessions), "OAuth 2.0 for iOS & Desktop Apps",
//! "OAuth 2.0 for TV and Limited-Input Device Applications" (allowed scopes) and "Using OAuth 2.0 for Server to Server
//! Applications"; the EHLO keywords as transcripts of smtp.gmail.com show them.

use super::{
    ClientSecretMethod, GrantText, MechanismText, Preset, ServerPreset, SignInPreset, TenantRule,
    UpstreamTlsText,
};

const SCOPE: &str = "https://mail.google.com/";

pub(super) const GOOGLE: Preset = Preset {
    name: "google",
    title: "Google",
    about: "Gmail, and mailboxes of an organization at Google Workspace",
    token_url: Some("https://oauth2.googleapis.com/token"),
    tenant: TenantRule::None,
    grants: &[GrantText::RefreshToken, GrantText::ServiceAccount],
    app_scopes: &[SCOPE],
    refresh_token_scopes: &[],
    client_secret_method: ClientSecretMethod::Post,
    sign_in: Some(&SignInPreset {
        authorization_url: "https://accounts.google.com/o/oauth2/v2/auth",
        device_url: None,
        // Any port matches for a client of the type Desktop app.
        redirect_uri: "http://127.0.0.1",
        scopes: &["openid", "email"],
        // Without both, a second sign-in brings no refresh token.
        parameters: &[("access_type", "offline"), ("prompt", "consent")],
    }),
    mechanism: Some(MechanismText::Xoauth2),
    hide_capabilities: &[],
    imap: Some(&ServerPreset {
        host: "imap.gmail.com",
        tls: UpstreamTlsText::Implicit,
        scope: SCOPE,
        // Beyond it Gmail says "Too many simultaneous connections".
        connection_limit: Some(15),
        extensions: &[],
    }),
    pop3: Some(&ServerPreset {
        host: "pop.gmail.com",
        tls: UpstreamTlsText::Implicit,
        scope: SCOPE,
        connection_limit: None,
        extensions: &[],
    }),
    smtp: Some(&ServerPreset {
        host: "smtp.gmail.com",
        tls: UpstreamTlsText::Implicit,
        scope: SCOPE,
        connection_limit: None,
        extensions: &[
            "SIZE 35882577",
            "8BITMIME",
            "ENHANCEDSTATUSCODES",
            "PIPELINING",
            "CHUNKING",
            "SMTPUTF8",
        ],
    }),
    limits: &[
        "IMAP: 15 connections at once per mailbox.",
        "A session ends with its access token, usually after an hour; programs connect again by themselves.",
        "A sign-in ends after 7 days while the application is External and in Testing, after 6 months without \
         use, when the password changes, and as the oldest of more than 100 for one person and application.",
        "A device code (--device) is not allowed for mail.",
    ],
};
