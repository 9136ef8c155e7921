//! `[service]`: who the daemon is once its ports are open. The hard thing is that it is judged on machines where
//! that user need not exist; whether it does is asked at the start.

use super::{
    mistake::SourceFile,
    resolve::{At, Context},
    show::{Row, quoted},
    text::{ServiceText, Written},
};

/// Who the daemon is once its ports are open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceConfig {
    /// A daemon that was started as root goes on as this user.
    pub user: Option<String>,
    /// And with this group, instead of the user's own.
    pub group: Option<String>,
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
    if !rows.is_empty() {
        cx.section("[service]", rows);
    }
    Some(ServiceConfig { user: user?, group: group? })
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
