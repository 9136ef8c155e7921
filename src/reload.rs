//! Reading the configuration again while it is in use. The hard thing is that a wrong one changes nothing:
//! all that can fail (files, certificates, ports) is done first, and only then one is put for the other.
//! No session is touched by it, but those of accounts that are gone.

mod report;
mod watch;

use std::{fmt, io, sync::Arc};

use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::spawn_blocking,
};
use tracing::{error, info};

pub use self::report::Report;
use self::watch::{Picture, Watch};
use crate::{
    config::{Config, ConfigError, Loaded, Paths, Secrets, Section, load},
    gateway::{Gateway, warning::warn_of},
    listener::Change,
    service::{
        self, notify,
        sandbox::{self, Needs},
    },
};

/// Where a configuration was read, and how it looked there.
#[derive(Debug)]
pub struct Origin {
    paths: Paths,
    sections: Vec<Section>,
    watch: Watch,
    needs: Needs,
}

impl Origin {
    /// Reads the configuration at these places, client secrets included. Blocks on files, and on the
    /// programs that tell secrets.
    ///
    /// # Errors
    /// Its mistakes.
    pub fn read(paths: Paths) -> Result<(Self, Config), ConfigError> {
        let (picture, loaded) = read(&paths, &[]);
        let loaded = loaded?;
        let needs = Needs::of(&paths, &loaded);
        let Loaded { config, sections, files, .. } = loaded;
        Ok((Self { paths, sections, watch: Watch::new(picture, files), needs }, config))
    }
}

impl Origin {
    /// What was needed of the system when it was first read.
    pub(crate) fn needs(&self) -> &Needs {
        &self.needs
    }
}

/// Looks before it reads, so that what changes meanwhile counts as changed.
fn read(paths: &Paths, files: &[std::path::PathBuf]) -> (Picture, Result<Loaded, ConfigError>) {
    let mut picture = Picture::of(paths, files);
    let loaded = load(paths, Secrets::Read);
    picture.look_at(match &loaded {
        Ok(loaded) => &loaded.files,
        Err(error) => &error.files,
    });
    (picture, loaded)
}

/// One reload at a time.
#[derive(Debug)]
pub(crate) struct Reloads(Arc<Mutex<Origin>>);

/// Why nothing was changed.
#[derive(Debug)]
pub enum ReloadError {
    /// The new configuration has mistakes.
    Configuration(ConfigError),
    /// It needs what was given up at the start.
    GivenUp(String),
    /// A port cannot be opened, or a certificate cannot be used.
    Port(io::Error),
    /// The gateway is stopping.
    Stopping,
    /// The configuration did not come from files.
    NoFiles,
    /// The reload itself broke off.
    Broken,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(error) => error.fmt(f),
            Self::GivenUp(what) => f.write_str(what),
            Self::Port(error) => error.fmt(f),
            Self::Stopping => f.write_str("the gateway is stopping: start it again instead"),
            Self::NoFiles => f.write_str("this gateway has no configuration files"),
            Self::Broken => f.write_str("the reload broke off; please report it"),
        }
    }
}

impl std::error::Error for ReloadError {}

impl Gateway {
    /// Says where the configuration in force was read, so that it can be read again. Counts once.
    pub fn reload_from(&self, origin: Origin) {
        let _ = self.reloads.set(Reloads(Arc::new(Mutex::new(origin))));
    }

    /// Reads the configuration again and puts it in force; tells and logs what has changed. Goes on to
    /// its end even if nobody waits for it.
    ///
    /// # Errors
    /// Why nothing was changed. This is logged, too.
    pub async fn reload(self: &Arc<Self>, asked_by: &'static str) -> Result<Report, ReloadError> {
        let Some(Reloads(origin)) = self.reloads.get() else {
            return Err(ReloadError::NoFiles);
        };
        let (gateway, origin) = (Arc::clone(self), Arc::clone(origin));
        let task = tokio::spawn(async move {
            let origin = origin.lock_owned().await;
            reload_and_tell(&gateway, origin, asked_by).await
        });
        let result = task.await.unwrap_or(Err(ReloadError::Broken));
        // Whoever asks may have put something right at a provider's side. A change of files alone says
        // nothing of that, and a program may touch them every minute.
        if result.is_ok() {
            self.tokens.look_again();
        }
        result
    }

