//! Where the answers are written. The hard thing is to leave nothing half: the whole configuration is judged as it would be
//! before a name appears in it, and what a mistake leaves behind is taken away again.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{certificate, conversation::Told};
use crate::{
    cli::{
        Failure, Global, account, cert,
        publish::{Published, holds, publish},
        terminal::remark,
    },
    config::{ClientAuthentication, Config, ConfigError, Loaded, Paths, Secrets, load, load_with},
    init::{Proof, account_text, file_name, main_text},
    platform::{self, OWNER_ONLY},
    secret::Secret,
};

/// The configuration that is there, or is to be.
pub(super) struct Place {
    pub(super) paths: Paths,
    /// If it is there and has no mistakes.
    pub(super) existing: Option<Config>,
    /// Whether its main file is there.
    pub(super) is_main_there: bool,
}

impl Place {
    pub(super) fn find(global: &Global) -> Result<Self, Failure> {
        let (config, state) = (global.config.as_deref(), global.state.as_deref());
        let paths = Paths::find_or_place(config, state, platform::is_root())?;
        let is_main_there = paths.config.exists();
        let existing = is_main_there.then(|| existing(&paths)).transpose()?;
        Ok(Self { paths, existing, is_main_there })
    }

    /// Every command that follows means this configuration.
    pub(super) fn global(&self, global: &Global) -> Global {
        let (config, state) = (self.paths.config.clone(), self.paths.state.clone());
        Global { config: Some(config), state: Some(state), ..global.clone() }
    }

    /// The login as it is configured, if it is.
    pub(super) fn known(&self, login: &str) -> Option<String> {
        let account = account::find(self.existing.as_ref()?, login).ok()?;
        Some(account.login.clone())
    }

    pub(super) fn folder(&self) -> PathBuf {
        let folder = self.paths.config.parent().filter(|it| !it.as_os_str().is_empty());
        folder.unwrap_or_else(|| Path::new(".")).to_path_buf()
    }

    /// What the file of a typed secret is called: accounts of one application share it.
    pub(super) fn secret_name(&self, secret: &Secret, account: &str) -> String {
        match fs::read(self.folder().join(SECRET)) {
            Ok(known) if known.trim_ascii() != secret.expose() => format!("{account}.{SECRET}"),
            _ => SECRET.to_owned(),
        }
    }

    /// Writes what was told, unless the whole would have a mistake.
    pub(super) fn write(&self, told: &Told) -> Result<(), Failure> {
        let mut made = Made::default();
        let accounts = self.paths.config.with_file_name("accounts.d");
        // Another init may be at it.
        let _held = self.hold(&accounts, &mut made)?;
        let written = self.put(told, &accounts, &mut made);
        if written.is_err() {
            made.undo();
            if let Proof::Certificate(certificate, _) = &told.answers.proof
                && certificate::is_made(certificate, &self.folder())
            {
                remark(format_args!(
                    "{} and its key stay: the next `saslgate init --new-client-certificate` uses them.",
                    certificate.display()
                ));
            }
        }
        written
    }

    /// Makes the folders, and holds them until what is returned is dropped.
    fn hold(&self, accounts: &Path, made: &mut Made) -> Result<Option<File>, Failure> {
        let folder = self.folder();
        loop {
            self.folders(accounts, made)?;
            let held =
                platform::hold_folder(&folder).map_err(|error| cert::unwritten(&folder, &error))?;
            // Whoever held it before may have taken it away again.
            if accounts.exists() {
                return Ok(held);
            }
        }
    }

    fn put(&self, told: &Told, accounts: &Path, made: &mut Made) -> Result<(), Failure> {
        let answers = &told.answers;
        let file = accounts.join(format!("{}.toml", file_name(&answers.login)));
        let text = account_text(answers);
        // One that holds just this is of a run that was stopped before the configuration's own file.
        if file.exists() && !holds(&file, text.as_bytes()) {
            return Err(Failure::mistake(format!(
                "{} is there already (from another `saslgate init`, or without an account {}): see `saslgate config check`, \
                 or do the same again",
                file.display(),
                answers.login
            )));
        }
        if let (Some(secret), Proof::Secret(name)) = (&told.secret, &answers.proof) {
            self.keep_secret(secret, &accounts.join(name), made)?;
        }
        let mut planned = vec![(file, text)];
        if !self.paths.config.exists() {
            planned.push((self.paths.config.clone(), main_text(answers)));
        }
        self.judge(told, &planned)?;
        // The account first: the main file is what makes it a configuration.
        for (path, text) in &planned {
            write_new(path, text.as_bytes(), self.mode(), made)?;
            remark(format_args!("Written: {}", path.display()));
        }
        Ok(())
    }

