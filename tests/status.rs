//! `saslgate status`, `reload`, and what forgets: with a daemon and without.

use std::fs;

use crate::cli::{CONFIG, MIXED, Program, start};

fn with_passwords(config: &str, logins: &[&str]) -> Program {
    let program = Program::new(config);
    for login in logins {
        program.run(&["account", "password", login, "--generate"]).check(0, "", "shown once");
    }
    program
}

fn import(program: &Program, login: &str) {
    program.run_with(&["account", "import-token", login], "0.AXoA-token").check(0, "in the st", "");
}

#[test]
fn who_only_looks_leaves_nothing_behind() {
    let program = Program::new(CONFIG);
    let ran = program.run(&["status"]);
    ran.check(1, "saslgate is not running on this store\n\nACCOUNT", "");
    ran.check(1, "me@example.com   sign-in needed ", "");
    ran.check(1, "    -> saslgate signin you@example.com\n", "");
    assert_eq!(ran.err, "");
    assert!(!program.path("state").exists());
    program.run(&["status", "nobody"]).check(2, "", "there is no account nobody in the config");
}

#[test]
fn exit_codes_tell_whose_turn_it_is() {
    let program = with_passwords(CONFIG, &["me@example.com", "you@example.com"]);
    import(&program, "me@example.com");
    program.run(&["status", "ME@example.com"]).check(0, "never used", "");
    program.run(&["status"]).check(1, "sign-in needed", "");
    import(&program, "you@example.com");
    program.run(&["status"]).check(0, "never used", "").check_hides("0.AXoA-token");
    // The table fits the terminal of everybody.
    let table = program.run(&["status"]).out;
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
}

#[test]
fn programs_read_json() {
    let program = with_passwords(CONFIG, &["me@example.com"]);
    let ran = program.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &status["standing"]), (1, &"action".into()));
    assert_eq!(status["daemon"], serde_json::Value::Null);
    assert_eq!(status["daemon_absence"], "saslgate is not running on this store");
    let account = &status["accounts"][0];
    assert_eq!(account["state"], "sign_in_needed");
    assert_eq!(account["findings"][0]["id"], "sign_in_missing");
    assert_eq!(account["next_step"], "saslgate signin me@example.com");
    assert_eq!(account["local_passwords"], 1);
}

#[test]
fn a_sign_out_keeps_local_passwords_and_names_the_page() {
    let program = with_passwords(CONFIG, &["me@example.com"]);
    import(&program, "me@example.com");
    let words = ["account", "signout", "ME@example.com"];
    program.run(&words).check(2, "", "say --yes where nobody can be asked");
    program.run(&["account", "show", "me@example.com"]).check(0, "state      never used", "");
    program.run(&["account", "signout", "me@example.com", "--yes"]).check(
        0,
        "revoked there, at https://myaccount.microsoft.com.",
        "",
    );
    program.run(&[&words[..], &["--yes"]].concat()).check(2, "", "has no sign-in and no token");
    let shown = program.run(&["account", "show", "me@example.com"]);
    shown.check(0, "state      sign-in needed", "").check(0, "passwords  default (", "");
}

#[test]
fn what_only_the_store_knows_is_shown_and_can_be_removed() {
    let program = with_passwords(MIXED, &["me@example.com", "scanner"]);
    let words = ["account", "upstream-password", "scanner", "--protocol", "smtp"];
    program.run_with(&words, "relay secret").check(0, "is in the store", "");
    let config = MIXED.split("[[account]]\nlogin = \"scanner\"").next().unwrap();
    fs::write(program.path("saslgate.toml"), config).unwrap();
    program.run(&["account", "list"]).check(
        0,
        "scanner\n  not in the configuration any more: saslgate account remove scanner\n",
        "",
    );
    program.run(&["status", "scanner"]).check(0, "not configured", "");
    let remove = ["account", "remove", "scanner"];
    program.run(&remove).check(
        2,
        "",
        "keeps of scanner: a local password, a password for the SMTP server relay.example.org.",
    );
    let ran = program.run(&["account", "remove", "scanner", "--yes"]);
    ran.check(0, "Everything that the store kept of scanner is removed.", "");
    ran.check_hides("relay secret");
    program.run(&["account", "remove", "scanner", "--yes"]).check(
        2,
        "",
        "keeps nothing of scanner",
    );
}

#[test]
fn a_password_that_no_server_asks_for_any_more_is_shown() {
    let program = with_passwords(MIXED, &["me@example.com"]);
    let words = ["account", "upstream-password", "me@example.com", "--protocol", "smtp"];
    program.run_with(&words, "old secret").check(0, "is in the store", "");
    fs::write(program.path("saslgate.toml"), MIXED.replacen("auth = \"password\"\n", "", 1))
        .unwrap();
    let step = "saslgate account remove-upstream-password me@example.com --protocol smtp";
    for words in [&["account", "list"][..], &["account", "show", "me@example.com"]] {
        program.run(words).check(0, "for the SMTP server mail.example.org", "").check(0, step, "");
    }
}

#[cfg(unix)]
#[test]
fn a_store_that_may_not_be_read_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let program = with_passwords(CONFIG, &["me@example.com"]);
    let store = program.path("state").join("store.sqlite");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).unwrap();
    program.run(&["status"]).check(1, "", "Other users of this machine may read the store");
}

#[cfg(unix)]
#[test]
fn a_running_daemon_is_seen_and_reloads() {
    let program = with_passwords(CONFIG, &["me@example.com", "you@example.com"]);
    program.run(&["reload"]).check(1, "", "not running on this store");
    let (mut child, _) = start(&program);
    program.run(&["reload"]).check(0, "no setting has changed", "");
    let process = format!("process {}, 0 sessions\n  imap  127.0.0.1:", child.id());
    let ran = program.run(&["status"]);
    ran.check(1, "saslgate 0.1.0 runs since ", "").check(1, &process, "");
    let status: serde_json::Value =
        serde_json::from_str(&program.run(&["status", "--json"]).out).unwrap();
    assert_eq!(status["daemon"]["pid"], child.id());
    assert_eq!(status["accounts"][0]["sessions"], 0);

    let more = format!("{CONFIG}[[account]]\nlogin = \"new@example.com\"\n");
    fs::write(program.path("saslgate.toml"), &more).unwrap();
    program.run(&["reload"]).check(0, "", "");
    program.run(&["status", "new@example.com"]).check(1, "sign-in needed", "");
    fs::write(program.path("saslgate.toml"), format!("{more}x = 1\n")).unwrap();
    program.run(&["reload"]).check(1, "", "nothing was changed:").check(1, "", "unknown key `x`");

    // A second daemon goes without, and the first keeps what it has.
    fs::write(program.path("saslgate.toml"), CONFIG).unwrap();
    let (mut second, _) = start(&program);
    program.run(&["status"]).check(1, &format!("process {}", child.id()), "");
    second.kill().unwrap();
    second.wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // Killed, it could not remove its socket.
    assert!(program.path("state").join("control.sock").exists());
    program.run(&["status"]).check(1, "saslgate is not running on this store", "");
    let (mut third, _) = start(&program);
    program.run(&["status"]).check(1, &format!("process {}", third.id()), "");
    third.kill().unwrap();
    third.wait().unwrap();
}
