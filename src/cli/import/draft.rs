//! What is to be written, judged before anything is. The hard thing is that one bad account must not keep
//! the others out: each is tried alone, in sight of the configuration that is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::super::{Failure, Global, publish};
use crate::{
    config::{Loaded, Mistake, Paths, Protocol, Secrets, load, load_with},
    import::emailproxy::{Installation, NewAccount, NewListener, Plan, Remark},
    platform,
    store::account_key,
};

/// Everything that is going to be written, and where.
pub(super) struct Draft {
    pub(super) paths: Paths,
    /// Whether there is a configuration.
    pub(super) exists: bool,
    /// The configuration that is there.
    pub(super) present: Option<Loaded>,
    /// For a configuration that is not there yet.
    pub(super) main: Option<String>,
    /// For a person to add to one that is.
    pub(super) to_add: Option<String>,
    /// Those that pass, new or there already.
    pub(super) accounts: Vec<Drafted>,
    pub(super) outcome: Outcome,
    /// The sections of the ports in `main`.
    ports: Vec<String>,
    /// At the head of each file.
    head: String,
}

/// An account of the plan.
pub(super) struct Drafted {
    pub(super) login: String,
    pub(super) plan: NewAccount,
    /// Whether the configuration has it already.
    pub(super) is_there: bool,
}

/// What is told in the end.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) is_try: bool,
    pub(super) done: Vec<Remark>,
    pub(super) unchanged: Vec<Remark>,
    pub(super) remarks: Vec<Remark>,
    /// Whether something could not be written that should have been.
    pub(super) is_fault: bool,
}

impl Outcome {
    pub(super) fn done(&mut self, about: &str, text: impl Into<String>) {
        self.done.push(Remark::new(about, text));
    }

    pub(super) fn unchanged(&mut self, about: &str, text: impl Into<String>) {
        self.unchanged.push(Remark::new(about, text));
    }

    pub(super) fn remark(&mut self, about: &str, text: impl Into<String>) {
        self.remarks.push(Remark::new(about, text));
    }

    /// What should have been carried over and could not.
    pub(super) fn fault(&mut self, about: &str, text: impl Into<String>) {
        self.is_fault = true;
        self.remark(about, text);
    }

    /// Of a trial: what a password would be asked for.
    pub(super) fn left_behind(&mut self, installation: &Installation) {
        for account in installation.accounts.iter().filter(|it| it.sealed.is_there()) {
            self.remark(
                &account.login,
                "its password will be asked for, to carry its sign-in over",
            );
        }
    }
}

impl Draft {
    pub(super) fn new(plan: Plan, source: &Path, global: &Global) -> Result<Self, Failure> {
        let (config, state) = (global.config.as_deref(), global.state.as_deref());
        let paths = Paths::find_or_place(config, state, platform::is_root())?;
        let exists = paths.config.exists();
        let present = exists.then(|| load(&paths, Secrets::Skip)).transpose()?;
        let mut draft = Self {
            paths,
            exists,
            present,
            main: None,
            to_add: None,
            accounts: Vec::new(),
            ports: Vec::new(),
            outcome: Outcome { remarks: plan.remarks, ..Outcome::default() },
            head: format!(
                "# Taken over from email-oauth2-proxy's {} by `saslgate import emailproxy`.\n",
                source.display().to_string().replace(|c: char| c.is_control(), "?")
            ),
        };
        for account in plan.accounts {
            draft.judge(account);
        }
        draft.listeners(plan.listen);
        draft.judge_all()?;
        Ok(draft)
    }

    /// Where an account's file goes.
    pub(super) fn account_path(&self, account: &NewAccount) -> PathBuf {
        let folder = self.paths.config.with_file_name("accounts.d");
        folder.join(format!("{}.toml", account.file_name))
    }

    /// What goes there.
    pub(super) fn account_text(&self, account: &NewAccount) -> String {
        format!("{}\n{}", self.head, account.toml)
    }

    fn judge(&mut self, account: NewAccount) {
        let login = account.login.clone();
        let present = self.present.iter().flat_map(|it| &it.config.accounts);
        if present.into_iter().any(|it| it.key() == account_key(&login)) {
            self.accounts.push(Drafted { login, plan: account, is_there: true });
            return;
        }
        let path = self.account_path(&account);
        let text = self.account_text(&account);
        // One that holds just this is of an import that did not come to its end.
        if path.exists() && !publish::holds(&path, text.as_bytes()) {
            let text = format!(
                "not carried over: {} is there already and holds something else: take it away, and run the import \
                 again",
                path.display()
            );
            return self.outcome.fault(&login, text);
        }
        let mut planned = vec![(path, text)];
        if !self.exists {
            let ports = account.protocols.iter().map(|it| any_port(*it)).collect();
            planned.push((self.paths.config.clone(), ports));
        }
        match load_with(&self.paths, Secrets::Skip, &planned) {
            Ok(_) => self.accounts.push(Drafted { login, plan: account, is_there: false }),
            Err(error) => self.refuse(&login, error.mistakes),
        }
    }

