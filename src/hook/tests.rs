use std::time::UNIX_EPOCH;

use super::*;
use crate::token::{State, TokenErrorKind};

fn change() -> Change {
    Change {
        account: "u@example.test".to_owned(),
        state: State::Fails(TokenErrorKind::SignIn),
        reason: "It \"ended\".".to_owned(),
        next_step: "Sign in.".to_owned(),
        link: None,
        at: UNIX_EPOCH,
    }
}

const JSON: &str = r#"{"account":"u@example.test","state":"sign_in_needed","reason":"It \"ended\".","next_step":"Sign in.","time":"1970-01-01T00:00:00Z"}"#;

#[tokio::test]
async fn a_program_reads_one_object_and_is_called_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heard");
    let command = ["tee", "-a", file.to_str().unwrap()].map(str::to_owned).to_vec();
    let (sender, receiver) = mpsc::channel(1);
    sender.send(change()).await.unwrap();
    drop(sender);
    let hooks = || Hooks { command: command.clone(), webhook: None };
    deliver(receiver, hooks, CancellationToken::new()).await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), JSON);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_hangs_is_given_up() {
    let mut calls = 0;
    attempt("hook", "u", || {
        calls += 1;
        std::future::pending()
    })
    .await;
    assert_eq!(calls, 3);
}

#[tokio::test]
async fn what_a_program_says_by_its_status_counts() {
    let run_of = async |words: &[&str]| {
        run(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>(), b"{}").await
    };
    assert!(run_of(&["true"]).await.is_ok());
    assert!(run_of(&["false"]).await.unwrap_err().contains("exit status: 1"));
    assert!(run_of(&["/no/such/program"]).await.is_err());
    assert!(run_of(&[]).await.is_ok());
}
