//! What SQLite's errors mean for a person. The hard thing is to tell what may pass (busy, full) from
//! what will not (damaged): the first is tried again, the second needs a backup.

use std::path::{Path, PathBuf};

use super::StoreError;
use crate::platform;

/// Puts the store's path into every text.
#[derive(Clone)]
pub(super) struct Fault {
    path: PathBuf,
}

impl Fault {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn of(&self, error: &sqlx::Error) -> StoreError {
        let path = self.path.display();
        match primary_code(error) {
            Some(BUSY | LOCKED) => StoreError::Unavailable(format!(
                "The store {path} is busy: another process has been writing for too long."
            )),
            Some(READONLY) => StoreError::Unavailable(format!(
                "The store {path} cannot be written: its disk is mounted read-only, or {}.",
                platform::remedy(&self.path)
            )),
            Some(CANNOT_OPEN) => StoreError::Unavailable(format!(
                "The store {path} or a file beside it cannot be opened: its disk is mounted read-only, or {}.",
                platform::remedy(&self.path)
            )),
            Some(FULL) => StoreError::Unavailable(format!(
                "The store {path} cannot grow: the disk is full. Make room."
            )),
            // A full disk looks so as well, where SQLite makes its shared memory.
            Some(INPUT_OUTPUT) => StoreError::Unavailable(format!(
                "The store {path} cannot be read or written: the disk is full or failing ({error})."
            )),
            Some(CORRUPT | NOT_A_DATABASE) => self.damaged(),
            _ if is_misread(error) => self.damaged(),
            _ => StoreError::Unavailable(format!("The store {path} does not serve: {error}.")),
        }
    }

    pub(super) fn io(&self, error: &std::io::Error) -> StoreError {
        let (path, error) = (self.path.display(), platform::explain(&self.path, error));
        StoreError::Unavailable(format!("The store {path} cannot be opened or made: {error}."))
    }

    pub(super) fn folder_open_to_all(folder: &Path) -> StoreError {
        let folder = folder.display();
        StoreError::Unusable(format!(
            "Every user of this machine may put other files in the place of the store and its key, in \
             {folder}. Close it: chmod 700 {folder}, or name a folder below it with --state"
        ))
    }

    pub(super) fn open_to_others(&self) -> StoreError {
        let path = self.path.display();
        StoreError::Unusable(format!(
            "Other users of this machine may read the store {path}, and guess at the local passwords \
             in it. Close it: chmod 600 {path}"
        ))
    }

    pub(super) fn damaged(&self) -> StoreError {
        let path = self.path.display();
        StoreError::Unusable(format!(
            "The store {path} is damaged, or is not a saslgate store. Restore it from your backup; \
             if there is none, move it away and sign in again for each account."
        ))
    }

    pub(super) fn newer(&self, found: i64, known: usize) -> StoreError {
        let path = self.path.display();
        StoreError::Unusable(format!(
            "The store {path} was written by a newer saslgate (schema {found}; this one knows \
             {known}). Run the newer version again, or restore a backup from before the upgrade."
        ))
    }

    pub(super) fn wrong_key(&self) -> StoreError {
        let path = self.path.display();
        StoreError::Key(format!(
            "The key does not fit the store {path}: one of them was replaced. Restore the key that \
             belongs to it from your backup, or remove both and sign in again for each account."
        ))
    }

    pub(super) fn sealed(&self, account: &str) -> StoreError {
        let path = self.path.display();
        StoreError::Unusable(format!(
            "What the store {path} holds for {account} does not open: it is damaged, or was copied \
             from elsewhere. Sign in again for this account."
        ))
    }

    pub(super) fn sealed_password(&self, account: &str, protocol: &str) -> StoreError {
        let path = self.path.display();
        StoreError::Unusable(format!(
            "The {protocol} password that the store {path} holds for {account} does not open: it is \
             damaged, or was copied from elsewhere. Set it again: saslgate account upstream-password \
             {account} --protocol {protocol}"
        ))
    }
}

/// Whether a row was there but not in the form that the schema promises.
fn is_misread(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::RowNotFound
    )
}

/// SQLite's result code without its extension, which stands in the upper bits.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let sqlx::Error::Database(error) = error else {
        return None;
    };
    error.code()?.parse::<i32>().ok().map(|code| code & 0xff)
}

// <https://www.sqlite.org/rescode.html>
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const INPUT_OUTPUT: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;
