//! `saslgate provider list`.

use crate::{
    cli::{Failure, terminal::say},
    config::{Protocol, Provider},
};

pub(super) fn list() -> Result<(), Failure> {
    let width = Provider::all().map(|it| it.name().len()).max().unwrap_or_default();
    for provider in Provider::all() {
        let protocols: Vec<String> = Protocol::ALL
            .into_iter()
            .filter(|&protocol| provider.server(protocol).is_some())
            .map(|protocol| protocol.to_string())
            .collect();
        let protocols = if protocols.is_empty() {
            "the servers that you name".into()
        } else {
            protocols.join(", ")
        };
        say(format_args!("{:width$}  {}", provider.name(), provider.about()))?;
        say(format_args!("{:width$}  {protocols}; {}", "", provider.grants().join(", ")))?;
    }
    Ok(())
}
