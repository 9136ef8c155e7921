//! Limits of local passwords on the command line. The hard thing is that a limit never becomes wider by
//! accident: what is not named stays, and only `any` lifts it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use clap::Args;
use ipnet::IpNet;

use super::{find, open};
use crate::{
    account::limit_words,
    cli::{
        Failure, block_on, daemon,
        terminal::{remark, say},
    },
    config::{Config, Protocol},
    store::limits::{LimitChange, PasswordLimits, network},
};

/// What a password may be used for.
#[derive(Clone, Debug, Args)]
pub(super) struct LimitArgs {
    /// Only for these protocols: imap, pop3, smtp; any for all
    #[arg(long = "protocol", value_name = "PROTOCOL", value_delimiter = ',', value_parser = protocol)]
    protocols: Vec<Limit<Protocol>>,
    /// Only for clients in these networks, as 192.168.1.0/24, or with these addresses; any for all
    #[arg(long = "network", value_name = "NETWORK", value_delimiter = ',', value_parser = address)]
    networks: Vec<Limit<IpNet>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit<T> {
    Any,
    To(T),
}

fn protocol(text: &str) -> Result<Limit<Protocol>, String> {
    if text == ANY {
        return Ok(Limit::Any);
    }
    let known = Protocol::ALL.into_iter().find(|known| known.name() == text);
    known.map(Limit::To).ok_or_else(|| "it is imap, pop3, smtp or any".to_owned())
}

fn address(text: &str) -> Result<Limit<IpNet>, String> {
    if text == ANY {
        return Ok(Limit::Any);
    }
    let read = network(text);
    read.map(Limit::To)
        .ok_or_else(|| "it is a network, as 192.168.1.0/24, an address or any".to_owned())
}

impl LimitArgs {
    pub(super) fn change(&self) -> Result<LimitChange, Failure> {
        let protocols = values("--protocol", &self.protocols)?;
        let protocols = protocols.map(|it| it.into_iter().map(|it| it.name().to_owned()).collect());
        Ok(LimitChange { protocols, networks: values("--network", &self.networks)? })
    }
}

/// `None`: there was no such option; nothing: `any`.
fn values<T: Clone + PartialEq>(
    option: &str,
    limits: &[Limit<T>],
) -> Result<Option<Vec<T>>, Failure> {
    if limits.is_empty() {
        return Ok(None);
    }
    let mut values = Vec::new();
    for limit in limits {
        match limit {
            Limit::To(value) if !values.contains(value) => values.push(value.clone()),
            Limit::To(_) => {}
            Limit::Any if limits.len() == 1 => {}
            Limit::Any => {
                return Err(Failure::mistake(format!(
                    "{option} any stands alone: it lifts the limit"
                )));
            }
        }
    }
    Ok(Some(values))
}

/// The end of a sentence about a password.
pub(super) fn told(limits: &PasswordLimits) -> String {
    limit_words::limits(limits).map_or_else(String::new, |limits| format!(", {limits}"))
}

/// Says so where no client can be within these limits.
pub(super) fn remark_on_unreachable(limits: &PasswordLimits, config: &Config) {
    let here = |network: &IpNet| {
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        network.addr().is_loopback() || loopback.iter().any(|address| network.contains(address))
    };
    let for_others = !limits.networks.is_empty() && !limits.networks.iter().any(here);
    if for_others && config.listeners.iter().all(|it| it.address.ip().is_loopback()) {
        remark(
            "No client can come from there yet: all ports are open to this machine only. A [[listen]] table \
             with another address, as \"0.0.0.0:1587\", opens one to the network.",
        );
    }
}

pub(super) fn limit(
    config: &Config,
    login: &str,
    name: &str,
    args: &LimitArgs,
) -> Result<(), Failure> {
    let account = find(config, login)?;
    let change = args.change()?;
    let limits = block_on(async {
        let store = open(config).await?;
        let limits = store.limit_local_password(&account.key(), name, &change).await?;
        daemon::tell_of(config, &account.key()).await;
        Ok::<_, Failure>(limits)
    })??;
    let Some(limits) = limits else {
        return Err(super::local_password::unknown(&account.login, name));
    };
    let words = limit_words::limits(&limits).unwrap_or_else(|| "without limits".to_owned());
    say(format_args!("The password \"{name}\" of {} works {words}.", account.login))?;
    remark_on_unreachable(&limits, config);
    Ok(())
}

const ANY: &str = "any";
