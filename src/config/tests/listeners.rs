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
            "[[listen]]\ntls = \"auto\"\ntls_wait = \"1m\"\n",
            "saslgate.toml:8: listen.tls_wait: must lie between 10ms (or no handshake is seen in \
             time) and 10s (or clients give up)",
        ),
    ] {
        check_mistakes(&good_and(text), expected);
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
