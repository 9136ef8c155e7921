//! What the daemon may still open once it runs: its state, the folders that its configuration names, and what the C
//! library needs; it runs no program and writes nowhere else. The hard thing is that this cannot be taken back, so it
//! goes by folders: files are replaced by new ones under their names, and a rule for a file would stay with the old
//! one. And programs would inherit it, so whoever configures one does without.

#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))]

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use tracing::{info, warn};

use crate::{
    config::{Config, ExternalToken, Loaded, Paths, Sandbox, written_files},
    platform::reach,
};

/// What a configuration needs of the system.
#[derive(Debug, Default)]
pub struct Needs {
    /// Files that are read, now or later.
    files: BTreeSet<PathBuf>,
    /// Where store, key and control socket lie.
    state_folder: PathBuf,
    /// Settings that name a program, each with its program.
    programs: Vec<String>,
}

impl Needs {
    /// Those of a configuration that was read at these places.
    pub fn of(paths: &Paths, loaded: &Loaded) -> Self {
        let mut files = named_files(loaded);
        files.extend(written_files(paths));
        files.insert(paths.config.with_file_name("accounts.d"));
        Self {
            files,
            state_folder: loaded.config.state_folder.clone(),
            programs: loaded.programs.clone(),
        }
    }

    /// The folders to be read, those that are there.
    fn folders(&self) -> BTreeSet<PathBuf> {
        let system = SYSTEM_FILES.iter().map(PathBuf::from);
        let roots = env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let more = env::var_os("SSL_CERT_DIR").unwrap_or_default();
        let files = self.files.iter().cloned().chain(system).chain(roots);
        let files = files.chain(env::split_paths(&more).filter(|it| !it.as_os_str().is_empty()));
        let named = files.flat_map(|file| places(&file)).filter_map(|it| nearest(&it));
        // Of these nothing above: that may be all that a system has.
        let system = SYSTEM_FOLDERS.iter().map(PathBuf::from).filter(|it| it.exists());
        named.chain(system).collect()
    }
}

/// Where a file lies as it is named, where it lies now, and beside where each link on the way leads: what renews a
/// certificate may put a folder there and switch the link.
fn places(file: &Path) -> Vec<PathBuf> {
    let mut path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let mut places = vec![place(&path)];
    for _ in 0..MAX_LINKS {
        let links = path.ancestors().filter_map(|it| Some((it, fs::read_link(it).ok()?)));
        let Some((link, target)) = links.last() else { break };
        let (Some(folder), Ok(rest)) = (link.parent(), path.strip_prefix(link)) else { break };
        let target = folder.join(target);
        places.extend(target.parent().filter(|it| !is_root(it)).map(PathBuf::from));
        // By its components, or a slash at the end would follow the next link.
        path = target.join(rest).components().collect();
        places.push(place(&path));
    }
    places
}

/// The folder that stays when the file is replaced; that of all folders is no place.
fn place(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !path.is_dir() && !is_root(folder) => folder.to_owned(),
        _ => path.to_owned(),
    }
}

/// Itself, or what is there of the way to it: there can be a rule for that alone.
fn nearest(place: &Path) -> Option<PathBuf> {
    place.ancestors().find(|it| it.exists()).filter(|it| !is_root(it)).map(PathBuf::from)
}

fn is_root(path: &Path) -> bool {
    fs::canonicalize(path).is_ok_and(|it| it.parent().is_none())
}

/// As many as Linux follows.
const MAX_LINKS: usize = 40;

/// All that values name, the ones that other systems write later included.
fn named_files(loaded: &Loaded) -> BTreeSet<PathBuf> {
    let later = |config: &Config| -> Vec<PathBuf> {
        let proofs = config.accounts.iter().filter_map(|it| it.oauth.as_ref());
        let proofs = proofs.flat_map(|it| it.proof_files());
        let tokens = config.accounts.iter().filter_map(|it| match &it.external_token {
            Some(ExternalToken::File(path)) => Some(path.clone()),
            Some(ExternalToken::Command(_)) | None => None,
        });
        proofs.chain(tokens).collect()
    };
    loaded.files.iter().cloned().chain(later(&loaded.config)).collect()
}

/// Gives up what is not needed, for good, and says in the log what came of it. To be called while the process is one
/// thread: others that run already would be left out.
pub fn confine(needs: &Needs, wanted: Sandbox) {
    match (wanted, needs.programs.first()) {
        (Sandbox::Off, _) => {}
        (Sandbox::Auto, Some(program)) => info!(
            "all files of this user stay open to saslgate, since it runs programs, which would be confined \
             with it: {program}"
        ),
        (Sandbox::Auto, None) => enforce(needs),
    }
}

