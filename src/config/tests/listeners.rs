//! `[[listen]]`.

use super::*;

#[test]
fn mistakes_of_listeners() {
    for (text, expected) in [
        (
            "[[listen]]\n[[listen]]\n",
            "saslgate.toml:7: listen.address: is used by another [[listen]] already: choose another port",
        ),
        (
            "[[listen]]\naddress = \"0.0.0.0:143\"\ntls = \"starttls\"\nlogin_in_clear = true\n",
            "saslgate.toml:7: listen.address: passwords would cross the network in clear: set tls = \
          \"implicit\", or \"starttls\" with login_in_clear = false, or listen on 127.0.0.1; if the \
          network really is trusted, say allow_clear_network = true",
        ),
        (
            "[[listen]]\ntls = \"implicit\"\n",
            "saslgate.toml:6: listen.certificate: the file saslgate-cert.pem is not there: make a \
          certificate with `saslgate cert new`, or name the files of your own in `certificate` and \
          `key`",
        ),
        (
            "[[listen]]\nprotocol = \"pop3\"\naddress = \"localhost\"\n",
            "saslgate.toml:8: listen.address: `localhost` is not an address and a port: write for \
             example \"127.0.0.1:1110\" or \"[::1]:1110\" (a name such as localhost is not an address)",
        ),
        (
            "[[listen]]\nprotocol = \"pop3\"\nobsolete_auth_line = false\n",
            "saslgate.toml:8: listen.obsolete_auth_line: belongs to SMTP: take it out, or say protocol \
             = \"smtp\"",
        ),
        (
            "[[listen]]\ntls = \"auto\"\ntls_wait = \"1m\"\n",
            "saslgate.toml:8: listen.tls_wait: must lie between 10ms (or no handshake is seen in \
             time) and 10s (or clients give up)",
        ),
    ] {
        check_mistakes(&good_and(text), expected);
    }
}

#[test]
fn each_protocol_has_a_port_of_its_own() {
    let text = "[[listen]]\n[[listen]]\nprotocol = \"pop3\"\n[[listen]]\nprotocol = \"smtp\"\n";
    let loaded = judge(&good_and(text)).unwrap();
    let listeners: Vec<String> = loaded
        .config
        .listeners
        .iter()
        .map(|listener| format!("{} {}", listener.protocol, listener.address))
        .collect();
    assert_eq!(listeners, ["IMAP 127.0.0.1:1143", "POP3 127.0.0.1:1110", "SMTP 127.0.0.1:1587"]);
    assert!(loaded.config.listeners.iter().all(|listener| !listener.obsolete_auth_line));
    let shown: String = loaded.sections.iter().map(ToString::to_string).collect();
    assert_eq!(shown.matches("obsolete_auth_line").count(), 1, "SMTP's alone: {shown}");
}

#[test]
fn clear_logins_are_the_rule_on_loopback_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("both.pem");
    fs::write(&file, "").unwrap();
    for (address, expected) in [("[::1]:1143", true), ("192.0.2.1:1143", false)] {
        let text = format!(
            "[[listen]]\naddress = \"{address}\"\ntls = \"starttls\"\ncertificate = '{}'\n",
            file.display()
        );
        let loaded = judge(&good_and(&text)).unwrap();
        let ListenTls::StartTls { certificate, login_in_clear } = &loaded.config.listeners[0].tls
        else {
            panic!("starttls")
        };
        assert_eq!(*login_in_clear, expected);
        assert_eq!((&certificate.certificate, &certificate.key), (&file, &file));
    }
}

#[test]
fn a_clear_network_is_possible_in_so_many_words() {
    let text = "[[listen]]\naddress = \"0.0.0.0:1143\"\nallow_clear_network = true\n";
    assert_eq!(judge(&good_and(text)).unwrap().config.listeners[0].address.port(), 1143);
}

#[test]
fn tls_keys_without_tls_are_no_protection() {
    for (key, value) in
        [("certificate", "\"c.pem\""), ("key", "\"k.pem\""), ("login_in_clear", "false")]
    {
        check_mistakes(
            &good_and(&format!("[[listen]]\naddress = \"127.0.0.1:1143\"\n{key} = {value}\n")),
            &format!(
                "saslgate.toml:8: listen.{key}: has no effect on a listener with tls = \"none\" (the \
                 default), where passwords come in clear: say tls = \"starttls\" or \"implicit\", or \
                 take it out"
            ),
        );
    }
}

#[test]
fn a_wait_that_sees_no_handshake_is_refused() {
    check_mistakes(
        &good_and("[[listen]]\ntls = \"auto\"\ntls_wait = \"0s\"\n"),
        "saslgate.toml:8: listen.tls_wait: must lie between 10ms (or no handshake is seen in time) and \
         10s (or clients give up)",
    );
}

/// A folder with a certificate, its key, another key and a text, and a configuration in front of it.
fn check_files(listener: &str, account: &str, expected: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = [(), ()]
        .map(|()| rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap());
    for (name, content) in [
        ("cert.pem", one.cert.pem()),
        ("key.pem", one.signing_key.serialize_pem()),
        ("other.pem", two.signing_key.serialize_pem()),
        ("text.pem", "this is no PEM".to_owned()),
        ("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    fs::create_dir(folder.path().join("folder.pem")).unwrap();
    let text = good_and(&format!("{account}\n[[listen]]\ntls = \"implicit\"\n{listener}\n"));
    let main = SourceFile::new(folder.path().join("saslgate.toml"), text);
    let judged = resolve::resolve(&main, &[], Path::new("state"), Secrets::Read);
    match (judged, expected) {
        (Ok(_), None) => {}
        (Ok(_), Some(expected)) => panic!("this must be refused: {expected}"),
        (Err(error), expected) => {
            let error = error.to_string().replace(&format!("{}/", folder.path().display()), "");
            let expected = expected.unwrap_or_default();
            assert!(!expected.is_empty() && error.starts_with(expected), "{error}");
        }
    }
}

#[test]
fn what_a_start_would_refuse_is_a_mistake() {
    let good = "certificate = \"cert.pem\"\nkey = \"key.pem\"";
    check_files(good, "ca_file = \"cert.pem\"", None);
    let key = |name: &str| format!("certificate = \"cert.pem\"\nkey = \"{name}\"");
    for (listener, account, expected) in [
        (
            "certificate = \"text.pem\"".to_owned(),
            "",
            "saslgate.toml:9: listen.certificate: text.pem: holds no certificate",
        ),
        (
            "certificate = \"cert.pem\"".to_owned(),
            "",
            "saslgate.toml:7: listen.key: cert.pem: holds no unencrypted private key",
        ),
        (key("other.pem"), "", "saslgate.toml:10: listen.key: other.pem: does not fit cert.pem"),
        (key("folder.pem"), "", "saslgate.toml:10: listen.key: folder.pem is not a file"),
        (
            good.to_owned(),
            "ca_file = \"text.pem\"",
            "saslgate.toml:6: account.ca_file: text.pem: holds no certificate",
        ),
        (
            good.to_owned(),
            "imap.ca_file = \"bad.pem\"",
            "saslgate.toml:6: account.imap.ca_file: bad.pem: ",
        ),
    ] {
        check_files(&listener, account, Some(expected));
    }
}
