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
            "servers that you name".to_owned()
        } else {
            protocols.join(", ")
        };
        let grants: Vec<&str> =
            ["refresh_token"].into_iter().chain(provider.app_only_grant()).collect();
        say(format_args!("{:width$}  {}", provider.name(), provider.about()))?;
        say(format_args!("{:width$}  {protocols}; {}", "", grants.join(", ")))?;
    }
    say(
        "\nrefresh_token: a person signs in. client_credentials, service_account: the application itself.\n\
         saslgate provider show NAME has the rest, and how to register, step by step.",
    )
}
