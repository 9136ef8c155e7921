//! What an address says of its provider. The hard thing is to guess only what is sure: a domain of one's own may be
//! anywhere, and most of those that want saslgate are at Microsoft 365.

use crate::config::Provider;

/// What stands after the last `@`, if anything does.
pub fn domain(address: &str) -> Option<&str> {
    let (_, domain) = address.rsplit_once('@')?;
    (!domain.is_empty()).then_some(domain)
}

/// Whether it looks like a mail address: one `@` between a name and a domain. What else there may be in one, the mail
/// server knows.
pub fn is_address(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|it| it.is_alphanumeric() || matches!(it, '-' | '_'))
    };
    !name.is_empty() && domain.split('.').all(is_label)
}

/// The provider whose own domain this is.
pub fn provider_of(address: &str) -> Option<Provider> {
    let domain = domain(address)?.to_ascii_lowercase();
    let (label, rest) = domain.split_once('.')?;
    // outlook.de, live.co.uk, yahoo.com.br: never live.example.ch.
    let is_country = rest.split('.').count() <= 2 && rest.split('.').all(|it| it.len() <= 3);
    let name = match (label, rest) {
        ("gmail" | "googlemail", "com") => "google",
        ("msn" | "passport", "com") => "outlook.com",
        ("outlook" | "hotmail" | "live", _) if is_country => "outlook.com",
        ("ymail" | "rocketmail", "com") => "yahoo",
        ("yahoo", _) if is_country => "yahoo",
        ("aol", _) if is_country => "aol",
        ("fastmail", "com" | "fm" | "net" | "org" | "us") => "fastmail",
        _ => return None,
    };
    Provider::named(name)
}

/// The domain, which names its Microsoft tenant, too.
pub fn tenant_of(address: &str) -> Option<String> {
    let domain = domain(address)?;
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    (domain.contains('.') && domain.chars().all(fit)).then(|| domain.to_ascii_lowercase())
}
