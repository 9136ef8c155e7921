//! Findings with stand-ins in them. The hard thing is a parameter that is added later: whatever is not
//! named here is treated as free text.

use serde_json::Value;

use super::stand_in::StandIns;
use crate::check::{About, Finding};

/// The same finding of stand-ins. `None` where it could not be made; then its id alone is told.
pub(super) fn redacted(finding: &Finding, names: &mut StandIns) -> Option<Finding> {
    let mut json = serde_json::to_value(finding).ok()?;
    for (key, value) in json.as_object_mut()? {
        if key != "id" {
            redact(key, value, names);
        }
    }
    serde_json::from_value(json).ok()
}

fn redact(key: &str, value: &mut Value, names: &mut StandIns) {
    match value {
        Value::String(text) => *text = parameter(key, text, names),
        Value::Array(values) => values.iter_mut().for_each(|value| redact(key, value, names)),
        Value::Object(_) => *value = Value::Null,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn parameter(key: &str, text: &str, names: &mut StandIns) -> String {
    match key {
        "protocol" => text.to_owned(),
        "host" | "names" => names.host(text),
        "user" | "mailbox" | "to" | "from" | "address" | "configured" => names.name(text),
        "issuer" => names.other("authority", text),
        "sha256" => names.other("fingerprint", text),
        "redirect_uri" => names.url(text),
        "audience" | "expected" if text.contains('@') => names.name(text),
        "audience" | "expected" | "scope" | "role" | "has" | "permissions" => {
            names.permission(text)
        }
        _ => names.free(text),
    }
}

/// What words need to know of the account, of stand-ins.
pub(super) fn about(about: &About, names: &mut StandIns) -> About {
    let tenant = about.tenant.as_deref().map(|it| names.tenant(it));
    let mailboxes: Vec<_> =
        about.mailboxes.iter().map(|(protocol, it)| (*protocol, names.name(it))).collect();
    About {
        login: names.name(&about.login),
        token_of: names.name(&about.token_of),
        mailboxes,
        owner: about.owner.as_deref().map(|it| names.name(it)),
        own: about.own.as_deref().map(|it| names.name(it)),
        client_id: names.other("client", &about.client_id),
        tenant,
        token_url: about.token_url.as_deref().map(|it| names.url(it)),
        proxy: about.proxy.as_deref().map(|it| names.host(it)),
        redirect_uri: about.redirect_uri.as_deref().map(|it| names.url(it)),
        scopes: about.scopes.iter().map(|it| names.permission(it)).collect(),
        // Paths of this machine.
        place: String::new(),
        provider: about.provider,
        app_only: about.app_only,
        proof: about.proof,
        grant: about.grant,
    }
}
