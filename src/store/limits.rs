//! What a local password may be used for. The hard thing is one address in two spellings: an IPv4 client
//! of a port that is open for IPv6 shows as `::ffff:192.0.2.1`, and so may a network be written.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Limits of a local password; an empty list limits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordLimits {
    /// Names of protocols, as in the configuration.
    pub protocols: Vec<String>,
    /// Where clients may come from, each as [`network`] makes it.
    pub networks: Vec<IpNet>,
}

/// Why a login is outside the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitFault {
    /// It is for another protocol.
    Protocol,
    /// It comes from elsewhere.
    Network,
}

impl PasswordLimits {
    /// # Errors
    /// A login for that protocol and from there is outside the limits.
    pub fn permit(&self, protocol: &str, address: IpAddr) -> Result<(), LimitFault> {
        if !self.protocols.is_empty() && self.protocols.iter().all(|known| known != protocol) {
            return Err(LimitFault::Protocol);
        }
        let address = address.to_canonical();
        if !self.networks.is_empty() && !self.networks.iter().any(|it| it.contains(&address)) {
            return Err(LimitFault::Network);
        }
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.protocols.is_empty() && self.networks.is_empty()
    }
}

/// A change of limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitChange {
    /// The new protocols; `None`: as before, empty: any.
    pub protocols: Option<Vec<String>>,
    /// The new networks; `None`: as before, empty: any.
    pub networks: Option<Vec<IpNet>>,
}

impl LimitChange {
    /// The limits after the change.
    pub fn apply(&self, before: PasswordLimits) -> PasswordLimits {
        PasswordLimits {
            protocols: self.protocols.clone().unwrap_or(before.protocols),
            networks: self.networks.clone().unwrap_or(before.networks),
        }
    }
}

/// Reads a network (`192.168.1.0/24`) or a single address. What stands behind the length is dropped, and
/// IPv4 in the clothes of IPv6 becomes IPv4.
pub fn network(text: &str) -> Option<IpNet> {
    let written = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => text.parse::<IpAddr>().ok()?.into(),
    };
    let network = match written {
        IpNet::V6(mapped) => match (mapped.addr().to_ipv4_mapped(), mapped.prefix_len()) {
            (Some(address), length @ 96..) => Ipv4Net::new(address, length - 96).ok()?.into(),
            _ => written,
        },
        IpNet::V4(_) => written,
    };
    Some(network.trunc())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Option<String> {
        network(text).map(|network| network.to_string())
    }

    #[test]
    fn networks_have_one_spelling() {
        for (written, expected) in [
            ("192.168.1.0/24", "192.168.1.0/24"),
            ("192.168.1.7/24", "192.168.1.0/24"),
            ("10.0.0.7", "10.0.0.7/32"),
            ("2001:DB8::7/48", "2001:db8::/48"),
            ("2001:db8::7", "2001:db8::7/128"),
            ("::ffff:192.168.1.7/120", "192.168.1.0/24"),
            ("::ffff:192.168.1.7", "192.168.1.7/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(shown(written).as_deref(), Some(expected), "{written}");
        }
        for wrong in
            ["", "192.168.1", "192.168.1.0/33", "192.168.1.0/", "/24", "printer", "2001:db8::/129"]
        {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn limits_permit_what_is_in_all_of_them() {
        let limits = |protocols: &[&str], networks: &[&str]| PasswordLimits {
            protocols: protocols.iter().map(|&it| it.to_owned()).collect(),
            networks: networks.iter().map(|it| network(it).unwrap()).collect(),
        };
        let asked = |limits: &PasswordLimits, protocol, address: &str| {
            limits.permit(protocol, address.parse().unwrap())
        };
        assert_eq!(asked(&limits(&[], &[]), "pop3", "203.0.113.9"), Ok(()));
        let both = limits(&["smtp", "imap"], &["192.168.1.0/24", "2001:db8::/48"]);
        for address in ["192.168.1.7", "::ffff:192.168.1.7", "2001:db8::1"] {
            assert_eq!(asked(&both, "imap", address), Ok(()), "{address}");
            assert_eq!(asked(&both, "pop3", address), Err(LimitFault::Protocol), "{address}");
        }
        for address in ["192.168.2.7", "::ffff:192.168.2.7", "2001:db9::1", "::192.168.1.7"] {
            assert_eq!(asked(&both, "smtp", address), Err(LimitFault::Network), "{address}");
        }
        // All of IPv6 is none of IPv4.
        assert!(asked(&limits(&[], &["::/0"]), "imap", "::ffff:192.0.2.1").is_err());
    }

    #[test]
    fn a_change_leaves_alone_what_it_does_not_name() {
        let before = PasswordLimits {
            protocols: vec!["smtp".to_owned()],
            networks: vec![network("10.0.0.0/8").unwrap()],
        };
        assert_eq!(LimitChange::default().apply(before.clone()), before);
        let lift = LimitChange { protocols: Some(Vec::new()), networks: None };
        let after = lift.apply(before.clone());
        assert_eq!((after.protocols.len(), &after.networks), (0, &before.networks));
    }

    proptest! {
        /// A network permits what has its leading bits, in whatever spelling either comes.
        #[test]
        fn a_network_is_its_leading_bits(
            base in any::<u32>(), other in any::<u32>(), length in 0..=32u8, near in 0..=32u32,
            written_as_v6: bool, asked_as_v6: bool,
        ) {
            // Near enough that both answers come about.
            let asked = base ^ other.checked_shr(near).unwrap_or_default();
            let (base, asked) = (Ipv4Addr::from(base), Ipv4Addr::from(asked));
            let written = match written_as_v6 {
                true => format!("{}/{}", base.to_ipv6_mapped(), length + 96),
                false => format!("{base}/{length}"),
            };
            let limits =
                PasswordLimits { networks: vec![network(&written).unwrap()], ..Default::default() };
            let address =
                if asked_as_v6 { asked.to_ipv6_mapped().into() } else { IpAddr::from(asked) };
            let differ = (base.to_bits() ^ asked.to_bits()).leading_zeros();
            let expected = differ >= u32::from(length);
            prop_assert_eq!(limits.permit("imap", address).is_ok(), expected, "{} {}", written, address);
        }
    }
}
