//! `[hooks]`: who hears when an account's sign-in dies or works again. The hard thing is what leaves
//! the machine: a webhook gets the names of accounts, so it goes over TLS.

use url::Url;

use super::{
    Hooks,
    mistake::SourceFile,
    oauth::secure_url,
    resolve::{Context, origin, place},
    show::{Row, Source, list, quoted},
    text::HooksText,
};

pub(super) fn hooks(file: &SourceFile, text: &HooksText, cx: &mut Context) -> Option<Hooks> {
    let mut rows = Vec::new();
    let command = text.command.as_ref().map(|it| it.get_ref().clone()).unwrap_or_default();
    if text.command.is_some() {
        let at = place(file, 0, "hooks.command", &text.command);
        if command.first().is_none_or(String::is_empty) {
            return cx.mistake(&at, "names no program: write [\"program\", \"argument\", …]");
        }
    }
    rows.push(Row::new("command", list(&command), origin(file, &text.command)));
    let webhook = match &text.webhook {
        None => {
            rows.push(Row::new("webhook", quoted(""), Source::Default));
            None
        }
        Some(written) => {
            let at = place(file, 0, "hooks.webhook", &text.webhook);
            let url = secure_url(cx, &at, written.get_ref())?;
            rows.push(Row::new("webhook", quoted(&shown(&url)), at.source()));
            Some(url)
        }
    };
    cx.section("[hooks]", rows);
    Some(Hooks { command, webhook })
}

/// Whoever knows the whole URL of a webhook may post there, so only the server is shown.
fn shown(url: &Url) -> String {
    format!("{}/…", url.origin().ascii_serialization())
}
