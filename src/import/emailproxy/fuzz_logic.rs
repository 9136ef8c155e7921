//! What must hold whatever a configuration file of email-oauth2-proxy holds.

use super::{plan, read};

/// Reads and plans.
///
/// # Panics
/// If a secret of the file stands in what would be written or said.
pub fn fuzz_emailproxy(data: &[u8]) {
    let Ok(installation) = read(data, None) else { return };
    let plan = plan(&installation, std::path::Path::new("/etc/emailproxy"));
    // `file`: then it is a file's name.
    let with_secret = installation.accounts.iter().filter(|it| it.application.client_id != "file");
    let secrets = with_secret.filter_map(|it| it.application.secret.as_ref());
    for secret in secrets.filter_map(|it| std::str::from_utf8(it.expose()).ok()) {
        // Shorter ones stand anywhere by chance, and one may stand elsewhere, too.
        let count = memchr::memmem::find_iter(data, secret.as_bytes()).count();
        if secret.starts_with("SECRET-") && secret.len() > 20 && count == 1 {
            let said = format!("{plan:?} {installation:?}");
            assert!(!said.contains(secret), "a secret leaves its field");
        }
    }
}
