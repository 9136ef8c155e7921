//! Where configuration and state lie. The hard thing is the rank: a state folder belongs to the
//! configuration of the same rank, so that a person trying things out never opens the service's store.

use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy, choose_base_strategy};

use super::mistake::Mistake;
use crate::platform::SYSTEM_PLACES;

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
        let there = |path: &Path| path.is_file();
        Self::choose(config, state, [Self::of_user(), Self::of_system()], there)
    }

    /// The same, and if there is no configuration yet, where the first one belongs: among the system's files for root, and
    /// among the user's own for everybody else.
    ///
    /// # Errors
    /// There is no such place.
    pub fn find_or_place(
        config: Option<&Path>,
        state: Option<&Path>,
        is_root: bool,
    ) -> Result<Self, Mistake> {
        let nowhere = match Self::find(config, state) {
            Ok(paths) => return Ok(paths),
            Err(mistake) => mistake,
        };
        let mut ranks = [Self::of_user(), Self::of_system()];
        if is_root {
            ranks.reverse();
        }
        let place = ranks.into_iter().flatten().next().filter(|_| config.is_none());
        let place = place.ok_or(nowhere)?;
        Ok(Self { state: state.map_or(place.state, Path::to_path_buf), ..place })
    }

    /// Whether it is the one that the service of the whole machine uses.
    pub fn is_of_system(&self) -> bool {
        Self::of_system().is_some_and(|system| is_same(&self.config, &system.config))
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
        ranks: [Option<Self>; 2],
        exists: impl Fn(&Path) -> bool,
    ) -> Result<Self, Mistake> {
        let [_, system] = &ranks;
        let found = match config {
            Some(path) => {
                let of_system = system.clone().filter(|system| is_same(path, &system.config));
                let own = of_system.or_else(|| ranks.into_iter().flatten().next());
                own.map(|own| Self { config: path.into(), ..own })
            }
            None => {
                let expected = ranks.clone().into_iter().flatten().next();
                match ranks.into_iter().flatten().find(|rank| exists(&rank.config)) {
                    None => return Err(nothing_found(expected.map(|rank| rank.config))),
                    found => found,
                }
            }
        };
        match (found, state) {
            (Some(found), None) => Ok(found),
            (Some(found), Some(state)) => Ok(Self { state: state.into(), ..found }),
            (None, Some(state)) => Ok(Self {
                config: config.map_or_else(PathBuf::new, Path::to_path_buf),
                state: state.into(),
            }),
            (None, None) => Err(no_home(config)),
        }
    }

    fn of_system() -> Option<Self> {
        let [config, state] = SYSTEM_PLACES?.map(PathBuf::from);
        Some(Self { config, state })
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

fn nothing_found(expected: Option<PathBuf>) -> Mistake {
    let beside = match SYSTEM_PLACES {
        Some([system, _]) if expected.as_deref() != Some(Path::new(system)) => {
            format!(", nor is {system}")
        }
        Some(_) | None => String::new(),
    };
    let text = format!(
        "is not there{beside}: `saslgate init` asks a few questions and writes it (by hand: \
         saslgate.example.toml explains every key), or name another with --config"
    );
    let file = expected.unwrap_or_else(|| "saslgate.toml".into());
    Mistake { file, line: None, key: String::new(), text }
}

/// Without a home, and on a system that has no place of its own for services.
fn no_home(config: Option<&Path>) -> Mistake {
    let text = "this user has no home folder to keep the store in: name a folder with --state";
    let file = config.map_or_else(PathBuf::new, Path::to_path_buf);
    Mistake { file, line: None, key: String::new(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEM_CONFIG: &str = "/etc/saslgate/saslgate.toml";
    const SYSTEM_STATE: &str = "/var/lib/saslgate";

    fn system() -> Option<Paths> {
        Some(Paths { config: SYSTEM_CONFIG.into(), state: SYSTEM_STATE.into() })
    }

    fn user() -> Option<Paths> {
        Some(Paths { config: "/home/u/c.toml".into(), state: "/home/u/state".into() })
    }

    fn check(named: Option<&str>, state: Option<&str>, there: &[&str], expected: [&str; 2]) {
        let exists = |path: &Path| there.iter().any(|it| Path::new(it) == path);
        let paths =
            Paths::choose(named.map(Path::new), state.map(Path::new), [user(), system()], exists);
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
    fn a_service_without_a_home_needs_the_systems_places_or_a_named_one() {
        let file = Path::new("x.toml");
        let paths = |state, system| Paths::choose(Some(file), state, [None, system], |_| false);
        assert_eq!(paths(None, system()).unwrap().state, Path::new(SYSTEM_STATE));
        assert_eq!(paths(Some(Path::new("s")), None).unwrap().state, Path::new("s"));
        assert_eq!(
            paths(None, None).unwrap_err().to_string(),
            "x.toml: this user has no home folder to keep the store in: name a folder with --state"
        );
    }

    /// Any local user may create `C:\\etc`.
    #[cfg(not(unix))]
    #[test]
    fn there_is_no_system_rank() {
        assert_eq!(Paths::of_system(), None);
    }

    #[cfg(unix)]
    #[test]
    fn nothing_anywhere_says_where_to_write() {
        let ranks = [user(), Paths::of_system()];
        let mistake = Paths::choose(None, None, ranks, |_| false).unwrap_err();
        assert_eq!(
            mistake.to_string(),
            "/home/u/c.toml: is not there, nor is /etc/saslgate/saslgate.toml: `saslgate init` asks a few \
             questions and writes it (by hand: saslgate.example.toml explains every key), or name another with \
             --config"
        );
    }
}
