//! Microsoft's tenant, which stands in its URLs. The hard thing is that a wrong one is found out only at a person's sign-in, in
//! words about something else: so what cannot be one is refused here.

use super::super::{
    preset::{MICROSOFT_SHARED_TENANTS, TenantRule},
    resolve::At,
    show::{Row, Source, quoted},
    text::GrantText,
    values::Values,
};

/// A preset's URL, with the account's tenant in it. The tenant's own row is shown once, by the token URL.
pub(super) fn with_tenant(
    values: &mut Values<'_, '_>,
    template: &str,
    kind: GrantText,
) -> Option<String> {
    if values.preset.tenant == TenantRule::None {
        return Some(template.to_owned());
    }
    let tenant = values.optional("tenant", |t| &t.tenant);
    Some(template.replace("{tenant}", &fit_tenant(values, tenant, kind)?))
}

fn fit_tenant(
    values: &mut Values<'_, '_>,
    tenant: Option<(String, At<'_>)>,
    kind: GrantText,
) -> Option<String> {
    let rule = values.preset.tenant;
    let Some((tenant, at)) = tenant else {
        if rule == TenantRule::Consumers {
            let source = Source::Preset(values.preset.name);
            values.rows.push(Row::new("tenant", quoted(CONSUMERS), source));
            return Some(CONSUMERS.to_owned());
        }
        let at = values.own.at("tenant");
        return values.cx.mistake(&at, MISSING);
    };
    let lower = tenant.to_ascii_lowercase();
    let shared = MICROSOFT_SHARED_TENANTS.contains(&lower.as_str());
    let fault = match rule {
        _ if !shared && !is_id(&lower) && !is_domain(&lower) => Some(NEITHER.to_owned()),
        TenantRule::Consumers if !matches!(lower.as_str(), CONSUMERS | "common" | CONSUMERS_ID) => {
            Some(NO_ORGANIZATION.to_owned())
        }
        TenantRule::Organization { consumers: false } if lower == CONSUMERS => {
            Some(NO_CONSUMERS.to_owned())
        }
        _ if kind == GrantText::ClientCredentials && shared => Some(format!(
            "`{tenant}` stands for many tenants, and grant = \"client_credentials\" needs one: \
             write the tenant's id or domain"
        )),
        TenantRule::None | TenantRule::Consumers | TenantRule::Organization { .. } => None,
    };
    match fault {
        Some(fault) => values.cx.mistake(&at, fault),
        // The words are compared as they stand by whoever reads the URL.
        None if shared => Some(lower),
        None => Some(tenant),
    }
}

/// Whether it is shaped like a tenant: an id, a domain, or one of the words that stand for many.
pub(crate) fn is_tenant(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    MICROSOFT_SHARED_TENANTS.contains(&lower.as_str()) || is_id(&lower) || is_domain(&lower)
}

/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`
fn is_id(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit())
        })
}

/// RFC 1123 section 2.1, with a dot at least: the name of an organization is not one of its domains.
fn is_domain(text: &str) -> bool {
    let fit = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(fit)
}

const CONSUMERS: &str = "consumers";

/// The same, by its id.
const CONSUMERS_ID: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

const MISSING: &str = "is missing: write the Microsoft tenant's id or one of its domains, here or in \
    [defaults]";
const NEITHER: &str = "is neither a tenant's id (Directory ID, 36 characters) nor one of its domains, such as \
    example.com or example.onmicrosoft.com, nor common, organizations or consumers";
const NO_ORGANIZATION: &str = "is an organization's, and mailboxes at Outlook.com belong to none: take it out, or \
    write provider = \"microsoft365\"";
const NO_CONSUMERS: &str = "is \"consumers\", and people of their own live in the worldwide cloud only: write \
    the tenant's id or domain, or provider = \"outlook.com\"";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_domains_are_told_from_other_words() {
        assert!(is_id("72f988bf-86f1-41af-91ab-2d7cd011db47"));
        for text in ["example.com", "example.onmicrosoft.com", "xn--bcher-kva.example", "a.b"] {
            assert!(is_domain(text) && !is_id(text), "{text}");
        }
        for text in
            ["contoso", "", ".", "a..b", "-a.b", "a-.b", "a b.c", "a/b.c", "a.b/..", "72f988bf"]
        {
            assert!(!is_domain(text) && !is_id(text), "{text}");
        }
    }
}
