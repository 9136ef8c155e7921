//! What must hold for the SASL functions whatever they are given. Runs over seeds in the tests, and
//! over everything else in the fuzzer.

use super::{
    base64, bearer,
    exchange::{Exchange, Mechanism, Progress, begin},
    login, oauthbearer, plain, xoauth2,
};
use crate::secret::Secret;

/// Gives `data` to both sides of every mechanism: as base64, as a client's lines, and as the user name
/// and token or password (apart at the first NUL) of what we send upstream.
///
/// # Panics
/// If base64 has two spellings, if a password is not what was sent, or if a user name or a token can
/// leave its field.
pub fn fuzz_sasl(data: &[u8]) {
    assert_eq!(base64::decode(&base64::encode(data)).as_deref(), Some(data));
    if let Some(decoded) = base64::decode(data) {
        assert_eq!(base64::encode(&decoded), data, "base64 has two spellings");
    }
    if let Some(status) = bearer::error_status(data) {
        assert!(
            !status.contains(|c: char| c != ' ' && !c.is_ascii_graphic()),
            "a status that steers"
        );
    }
    exchange(data);
    let mut parts = data.splitn(2, |&octet| octet == 0);
    let user = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let secret = Secret::new(parts.next().unwrap_or_default());
    initial_responses(&user, &secret);
    passwords(&user, &secret);
}

/// A client's side: what we take as a password is what it sent.
fn exchange(data: &[u8]) {
    let mut lines = data.split(|&octet| octet == b'\n');
    for mechanism in [Mechanism::Plain, Mechanism::Login] {
        let mut progress = begin(mechanism, None);
        let mut last = None;
        while let Progress::Challenge { exchange, .. } = progress {
            let Some(line) = lines.next() else { return };
            last = Some((line, matches!(exchange, Exchange::PlainMessage)));
            progress = exchange.respond(line);
        }
        let (Progress::Complete { login, password, .. }, Some((line, plain))) = (progress, last)
        else {
            continue;
        };
        let sent = base64::decode(line).unwrap_or_default();
        let login = if plain { [&login, b"\0".as_slice()].concat() } else { Vec::new() };
        assert!(sent.ends_with(&[&login, password.expose()].concat()), "not the password");
    }
}

/// Our side with a password: the server's side reads what we send.
fn passwords(user: &str, password: &Secret) {
    if let Some(message) = plain::initial_response(user, password) {
        let read = plain::decode(message.expose());
        let read = read.as_ref().map(|read| (read.authcid.as_slice(), read.password.expose()));
        assert_eq!(read, Ok((user.as_bytes(), password.expose())));
    }
    if let Some([name, secret]) = login::responses(user, password) {
        assert_eq!((name.expose(), secret.expose()), (user.as_bytes(), password.expose()));
    }
}

/// Our side: the fields are ours in number and in name.
fn initial_responses(user: &str, token: &Secret) {
    let fields = |response: &Secret| -> Vec<Vec<u8>> {
        response.expose().split(|&octet| octet == 1).map(<[u8]>::to_vec).collect()
    };
    let bearer = [b"auth=Bearer ", token.expose()].concat();
    if let Some(response) = xoauth2::initial_response(user, token) {
        let name = ["user=", user].concat().into_bytes();
        assert_eq!(fields(&response), [name, bearer.clone(), vec![], vec![]]);
    }
    if let Some(response) = oauthbearer::initial_response(user, "h", 993, token) {
        let fields = fields(&response);
        let [header, host, port, auth, end, nothing] = fields.as_slice() else {
            unreachable!("not six fields");
        };
        assert_eq!([host.as_slice(), port], [b"host=h".as_slice(), b"port=993"]);
        assert!(auth == &bearer && end.is_empty() && nothing.is_empty());
        let commas = header.iter().filter(|&&octet| octet == b',').count();
        assert!(commas == 2 && header.starts_with(b"n,a=") && header.ends_with(b","));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds() {
        for data in [
            &b""[..],
            b"AGFsaWNlAHNlY3JldA==\nYWxpY2U=\nc2VjcmV0",
            b"*\nYWxpY2U=\n*",
            b"=\n=\n=",
            b"\n\n",
            b"Zh==",
            b"alice@example.org\0T0K3N",
            b"a,b=c\0T0K3N",
            b"a\x01auth=Bearer x\0T0K3N",
            b"alice\0T0K\x013N",
            b"eyJzdGF0dXMiOiI0MDEifQ==",
            b"{\"status\":\"4\x0a01\"}",
        ] {
            fuzz_sasl(data);
        }
    }
}
