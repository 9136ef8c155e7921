//! `saslgate init` without a person: two at once, a whole domain, folders that may not be written.

use std::{fs, thread};

use crate::cli::{Program, Ran};

const CLIENT_ID: &str = "11111111-2222-3333-4444-555555555555";

fn init(program: &Program, address: &str, more: &[&str]) -> Ran {
    let mut words = vec!["init", address, "--provider", "microsoft365", "--client-id", CLIENT_ID];
    words.extend_from_slice(&["--protocols", "imap", "--non-interactive"]);
    words.extend_from_slice(more);
    program.run(&words)
}

/// The one that was shown, if one was.
fn password(ran: &Ran) -> Option<String> {
    let mut lines = ran.out.lines();
    lines.find_map(|it| it.trim().strip_prefix("Password ")).map(|it| it.trim().to_owned())
}

#[test]
fn of_two_at_once_for_one_mailbox_one_makes_the_password_that_counts() {
    for _ in 0..5 {
        let program = Program::empty();
        let later = ["--sign-in", "later"];
        let ran = thread::scope(|scope| {
            let both = [0, 1].map(|_| scope.spawn(|| init(&program, "same@example.ch", &later)));
            both.map(|one| one.join().unwrap())
        });
        for one in &ran {
            one.check(0, "", "is set up");
        }
        let shown: Vec<_> = ran.iter().filter_map(password).collect();
        let made = shown.iter().filter(|it| !it.starts_with("the ")).count();
        assert_eq!(made, 1, "{shown:?}");
    }
}

#[test]
fn two_at_once_for_two_mailboxes_do_not_disturb_each_other() {
    for _ in 0..5 {
        let program = Program::empty();
        let later = ["--sign-in", "later"];
        thread::scope(|scope| {
            for address in ["one@example.ch", "two@example.ch"] {
                let program = &program;
                scope.spawn(move || init(program, address, &later).check(0, "", "is set up").code);
            }
        });
        let listed = program.run(&["account", "list"]);
        listed.check(0, "one@example.ch", "").check(0, "two@example.ch", "");
    }
}

#[test]
fn a_whole_domain_gets_no_password_and_a_command_for_each_mailbox() {
    let program = Program::empty();
    let secret = program.path("secret");
    fs::write(&secret, "s3cret").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let flags = ["--sign-in", "app-only", "--client-secret-file", secret.to_str().unwrap()];
    let ran = init(&program, "*@example.ch", &flags);
    ran.check(0, "", "saslgate account password NAME@example.ch --generate");
    ran.check(0, "", "saslgate check NAME@example.ch");
    assert_eq!(password(&ran), None, "{}", ran.out);
}

#[test]
fn a_tenant_that_is_none_is_refused_before_anything_else() {
    let program = Program::empty();
    let ran = init(&program, "a@example.ch", &["--tenant", "gogle", "--sign-in", "later"]);
    ran.check(2, "", "--tenant: `gogle` is neither a tenant's id");
}
