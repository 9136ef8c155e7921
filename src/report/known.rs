//! What is known to be harmless: public servers of providers, their permissions, and words of servers and
//! of ours. The hard thing is to leave out what could be a name: a word that is missing here costs a
//! reader a guess, one too many could tell something.

/// Whether it is a word of servers or of ours, or an AADSTS number.
pub(super) fn is_word(word: &str) -> bool {
    let is = |known: &&str| known.eq_ignore_ascii_case(word);
    let aadsts = word.strip_prefix("AADSTS").is_some_and(|number| {
        (5..=7).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
    });
    aadsts || WORDS.iter().flat_map(|line| line.split(' ')).any(|known| is(&known))
}

/// A reply's code, an enhanced one, or a time.
pub(super) fn is_code(word: &str) -> bool {
    let digits = |text: &str| {
        !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit())
    };
    let reply = word.len() == 3 && digits(word);
    let mut parts = word.split('.');
    let enhanced = parts.next().is_some_and(|it| matches!(it, "2" | "4" | "5"))
        && parts.clone().count() == 2
        && parts.all(digits);
    reply || enhanced || (word.ends_with('Z') && humantime::parse_rfc3339(word).is_ok())
}

/// Part of a provider's public address, or a permission.
pub(super) fn is_path(part: &str) -> bool {
    PATHS.contains(&part) || PERMISSIONS.contains(&part)
}

pub(super) const HOSTS: &[&str] = &[
    "accounts.google.com",
    "api.fastmail.com",
    "api.login.aol.com",
    "api.login.yahoo.com",
    "graph.microsoft.com",
    "imap.aol.com",
    "imap.fastmail.com",
    "imap.gmail.com",
    "imap.mail.yahoo.com",
    "localhost",
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "mail.google.com",
    "oauth2.googleapis.com",
    "outlook-dod.office365.us",
    "outlook.office.com",
    "outlook.office365.com",
    "outlook.office365.us",
    "partner.outlook.cn",
    "pop.aol.com",
    "pop.fastmail.com",
    "pop.gmail.com",
    "pop.mail.yahoo.com",
    "smtp-mail.outlook.com",
    "smtp.aol.com",
    "smtp.fastmail.com",
    "smtp.gmail.com",
    "smtp.mail.yahoo.com",
    "smtp.office365.com",
    "smtp.office365.us",
    "smtp.partner.outlook.cn",
    "www.fastmail.com",
];

const PATHS: &[&str] = &[
    "auth",
    "authorize",
    "common",
    "consumers",
    "dev",
    "devicecode",
    "get_token",
    "o",
    "oauth",
    "oauth2",
    "organizations",
    "protocol-imap",
    "protocol-pop",
    "protocol-smtp",
    "refresh",
    "request_auth",
    "token",
    "v2",
    "v2.0",
];

const PERMISSIONS: &[&str] = &[
    ".default",
    "IMAP.AccessAsApp",
    "IMAP.AccessAsUser.All",
    "Mail.Read",
    "Mail.ReadWrite",
    "Mail.Send",
    "POP.AccessAsApp",
    "POP.AccessAsUser.All",
    "SMTP.Send",
    "SMTP.SendAsApp",
    "User.Read",
    "email",
    "mail-w",
    "offline_access",
    "openid",
    "profile",
];

const WORDS: &[&str] = &[
    "a an and are as at be been but by can cannot does for from has have in is it its no not of on or that the \
     this to was were will with within without",
    "IMAP POP3 SMTP IMAP4 IMAP4rev1 IMAP4rev2 TLS STARTTLS SASL SASL-IR AUTH XOAUTH2 OAUTHBEARER PLAIN LOGIN \
     AUTH=PLAIN AUTH=LOGIN AUTH=XOAUTH2 AUTH=OAUTHBEARER LOGINDISABLED CAPABILITY AUTHENTICATE INBOX SELECT \
     EHLO MAIL RCPT DATA QUIT USER PASS NO OK BAD BYE ERR +OK -ERR ALERT",
    "AUTHENTICATIONFAILED AUTHORIZATIONFAILED UNAVAILABLE EXPIRED PRIVACYREQUIRED CONTACTADMIN LIMIT IN-USE \
     SYS/TEMP SYS/PERM NONEXISTENT NOPERM SERVERBUG SendAsDenied AccessTokenExpired LogonDenied",
    "INFO WARN ERROR DEBUG TRACE deadlines hooks listen",
    "accepted access account accounts address administrator again allowed already answer answered answers \
     application asked asks authenticated authentication bad basic because began broken busy certificate \
     client closed code command completed concurrent configuration configured connect connected connection \
     connections consent conditional credentials daemon deadline default denied directory disabled does \
     dropped empty end ended ends endpoint error exceeded exchange exists expired fail failed failing fails \
     file first found fresh gateway gave given handshake host incorrect interrupted invalid invalid_client \
     invalid_grant invalid_request invalid_resource invalid_scope unauthorized_client access_denied \
     consent_required interaction_required temporarily_unavailable server_error HTTP issuer key known last \
     limit limits listens local log logged login logins mailbox match mechanism missing name network \
     new nobody none nothing now offered offers open opened organization password passwords permission peer \
     permissions policy port ports process protocol provider reached refresh refreshed refused refuses relay \
     reload reset resource response revoked runs saslgate scope scopes scram secret security defaults send \
     sender server service session sessions shared sign-in sign signed signature since size SmtpClientAuthentication \
     socket started starts stopped store stored submission supported system temporary tenant text timed time \
     timeout token tokens too tried trust unexpected unknown unsuccessful user username valid wait wrong",
    "Microsoft Google Yahoo 365 Exchange Outlook Dovecot Gimap Postfix ESMTP ready",
];