    fn judge(&self, told: &Told, planned: &[(PathBuf, String)]) -> Result<(), Failure> {
        let answers = &told.answers;
        let Loaded { config, .. } =
            load_with(&self.paths, Secrets::Of(answers.login.clone()), planned).map_err(
                |error| {
                    Failure::mistake(format!(
                        "nothing was written: the configuration would have mistakes\n{error}"
                    ))
                },
            )?;
        let account = account::find(&config, &answers.login)?;
        let proof = account.oauth.as_ref().map(|oauth| &oauth.client_authentication);
        let is_public = matches!(proof, Some(ClientAuthentication::Public) | None);
        if answers.proof == Proof::Public && !is_public {
            return Err(Failure::mistake(format!(
                "nothing was written: [defaults] of {} has a secret or certificate, which this public client would show \
                 as well: move it into the accounts that need it",
                self.paths.config.display()
            )));
        }
        Ok(())
    }

    /// The service reads its configuration as another user than root; there is no secret in it.
    fn mode(&self) -> u32 {
        if self.paths.is_of_system() { cert::FOR_ALL } else { OWNER_ONLY }
    }

    fn folders(&self, accounts: &Path, made: &mut Made) -> Result<(), Failure> {
        let missing: Vec<PathBuf> =
            accounts.ancestors().take_while(|it| !it.exists()).map(Path::to_path_buf).collect();
        self.create(accounts)?;
        made.folders.extend(missing.into_iter().filter(|it| !it.as_os_str().is_empty()));
        Ok(())
    }

    /// The service is another user, and a person's folder is nobody else's.
    pub(super) fn create(&self, folder: &Path) -> Result<(), Failure> {
        let created = if self.paths.is_of_system() {
            fs::create_dir_all(folder)
        } else {
            platform::create_private_folder(folder)
        };
        created.map_err(|error| cert::unwritten(folder, &error))
    }

    fn keep_secret(&self, secret: &Secret, path: &Path, made: &mut Made) -> Result<(), Failure> {
        if path.exists() {
            let known = fs::read(path).map_err(|error| cert::unwritten(path, &error))?;
            if known.trim_ascii() == secret.expose() {
                return Ok(());
            }
            return Err(Failure::mistake(format!(
                "{} is there already and holds another secret: take it away, or name a file with --client-secret-file",
                path.display()
            )));
        }
        write_new(path, secret.expose(), OWNER_ONLY, made)?;
        if self.paths.is_of_system() {
            platform::give_to_service(path).map_err(|error| cert::unwritten(path, &error))?;
        }
        Ok(())
    }
}

/// What is there. One without any account is a mistake now, but none with a new one.
fn existing(paths: &Paths) -> Result<Config, ConfigError> {
    load(paths, Secrets::Skip).map(|it| it.config).or_else(|error| {
        let stand_in =
            (paths.config.with_file_name("accounts.d").join(STAND_IN), STAND_IN_TEXT.to_owned());
        let mut config = load_with(paths, Secrets::Skip, &[stand_in]).map_err(|_| error)?.config;
        config.accounts.clear();
        Ok(config)
    })
}

/// What is there only since now.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    /// The innermost first.
    folders: Vec<PathBuf>,
}

impl Made {
    fn undo(&self) {
        // What cannot be taken away stays; the fault that led here is the one to tell.
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        for folder in &self.folders {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// In one step, and never over another file.
fn write_new(path: &Path, content: &[u8], mode: u32, made: &mut Made) -> Result<(), Failure> {
    let published = publish(path, content, mode).map_err(|error| cert::unwritten(path, &error))?;
    if published == Published::New {
        made.files.push(path.to_path_buf());
    }
    Ok(())
}

const SECRET: &str = "client-secret";

/// An account of no one's, in a file of no one's.
const STAND_IN: &str = "saslgate-init.toml";
const STAND_IN_TEXT: &str = "[[account]]\nlogin = \"saslgate-init\"\nprovider = \"microsoft365\"\n\
    tenant = \"example.com\"\nclient_id = \"none\"\ngrant = \"refresh_token\"\n";

#[cfg(test)]
mod tests;
