//! Where the browser comes back to after a sign-in (RFC 6749 section 3.1.2). The hard thing is that
//! providers compare it as text with what is registered, so it is kept as it was written: a URL type
//! would add a slash that may not be registered.

use url::{Host, Url};

/// A redirect URI: on loopback, or https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    url: Url,
    /// As written; a URL type drops the usual one.
    port: Option<u16>,
}

/// Which of this machine's own addresses a redirect URI means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loopback {
    /// `localhost`: 127.0.0.1 or ::1, as the browser likes.
    Name,
    /// A literal.
    Address(std::net::IpAddr),
}

impl RedirectUri {
    /// Reads it; `None` if it is neither https nor on loopback, or is not written plainly enough to be
    /// sent as it is.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let (scheme, rest) = text.split_once("://")?;
        let (authority, _) = split_authority(rest);
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '#' | '@');
        // What a URL type would read into another host is not what the provider compares.
        let (host, port) = split_port(authority)?;
        let as_written = scheme == url.scheme()
            && url.host_str().is_some_and(|it| it.eq_ignore_ascii_case(host));
        if !as_written || !text.chars().all(plain) {
            return None;
        }
        let uri = Self { text: text.to_owned(), url, port };
        match uri.url.scheme() {
            "https" => Some(uri),
            "http" => uri.loopback().is_some().then_some(uri),
            _ => None,
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path that a browser asks for: at least a slash.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The host, a literal of IPv6 in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The port, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The addresses to wait at; `None` for a page elsewhere, from which people paste.
    pub fn loopback(&self) -> Option<Loopback> {
        if self.url.scheme() != "http" {
            return None;
        }
        match self.url.host()? {
            Host::Domain("localhost") => Some(Loopback::Name),
            Host::Ipv4(address) if address.is_loopback() => Some(Loopback::Address(address.into())),
            Host::Ipv6(address) if address.is_loopback() => Some(Loopback::Address(address.into())),
            Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }

    /// The same with this port, where none is written; nothing else changes (RFC 8252 section 7.3).
    pub fn with_port(&self, port: u16) -> String {
        match (self.port, self.text.split_once("://")) {
            (None, Some((scheme, rest))) => {
                let (authority, path) = split_authority(rest);
                format!("{scheme}://{authority}:{port}{path}")
            }
            _ => self.text.clone(),
        }
    }
}

fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
}

/// `None` if what stands behind the host is no port.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        // The colons of a literal stand in brackets.
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse().ok().filter(|port| *port != 0)?;
            Some((host, Some(port)))
        }
        _ => Some((authority, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_put_in_and_nothing_else() {
        for (written, sent, path) in [
            ("http://localhost", "http://localhost:4321", "/"),
            ("http://localhost/", "http://localhost:4321/", "/"),
            ("http://127.0.0.1", "http://127.0.0.1:4321", "/"),
            ("http://[::1]/back", "http://[::1]:4321/back", "/back"),
            ("http://127.0.0.1?a=/b", "http://127.0.0.1:4321?a=/b", "/"),
            ("http://LOCALHOST/Back", "http://LOCALHOST:4321/Back", "/Back"),
            ("http://localhost:8400", "http://localhost:8400", "/"),
            ("http://localhost:80/x", "http://localhost:80/x", "/x"),
            ("https://mail.example.test/cb", "https://mail.example.test:4321/cb", "/cb"),
        ] {
            let uri = RedirectUri::parse(written).unwrap();
            assert_eq!(uri.as_str(), written);
            assert_eq!(uri.with_port(4321), sent);
            assert_eq!(uri.path(), path, "{written}");
        }
        assert_eq!(RedirectUri::parse("http://localhost:80").unwrap().port(), Some(80));
    }

    #[test]
    fn only_loopback_is_waited_at() {
        let loopback = |text| RedirectUri::parse(text).unwrap().loopback();
        assert_eq!(loopback("http://localhost"), Some(Loopback::Name));
        let address = "127.0.0.1".parse().unwrap();
        assert_eq!(loopback("http://127.0.0.1:1"), Some(Loopback::Address(address)));
        let address = "::1".parse().unwrap();
        assert_eq!(loopback("http://[::1]"), Some(Loopback::Address(address)));
        assert_eq!(loopback("https://localhost/x"), None);
        assert_eq!(loopback("https://mail.example.test/x"), None);
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in [
            "http://example.test",
            "http://localhost.example.test",
            "http://127.1",
            "http:localhost",
            "http:\\\\localhost",
            " http://localhost",
            "http://local\thost",
            "http://user@localhost",
            "http://localhost#x",
            "http://localhost:0",
            "http://localhost:port",
            "http://localhost:",
            "ftp://localhost",
            "localhost",
            "https://",
        ] {
            assert_eq!(RedirectUri::parse(text), None, "{text}");
        }
    }
}
