//! Where there are no Unix sockets. The hard thing is to say so instead of "not running".

use std::path::Path;

use super::{
    ControlError,
    message::{Answer, Request},
};

/// Asks the daemon of this state folder: nobody can, here.
///
/// # Errors
/// Always.
pub async fn ask(_: &Path, _: &Request) -> Result<Answer, ControlError> {
    Err(ControlError::Unsupported)
}
