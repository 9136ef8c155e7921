//! `[service]`: who the daemon is once its ports are open. The hard thing is that it is judged on machines where
//! that user need not exist; whether it does is asked at the start.

use super::{
    mistake::SourceFile,
    resolve::{At, Context, origin},
    show::{Row, quoted},
    text::{SandboxText, ServiceText, Written},
};

/// Who the daemon is once its ports are open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceConfig {
    /// A daemon that was started as root goes on as this user.
    pub user: Option<String>,
    /// And with this group, instead of the user's own.
    pub group: Option<String>,
    /// Which files it may still open then.
    pub sandbox: Sandbox,
}

/// Whether the daemon gives up the files that it does not need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sandbox {
    /// Where the system has a way, and nothing is configured that stands against it.
    #[default]
    Auto,
    /// It does not.
    Off,
}

pub(super) fn service(
    file: &SourceFile,
    text: &ServiceText,
    cx: &mut Context,
) -> Option<ServiceConfig> {
    let mut rows = Vec::new();
    let user = name(file, "user", &text.user, &mut rows, cx);
    let group = name(file, "group", &text.group, &mut rows, cx);
    if let (None, Some(group)) = (&text.user, &text.group) {
        let at = At::new(file, group.span().start, "service.group");
        cx.mistake::<()>(&at, "has no effect without service.user: write that one as well");
    }
    let (sandbox, word) = match text.sandbox.as_ref().map(|it| it.get_ref()) {
        None | Some(SandboxText::Auto) => (Sandbox::Auto, "auto"),
        Some(SandboxText::Off) => (Sandbox::Off, "off"),
    };
    rows.push(Row::new("sandbox", quoted(word), origin(file, &text.sandbox)));
    cx.section("[service]", rows);
    Some(ServiceConfig { user: user?, group: group?, sandbox })
}

fn name(
    file: &SourceFile,
    key: &str,
    written: &Written<String>,
    rows: &mut Vec<Row>,
    cx: &mut Context,
) -> Option<Option<String>> {
    let Some(written) = written else { return Some(None) };
    let at = At::new(file, written.span().start, format!("service.{key}"));
    let name = written.get_ref();
    if name.is_empty() || name.contains(['\0', ':', '\n']) {
        return cx.mistake(&at, format!("is not the name of a {key} of this system"));
    }
    rows.push(Row::new(key, quoted(name), at.source()));
    Some(Some(name.clone()))
}
