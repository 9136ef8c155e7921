//! What a daemon does before its runtime starts, while it is one thread and may still be root. The hard thing is the
//! order: inherited sockets before any child, ports and secrets before the rights go, everything else after.

use std::{net::TcpListener, sync::Arc};

use tracing::{info, warn};

use super::{Failure, Global};
use crate::{
    config::Config,
    listener,
    platform::descriptors,
    reload::Origin,
    service::{
        privileges::{self, Plan, Start},
        sandbox, sockets,
    },
    store::key::KeySource,
    tls::Certificates,
};

/// What needed to be opened first.
pub(super) struct Prepared {
    pub(super) config: Arc<Config>,
    /// Where it was read.
    pub(super) origin: Origin,
    /// Ports that are open already.
    pub(super) sockets: Vec<TcpListener>,
    /// Those of the local ports.
    pub(super) certificates: Certificates,
    /// Of the store.
    pub(super) key: KeySource,
}

/// Reads the configuration, starts the log, and gives up root's rights where the configuration says so.
pub(super) fn prepare(global: &Global) -> Result<Prepared, Failure> {
    let inherited = sockets::inherited();
    let (origin, config) = Origin::read(global.paths()?)?;
    global.init_log();
    descriptors::raise_limit();
    for remark in &inherited.remarks {
        warn!("{remark}");
    }
    let mut sockets = inherited.listeners;
    let key = KeySource::find(&config.state_folder)?;
    let certificates = Certificates::default();
    match privileges::plan(&config.service).map_err(Failure::mistake)? {
        Start::AsItIs => {}
        Start::Warn(text) => warn!("{text}"),
        Start::Drop(plan) => {
            sockets::open(config.listeners.iter().map(|it| it.address), &mut sockets)
                .map_err(|(address, error)| fault(&listener::cannot_listen(address, &error)))?;
            for files in config.listeners.iter().filter_map(|it| it.tls.certificate()) {
                certificates.read(files).map_err(|error| fault(&error))?;
            }
            become_user(&plan, &config, global)?;
        }
    }
    // The last thing that one thread does alone: those that it starts inherit it.
    sandbox::confine(origin.needs(), config.service.sandbox);
    Ok(Prepared { config: Arc::new(config), origin, sockets, certificates, key })
}

fn become_user(plan: &Plan, config: &Config, global: &Global) -> Result<(), Failure> {
    let folder = &config.state_folder;
    privileges::give_state_folder(folder, plan).map_err(|error| {
        Failure::fault(format!("cannot make the folder {} for {plan}: {error}", folder.display()))
    })?;
    privileges::drop_to(plan).map_err(Failure::fault)?;
    info!("running as {plan} from here on");
    // Better now than when a new certificate has to be read some night.
    if let Err(failure) = global.load_config() {
        warn!(
            "as {plan} the configuration cannot be read again: a reload or a new certificate will need a \
             restart until this is put right: {failure}"
        );
    }
    Ok(())
}

fn fault(error: &impl ToString) -> Failure {
    Failure::fault(error.to_string())
}