    /// Reloads if the files have changed, and have been left alone since the last look. Does not wait.
    pub(crate) async fn reload_if_changed(self: &Arc<Self>) {
        let Some(Reloads(origin)) = self.reloads.get() else { return };
        if self.closing.is_cancelled() {
            return;
        }
        // A reload under way looks for itself.
        let Ok(mut origin) = Arc::clone(origin).try_lock_owned() else { return };
        let (paths, files) = (origin.paths.clone(), origin.watch.files().to_vec());
        let looked = spawn_blocking(move || Picture::of(&paths, &files)).await;
        if looked.is_ok_and(|picture| origin.watch.settles_on(picture)) {
            let gateway = Arc::clone(self);
            tokio::spawn(async move {
                // It is logged.
                let _ = reload_and_tell(&gateway, origin, "a change of its files").await;
            });
        }
    }
}

async fn reload_and_tell(
    gateway: &Arc<Gateway>,
    mut origin: OwnedMutexGuard<Origin>,
    asked_by: &str,
) -> Result<Report, ReloadError> {
    // A service that stops has nothing to say of a reload.
    let stopping = || gateway.closing.is_cancelled();
    if !stopping() {
        notify::reloading();
    }
    let result = reload(gateway, &mut origin).await;
    match &result {
        Ok(report) => info!("the configuration was read again ({asked_by}): {report}"),
        Err(error) => {
            let error = error.to_string().replace('\n', "; ");
            error!("the configuration stays as it was ({asked_by}): {error}");
        }
    }
    if !stopping() {
        notify::ready(&service::status(&gateway.config()));
    }
    result
}

async fn reload(gateway: &Arc<Gateway>, origin: &mut Origin) -> Result<Report, ReloadError> {
    if gateway.closing.is_cancelled() {
        return Err(ReloadError::Stopping);
    }
    let (paths, files) = (origin.paths.clone(), origin.watch.files().to_vec());
    let read = spawn_blocking(move || read(&paths, &files)).await;
    let (picture, loaded) = read.map_err(|_| ReloadError::Broken)?;
    let files = match &loaded {
        Ok(loaded) => loaded.files.clone(),
        // The old ones still count: the old configuration is in force.
        Err(error) => [origin.watch.files(), &error.files].concat(),
    };
    origin.watch = Watch::new(picture, files);
    let loaded = loaded.map_err(ReloadError::Configuration)?;
    sandbox::judge(&loaded).map_err(ReloadError::GivenUp)?;
    let Loaded { config, sections, .. } = loaded;
    let change = Change::prepare(gateway, &config.listeners).await.map_err(ReloadError::Port)?;
    if gateway.closing.is_cancelled() {
        return Err(ReloadError::Stopping);
    }

    // Nothing fails from here on.
    let before = gateway.config();
    let mut report = Report::compare([&before, &config], [&origin.sections, &sections]);
    origin.sections = sections;
    gateway.put_in_force(config);
    let mut ports = change.apply(gateway);
    for listener in std::mem::take(&mut ports.opened) {
        gateway.tasks.spawn(listener.serve(Arc::clone(gateway)));
    }
    report.ports_opened = std::mem::take(&mut ports.opened_names);
    report.ports_changed = std::mem::take(&mut ports.changed);
    report.ports_closed = std::mem::take(&mut ports.closed);
    let certificates = Arc::clone(gateway);
    let _ = spawn_blocking(move || certificates.certificates.refresh()).await;
    let now = gateway.config();
    let concerned = now.accounts.iter().filter(|account| report.concerns(&account.login));
    warn_of(concerned, &now, gateway.store.as_ref()).await;
    ports.closed().await;
    Ok(report)
}
