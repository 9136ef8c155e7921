//! Yahoo and AOL, two brands of one house with sign-in servers and applications of their own. The hard thing is who may
//! come in at all: the scope for mail is given by agreement only.
//!
//! Sources: Yahoo's "OAuth 2.0 Guide" (endpoints, client authentication by HTTP Basic) and "Mail: IMAP/SMTP with OAuth"
//! (scope, mechanism); the providers' help pages and Mozilla's list of OAuth providers (hosts, AOL's endpoints, a redirect to
//! `http://localhost`). Newer servers list OAUTHBEARER alone, older ones XOAUTH2 too, so the mechanism is left to what
//! they list. The EHLO keywords are those that transcripts of smtp.mail.yahoo.com show.

use super::{
    ClientSecretMethod, GrantText, Preset, ServerPreset, SignInPreset, TenantRule, UpstreamTlsText,
};

macro_rules! yahoo {
    (
        $name:literal, $title:literal, $about:literal,
        login: $login:literal, imap: $imap:literal, pop3: $pop3:literal, smtp: $smtp:literal $(,)?
    ) => {
        Preset {
            name: $name,
            title: $title,
            about: $about,
            token_url: Some(concat!($login, "/oauth2/get_token")),
            tenant: TenantRule::None,
            grants: &[GrantText::RefreshToken],
            app_scopes: &[],
            refresh_token_scopes: &[],
            client_secret_method: ClientSecretMethod::Basic,
            sign_in: Some(&SignInPreset {
                authorization_url: concat!($login, "/oauth2/request_auth"),
                device_url: None,
                redirect_uri: "http://localhost",
                // An application without the OpenID permissions is refused if it asks for them.
                scopes: &[],
                parameters: &[],
            }),
            mechanism: None,
            hide_capabilities: &[],
            imap: Some(&server($imap, &[])),
            pop3: Some(&server($pop3, &[])),
            smtp: Some(&server($smtp, EXTENSIONS)),
            limits: &[
                "The scope mail-w is given to applications by agreement only (step 1).",
                "An access token lives for an hour.",
            ],
        }
    };
}

const fn server(host: &'static str, extensions: &'static [&'static str]) -> ServerPreset {
    ServerPreset {
        host,
        tls: UpstreamTlsText::Implicit,
        scope: "mail-w",
        connection_limit: None,
        extensions,
    }
}

const EXTENSIONS: &[&str] = &["SIZE 41697280", "PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"];

pub(super) const YAHOO: Preset = yahoo!(
    "yahoo",
    "Yahoo",
    "mailboxes of people at Yahoo Mail",
    login: "https://api.login.yahoo.com",
    imap: "imap.mail.yahoo.com",
    pop3: "pop.mail.yahoo.com",
    smtp: "smtp.mail.yahoo.com",
);

pub(super) const AOL: Preset = yahoo!(
    "aol",
    "AOL",
    "mailboxes of people at AOL Mail",
    login: "https://api.login.aol.com",
    imap: "imap.aol.com",
    pop3: "pop.aol.com",
    smtp: "smtp.aol.com",
);
