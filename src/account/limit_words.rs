//! Limits of local passwords in words, and the command that changes them. The hard thing is that names of
//! passwords are free text, and the command is to be copied into a shell.

use ipnet::IpNet;

use super::password::Origin;
use crate::{
    config::Protocol,
    guide::command::argument,
    store::limits::{LimitFault, PasswordLimits},
};

/// `only for SMTP from 192.168.1.0/24`; `None` where there are no limits.
pub(crate) fn limits(limits: &PasswordLimits) -> Option<String> {
    let protocols: Vec<String> = limits.protocols.iter().map(|name| protocol(name)).collect();
    let networks: Vec<String> = limits.networks.iter().map(network).collect();
    let mut words = vec!["only".to_owned()];
    if !protocols.is_empty() {
        words.push(format!("for {}", protocols.join(" and ")));
    }
    if !networks.is_empty() {
        words.push(format!("from {}", networks.join(" and ")));
    }
    (words.len() > 1).then(|| words.join(" "))
}

/// Why a right password does not open this login, and how to let it.
pub(crate) fn refusal(
    login: &str,
    name: &str,
    limits: &PasswordLimits,
    fault: LimitFault,
    origin: Origin,
) -> String {
    let (outside, option, mut values) = match fault {
        LimitFault::Protocol => {
            let known = limits.protocols.iter().map(String::clone).collect();
            (format!("for {}", origin.protocol), "--protocol", known)
        }
        LimitFault::Network => {
            let known: Vec<String> = limits.networks.iter().map(network).collect();
            (format!("from {}", origin.address.to_canonical()), "--network", known)
        }
    };
    values.push(match fault {
        LimitFault::Protocol => origin.protocol.name().to_owned(),
        LimitFault::Network => origin.address.to_canonical().to_string(),
    });
    // What begins with a dash would be read as an option.
    let option_name = if name.starts_with('-') { "--name=" } else { "--name " };
    format!(
        "the local password \"{name}\" may not be used {outside}, only within its limits (to allow it: \
         saslgate account limit-password {} {option_name}{} {option} {})",
        argument(login),
        argument(name),
        values.join(","),
    )
}

/// A protocol as people call it, by its name in the configuration.
pub(crate) fn protocol(name: &str) -> String {
    let known = Protocol::ALL.into_iter().find(|known| known.name() == name);
    known.map_or_else(|| name.to_owned(), |known| known.to_string())
}

/// A single address without its length.
fn network(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::limits;

    fn limited(protocols: &[&str], networks: &[&str]) -> PasswordLimits {
        PasswordLimits {
            protocols: protocols.iter().map(|&it| it.to_owned()).collect(),
            networks: networks.iter().map(|it| limits::network(it).unwrap()).collect(),
        }
    }

    #[test]
    fn limits_are_told_as_people_would() {
        let told = |protocols: &[&str], networks: &[&str]| limits(&limited(protocols, networks));
        assert_eq!(told(&[], &[]), None);
        assert_eq!(told(&["smtp"], &[]).as_deref(), Some("only for SMTP"));
        assert_eq!(
            told(&["imap", "smtp"], &["192.168.1.0/24", "10.0.0.7"]).as_deref(),
            Some("only for IMAP and SMTP from 192.168.1.0/24 and 10.0.0.7")
        );
    }

    #[test]
    fn a_refusal_names_the_command_that_would_allow_it() {
        let origin =
            Origin { protocol: Protocol::Pop3, address: "::ffff:10.0.0.7".parse().unwrap() };
        let limits = limited(&["smtp"], &["192.168.1.0/24"]);
        let said = |name, fault| refusal("a@x", name, &limits, fault, origin);
        assert_eq!(
            said("printer", LimitFault::Protocol),
            "the local password \"printer\" may not be used for POP3, only within its limits (to allow it: \
             saslgate account limit-password a@x --name printer --protocol smtp,pop3)"
        );
        assert_eq!(
            said("Anna's; printer", LimitFault::Network),
            "the local password \"Anna's; printer\" may not be used from 10.0.0.7, only within its limits \
             (to allow it: saslgate account limit-password a@x --name 'Anna'\\''s; printer' --network \
             192.168.1.0/24,10.0.0.7)"
        );
        let dash = said("-x", LimitFault::Protocol);
        assert!(dash.contains("limit-password a@x --name=-x --protocol"), "{dash}");
    }
}
