//! The key that seals the store. The hard thing is when *not* to make one: a new key beside an old
//! store would turn every sign-in into noise, so a key is made only where there is no store yet.

use std::{
    env,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::{StoreError, files};
use crate::{platform, secret::Secret};

/// Where the key comes from. The operating system's keyring is to join as a variant of its own.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file of 32 octets that only its owner may read.
    File(PathBuf),
    /// What the service manager gave as the credential `store-key`: it is never made here. Read at once,
    /// while whoever starts the service may still read it.
    Credential(Secret),
}

impl KeySource {
    /// The service manager's credential, where it gave one; else the file beside the store.
    ///
    /// # Errors
    /// There is a credential, and it is not a key.
    pub fn find(folder: &Path) -> Result<Self, StoreError> {
        Self::choose(folder, env::var_os("CREDENTIALS_DIRECTORY").as_deref().map(Path::new))
    }

    fn choose(folder: &Path, credentials: Option<&Path>) -> Result<Self, StoreError> {
        let Some(path) = credentials.map(|it| it.join(CREDENTIAL)) else {
            return Ok(Self::beside(folder));
        };
        match read(&path) {
            // It may have given other credentials only.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::beside(folder)),
            Err(error) => Err(unreadable(&path, &error)),
            // Its folder is closed to others, whatever the file's mode says.
            Ok(key) => Ok(Self::Credential(check_length(&path, &key)?)),
        }
    }

    /// The key file that stands beside a store.
    pub fn beside(folder: &Path) -> Self {
        Self::File(folder.join("key"))
    }

    /// The key. It is created if it is missing and `store_exists` is false.
    pub(super) fn load(&self, store_exists: bool) -> Result<Secret, StoreError> {
        match self {
            Self::Credential(key) => Ok(key.clone()),
            Self::File(path) => match read(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if store_exists {
                        Err(missing(path))
                    } else {
                        create(path)
                    }
                }
                Err(error) => Err(unreadable(path, &error)),
                Ok(key) => check(path, &key),
            },
        }
    }
}

fn create(path: &Path) -> Result<Secret, StoreError> {
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    rand::fill(key.as_mut()).map_err(|_| unreadable(path, &no_random_numbers()))?;
    let temporary = temporary_beside(path).map_err(|error| unreadable(path, &error))?;
    match files::publish(path, &temporary, key.as_ref()) {
        Ok(()) => Ok(Secret::new(key.as_slice())),
        // Another process was faster: its key is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            check(path, &read(path).map_err(|error| unreadable(path, &error))?)
        }
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// A name of its own for each attempt, so that a file left by a crash is in nobody's way.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let mut suffix = [0; 8];
    rand::fill(&mut suffix).map_err(|_| no_random_numbers())?;
    Ok(path.with_extension(format!("new-{:016x}", u64::from_be_bytes(suffix))))
}

/// One octet more than a key is read, so that a file that is too long is told from a key.
fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::with_capacity(KEY_LENGTH + 1));
    File::open(path)?.take(KEY_LENGTH as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

fn check_length(path: &Path, key: &[u8]) -> Result<Secret, StoreError> {
    if key.len() != KEY_LENGTH {
        return Err(StoreError::Key(format!(
            "{} is not a saslgate key: it must have exactly {KEY_LENGTH} octets. Restore it from \
             your backup.",
            path.display(),
        )));
    }
    Ok(Secret::new(key))
}

fn check(path: &Path, key: &[u8]) -> Result<Secret, StoreError> {
    let key = check_length(path, key)?;
    if platform::is_open_to_others(path).map_err(|error| unreadable(path, &error))? {
        return Err(StoreError::Key(format!(
            "Other users of this machine may read the key {}. Close it: chmod 600 {}",
            path.display(),
            path.display(),
        )));
    }
    Ok(key)
}

fn missing(path: &Path) -> StoreError {
    let folder = path.parent().unwrap_or(path);
    StoreError::Key(format!(
        "There is a store in {}, but the key that opens it, {}, is gone. Restore the key from your \
         backup; if the service has it as a credential, set CREDENTIALS_DIRECTORY to the folder that \
         holds its {CREDENTIAL}; if there is none, remove the store as well, and sign in again for each \
         account.",
        folder.display(),
        path.display(),
    ))
}

fn unreadable(path: &Path, error: &io::Error) -> StoreError {
    let error = platform::explain(path, error);
    StoreError::Key(format!("The key {} cannot be read or made: {error}.", path.display()))
}

fn no_random_numbers() -> io::Error {
    io::Error::other("no random numbers")
}

/// The credential's name in `LoadCredential=`.
const CREDENTIAL: &str = "store-key";

/// XChaCha20-Poly1305 takes 256 bits.
pub(super) const KEY_LENGTH: usize = 32;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn is_made_once_and_only_without_a_store() {
        let folder = tempfile::tempdir().unwrap();
        let source = KeySource::beside(folder.path());
        let error = source.load(true).unwrap_err();
        assert!(matches!(&error, StoreError::Key(text) if text.contains("backup")), "{error}");

        let key = source.load(false).unwrap();
        assert_eq!(key.len(), KEY_LENGTH);
        assert_ne!(key.expose(), [0; KEY_LENGTH]);
        assert_eq!(source.load(false).unwrap().expose(), key.expose());
        assert_eq!(source.load(true).unwrap().expose(), key.expose());
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["key"], "nothing else is left behind");
    }

    #[test]
    fn from_a_credential_comes_before_the_file_and_is_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = tempfile::tempdir().unwrap();
        let (folder, credentials) = (folder.path(), credentials.path());
        let of_file = KeySource::choose(folder, Some(credentials)).unwrap().load(false).unwrap();
        fs::write(credentials.join("store-key"), [7; KEY_LENGTH]).unwrap();
        let source = KeySource::choose(folder, Some(credentials)).unwrap();
        assert_eq!(source.load(true).unwrap().expose(), [7; KEY_LENGTH]);
        fs::write(credentials.join("store-key"), [7; KEY_LENGTH + 1]).unwrap();
        let error = KeySource::choose(folder, Some(credentials)).unwrap_err();
        assert!(matches!(&error, StoreError::Key(text) if text.contains("32 octets")), "{error}");
        let source = KeySource::choose(folder, None).unwrap();
        assert_eq!(source.load(true).unwrap().expose(), of_file.expose());
    }

    #[test]
    fn of_the_wrong_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 31, 33, 4096] {
            fs::write(folder.path().join("key"), vec![1; length]).unwrap();
            let error = KeySource::beside(folder.path()).load(false).unwrap_err();
            assert!(matches!(&error, StoreError::Key(text) if text.contains("32 octets")));
        }
    }

    #[cfg(unix)]
    #[test]
    fn that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let source = KeySource::beside(folder.path());
        source.load(false).unwrap();
        let path = folder.path().join("key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = source.load(true).unwrap_err();
            assert!(matches!(&error, StoreError::Key(text) if text.contains("chmod 600")));
        }
    }
}
