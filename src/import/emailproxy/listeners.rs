//! `[IMAP-1993]`, `[POP-1995]`, `[SMTP-1465]`: a local port and the one server behind it. The hard thing is
//! the address: none written means every interface there, and here it must not open the network unasked.
//! What is said of that is said once for all ports of a kind.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Installation, Remark, ini::Ini};
use crate::config::Protocol;

/// One local port of the installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The section's name.
    pub section: String,
    /// What is spoken there.
    pub protocol: Protocol,
    /// Where it will be.
    pub address: SocketAddr,
    /// Certificate and key, as written, if mail programs speak TLS to it.
    pub certificate: Option<[String; 2]>,
    /// With a certificate: whether TLS begins by STARTTLS.
    pub starttls: bool,
    /// What stands behind it.
    pub server: Server,
}

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// As written.
    pub host: String,
    /// As written.
    pub port: u16,
    /// Whether TLS begins by STARTTLS, and not at once.
    pub starttls: bool,
}

pub(super) fn read(ini: &Ini, installation: &mut Installation) {
    let mut moved = Vec::new();
    for section in ini.sections() {
        let Some((protocol, port)) = split(section) else {
            if looks_like_a_port(section) {
                installation.remarks.push(Remark::new(section, NO_PORT));
            }
            continue;
        };
        match server(ini, section, protocol, port) {
            Ok(server) => {
                let (listener, remark) = listener(ini, section, (protocol, port), server);
                if installation.listeners.iter().any(|it| it.address == listener.address) {
                    let text = "another section has the same port: not carried over";
                    installation.remarks.push(Remark::new(section, text));
                } else {
                    installation.listeners.push(listener);
                    moved.extend(remark.map(|text| (section, text)));
                }
            }
            Err(text) => installation.remarks.push(Remark::new(section, text)),
        }
    }
    tell_moved(&moved, &mut installation.remarks);
}

/// Ports that are on loopback now, all of a kind together.
fn tell_moved(moved: &[(&str, &str)], remarks: &mut Vec<Remark>) {
    let mut kinds: Vec<&str> = Vec::new();
    for (_, kind) in moved {
        if !kinds.contains(kind) {
            kinds.push(kind);
        }
    }
    for kind in kinds {
        let of_kind = moved.iter().filter(|(_, it)| *it == kind);
        let sections: Vec<&str> = of_kind.map(|(section, _)| *section).collect();
        remarks.push(Remark::new(sections.join(", "), format!("{kind}: {MOVED}")));
    }
}

/// Whether somebody may have meant a port by it. A `[name@domain]` is an account.
fn looks_like_a_port(section: &str) -> bool {
    let kind = section.split('-').next().unwrap_or_default();
    let is_kind = ["IMAP", "POP", "POP3", "SMTP"].iter().any(|it| kind.eq_ignore_ascii_case(it));
    is_kind && !section.contains('@')
}

fn split(section: &str) -> Option<(Protocol, &str)> {
    let (kind, port) = section.split_once('-')?;
    let protocol = match kind {
        "IMAP" => Protocol::Imap,
        "POP" => Protocol::Pop3,
        "SMTP" => Protocol::Smtp,
        _ => return None,
    };
    (!port.is_empty() && port.bytes().all(|it| it.is_ascii_digit())).then_some((protocol, port))
}

fn server(
    ini: &Ini,
    section: &str,
    protocol: Protocol,
    port: &str,
) -> Result<Server, &'static str> {
    if !is_port(port) {
        return Err("the local port is not between 1 and 65535: not carried over");
    }
    let host = ini.get(section, "server_address");
    let host = host.ok_or("has no server_address: not carried over")?.to_owned();
    let port = ini.get(section, "server_port").filter(|it| is_port(it));
    let port = port.and_then(|it| it.parse().ok());
    let port = port.ok_or("has no server_port between 1 and 65535: not carried over")?;
    // Its older name still counts.
    let starttls = ["server_starttls", "starttls"]
        .into_iter()
        .find(|key| ini.get(section, key).is_some())
        .is_some_and(|key| ini.is_on(section, key));
    Ok(Server { host, port, starttls: starttls && protocol == Protocol::Smtp })
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn listener(
    ini: &Ini,
    section: &str,
    (protocol, port): (Protocol, &str),
    server: Server,
) -> (Listener, Option<&'static str>) {
    let file = |key| ini.get(section, key).map(str::to_owned);
    let certificate = match (file("local_certificate_path"), file("local_key_path")) {
        (Some(certificate), Some(key)) => Some([certificate, key]),
        _ => None,
    };
    let port = port.parse().unwrap_or_default();
    let (ip, remark) = address(ini.get(section, "local_address"), certificate.is_some());
    let starttls = protocol == Protocol::Smtp && ini.is_on(section, "local_starttls");
    let listener = Listener {
        section: section.to_owned(),
        protocol,
        address: SocketAddr::new(ip, port),
        certificate,
        starttls,
        server,
    };
    (listener, remark)
}

/// Where it will be, and why that is not what the file says.
fn address(written: Option<&str>, has_tls: bool) -> (IpAddr, Option<&'static str>) {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Some(written) = written else {
        return (loopback, Some("no local_address, which meant every network of this machine"));
    };
    match written.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) if ip.is_loopback() || has_tls => (ip, None),
        Err(_) if written.eq_ignore_ascii_case("localhost") => (loopback, None),
        Ok(_) => (loopback, Some("took passwords in clear from the network")),
        Err(_) => (loopback, Some("the local_address is not an IP address")),
    }
}

const MOVED: &str = "on 127.0.0.1 now. Where programs on other machines use such a port, change `address` in its \
    [[listen]] (with a certificate for TLS, or, if you must, allow_clear_network = true)";
const NO_PORT: &str = "is not a port, such as [IMAP-1993]: not carried over";