/// Judges whether a configuration can be put in force after what was given up.
///
/// # Errors
/// What it needs that is not there any more, and what to do.
pub(crate) fn judge(loaded: &Loaded) -> Result<(), String> {
    let Some(left) = reach::left() else { return Ok(()) };
    let program = loaded.programs.first().map(|it| format!("{it} cannot be run"));
    let file = || {
        let outside = named_files(loaded).into_iter().find(|file| !left.covers(file))?;
        Some(format!("{} cannot be opened", outside.display()))
    };
    match program.or_else(file) {
        Some(what) => Err(format!("{what}: {}", reach::REMEDY)),
        None => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn enforce(needs: &Needs) {
    use landlock::{LandlockStatus, RulesetStatus};
    // Without it there is nothing to allow; what is wrong with it, the store says.
    let _ = crate::platform::create_private_folder(&needs.state_folder);
    let folders = needs.folders();
    let status = match linux::restrict(&folders, &needs.state_folder) {
        Ok(status) => status,
        Err(error) => {
            return warn!("all files of this user stay open to saslgate: Landlock: {error}");
        }
    };
    match status.ruleset {
        RulesetStatus::NotEnforced => {
            let why = match status.landlock {
                LandlockStatus::NotEnabled => {
                    "has Landlock switched off (lsm= at its command line)"
                }
                LandlockStatus::NotImplemented | LandlockStatus::Available { .. } => {
                    "has no Landlock, or too old a one (Linux 5.19 or later has it), or a list of system calls hides it"
                }
            };
            return info!("all files of this user stay open to saslgate: this kernel {why}");
        }
        RulesetStatus::PartiallyEnforced => {
            info!(
                "saslgate is confined to its own files, as far as this older kernel's Landlock goes"
            );
        }
        RulesetStatus::FullyEnforced => info!("saslgate is confined to its own files (Landlock)"),
    }
    reach::set(reach::Reach::new(folders.into_iter().chain([needs.state_folder.clone()])));
}

/// There is no such thing that needs neither unsafe code nor rights of an administrator.
#[cfg(not(target_os = "linux"))]
fn enforce(_: &Needs) {}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        collections::BTreeSet,
        path::{Path, PathBuf},
    };

    use landlock::{
        ABI, Access, AccessFs, CompatLevel, Compatible as _, RestrictionStatus, Ruleset,
        RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
    };

    /// This thread, and those that it starts, may only read these folders and write in that one. What a kernel does
    /// not know is left out.
    pub(super) fn restrict(
        folders: &BTreeSet<PathBuf>,
        state_folder: &Path,
    ) -> Result<RestrictionStatus, RulesetError> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let write = AccessFs::from_all(KNOWN)
            & !(AccessFs::Execute | AccessFs::MakeBlock | AccessFs::MakeChar);
        Ruleset::default()
            // The first Landlock forbids every rename between folders, and the control socket needs one.
            .set_compatibility(CompatLevel::SoftRequirement)
            .handle_access(AccessFs::Refer)?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(KNOWN))?
            .scope(Scope::Signal)?
            .create()?
            .add_rules(path_beneath_rules(folders, read))?
            .add_rules(path_beneath_rules(DEVICES, AccessFs::ReadFile | AccessFs::WriteFile))?
            .add_rules(path_beneath_rules([state_folder], write))?
            .restrict_self()
    }

    /// Whose rights were thought through; a later one adds rights that a running saslgate may need (to reach
    /// sockets by their path, for one).
    const KNOWN: ABI = ABI::V6;

    const DEVICES: [&str; 3] = ["/dev/null", "/dev/random", "/dev/urandom"];
}

/// What the C library and the TLS roots are read from, with the folders of what is put in their place while we run. Others
/// may not read what is secret there, and neither may we.
const SYSTEM_FOLDERS: &[&str] = &[
    "/etc",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/sys",
    "/nix/store",
    "/gnu/store",
    "/opt/etc/ssl",
    "/var/lib/ca-certificates",
    "/var/ssl",
    "/run/NetworkManager",
    "/run/connman",
    "/run/netconfig",
    "/run/resolvconf",
    "/run/systemd/resolve",
];

/// Often links that lead elsewhere.
const SYSTEM_FILES: &[&str] =
    &["/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt"];

#[cfg(test)]
mod tests;
