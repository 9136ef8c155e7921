//! The machines of each protocol, set up as a transcript says. The hard thing is to make them just as
//! `connection.rs` does, or a transcript would show what no gateway does.

use saslgate::proto::{
    Downstream, Relay, Upstream,
    imap::{
        capability::CapabilityFilter, downstream::ImapDownstream, relay::ImapRelay,
        upstream::ImapUpstream,
    },
    pop3::{downstream::Pop3Downstream, relay::Pop3Relay, upstream::Pop3Upstream},
    smtp::{
        downstream::{SmtpDownstream, SmtpOptions},
        extension::Extensions,
        relay::SmtpRelay,
        upstream::SmtpUpstream,
    },
};

use super::format::{Protocol, Setup};

pub(crate) fn downstream(setup: &Setup) -> Box<dyn Downstream> {
    let (tls, bounds) = (setup.local_tls, setup.bounds);
    match setup.protocol {
        Protocol::Imap => Box::new(ImapDownstream::new(tls, bounds)),
        Protocol::Pop3 => Box::new(Pop3Downstream::new(tls, bounds)),
        Protocol::Smtp => Box::new(SmtpDownstream::new(
            tls,
            bounds,
            SmtpOptions {
                name: "localhost".into(),
                promise: setup.promise,
                obsolete_auth_line: setup.obsolete_auth_line,
            },
        )),
    }
}

pub(crate) fn upstream(setup: &Setup) -> Box<dyn Upstream> {
    let options = setup.upstream_options();
    match setup.protocol {
        Protocol::Imap => Box::new(ImapUpstream::new(options)),
        Protocol::Pop3 => Box::new(Pop3Upstream::new(options)),
        Protocol::Smtp => Box::new(SmtpUpstream::new(options)),
    }
}

/// The relay, and the capabilities that the client is told of.
pub(crate) fn relay(setup: &Setup, capabilities: Vec<String>) -> (Box<dyn Relay>, Vec<String>) {
    match setup.protocol {
        Protocol::Imap => {
            let filter = CapabilityFilter::new(&setup.hide);
            let relay = ImapRelay::new(filter.clone()).bound_literals(&capabilities);
            (Box::new(relay), filter.apply(capabilities))
        }
        Protocol::Pop3 => {
            let relay = Pop3Relay::new(&setup.hide).pace(&capabilities);
            (Box::new(relay), capabilities)
        }
        Protocol::Smtp => {
            let extensions = Extensions::from_keywords(&capabilities);
            (Box::new(SmtpRelay::new(extensions, &setup.hide)), capabilities)
        }
    }
}
