//! Aliases, mailboxes of single protocols, shared ones, other accounts' tokens, whole domains.

use super::*;

const APPLICATION: &str = "grant = \"client_credentials\"\nclient_secret = { env = \"S\" }\n";

fn anna_and(text: &str) -> String {
    format!(
        "[defaults]\nprovider = \"microsoft365\"\ntenant = \"example.ch\"\nclient_id = \"id\"\n\n\
         [[account]]\nlogin = \"anna@example.ch\"\n{text}"
    )
}

fn accounts(text: &str) -> Vec<Arc<AccountConfig>> {
    judge(text).unwrap_or_else(|error| panic!("{error}")).config.accounts
}

/// Of the account that begins in line 6.
#[track_caller]
fn check(text: &str, expected: &str) {
    check_mistakes(&anna_and(text), expected);
}

#[test]
fn each_protocol_may_have_a_mailbox_of_its_own() {
    let text = "mailbox = \"info@example.ch\"\n[account.smtp]\nmailbox = \"anna@example.ch\"\n";
    let account = &accounts(&anna_and(text))[0];
    let mailboxes = Protocol::ALL.map(|protocol| account.mailbox(protocol));
    assert_eq!(mailboxes, ["info@example.ch", "info@example.ch", "anna@example.ch"]);
}

#[test]
fn what_is_written_is_shown_with_its_source() {
    let text = anna_and(
        "aliases = [\"anna\"]\nshared = [\"info@example.ch\"]\n[account.smtp]\nmailbox = \"a@example.ch\"\n\
         [[account]]\nlogin = \"office\"\nmailbox = \"office@example.ch\"\ntoken_from = \"ANNA\"\n",
    );
    let loaded = judge(&text).unwrap();
    let shown: Vec<String> = loaded.sections.iter().map(ToString::to_string).collect();
    let shown = |title: &str, key: &str| {
        let section = shown.iter().find(|it| it.starts_with(title)).unwrap();
        let line = section.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let anna = |key| shown("[[account]] anna", key);
    assert_eq!(anna("aliases"), "aliases = [\"anna\"] # saslgate.toml:8");
    assert_eq!(anna("shared "), "shared = [\"info@example.ch\"] # saslgate.toml:9");
    assert_eq!(anna("shared_smtp"), "shared_smtp = \"shared\" # default");
    assert_eq!(anna("smtp.mailbox"), "smtp.mailbox = \"a@example.ch\" # saslgate.toml:11");
    let office = |key| shown("[[account]] office", key);
    assert_eq!(office("token_from"), "token_from = \"ANNA\" # saslgate.toml:15");
    assert_eq!(office("mailbox"), "mailbox = \"office@example.ch\" # saslgate.toml:14");
    assert_eq!(office("imap.host"), anna("imap.host"));
}

#[test]
fn an_account_uses_the_tokens_of_another() {
    let text = anna_and(
        "[[account]]\nlogin = \"info\"\nmailbox = \"info@example.ch\"\nshared_smtp = \"delegate\"\n\
         token_from = \"Anna@example.ch\"\nprovider = \"microsoft365\"\n",
    );
    let [anna, info] = <[_; 2]>::try_from(accounts(&text)).unwrap();
    assert_eq!(info.token_key(), anna.key());
    assert_eq!(info.key(), "info");
    assert_eq!(info.oauth.as_ref().unwrap().client_id, "id");
    let mailboxes = Protocol::ALL.map(|protocol| info.mailbox(protocol));
    assert_eq!(mailboxes, ["info@example.ch", "info@example.ch", "anna@example.ch"]);
    // In any order of writing.
    let text = text.replace("[[account]]\nlogin = \"anna@example.ch\"\n", "")
        + "[[account]]\nlogin = \"anna@example.ch\"\n";
    let [info, anna] = <[_; 2]>::try_from(accounts(&text)).unwrap();
    assert_eq!(info.token_key(), anna.key());
}

#[test]
fn a_password_of_the_owner_opens_nothing_for_who_uses_its_tokens() {
    let password = "host = \"mail.example.ch\"\nauth = \"password\"\nuser = \"anna\"\n";
    let text = anna_and(&format!(
        "[account.pop3]\n{password}[account.smtp]\n{password}\
         [[account]]\nlogin = \"info@example.ch\"\ntoken_from = \"anna@example.ch\"\n"
    ));
    let loaded = judge(&text).unwrap_or_else(|error| panic!("{error}"));
    let [anna, info] = <[_; 2]>::try_from(loaded.config.accounts).unwrap();
    assert!(anna.pop3.is_some() && info.pop3.is_none());
    // A sender may go through a relay.
    assert!(info.imap.is_some() && info.smtp.is_some());
    let shown = loaded.sections.iter().map(ToString::to_string);
    let shown = shown.filter(|it| it.contains("info@")).collect::<String>();
    assert!(shown.contains("imap.host") && !shown.contains("pop3."), "{shown}");
}

#[test]
fn a_sign_in_by_any_name_reads_the_secret_of_whoever_owns_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "s").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let text = anna_and(&format!(
        "aliases = [\"anna\"]\nclient_secret = {{ file = '{}' }}\n[[account]]\nlogin = \"info\"\n\
         aliases = [\"office\"]\ntoken_from = \"anna\"\n",
        path.display()
    ));
    let main = SourceFile::new("saslgate.toml", text);
    for (asked, read) in [("ANNA", true), ("info", true), ("office", true), ("other", false)] {
        let secrets = Secrets::Of(asked.to_owned());
        let loaded = resolve::resolve(&main, &[], Path::new("state"), secrets).unwrap();
        for account in &loaded.config.accounts {
            let oauth = account.oauth.as_ref().unwrap();
            let secret = oauth.client_authentication.secret().unwrap();
            assert_eq!(!secret.is_empty(), read, "{asked}: {}", account.login);
        }
    }
}

