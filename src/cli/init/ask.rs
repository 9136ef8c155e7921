//! One question. The hard thing is that a flag, a person and a script are to be asked the same: a flag answers beforehand, a
//! person is asked until the answer is fit, and a script hears of everything that is missing at once.

use std::{fmt::Display, io, io::IsTerminal as _};

use dialoguer::Input;

use crate::{
    cli::{
        Failure,
        status::table::wrapped,
        terminal::{read_secret, remark},
    },
    secret::Secret,
};

/// Whom we ask.
pub(super) struct Ask {
    interactive: bool,
    missing: Vec<String>,
}

/// What we ask.
pub(super) struct Question<'a> {
    /// The flag that answers it.
    pub(super) flag: &'static str,
    /// What it is called.
    pub(super) name: &'a str,
    /// What it is and where to find it, in a line.
    pub(super) about: &'a str,
    /// What most people answer.
    pub(super) default: Option<String>,
    /// What `?` shows.
    pub(super) help: &'a str,
}

impl Ask {
    /// Whether anybody can be asked.
    pub(super) fn new(interactive: bool) -> Result<Self, Failure> {
        if interactive && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(Failure::mistake(
                "init asks questions, and nobody can be asked here: say --non-interactive, and answer by flags (`saslgate \
                 init --help`)",
            ));
        }
        Ok(Self { interactive, missing: Vec::new() })
    }

    pub(super) fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Names a flag that nobody has given.
    pub(super) fn misses(&mut self, flag: impl Into<String>) {
        self.missing.push(flag.into());
    }

    /// Whether there is nothing to name.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Names all of them.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let missing = self.missing.join("\n  ");
        Err(Failure::mistake(format!(
            "nothing was written: answers are missing (`saslgate init --help` explains them):\n  {missing}"
        )))
    }

    /// Asks, unless the answer is given. `None` if it is missing.
    pub(super) fn text<T>(
        &mut self,
        question: &Question<'_>,
        given: Option<&str>,
        judge: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Failure> {
        if let Some(given) = given {
            let judged = judge(given.trim()).map(Some);
            return judged.map_err(|fault| {
                Failure::mistake(format!("{}: `{}` {fault}", question.flag, given.escape_debug()))
            });
        }
        if self.interactive {
            return prompt(question, judge).map(Some);
        }
        // A default that is not fit is none.
        let answer = question.default.as_deref().and_then(|default| judge(default).ok());
        if answer.is_none() {
            self.misses(format!("{}: {}", question.flag, question.about));
        }
        Ok(answer)
    }

    /// Yes or no; where nobody can be asked, what was said beforehand.
    pub(super) fn is_agreed(&self, question: &str, otherwise: bool) -> Result<bool, Failure> {
        if !self.interactive {
            return Ok(otherwise);
        }
        remark("");
        let asked = dialoguer::Confirm::new().with_prompt(question).default(true).interact();
        asked.map_err(|error| ended(&error))
    }

    /// A secret, which is not shown; only for a person.
    pub(super) fn secret(&self, question: &Question<'_>) -> Result<Secret, Failure> {
        explain(question);
        loop {
            let secret = read_secret(&format!("{} (it is not shown)", question.name), false)?;
            let secret = Secret::new(secret.expose().trim_ascii());
            match secret.expose() {
                b"" => remark("  It is empty: paste it here."),
                b"?" => help(question),
                _ => return Ok(secret),
            }
        }
    }

    /// Waits until somebody has done what the text says.
    pub(super) fn wait(&self, text: &str) -> Result<(), Failure> {
        if self.interactive {
            input(Input::new().with_prompt(text).allow_empty(true))?;
        }
        Ok(())
    }
}

fn prompt<T>(
    question: &Question<'_>,
    judge: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    explain(question);
    loop {
        let mut asked = Input::<String>::new().with_prompt(question.name).allow_empty(true);
        if let Some(default) = &question.default {
            asked = asked.default(default.clone());
        }
        let answer = input(asked)?;
        match answer.trim() {
            "" => remark("  There is no usual answer: please type one, or ? for help."),
            "?" => help(question),
            answer => match judge(answer) {
                Ok(answer) => return Ok(answer),
                Err(fault) => remark(format_args!("  `{}` {fault}", answer.escape_debug())),
            },
        }
    }
}

fn explain(question: &Question<'_>) {
    remark("");
    remark(wrapped(question.about, "").trim_end());
}

fn help(question: &Question<'_>) {
    remark("");
    // A guide's step has its own lines.
    let text = if question.help.contains('\n') {
        question.help.to_owned()
    } else {
        wrapped(question.help, "")
    };
    remark(text.trim_end());
    remark(format_args!("On the command line: {}", question.flag));
}

fn input(asked: Input<'_, String>) -> Result<String, Failure> {
    asked.interact_text().map_err(|error| ended(&error))
}

/// Ctrl-C has ended the process already, unless something else listens to it, too.
fn ended(error: &dialoguer::Error) -> Failure {
    let dialoguer::Error::IO(io) = error;
    if io.kind() == io::ErrorKind::Interrupted {
        std::process::exit(130);
    }
    Failure::fault(format!("cannot read from the terminal: {error}"))
}

/// A choice by its number or its name.
pub(super) fn choice<T: Copy>(
    names: &[(T, &str)],
    answer: &str,
    what: impl Display,
) -> Result<T, String> {
    let by_number = answer.parse().ok().and_then(|number: usize| names.get(number.checked_sub(1)?));
    let by_name = || names.iter().find(|(_, name)| name.eq_ignore_ascii_case(answer));
    by_number.or_else(by_name).map(|(value, _)| *value).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(_, name)| *name).collect();
        format!("is not {what}: choose one of {}", names.join(", "))
    })
}
