use std::{fs, path::Path};

use clap::CommandFactory;

use super::*;

/// Runs a command line against a folder with a configuration in it.
fn run(folder: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let (config, state) = (folder.join("saslgate.toml"), folder.join("state"));
    let global = [Path::new("saslgate"), "--config".as_ref(), &config, "--state".as_ref(), &state];
    let arguments = global.into_iter().chain(arguments.iter().map(Path::new)).map(Path::as_os_str);
    Cli::try_parse_from(arguments).expect("a command line").run()
}

#[track_caller]
fn check_mistake(folder: &Path, arguments: &[&str], expected: &str) {
    let failure = run(folder, arguments).unwrap_err();
    // Commands that are named are of use here with these words only.
    let (config, state) = (folder.join("saslgate.toml"), folder.join("state"));
    let place = format!(" --config {} --state {}", config.display(), state.display());
    let place = format!("\n(Commands named here need at their end:{place})");
    let expected = match expected.contains("`saslgate ") {
        true => format!("{expected}{place}"),
        false => expected.to_owned(),
    };
    assert_eq!((failure.text, failure.code), (expected, 2));
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = "[[account]]\nlogin = \"me@example.com\"\nprovider = \"microsoft365\"\n\
                  tenant = \"example.com\"\nclient_id = \"id\"\n";
    fs::write(folder.path().join("saslgate.toml"), config).unwrap();
    folder
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_says_what_it_is_for() {
    fn check(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        assert!(command.get_about().is_some(), "{path} has no help");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path}: {} has no help", argument.get_id());
        }
        for command in command.get_subcommands() {
            check(command, &path);
        }
    }
    check(&Cli::command(), "");
}

#[test]
fn a_password_is_made_listed_and_removed() {
    let folder = folder();
    let folder = folder.path();
    run(folder, &["account", "password", "ME@example.com", "--generate", "--name", "tb"]).unwrap();
    run(folder, &["account", "list"]).unwrap();
    run(folder, &["account", "remove-password", "me@example.com", "--name", "tb"]).unwrap();
    check_mistake(
        folder,
        &["account", "remove-password", "me@example.com", "--name", "tb"],
        "me@example.com has no password \"tb\"; `saslgate account list` shows their names",
    );
}

#[test]
fn an_unknown_account_is_a_mistake() {
    check_mistake(
        folder().path(),
        &["account", "password", "you@example.com", "--generate"],
        "there is no account you@example.com in the configuration; there is: me@example.com",
    );
}

#[test]
fn of_many_accounts_the_nearest_are_named() {
    let folder = folder();
    let path = folder.path().join("saslgate.toml");
    let account = |name| {
        format!(
            "[[account]]\nlogin = \"{name}@example.com\"\nprovider = \"microsoft365\"\n\
             tenant = \"example.com\"\nclient_id = \"id\"\n"
        )
    };
    let names = ["bertha", "carl", "dieter", "emil", "friedrich", "anna", "gustav"];
    fs::write(path, names.map(account).concat()).unwrap();
    let failure = run(folder.path(), &["signin", "ana@example.com"]).unwrap_err();
    let beginning =
        "there is no account ana@example.com in the configuration; there is: anna@example.com, ";
    assert!(failure.text.starts_with(beginning) && failure.text.ends_with(", …"), "{failure}");
}

#[test]
fn the_configuration_is_checked_and_shown() {
    let folder = folder();
    run(folder.path(), &["config", "check"]).unwrap();
    run(folder.path(), &["config", "show"]).unwrap();
    fs::write(folder.path().join("saslgate.toml"), "x = 1\n").unwrap();
    let failure = run(folder.path(), &["config", "check"]).unwrap_err();
    assert!(failure.text.contains("saslgate.toml:1: x: unknown key `x`"), "{failure}");
    assert_eq!(failure.code, 2);
}

#[test]
fn a_certificate_lies_where_a_listener_looks_for_it() {
    let folder = folder();
    run(folder.path(), &["cert", "new"]).unwrap();
    let config = folder.path().join("saslgate.toml");
    let text = fs::read_to_string(&config).unwrap() + "[[listen]]\ntls = \"implicit\"\n";
    fs::write(&config, text).unwrap();
    run(folder.path(), &["config", "check"]).unwrap();
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["man", folder.path().join("man1").to_str().unwrap()]).unwrap();
    let page = |name| fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
    assert!(page("saslgate.1").contains("/var/lib/saslgate"), "the places are told");
    assert!(page("saslgate-account-password.1").contains("saslgate account password"));
}

/// One account whose secret stands in clear, so that nobody is asked for a password.
const EMAILPROXY: &str = "[IMAP-1993]\nserver_address = imap.gmail.com\nserver_port = 993\n\
    local_address = 127.0.0.1\n[me@gmail.com]\npermission_url = https://accounts.google.com/o/oauth2/auth\n\
    token_url = https://oauth2.googleapis.com/token\noauth2_scope = https://mail.google.com/\n\
    redirect_uri = http://localhost\nclient_id = id\nclient_secret = hunter2\n";

#[test]
fn an_import_that_cannot_write_fails_and_a_stopped_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = folder.join("emailproxy.config");
    fs::write(&file, EMAILPROXY).unwrap();
    let import = || run(folder, &["import", "emailproxy", file.to_str().unwrap()]);
    let accounts = folder.join("accounts.d");
    let secret = accounts.join("me@gmail.com.secret");
    fs::create_dir_all(&accounts).unwrap();
    fs::write(&secret, "another").unwrap();
    let failure = import().unwrap_err();
    assert_eq!(failure.code, 1);
    assert!(failure.text.starts_with("nothing was carried over"), "{failure}");
    assert!(!folder.join("saslgate.toml").exists());
    fs::remove_file(&secret).unwrap();
    import().unwrap();
    // As if it had been stopped before the last file, and then again after the first one.
    fs::remove_file(folder.join("saslgate.toml")).unwrap();
    import().unwrap();
    fs::remove_file(folder.join("saslgate.toml")).unwrap();
    fs::remove_file(accounts.join("me@gmail.com.toml")).unwrap();
    import().unwrap();
    assert_eq!(fs::read(&secret).unwrap(), b"hunter2");
    // Nothing is left to do, and that is no fault.
    import().unwrap();
}
