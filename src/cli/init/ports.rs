//! Local ports. The hard thing is that one may be taken, and by another program only while we look: so it is looked for at
//! once, and the start says it again.

use std::net::{Ipv4Addr, TcpListener};

use super::{
    InitArgs,
    ask::{Ask, Question},
    place::Place,
};
use crate::{cli::Failure, config::Protocol};

/// What mail programs speak here: of a configuration that is there, its ports say it.
pub(super) fn protocols(
    ask: &mut Ask,
    args: &InitArgs,
    place: &Place,
) -> Result<Vec<Protocol>, Failure> {
    if let Some(config) = &place.existing {
        return Ok(Protocol::ALL.into_iter().filter(|&it| config.listens_for(it)).collect());
    }
    let question = Question {
        flag: "--protocols",
        name: "Protocols",
        about: "What the mail program speaks: imap or pop3 to receive, smtp to send.",
        default: Some("imap, smtp".to_owned()),
        help: "IMAP leaves mail on the server, POP3 fetches it from there. Name all that you need: imap, pop3, smtp.",
    };
    let protocols = ask.text(&question, args.ports.protocols.as_deref(), |text| {
        let mut protocols = Vec::new();
        for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
            let known = Protocol::ALL.into_iter().find(|it| it.name().eq_ignore_ascii_case(word));
            let known = known.ok_or("is not a list of imap, pop3 and smtp")?;
            if !protocols.contains(&known) {
                protocols.push(known);
            }
        }
        if protocols.is_empty() { Err("names no protocol".to_owned()) } else { Ok(protocols) }
    })?;
    Ok(protocols.unwrap_or_default())
}

/// Where each of them is spoken, for a first configuration.
pub(super) fn ports(
    ask: &mut Ask,
    args: &InitArgs,
    place: &Place,
    protocols: &[Protocol],
) -> Result<Vec<(Protocol, u16)>, Failure> {
    let mut ports: Vec<(Protocol, u16)> = Vec::new();
    if place.is_main_there {
        return Ok(ports);
    }
    for &protocol in protocols {
        let (flag, name, usual, given) = match protocol {
            Protocol::Imap => ("--imap-port", "Port for IMAP", 1143, args.ports.imap_port),
            Protocol::Pop3 => ("--pop3-port", "Port for POP3", 1110, args.ports.pop3_port),
            Protocol::Smtp => ("--smtp-port", "Port for SMTP", 1587, args.ports.smtp_port),
        };
        let others: Vec<u16> = ports.iter().map(|(_, port)| *port).collect();
        let free = (usual..=u16::MAX).find(|port| is_fit(*port, &others).is_ok());
        let question = Question {
            flag,
            name,
            about: "Where saslgate waits for mail programs on this machine.",
            default: free.map(|port| port.to_string()),
            help: "Any port that is free will do; those below 1024 need root. The mail program is told the same number.",
        };
        let given = given.map(|port| port.to_string());
        let port = ask.text(&question, given.as_deref(), |text| {
            let port = text.parse().map_err(|_| "is not a port".to_owned())?;
            is_fit(port, &others).map_err(|fault| match free {
                Some(free) => format!("{fault}; {free} is free"),
                None => fault,
            })?;
            Ok(port)
        })?;
        ports.extend(port.map(|port| (protocol, port)));
    }
    Ok(ports)
}

fn is_fit(port: u16, others: &[u16]) -> Result<(), String> {
    if port == 0 {
        return Err("is not a port".to_owned());
    }
    if others.contains(&port) {
        return Err("is the port of another protocol here".to_owned());
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Err("is taken by another program".to_owned())
        }
        Err(error) => Err(format!("cannot be used: {error}")),
    }
}
