//! Fastmail: one scope a protocol, a public client, and an endpoint for tokens that is called `refresh` for all grants.
//!
//! Sources: Fastmail's pages "OAuth" for developers (endpoints, scopes, PKCE, registration by hand, redirects on localhost)
//! and "Server names and ports". Which of the two mechanisms its servers list is not promised, so it is left to what they
//! list.

use super::{
    ClientSecretMethod, GrantText, Preset, ServerPreset, SignInPreset, TenantRule, UpstreamTlsText,
};

pub(super) const FASTMAIL: Preset = Preset {
    name: "fastmail",
    title: "Fastmail",
    about: "mailboxes at Fastmail, with a domain of your own or not",
    token_url: Some("https://api.fastmail.com/oauth/refresh"),
    tenant: TenantRule::None,
    grants: &[GrantText::RefreshToken],
    app_scopes: &[],
    refresh_token_scopes: &[],
    client_secret_method: ClientSecretMethod::Post,
    sign_in: Some(&SignInPreset {
        authorization_url: "https://api.fastmail.com/oauth/authorize",
        device_url: None,
        redirect_uri: "http://localhost/",
        scopes: &[],
        parameters: &[],
    }),
    mechanism: None,
    hide_capabilities: &[],
    imap: Some(&server("imap.fastmail.com", "https://www.fastmail.com/dev/protocol-imap", &[])),
    pop3: Some(&server("pop.fastmail.com", "https://www.fastmail.com/dev/protocol-pop", &[])),
    smtp: Some(&server(
        "smtp.fastmail.com",
        "https://www.fastmail.com/dev/protocol-smtp",
        &["PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"],
    )),
    limits: &["Fastmail registers applications by hand, on request (step 1)."],
};

const fn server(
    host: &'static str,
    scope: &'static str,
    extensions: &'static [&'static str],
) -> ServerPreset {
    ServerPreset { host, tls: UpstreamTlsText::Implicit, scope, connection_limit: None, extensions }
}
