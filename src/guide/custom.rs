//! A provider that no preset knows. The hard thing is to say what to ask its administrator for.

use super::{Step, Subject};

pub(super) fn steps(subject: &Subject) -> Vec<Step> {
    let client_id = format!("client_id = \"{}\"", subject.client_id);
    let grant =
        if subject.app_only { "client credentials" } else { "authorization code with PKCE (S256)" };
    let register = Step::new("Register the application")
        .text("Ask the provider, or register yourself, with these values:")
        .value("Name", "saslgate")
        .value("Grant", grant);
    let register = if subject.app_only {
        register.value("Client", "confidential, with a secret or a key")
    } else {
        register
            .value("Client", "public (or confidential, with a secret)")
            .value("Redirect address", subject.redirect_uri.clone())
            .value("Refresh tokens", "yes")
    };
    let register = register.text(
        "Note the client id, and which scopes a token for IMAP, POP3 or SMTP needs. The mail servers must take \
         XOAUTH2 or OAUTHBEARER.",
    );
    let mut more = vec![client_id.as_str()];
    if subject.app_only {
        more.extend([
            "grant = \"client_credentials\"",
            "client_secret = { file = \"client-secret\" }",
        ]);
    }
    more.extend([
        "token_url = \"https://…\"            # and what else the discovery has said",
        "scopes = [\"…\"]",
        "imap.host = \"…\"                    # and pop3.host, smtp.host",
    ]);
    vec![
        Step::new("Ask it for its addresses")
            .text(
                "Providers that speak OpenID Connect, or publish OAuth metadata, say where their endpoints are; the \
                 address is their issuer's, such as https://login.example.org/realms/mail:",
            )
            .command("saslgate provider discover https://login.example.org"),
        register,
        subject.last_step(&more),
    ]
}
