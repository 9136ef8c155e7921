//! A line of the configuration. The hard thing is a key that nobody thought of here: of that one only is
//! told that it is set.

use super::stand_in::{LEFT_OUT, StandIns};
use crate::config::{Row, Source};

/// The line, with stand-ins.
pub(super) fn line(row: &Row, names: &mut StandIns) -> String {
    let source = match row.source {
        Source::Written { .. } => "written",
        Source::Preset(_) => "preset",
        Source::Default => "default",
    };
    format!("{} = {} # {source}", row.key, value(&row.key, &row.value, names))
}

fn value(key: &str, written: &str, names: &mut StandIns) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let Ok(value) = format!("value = {written}").parse::<toml::Table>() else {
        return format!("\"{LEFT_OUT}\"");
    };
    match value.get("value") {
        Some(toml::Value::String(text)) => quoted(&string(last, text, names)),
        Some(toml::Value::Array(items)) => {
            let texts = items.iter().filter_map(toml::Value::as_str);
            let shown: Vec<String> = texts.map(|it| quoted(&string(last, it, names))).collect();
            format!("[{}]", shown.join(", "))
        }
        Some(number @ (toml::Value::Integer(_) | toml::Value::Boolean(_))) => number.to_string(),
        Some(_) | None => format!("\"{LEFT_OUT}\""),
    }
}

fn string(key: &str, text: &str, names: &mut StandIns) -> String {
    match key {
        _ if text.is_empty() || humantime::parse_duration(text).is_ok() => text.to_owned(),
        "provider"
        | "grant"
        | "mechanism"
        | "tls"
        | "auth"
        | "protocol"
        | "client_secret_method"
        | "signin_refusal"
        | "shared_smtp" => text.to_owned(),
        "login" | "mailbox" | "token_owner" | "user" | "token_from" | "aliases" | "shared"
        | "mailboxes" => names.name(text),
        "tenant" => names.tenant(text),
        "client_id" => names.other("client", text),
        "token_url" | "authorization_url" | "device_url" | "redirect_uri" | "issuer" | "proxy" => {
            names.url(text)
        }
        "scopes" | "signin_scopes" => names.permission(text),
        "host" | "tls_name" => names.host(text),
        "address" | "hide_capabilities" => names.free(text),
        _ => LEFT_OUT.to_owned(),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
