//! Where configuration and state lie. The hard thing is the rank: a state folder belongs to the
//! configuration of the same rank, so that a person trying things out never opens the service's store.

use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy, choose_base_strategy};

use super::mistake::Mistake;

/// The configuration file and the state folder that go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `saslgate.toml`, wherever it is.
    pub config: PathBuf,
    /// Holds the store and its key; it need not exist yet.
    pub state: PathBuf,
}

impl Paths {
    /// The first of: what the person named (`--config`, `$SASLGATE_CONFIG`), the user's configuration
    /// folder, the system's. The state folder is of the same rank unless it was named.
    ///
    /// # Errors
    /// There is no configuration at any of these places.
    pub fn find(config: Option<&Path>, state: Option<&Path>) -> Result<Self, Mistake> {
        Self::choose(config, state, Self::of_user(), |path| path.is_file())
    }

    /// The folder of the configuration, or the one where it is expected if there is none yet.
    pub fn folder_of_config(config: Option<&Path>) -> PathBuf {
        let file =
            Self::find(config, None).map_or_else(|mistake| mistake.file, |paths| paths.config);
        file.parent().map_or_else(PathBuf::new, Path::to_path_buf)
    }

    fn choose(
        config: Option<&Path>,
        state: Option<&Path>,
        user: Option<Self>,
        exists: impl Fn(&Path) -> bool,
    ) -> Result<Self, Mistake> {
        let system = Self { config: SYSTEM_CONFIG.into(), state: SYSTEM_STATE.into() };
        let found = match config {
            Some(path) if is_same(path, &system.config) => system,
            Some(path) => {
                let state = user.map_or_else(|| system.state.clone(), |user| user.state);
                Self { config: path.into(), state }
            }
            None => match user {
                Some(user) if exists(&user.config) => user,
                _ if exists(&system.config) => system,
                user => return Err(nothing_found(user.unwrap_or(system).config)),
            },
        };
        Ok(Self { state: state.map_or(found.state, Path::to_path_buf), ..found })
    }

    /// `None` for a service without a home.
    fn of_user() -> Option<Self> {
        let folders = choose_base_strategy().ok()?;
        let state = folders.state_dir().unwrap_or_else(|| folders.data_dir());
        Some(Self {
            config: folders.config_dir().join("saslgate").join("saslgate.toml"),
            state: state.join("saslgate"),
        })
    }
}

/// However it is written: a relative name from inside the system's folder must not lead to another
/// store than the service's.
fn is_same(named: &Path, path: &Path) -> bool {
    named == path || std::path::absolute(named).is_ok_and(|named| named == path)
}

fn nothing_found(expected: PathBuf) -> Mistake {
    let text = format!(
        "is not there, nor is {SYSTEM_CONFIG}: write one of them (the example saslgate.example.toml \
         explains every key), or name another with --config"
    );
    Mistake { file: expected, line: None, key: String::new(), text }
}

const SYSTEM_CONFIG: &str = "/etc/saslgate/saslgate.toml";
const SYSTEM_STATE: &str = "/var/lib/saslgate";

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Option<Paths> {
        Some(Paths { config: "/home/u/c.toml".into(), state: "/home/u/state".into() })
    }

    fn check(named: Option<&str>, state: Option<&str>, there: &[&str], expected: [&str; 2]) {
        let exists = |path: &Path| there.iter().any(|it| Path::new(it) == path);
        let paths = Paths::choose(named.map(Path::new), state.map(Path::new), user(), exists);
        let [config, state] = expected.map(PathBuf::from);
        assert_eq!(paths, Ok(Paths { config, state }));
    }

    #[test]
    fn a_named_file_comes_first() {
        check(Some("x.toml"), None, &["/home/u/c.toml"], ["x.toml", "/home/u/state"]);
        check(Some(SYSTEM_CONFIG), None, &["/home/u/c.toml"], [SYSTEM_CONFIG, SYSTEM_STATE]);
    }

    #[test]
    fn a_relative_name_of_the_systems_file_is_that_file() {
        let here = std::env::current_dir().unwrap().join("saslgate.toml");
        assert!(is_same(Path::new("saslgate.toml"), &here));
        assert!(is_same(Path::new("./saslgate.toml"), &here));
        assert!(!is_same(Path::new("other.toml"), &here));
    }

    #[test]
    fn the_user_comes_before_the_system() {
        let both = ["/home/u/c.toml", SYSTEM_CONFIG];
        check(None, None, &both, ["/home/u/c.toml", "/home/u/state"]);
        check(None, None, &both[1..], [SYSTEM_CONFIG, SYSTEM_STATE]);
    }

    #[test]
    fn a_named_state_folder_wins() {
        check(None, Some("s"), &[SYSTEM_CONFIG], [SYSTEM_CONFIG, "s"]);
    }

    #[test]
    fn nothing_anywhere_says_where_to_write() {
        let mistake = Paths::choose(None, None, user(), |_| false).unwrap_err();
        assert_eq!(
            mistake.to_string(),
            "/home/u/c.toml: is not there, nor is /etc/saslgate/saslgate.toml: write one of them \
             (the example saslgate.example.toml explains every key), or name another with --config"
        );
    }
}
