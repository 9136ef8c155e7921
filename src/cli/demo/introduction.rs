//! What the demo says at its start: what to type into a mail program, and lines to paste into a shell.
//! The hard thing is that each must work exactly as printed; lab/demo.py pastes them all.

use super::{LOGIN, Ports};

pub(super) fn introduction(ports: &Ports, password: &str, quiet: bool) -> String {
    let (imap, pop3, smtp) = (ports.imap.port(), ports.pop3.port(), ports.smtp.port());
    let host = ports.imap.ip();
    let ending = if quiet {
        "Ctrl-C ends the demo."
    } else {
        "Both conversations of each connection follow; secrets are replaced by their names.\n\
         Ctrl-C ends the demo."
    };
    let (sending, reading) = (sending(ports, password), reading(ports, password));
    format!(
        "\
The demo's provider accepts access tokens only; saslgate stands in front of it.

In a mail program:
  user       {LOGIN}
  password   {password}
  server     {host}, for incoming and for outgoing mail
  IMAP port  {imap}, incoming mail
  POP3 port  {pop3}, incoming mail where IMAP is not known
  SMTP port  {smtp}, outgoing mail, with the same user and password
  security   none: the demo listens on this machine only

Or paste these into another terminal:
{sending}{reading}
{ending}
"
    )
}

fn sending(ports: &Ports, password: &str) -> String {
    let (host, port) = (ports.smtp.ip(), ports.smtp.port());
    let header = format!("From: {LOGIN}\\r\\nTo: {LOGIN}\\r\\nSubject: Hello from");
    format!(
        "\x20 # send a message to yourself (to whomever you send: nothing leaves the demo)
  printf '{header} curl\\r\\n\\r\\nSent with curl.\\r\\n' > hello.eml
  curl --user '{LOGIN}:{password}' 'smtp://{host}:{port}/localhost' --mail-from {LOGIN} \
--mail-rcpt {LOGIN} -T hello.eml
  # the same with Python
  python3 -c \"import smtplib; s = smtplib.SMTP('{host}', {port}); s.login('{LOGIN}', '{password}'); \
s.sendmail('{LOGIN}', '{LOGIN}', '{header} Python\\r\\n\\r\\nSent with smtplib.\\r\\n'); s.quit()\"
"
    )
}

fn reading(ports: &Ports, password: &str) -> String {
    let user = format!("--user '{LOGIN}:{password}'");
    let (host, port) = (ports.imap.ip(), ports.imap.port());
    let imap = format!("imap://{host}:{port}");
    let (pop3_host, pop3_port) = (ports.pop3.ip(), ports.pop3.port());
    let pop3 = format!("pop3://{pop3_host}:{pop3_port}");
    format!(
        "\x20 # read by IMAP: the folders
  curl {user} '{imap}/'
  # the newest message
  curl {user} '{imap}/INBOX;MAILINDEX=*'
  # which messages are not read yet
  curl {user} '{imap}/INBOX?UNSEEN'
  # flag the second one
  curl {user} '{imap}/INBOX' -X 'STORE 2 +FLAGS (\\Flagged)'
  # file a draft
  curl {user} -T hello.eml '{imap}/Drafts'
  # which messages there are, with Python
  python3 -c \"import imaplib; m = imaplib.IMAP4('{host}', {port}); m.login('{LOGIN}', '{password}'); \
m.select(); print(m.search(None, 'ALL'))\"
  # read by POP3: the messages and their sizes
  curl {user} '{pop3}/'
  # the first message
  curl {user} '{pop3}/1'
  # the newest one, with Python
  python3 -c \"import poplib; m = poplib.POP3('{pop3_host}', {pop3_port}); m.user('{LOGIN}'); \
m.pass_('{password}'); print(b'\\n'.join(m.retr(m.stat()[0])[1]).decode()); m.quit()\"
"
    )
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    #[test]
    fn what_is_printed_fits_what_is_in_force() {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let ports = Ports { imap: at(4711), pop3: at(4712), smtp: at(4713) };
        let text = introduction(&ports, "abcd-efgh", false);
        let curls: Vec<_> = text.lines().filter(|line| line.starts_with("  curl ")).collect();
        assert_eq!(curls.len(), 8);
        for line in curls {
            assert!(line.contains(" --user 'demo@example.org:abcd-efgh' "), "{line}");
            let urls = [
                "'imap://127.0.0.1:4711/",
                "'pop3://127.0.0.1:4712/",
                "'smtp://127.0.0.1:4713/localhost'",
            ];
            assert!(urls.iter().any(|url| line.contains(url)), "{line}");
        }
        for python in [
            "IMAP4('127.0.0.1', 4711); m.login('demo@example.org', 'abcd-efgh')",
            "POP3('127.0.0.1', 4712); m.user('demo@example.org'); m.pass_('abcd-efgh')",
            "SMTP('127.0.0.1', 4713); s.login('demo@example.org', 'abcd-efgh')",
        ] {
            assert!(text.contains(python), "{python}");
        }
        assert!(text.lines().all(|line| !line.ends_with(' ')), "{text}");
    }
}
