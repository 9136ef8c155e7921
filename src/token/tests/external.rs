//! Tokens from elsewhere: programs that do well and badly.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use super::*;
use crate::config::ExternalToken;

/// An account whose tokens a shell script prints; each run adds a line to the file `runs`.
struct Desk {
    folder: tempfile::TempDir,
    time: Time,
    tokens: Tokens,
    account: AccountConfig,
}

impl Desk {
    fn new(script: &str) -> Self {
        Self::with_deadline(script, DEADLINE)
    }

    fn with_deadline(script: &str, deadline: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let time = Time::new();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let tokens = Tokens::with(store, deadline, time.clock(), ForcedRefresh::default());
        let mut account = account("http://localhost/");
        account.oauth = None;
        let path = folder.path().join("script");
        let folder_path = folder.path().display();
        fs::write(&path, format!("#!/bin/sh\ncd {folder_path}\necho run >> runs\n{script}\n"))
            .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let command = vec!["sh".to_owned(), path.display().to_string(), "an-argument".to_owned()];
        account.external_token = Some(ExternalToken::Command(command));
        Self { folder, time, tokens, account }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.path("runs")).map_or(0, |runs| runs.lines().count())
    }

    async fn access(&self) -> Result<String, TokenError> {
        self.tokens.access_token(&self.account).await.map(|token| shown(&token.secret))
    }
}

#[tokio::test]
async fn a_burst_of_logins_asks_once() {
    let desk = Desk::new("echo t$(wc -l < runs | tr -d ' ')");
    let all = (0..10).map(|_| desk.access());
    for token in futures(all).await {
        assert_eq!(token.unwrap(), "t1");
    }
    let brief = desk.tokens.brief_access_token(&desk.account).await.unwrap();
    assert_eq!(shown(&brief.secret), "t1");
    desk.time.advance(59);
    assert_eq!(desk.access().await.unwrap(), "t1");
    desk.time.advance(1);
    assert_eq!(desk.access().await.unwrap(), "t2", "a bare token counts for a minute");
    assert_eq!(desk.runs(), 2);
}

async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in all.iter_mut().zip(&mut done) {
            if result.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_token_that_says_how_long_it_lasts_is_used_for_half_of_it() {
    let desk = Desk::new("cat answer");
    desk.write("answer", r#"{"access_token":"t1","expires_in":3600}"#);
    assert_eq!(desk.access().await.unwrap(), "t1");
    desk.write("answer", r#"{"access_token":"t2","expires_in":90}"#);
    desk.time.advance(1800);
    assert_eq!(desk.access().await.unwrap(), "t1");
    desk.time.advance(1);
    assert_eq!(desk.access().await.unwrap(), "t2");
    // One that has nearly ended is all the same not asked for at each login.
    desk.time.advance(59);
    assert_eq!(desk.access().await.unwrap(), "t2");
    assert_eq!(desk.runs(), 2);
}

#[tokio::test]
async fn a_refused_token_is_asked_for_once_more() {
    let desk = Desk::new("cat answer");
    desk.write("answer", "t1\n");
    let first = desk.tokens.access_token(&desk.account).await.unwrap();
    desk.write("answer", "t2\n");
    let second = desk.tokens.replace_refused(&desk.account, &first).await.unwrap();
    assert_eq!(shown(&second.secret), "t2");
    // Who was refused the first, too, takes the second.
    let other = desk.tokens.replace_refused(&desk.account, &first).await.unwrap();
    assert_eq!(shown(&other.secret), "t2");
    assert_eq!(desk.runs(), 2);
    let fault = desk.tokens.replace_refused(&desk.account, &second).await.unwrap_err();
    assert_eq!(fault.kind, TokenErrorKind::TooSoon);
    assert_eq!(desk.runs(), 2);
    desk.time.advance(300);
    let fault = desk.tokens.replace_refused(&desk.account, &second).await.unwrap_err();
    assert_eq!(
        (fault.kind, fault.text.as_str()),
        (
            TokenErrorKind::TooSoon,
            "The mail server refuses the access token of User@Example.test, and token_command (sh) \
             brings no other. Check whose token it is, and its scopes."
        )
    );
    assert_eq!(desk.runs(), 3);
}

#[tokio::test]
async fn what_goes_wrong_is_said_and_nothing_is_repeated() {
    for (script, what) in [
        ("echo secret-words >&2; exit 3", "failed (exit status: 3)"),
        ("exit 0", "brings nothing"),
        ("echo secret-words and more", "brings something that is not a token"),
        (r#"echo '{"access_token":"secret","expires_in":1}'"#, "brings a token that has ended"),
        ("echo '{secret'", "brings JSON without an access_token or accessToken"),
        ("exec cat /dev/zero", "prints more than 262144 octets"),
    ] {
        let desk = Desk::new(script);
        let fault = desk.access().await.unwrap_err();
        assert_eq!(fault.kind, TokenErrorKind::Unavailable);
        assert_eq!(
            fault.text,
            format!(
                "No token of User@Example.test: token_command (sh) {what}. Run it by hand as the user \
                 that saslgate runs as."
            )
        );
        desk.access().await.unwrap_err();
        assert_eq!(desk.runs(), 1, "a burst does not run what has just failed");
        desk.time.advance(3);
        desk.access().await.unwrap_err();
        assert_eq!(desk.runs(), 2);
    }
}

#[tokio::test]
async fn a_program_that_hangs_is_ended() {
    let desk = Desk::with_deadline("exec sleep 600", Duration::from_millis(500));
    let fault = desk.access().await.unwrap_err();
    assert!(fault.text.contains("token_command (sh) has not ended within 0 s"), "{fault}");
}

#[tokio::test]
async fn a_program_has_no_standard_input() {
    let desk = Desk::new("cat; echo done");
    assert_eq!(desk.access().await.unwrap(), "done");
}

#[tokio::test]
async fn a_file_is_read_again() {
    let mut desk = Desk::new("");
    desk.account.external_token = Some(ExternalToken::File(desk.path("token")));
    let fault = desk.access().await.unwrap_err();
    assert!(fault.text.contains("token_file"), "{fault}");
    desk.write("token", "t1\n");
    desk.time.advance(3);
    assert_eq!(desk.access().await.unwrap(), "t1");
    desk.write("token", "t2\n");
    desk.time.advance(60);
    assert_eq!(desk.access().await.unwrap(), "t2");
}