#[test]
fn mistakes_of_names() {
    check(
        "aliases = [\n\"anna\",\n\"a b\",\n\"ANNA\",\n\"*\"]\n",
        "saslgate.toml:10: account.aliases: contains a space or a control character: take it out
saslgate.toml:11: account.aliases: `ANNA` stands there twice",
    );
    check(
        "aliases = [\"*\"]\n",
        "saslgate.toml:8: account.aliases: has a `*`: a whole domain is an account of its own, with login = \
         \"*@example.com\"",
    );
    check(
        "aliases = [\"scan\"]\n[[account]]\nlogin = \"b\"\naliases = [\n\"x\",\n\"Scan\",\n\"Anna@example.ch\"]\n",
        "saslgate.toml:13: account.aliases: `Scan` is already a login or an alias at saslgate.toml:8 (upper \
         and lower case are the same): each stands once
saslgate.toml:14: account.aliases: `Anna@example.ch` is already a login or an alias at saslgate.toml:6 (upper \
         and lower case are the same): each stands once",
    );
    // What looks like a shared mailbox of somebody is refused, and nothing else with a backslash.
    accounts(&anna_and("aliases = [\"CORP\\\\anna\", \"print/1\"]\n"));
    check(
        "aliases = [\"anna\"]\n[[account]]\nlogin = \"Anna\\\\info\"\n",
        "saslgate.toml:9: account.login: `Anna\\info` looks like a shared mailbox of the login `anna`, which is \
         written so: choose a name without \\ and /",
    );
    for login in ["*", "*@", "a*@example.ch", "*@*.ch", "*@a@b", "**@example.ch"] {
        check_mistakes(
            &GOOD.replace("a@example.com", login),
            "saslgate.toml:2: account.login: has a `*`, which stands for all mailboxes of a domain and for nothing \
             else: write \"*@example.com\", or a name without it",
        );
    }
}

#[test]
fn mistakes_of_shared_mailboxes() {
    check(
        "shared = [\"a\\u0001b@example.ch\"]\n",
        "saslgate.toml:8: account.shared: contains a space or a control character: take it out",
    );
    let passwords = "auth = \"password\"\n";
    let only_passwords = format!(
        "[account.imap]\n{passwords}[account.pop3]\n{passwords}[account.smtp]\n{passwords}"
    );
    for key in ["shared", "shared_smtp"] {
        let value = if key == "shared" { "[\"info\"]" } else { "\"delegate\"" };
        let text = anna_and(&format!("{key} = {value}\n{only_passwords}"));
        check_mistakes(
            &text.replace("client_id = \"id\"\n", "\n"),
            &format!(
                "saslgate.toml:8: account.{key}: has no effect: every server of this account says auth = \
                 \"password\", and a password opens its own user's mailbox: take it out"
            ),
        );
    }
    check(
        "[account.smtp]\nauth = \"password\"\nmailbox = \"b\"\n",
        "saslgate.toml:10: account.smtp.mailbox: has no effect with auth = \"password\", where the user's own \
         mailbox is opened: write `user`",
    );
    check_mistakes(
        &anna_and("").replace("[[account]]", "smtp.mailbox = \"x\"\nshared = [\"y\"]\n[[account]]"),
        "saslgate.toml:7: defaults.shared: cannot be the same for all accounts: write it in each [[account]]
saslgate.toml:6: defaults.smtp.mailbox: cannot be the same for all accounts: write it in each [[account]]",
    );
}

