//! What the programs that we start get to see of our environment. The hard thing is that secrets may stand in it (a
//! client secret in a variable that the configuration names, the way to a service manager's credentials),
//! and that a browser needs more of the rest than anybody can list.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    sync::{Mutex, PoisonError},
};

/// Names of variables that hold secrets of ours. The environment is the process's, and so is this.
static HIDDEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// From now on no child sees this variable: a secret of ours is in it.
pub(crate) fn hide(variable: &str) {
    HIDDEN.lock().unwrap_or_else(PoisonError::into_inner).insert(variable.to_owned());
}

/// For a program that the configuration names (a hook, one that prints a token or a secret): where it is at home, how it
/// speaks, and how it finds a person's keys; nothing else. Whoever needs more writes `env NAME=value` before it.
pub(crate) fn environment_of_program() -> Vec<(OsString, OsString)> {
    passed(is_common)
}

/// For the browser of the person who signs in, whose own environment this is: all but what is ours.
#[cfg_attr(not(unix), allow(dead_code))]
pub(crate) fn environment_of_browser() -> Vec<(OsString, OsString)> {
    passed(|name| !is_ours(name))
}

fn passed(may_pass: impl Fn(&str) -> bool) -> Vec<(OsString, OsString)> {
    let hidden = HIDDEN.lock().unwrap_or_else(PoisonError::into_inner);
    let passes = |name: &OsStr| {
        name.to_str().is_some_and(|name| may_pass(name) && !is_hidden(name, &hidden))
    };
    env::vars_os().filter(|(name, _)| passes(name)).collect()
}

fn is_hidden(name: &str, hidden: &BTreeSet<String>) -> bool {
    hidden.iter().any(|hidden| is_same(hidden, name))
}

fn is_common(name: &str) -> bool {
    let known = |names: &[&str]| names.iter().any(|it| is_same(it, name));
    known(COMMON) || (cfg!(windows) && known(COMMON_ON_WINDOWS)) || starts_with(name, FAMILIES)
}

fn is_ours(name: &str) -> bool {
    is_same(name, "CREDENTIALS_DIRECTORY") || starts_with(name, OURS)
}

fn starts_with(name: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|it| name.get(..it.len()).is_some_and(|name| is_same(name, it)))
}

/// Windows does not tell upper from lower case in them.
fn is_same(a: &str, b: &str) -> bool {
    if cfg!(windows) { a.eq_ignore_ascii_case(b) } else { a == b }
}

const COMMON: &[&str] = &[
    "AZURE_CONFIG_DIR",
    "CLOUDSDK_CONFIG",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "GNUPGHOME",
    "GPG_TTY",
    "HOME",
    "KRB5CCNAME",
    "LANG",
    "LANGUAGE",
    "LOCALE_ARCHIVE",
    "LOGNAME",
    "NIX_SSL_CERT_FILE",
    // Those that name a proxy may hold its password.
    "NO_PROXY",
    "PASSWORD_STORE_DIR",
    "PATH",
    "SHELL",
    "SSH_AUTH_SOCK",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_CURRENT_DESKTOP",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "XDG_STATE_HOME",
    "no_proxy",
];

const COMMON_ON_WINDOWS: &[&str] = &[
    "APPDATA",
    "COMSPEC",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATHEXT",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "PROGRAMFILES(X86)",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERDOMAIN",
    "USERNAME",
    "USERPROFILE",
    "WINDIR",
];

/// Nobody keeps a secret in one of these; the families of desktops are too wide for that.
const FAMILIES: &[&str] = &["LC_"];

/// Of saslgate itself, and of the service manager that started it.
const OURS: &[&str] = &["SASLGATE_", "LISTEN_", "NOTIFY_", "WATCHDOG_"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_what_it_needs_and_nothing_of_ours() {
        for name in ["PATH", "HOME", "LANG", "LC_ALL", "XDG_RUNTIME_DIR", "DISPLAY", "NO_PROXY"] {
            assert!(is_common(name), "{name}");
        }
        for name in [
            "SASLGATE_CONFIG",
            "CREDENTIALS_DIRECTORY",
            "NOTIFY_SOCKET",
            "CLIENT_SECRET",
            "HTTPS_PROXY",
            "LC",
            "€",
        ] {
            assert!(!is_common(name), "{name}");
        }
    }

    #[test]
    fn a_browser_gets_all_but_what_is_ours() {
        for name in [
            "SASLGATE_STATE",
            "CREDENTIALS_DIRECTORY",
            "LISTEN_FDS",
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
        ] {
            assert!(is_ours(name), "{name}");
        }
        for name in ["MOZ_ENABLE_WAYLAND", "LISTEN", "€"] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn where_a_secret_stands_is_hidden_whatever_its_name() {
        hide("LC_SECRET_OF_OURS");
        let hidden = HIDDEN.lock().unwrap().clone();
        assert!(is_common("LC_SECRET_OF_OURS") && is_hidden("LC_SECRET_OF_OURS", &hidden));
        assert!(!is_hidden("LC_SECRET", &hidden));
        let shown = passed(|name| name == "HOME" || name == "LC_SECRET_OF_OURS");
        assert!(shown.iter().all(|(name, _)| name == "HOME"));
    }
}