    fn refuse(&mut self, about: &str, mistakes: Vec<Mistake>) {
        for Mistake { key, text, .. } in mistakes {
            self.outcome.remark(about, format!("not carried over: {key} {text}"));
        }
    }

    fn listeners(&mut self, listeners: Vec<NewListener>) {
        let present_text = fs::read_to_string(&self.paths.config).unwrap_or_default();
        let mut fit = Vec::new();
        let mut missing = Vec::new();
        for NewListener { address, section, protocol, toml } in listeners {
            let mut present = self.present.iter().flat_map(|it| &it.config.listeners);
            if present.any(|it| it.address == address) {
                self.outcome.unchanged(&section, "the port");
                continue;
            }
            if !self.accounts.iter().any(|it| it.plan.protocols.contains(&protocol)) {
                let text = format!(
                    "not carried over: no account that is carried over has an {protocol} server"
                );
                self.outcome.remark(&section, text);
                continue;
            }
            let planned = [
                (self.paths.config.clone(), format!("{present_text}\n{toml}")),
                (self.paths.config.with_file_name("x.toml"), stub(protocol)),
            ];
            if let Err(error) = load_with(&self.paths, Secrets::Skip, &planned) {
                self.refuse(&section, error.mistakes);
            } else if self.exists {
                missing.push(toml);
            } else {
                self.ports.push(section);
                fit.push(toml);
            }
        }
        if !missing.is_empty() {
            self.to_add = Some(missing.join("\n"));
        }
        if !self.exists {
            self.main = Some(format!("{}{ABOUT_MAIN}\n{}", self.head, fit.join("\n")));
        }
    }

    /// As a whole, so that nothing is written that keeps the gateway from starting.
    fn judge_all(&mut self) -> Result<(), Failure> {
        let new = self.accounts.iter().filter(|it| !it.is_there);
        let mut planned: Vec<_> =
            new.map(|it| (self.account_path(&it.plan), self.account_text(&it.plan))).collect();
        if let Some(main) = &self.main {
            if self.accounts.is_empty() {
                let reasons =
                    self.outcome.remarks.iter().map(|it| format!("{}: {}", it.about, it.text));
                let reasons: Vec<String> = reasons.collect();
                return Err(Failure::mistake(format!(
                    "none of its accounts can be carried over; nothing was written.\n{}",
                    reasons.join("\n").replace(|c: char| c.is_control() && c != '\n', "?")
                )));
            }
            planned.push((self.paths.config.clone(), main.clone()));
        }
        let loaded = load_with(&self.paths, Secrets::Skip, &planned)?;
        self.files_elsewhere(&loaded.files);
        Ok(())
    }

    /// The service is another user, and may not read what only the other program's may.
    fn files_elsewhere(&mut self, files: &[PathBuf]) {
        if !self.paths.is_of_system() {
            return;
        }
        let folder = self.paths.config.with_file_name("");
        let known =
            |path: &Path| self.present.iter().any(|it| it.files.iter().any(|it| it == path));
        let new = files.iter().filter(|it| !it.starts_with(&folder) && !known(it));
        let new: Vec<String> = new.map(|it| it.display().to_string()).collect();
        for file in new {
            let text = "the service reads it as its own user, saslgate: see that this user may, and that a key is \
                its alone (chown saslgate, chmod 600)";
            self.outcome.remark(&file, text);
        }
    }

    /// The configuration's own file is written, or would be.
    pub(super) fn ports_done(&mut self) {
        for section in std::mem::take(&mut self.ports) {
            self.outcome.done(&section, "the port");
        }
    }

    /// All that would be written, for the terminal.
    pub(super) fn shown(&mut self) -> String {
        self.outcome.is_try = true;
        self.ports_done();
        let mut text = String::new();
        if let Some(main) = &self.main {
            text.push_str(&format!("# ---- {}\n{main}\n", self.paths.config.display()));
        }
        for account in &self.accounts {
            if account.is_there {
                self.outcome.unchanged.push(Remark::new(&account.login, "the account"));
                continue;
            }
            let path = self.account_path(&account.plan);
            text.push_str(&format!(
                "# ---- {}\n{}\n",
                path.display(),
                self.account_text(&account.plan)
            ));
            self.outcome.done.push(Remark::new(&account.login, "the account"));
        }
        text
    }
}

fn any_port(protocol: Protocol) -> String {
    format!("[[listen]]\nprotocol = \"{}\"\n", protocol.name())
}

/// So that a port can be judged without the accounts.
fn stub(protocol: Protocol) -> String {
    format!(
        "[[account]]\nlogin = \"x\"\nprovider = \"custom\"\n[account.{}]\nhost = \"localhost\"\nauth = \"password\"\n",
        protocol.name()
    )
}

const ABOUT_MAIN: &str = "\
# The accounts stand in accounts.d beside this file. Every key: saslgate.example.toml.
# This file is yours now: saslgate never writes it again.
";
