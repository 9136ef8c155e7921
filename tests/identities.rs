//! Shared mailboxes, borrowed tokens and whole domains on the command line: what is shown, and whose
//! passwords and sign-ins a command means.

use crate::cli::Program;

const CONFIG: &str = "[[listen]]\naddress = \"127.0.0.1:0\"\n[defaults]\nprovider = \"microsoft365\"\n\
    tenant = \"example.com\"\nclient_id = \"id\"\n[[account]]\nlogin = \"anna@example.com\"\n\
    aliases = [\"anna\", \"scanner\"]\nshared = [\"info@example.com\"]\nshared_smtp = \"delegate\"\n\
    [[account]]\nlogin = \"sales@example.com\"\ntoken_from = \"anna\"\n[[account]]\n\
    login = \"*@example.org\"\ngrant = \"client_credentials\"\nclient_secret = { file = \"none\" }\n";

fn set(program: &Program, login: &str, says: &str) {
    program.run_with(&["account", "password", login], "a password").check(0, says, "");
}

#[test]
fn what_a_login_opens_is_listed_and_shown() {
    let program = Program::new(CONFIG);
    let anna = "  aliases    anna, scanner\n  mailbox    anna@example.com\n  \
                shared     info@example.com, by the user name anna\\info@example.com (SMTP as \
                anna@example.com)\n";
    let borrower = "  mailbox    sales@example.com\n  tokens of  anna@example.com\n";
    let domain = "  mailboxes  whatever is sent as the user name, @example.org\n";
    let list = program.run(&["account", "list"]);
    for expected in [anna, borrower, domain] {
        list.check(0, expected, "");
    }
    for login in ["anna@example.com", "ANNA", "scanner"] {
        program.run(&["account", "show", login]).check(0, anna, "");
    }
    program.run(&["account", "show", "sales@example.com"]).check(0, borrower, "");
    program.run(&["account", "show", "*@example.org"]).check(0, domain, "");
    // A mailbox of a domain of which nothing is kept yet says how it is opened.
    let info = program.run(&["account", "show", "info@example.org"]);
    info.check(0, "  tokens of  *@example.org\n", "");
    info.check(0, "    -> saslgate account password info@example.org\n", "");
    program.run(&["account", "show", "info@example.net"]).check(2, "", "there is no account info@");
}

#[test]
fn a_shared_mailbox_has_the_passwords_of_who_opens_it() {
    let program = Program::new(CONFIG);
    let words = ["account", "password", "anna\\info@example.com"];
    let ran = program.run_with(&words, "a password");
    ran.check(
        0,
        "The password \"default\" of anna@example.com is set.",
        "info@example.com is opened with the passwords of anna@example.com: this one opens all that they \
         open. For passwords of info@example.com alone, give it an [[account]] with token_from = \
         \"anna@example.com\".",
    );
    set(&program, "scanner", "The password \"default\" of anna@example.com is set.");
    assert!(!program.run(&["account", "list"]).out.contains("info@example.com\n"));
}

#[test]
fn a_borrower_has_its_own_passwords_and_the_owners_sign_in() {
    let program = Program::new(CONFIG);
    set(&program, "sales@example.com", "The password \"default\" of sales@example.com is set.");
    let none = "sign-in    none yet: run `saslgate signin anna@example.com`\n  passwords  ";
    let list = program.run(&["account", "list"]);
    list.check(0, &format!("{none}none yet"), "").check(0, &format!("{none}default ("), "");

    let status = program.run(&["status", "sales@example.com"]);
    status.check(1, "    -> saslgate signin anna@example.com\n", "");
    let said = "sales@example.com uses the sign-in of anna@example.com.";
    let signin = program.run_with(&["signin", "sales@example.com", "--paste"], "\n");
    signin.check(signin.code, "https://login.microsoftonline.com/example.com/", said);
    assert_ne!(signin.code, 0);

    let import = ["account", "import-token", "sales@example.com"];
    let imported = program.run_with(&import, "0.AXoA-token");
    imported.check(0, "The refresh token of anna@example.com is in the store.", said);
    assert_eq!(program.run(&["account", "list"]).out.matches("sign-in    signed in").count(), 2);
    let signout = program.run(&["account", "signout", "sales@example.com", "--yes"]);
    signout.check(0, "The sign-in of anna@example.com is removed here.", said);
    assert_eq!(
        program.run(&["account", "list"]).out.matches("none yet: run `saslgate signin").count(),
        2
    );
}

#[test]
fn a_whole_domain_has_a_password_for_each_mailbox_and_none_for_all() {
    let program = Program::new(CONFIG);
    for command in ["password", "remove-password"] {
        let ran = program.run_with(&["account", command, "*@example.org"], "a password");
        ran.check(
            2,
            "",
            "each mailbox of *@example.org has local passwords of its own: name one, such as \
             info@example.org",
        );
    }
    let none = "passwords  none yet; for each mailbox: saslgate account password MAILBOX\n";
    program.run(&["account", "list"]).check(0, none, "");
    set(&program, "Info@Example.org", "The password \"default\" of info@example.org is set.");
    program.run(&["account", "list"]).check(0, "  passwords  of info@example.org\n", "");
    program.run(&["account", "show", "*@example.org"]).check(0, "  passwords  of info@", "");
    program.run(&["account", "show", "info@example.org"]).check(0, "  default", "");
    let signin = program.run(&["signin", "info@example.org", "--paste"]);
    signin.check(2, "", "needs no sign-in");
}
