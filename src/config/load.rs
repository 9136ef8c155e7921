//! Reads the configuration from the disk: the hand-written file, and `accounts.d/*.toml` beside it, in
//! the order of their names. The hard thing is to read nothing by mistake: an editor's backup or a
//! package manager's leftover is not an account.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Config, Section,
    mistake::{ConfigError, Mistake, SourceFile, writable_by_all},
    paths::Paths,
    resolve,
};
use crate::platform;

/// A configuration with the story of its values.
#[derive(Debug)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// The same in words, with the source of each value.
    pub sections: Vec<Section>,
    /// The files that were asked for beside the configuration's own: certificates, keys, secrets.
    pub files: Vec<PathBuf>,
    /// What the daemon runs: the settings, each with its program.
    pub programs: Vec<String>,
}

/// Whether client secrets are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They are read, and it is a mistake if one cannot be.
    Read,
    /// Only those of the account of this login: what is wrong with another one's is none of its business.
    Of(String),
    /// They are left empty: for commands that ask for no token, and may run as a user who must not
    /// see them.
    Skip,
}

/// Reads and judges the configuration.
///
/// # Errors
/// All mistakes that were found.
pub fn load(paths: &Paths, secrets: Secrets) -> Result<Loaded, ConfigError> {
    load_with(paths, secrets, &[])
}

/// Judges the configuration as it would be with these files: new ones, or others in the place of those that are there.
///
/// # Errors
/// All mistakes that were found.
pub fn load_with(
    paths: &Paths,
    secrets: Secrets,
    planned: &[(PathBuf, String)],
) -> Result<Loaded, ConfigError> {
    let read = |path: &Path| match planned.iter().find(|(it, _)| it == path) {
        Some((path, text)) => Ok(SourceFile::new(path, text.as_str())),
        None => SourceFile::read(path),
    };
    let main = read(&paths.config)?;
    let folder = paths.config.with_file_name("accounts.d");
    let mut files = account_files(&folder).map_err(|error| unreadable(&folder, &error))?;
    files.extend(
        planned.iter().map(|(path, _)| path).filter(|path| **path != paths.config).cloned(),
    );
    files.sort();
    files.dedup();
    let files = files
        .iter()
        .map(|path| {
            // Opening a pipe would wait for its other end, for ever.
            let is_file = fs::metadata(path).map_or(true, |it| it.is_file());
            if is_file { read(path) } else { Err(no_file(path)) }
        })
        .collect::<Result<Vec<_>, _>>()?;
    resolve::resolve(&main, &files, &paths.state, secrets)
}

/// The files that make up the configuration, as far as they are there now.
pub fn written_files(paths: &Paths) -> Vec<PathBuf> {
    // What cannot be read is told by `load`.
    let accounts = account_files(&paths.config.with_file_name("accounts.d")).unwrap_or_default();
    [paths.config.clone()].into_iter().chain(accounts).collect()
}

fn account_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    if platform::is_writable_by_all(folder)? {
        return Err(io::Error::other(writable_by_all(folder)));
    }
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn no_file(path: &Path) -> Mistake {
    let text = "is not a file: take it out of the folder".to_owned();
    Mistake { file: path.into(), line: None, key: String::new(), text }
}

fn unreadable(folder: &Path, error: &io::Error) -> Mistake {
    let text = format!("cannot be read: {}", platform::explain(folder, error));
    Mistake { file: folder.into(), line: None, key: String::new(), text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths {
            config: folder.path().join("saslgate.toml"),
            state: folder.path().join("state"),
        };
        fs::write(&paths.config, "").unwrap();
        let odd = folder.path().join("accounts.d/odd.toml");
        fs::create_dir_all(&odd).unwrap();
        let expected = format!("{}: is not a file: take it out of the folder", odd.display());
        let fault = || load(&paths, Secrets::Skip).map(|_| ()).unwrap_err().to_string();
        assert_eq!(fault(), expected);
        // A pipe without an end would keep us for ever, and so would a device without one.
        #[cfg(unix)]
        {
            fs::remove_dir(&odd).unwrap();
            std::os::unix::fs::symlink("/dev/zero", &odd).unwrap();
            assert_eq!(fault(), expected);
        }
    }
}
