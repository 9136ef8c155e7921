//! `saslgate provider discover`. The hard thing is that its lines are copied into a configuration: what a provider has sent
//! stands in them as TOML strings, and all else is a comment.

use url::Url;

use super::DiscoverArgs;
use crate::{
    cli::{
        Failure, block_on,
        terminal::{remark, say},
    },
    config::{ClientSecretMethod, Provider},
    discovery::{self, DiscoveryError, Metadata, Pkce},
};

pub(super) fn discover(args: &DiscoverArgs) -> Result<(), Failure> {
    let issuer = issuer(&args.issuer)?;
    let (ca_file, proxy) = (args.ca_file.as_deref(), args.proxy.as_ref());
    let found = block_on(discovery::discover(&issuer, ca_file, proxy, args.timeout))?;
    let metadata = found.map_err(|error| match error {
        DiscoveryError::UnfitIssuer => Failure::mistake(error.to_string()),
        DiscoveryError::Unreachable { .. }
        | DiscoveryError::NotFound { .. }
        | DiscoveryError::WrongIssuer { .. }
        | DiscoveryError::Unusable { .. } => Failure::fault(error.to_string()),
    })?;
    say(settings(&metadata))?;
    if let Some(provider) = Provider::at(&metadata.token_url) {
        remark(format_args!(
            "saslgate knows {}: provider = \"{}\" needs none of these lines.",
            provider.title(),
            provider.name()
        ));
    }
    match metadata.pkce {
        Pkce::Offered => {}
        Pkce::Unmentioned => remark(
            "The provider does not say that it knows PKCE with S256, which saslgate always sends; most know it all \
             the same.",
        ),
        Pkce::NotOffered => remark(
            "Warning: the provider does not offer PKCE with S256, which protects a sign-in against who intercepts \
             it. Ask its administrator to switch it on.",
        ),
    }
    Ok(())
}

/// What a person meant, who may have copied the document's own address, or a host alone.
fn issuer(written: &str) -> Result<Url, Failure> {
    let written = written.trim();
    let plain = written.strip_suffix("/.well-known/openid-configuration").unwrap_or(written);
    let whole = if plain.contains("://") { plain.to_owned() } else { format!("https://{plain}") };
    Url::parse(&whole).map_err(|_| Failure::mistake(DiscoveryError::UnfitIssuer.to_string()))
}

fn settings(metadata: &Metadata) -> String {
    let mut rows =
        vec![("provider", "custom".to_owned()), ("token_url", metadata.token_url.to_string())];
    let mut url =
        |name, url: &Option<Url>| rows.extend(url.iter().map(|it| (name, it.to_string())));
    url("authorization_url", &metadata.authorization_url);
    url("device_url", &metadata.device_url);
    rows.push(("issuer", metadata.issuer.clone()));
    let mut text = String::new();
    for (name, value) in rows {
        text += &format!("{name:17} = {}\n", quoted(value));
    }
    let scopes = metadata.sign_in_scopes();
    if !scopes.is_empty() {
        let scopes: Vec<String> = scopes.into_iter().map(|it| quoted(it.to_owned())).collect();
        text += &format!("{:17} = [{}]\n", "signin_scopes", scopes.join(", "));
    }
    if metadata.client_secret_method == ClientSecretMethod::Basic {
        text += "# Only with a client_secret:\nclient_secret_method = \"basic\"\n";
    }
    text += "# From the provider: client_id, the hosts in imap.host, pop3.host and smtp.host, and in scopes what \
             opens them";
    if metadata.offers_offline_access() {
        text += ",\n# with \"offline_access\", without which there is no refresh token";
    }
    text + "."
}

/// A TOML string of exactly this text.
fn quoted(text: String) -> String {
    toml::Value::String(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_a_configuration() {
        let mut metadata = Metadata {
            issuer: "https://id.example.test/a\"b".into(),
            token_url: "https://id.example.test/token".parse().unwrap(),
            authorization_url: Some("https://id.example.test/auth?x=\"".parse().unwrap()),
            device_url: None,
            scopes: vec!["openid".into(), "email".into(), "offline_access".into()],
            speaks_openid: true,
            pkce: Pkce::Offered,
            client_secret_method: ClientSecretMethod::Basic,
        };
        let table: toml::Table = settings(&metadata).parse().unwrap();
        assert_eq!(table["provider"].as_str(), Some("custom"));
        assert_eq!(table["issuer"].as_str(), Some("https://id.example.test/a\"b"));
        assert_eq!(table["signin_scopes"].as_array().unwrap().len(), 2);
        assert_eq!(table["client_secret_method"].as_str(), Some("basic"));
        assert!(settings(&metadata).contains("with \"offline_access\""));
        metadata.scopes = vec!["mail".into()];
        metadata.client_secret_method = ClientSecretMethod::Post;
        let table: toml::Table = settings(&metadata).parse().unwrap();
        assert!(
            !table.contains_key("signin_scopes") && !table.contains_key("client_secret_method")
        );
    }

    #[test]
    fn an_issuer_may_be_written_in_several_ways() {
        for (written, expected) in [
            ("https://id.example.test/a", "https://id.example.test/a"),
            ("id.example.test", "https://id.example.test/"),
            (
                "https://id.example.test/a/.well-known/openid-configuration",
                "https://id.example.test/a",
            ),
        ] {
            assert_eq!(issuer(written).unwrap().as_str(), expected);
        }
        assert!(issuer("https://").is_err());
    }
}