#[test]
fn mistakes_of_borrowed_tokens() {
    let borrower = |text: &str| format!("[[account]]\nlogin = \"info\"\n{text}");
    check(
        &borrower("token_from = \"nobody\"\n"),
        "saslgate.toml:10: account.token_from: there is no account nobody in the configuration",
    );
    check(
        &borrower(
            "token_from = \"b\"\n[[account]]\nlogin = \"b\"\ntoken_from = \"anna@example.ch\"\n",
        ),
        "saslgate.toml:10: account.token_from: b uses the tokens of another account itself: write token_from = \
         \"anna@example.ch\"",
    );
    for (key, value) in [
        ("client_id", "\"x\""),
        ("grant", "\"client_credentials\""),
        ("scopes", "[]"),
        ("shared", "[\"x\"]"),
        ("imap", "{ port = 1 }"),
        ("connection_limit", "3"),
    ] {
        check(
            &borrower(&format!("token_from = \"anna@example.ch\"\n{key} = {value}\n")),
            &format!(
                "saslgate.toml:11: account.{key}: has no effect beside token_from: servers and tokens are those \
                 of anna@example.ch: take it out"
            ),
        );
    }
    check(
        &borrower("provider = \"custom\"\ntoken_from = \"anna@example.ch\"\n"),
        "saslgate.toml:10: account.provider: is another provider than that of anna@example.ch, whose tokens are \
         used: take it out",
    );
    check(
        &borrower(
            "token_from = \"p\"\n[[account]]\nlogin = \"p\"\nprovider = \"custom\"\n[account.smtp]\nhost = \"h\"\n\
             auth = \"password\"\n",
        ),
        "saslgate.toml:10: account.token_from: p has no tokens: its servers take passwords",
    );
}

#[test]
fn a_whole_domain_is_nobodys_delegate() {
    let text = |own: &str| {
        anna_and(&format!(
            "[[account]]\nlogin = \"*@example.com\"\n{APPLICATION}[[account]]\nlogin = \"office\"\nmailbox = \
             \"office@example.com\"\ntoken_from = \"*@example.com\"\n{own}"
        ))
    };
    let with_defaults =
        text("").replace("[defaults]\n", "[defaults]\nshared_smtp = \"delegate\"\n");
    let office = &accounts(&with_defaults)[2];
    assert_eq!(office.mailbox(Protocol::Smtp), "office@example.com");
    let refused = judge(&text("shared_smtp = \"delegate\"\n")).unwrap_err().to_string();
    assert!(refused.contains("account.shared_smtp: is \"delegate\", but token_from"), "{refused}");
}

#[test]
fn mistakes_of_whole_domains() {
    let domain = |text: &str| format!("[[account]]\nlogin = \"*@Example.ch\"\n{text}");
    let good = accounts(&anna_and(&domain(APPLICATION)));
    assert_eq!(
        good[1].identity.domain,
        Some(Domain { name: "example.ch".into(), mailboxes: None })
    );
    let needs = "saslgate.toml:9: account.login: is a whole domain, which needs tokens of the application itself: \
         grant = \"client_credentials\", \"service_account\" or \"external\", and servers that take tokens";
    check(&domain(""), needs);
    check(&domain(&format!("{APPLICATION}[account.smtp]\nauth = \"password\"\n")), needs);
    check(
        &domain(&format!("{APPLICATION}mailboxes = [\n\"info@example.ch\",\n\"x@example.com\"]\n")),
        "saslgate.toml:14: account.mailboxes: `x@example.com` is no mailbox of example.ch: write each whole, such \
         as \"info@example.ch\"",
    );
    for (key, value) in [
        ("aliases", "[\"x\"]"),
        ("mailbox", "\"x\""),
        ("shared", "[\"x\"]"),
        ("smtp.mailbox", "\"x\""),
    ] {
        check(
            &domain(&format!("{APPLICATION}{key} = {value}\n")),
            &format!(
                "saslgate.toml:12: account.{key}: has no meaning for a whole domain, where each login is its own \
                 mailbox: take it out, or give that mailbox an [[account]] of its own with token_from"
            ),
        );
    }
    check(
        "mailboxes = [\"x@example.ch\"]\n",
        "saslgate.toml:8: account.mailboxes: belongs to a whole domain, login = \"*@example.com\": the mailboxes \
         that another login opens beside its own are `shared`",
    );
}
