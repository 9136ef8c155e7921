//! Tokens from elsewhere: another program gets them. The hard thing is to say so when somebody writes OAuth
//! settings beside it, which nothing would read.

use std::{fs, path::Path};

use super::unused;
use crate::config::{
    ExternalToken,
    resolve::At,
    show::{Row, quoted},
    text::GrantText,
    values::{Inherit, Values},
};

/// With `grant = "external"`: where the tokens come from; nothing else is asked for.
pub(in crate::config) fn external(values: &mut Values<'_, '_>) -> Option<ExternalToken> {
    values.grant();
    let unused = unused::refuse_of_other_grants(values, GrantText::External);
    let layers = values.layers(Inherit::WithProvider).into_iter().flatten();
    let mut written =
        layers.map(|it| (it.text.token_command.is_some(), it.text.token_file.is_some()));
    let token = match written.find(|(command, file)| *command || *file) {
        Some((true, false)) => command(values),
        Some((false, true)) => file(values),
        Some((true, true)) => {
            let written = values.written(|t| &t.token_file, Inherit::WithProvider);
            let at = written.map(|(_, at)| At { key: at.key + "token_file", ..at });
            let at = at.unwrap_or_else(|| values.own.at("token_file"));
            values.cx.mistake(&at, "stands beside token_command: keep one of them")
        }
        Some((false, false)) | None => {
            let at = values.own.at("token_command");
            values.cx.mistake(&at, MISSING)
        }
    };
    unused?;
    token
}

fn command(values: &mut Values<'_, '_>) -> Option<ExternalToken> {
    let (words, at) = values.written(|t| &t.token_command, Inherit::WithProvider)?;
    let at = At { key: at.key + "token_command", ..at };
    let Some(program) = words.first().filter(|it| !it.is_empty()) else {
        return values.cx.mistake(&at, "names no program: write [\"program\", \"argument\", …]");
    };
    values.rows.push(Row::new("token_command", format!("[{}, …]", quoted(program)), at.source()));
    Some(ExternalToken::Command(words.clone()))
}

fn file(values: &mut Values<'_, '_>) -> Option<ExternalToken> {
    let (file, at) = values.path("token_file", |t| &t.token_file, Inherit::WithProvider)?;
    judge_foreign_file(values, &at, &file)?;
    Some(ExternalToken::File(file))
}

/// A file that another system writes, now and again and perhaps for the first time later: it is neither
/// read nor watched here.
pub(super) fn judge_foreign_file(
    values: &mut Values<'_, '_>,
    at: &At<'_>,
    file: &Path,
) -> Option<()> {
    if fs::metadata(file).is_ok_and(|it| it.is_dir()) {
        return values.cx.mistake(at, format!("{} is not a file", file.display()));
    }
    Some(())
}

const MISSING: &str = "is missing: grant = \"external\" needs token_command = [\"program\", …] or \
    token_file = \"path\"";
