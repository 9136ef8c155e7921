//! `[service]`.

use super::*;

#[test]
fn a_user_and_a_group_are_names() {
    let loaded = judge(&good_and("[service]\nuser = \"mail\"\ngroup = \"certs\"\n")).unwrap();
    let expected = ServiceConfig {
        user: Some("mail".into()),
        group: Some("certs".into()),
        sandbox: Sandbox::Auto,
    };
    assert_eq!(loaded.config.service, expected);
    assert_eq!(judge(GOOD).unwrap().config.service, ServiceConfig::default());
    let off = judge(&good_and("[service]\nsandbox = \"off\"\n")).unwrap();
    assert_eq!(off.config.service.sandbox, Sandbox::Off);
}

#[test]
fn mistakes_of_the_service() {
    for (text, expected) in [
        (
            "[service]\ngroup = \"mail\"\n",
            "saslgate.toml:7: service.group: has no effect without service.user: write that one as well",
        ),
        (
            "[service]\nuser = \"\"\n",
            "saslgate.toml:7: service.user: is not the name of a user of this system",
        ),
    ] {
        check_mistakes(&good_and(text), expected);
    }
}
