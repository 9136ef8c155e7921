//! The three messages that wait in the demo's inbox. Their dates are fixed, so that what is printed
//! and tested about them stays true.

use std::{
    collections::BTreeSet,
    io,
    time::{Duration, SystemTime},
};

use super::mailbox::{Flag, INBOX, Mailbox};

/// Puts the sample messages into the inbox; the oldest is already read.
pub(super) fn fill(mailbox: &Mailbox, user: &str) -> io::Result<()> {
    for (seconds, flag, text) in [
        (1_767_603_600, Some(Flag::Seen), WELCOME),
        (1_767_691_800, None, ATTACHMENT),
        (1_767_780_000, Some(Flag::Flagged), LETTER),
    ] {
        let content = text.replace("{user}", user).replace('\n', "\r\n");
        let flags: BTreeSet<Flag> = flag.into_iter().collect();
        let received = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        mailbox.append(INBOX, content.into(), flags, received).map_err(io::Error::other)?;
    }
    Ok(())
}

const WELCOME: &str = "\
Date: Mon, 5 Jan 2026 09:00:00 +0000
From: saslgate <saslgate@example.org>
To: {user}
Subject: Welcome to the demo
Message-ID: <welcome@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

Hello!

If you can read this, your mail program has just logged in with a user
name and a password, and the server behind saslgate has only ever seen
an OAuth 2.0 access token.

Have a look at the terminal: both conversations are shown there.
";

const ATTACHMENT: &str = "\
Date: Tue, 6 Jan 2026 09:30:00 +0000
From: Ada Example <ada@example.org>
To: {user}
Cc: Grace Example <grace@example.org>, team@example.org
Subject: The minutes, with an attachment
Message-ID: <minutes@example.org>
In-Reply-To: <agenda@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=\"demo-boundary\"

This text is for programs that do not know MIME.
--demo-boundary
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

The minutes are attached. Gr=C3=BCezi from the caf=C3=A9!
--demo-boundary
Content-Type: text/csv; charset=us-ascii; name=\"minutes.csv\"
Content-Disposition: attachment; filename=\"minutes.csv\"
Content-Transfer-Encoding: base64

dG9waWMsbWludXRlcwpjb2ZmZWUsNQptYWlsLDU1Cg==
--demo-boundary--
";

const LETTER: &str = "\
Date: Wed, 7 Jan 2026 11:00:00 +0100
From: =?UTF-8?Q?Ren=C3=A9?= Example <rene@example.org>
Reply-To: answers@example.org
To: {user}
Subject: =?UTF-8?Q?Caf=C3=A9_at_noon=3F?=
Message-ID: <noon@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

Lunch at the usual place? This message is flagged, so you can look for
it: SEARCH FLAGGED.
";
