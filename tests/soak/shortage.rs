//! Descriptors that run out: listeners live on, it is told once, and everything is as before when there are some
//! again.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    crowd::{Stage, is_greeting, is_let_in, log_in, noop},
    gateway::wait_until,
    plan::{LocalTls, Protocol},
    wire::Wire,
};

const TOLD: &str = "almost no file descriptors are left of 80: ";
const OVER: &str = "there are enough file descriptors again";

async fn stage() -> Stage {
    let stage = Stage::new("[deadlines]\nfailed_login_delay = \"1ms\"\n", "-n 80").await;
    stage.gateway.start();
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_logs_in_makes_room_and_it_is_told_once() {
    let _turn = crate::TURN.lock().await;
    let stage = stage().await;
    let mut first = stage.connect(Protocol::Imap, LocalTls::None).await;
    assert!(is_greeting(&first.line().await.unwrap()));
    assert!(is_let_in(&log_in(&mut first, Protocol::Imap, 0).await));
    // Far more than there are descriptors for, over all protocols, and all of them stay.
    let mut idle = Vec::new();
    for at in 0..240 {
        let mut wire = stage.connect(Protocol::ALL[at % 3], LocalTls::None).await;
        let said = wire.line().await.unwrap();
        assert!(is_greeting(&said), "{at}: {said}");
        idle.push(wire);
    }
    // Whoever wants to log in, can.
    let mut late = stage.connect(Protocol::Imap, LocalTls::None).await;
    assert!(is_greeting(&late.line().await.unwrap()));
    let line = log_in(&mut late, Protocol::Imap, 1).await;
    assert!(is_let_in(&line), "{line}");
    noop(&mut first).await;
    let gone = idle[0].line().await;
    assert!(gone.as_ref().is_ok_and(|line| line.starts_with("* BYE ")), "{gone:?}");
    assert_eq!(stage.gateway.logged(TOLD), 1, "{:?}", stage.gateway.log());
    assert_eq!(stage.gateway.logged("cannot accept"), 0);
    drop((idle, late));
    recovers(&stage).await;
    noop(&mut first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_take_all_descriptors_stay_and_nobody_hears_of_a_wrong_password() {
    let _turn = crate::TURN.lock().await;
    let stage = stage().await;
    // The first login of all needs a token, too, and the store: they come when there is nothing left.
    let mut greeted = Vec::new();
    for _ in 0..40 {
        let mut wire = stage.connect(Protocol::Imap, LocalTls::None).await;
        if wire.line().await.is_ok_and(|line| is_greeting(&line)) {
            greeted.push(wire);
        }
    }
    let mut logins = tokio::task::JoinSet::new();
    for (number, mut wire) in greeted.into_iter().enumerate() {
        logins.spawn(async move { (log_in(&mut wire, Protocol::Imap, number).await, wire) });
    }
    let (mut inside, mut outside): (Vec<_>, Vec<_>) =
        logins.join_all().await.into_iter().partition(|(line, _)| is_let_in(line));
    let all_inside: usize = fill(&stage, &mut inside).await;
    println!("{} inside, {} not, {} after some time", inside.len(), outside.len(), all_inside);
    assert!(inside.len() >= 15, "with 80 descriptors, and two for each");
    let mut refused = 0;
    for (line, _) in &outside {
        let is_passing = line.starts_with("l NO [UNAVAILABLE] ")
            || line.starts_with("* BYE [UNAVAILABLE] ")
            || line.starts_with("Closed");
        assert!(is_passing, "{line}");
        refused += usize::from(line.contains("no file descriptors left"));
    }
    println!("{refused} heard why");
    outside.clear();
    for (_, wire) in &mut inside {
        noop(wire).await;
    }
    assert_eq!(stage.gateway.logged(TOLD), 1, "{:?}", stage.gateway.log());
    inside.truncate(1);
    recovers(&stage).await;
    noop(&mut inside[0].1).await;
}

/// Logs in until nobody is let in any more.
async fn fill(stage: &Stage, inside: &mut Vec<(String, Wire)>) -> usize {
    for number in 100..106 {
        let mut wire = stage.connect(Protocol::Imap, LocalTls::None).await;
        // Cut off, or left to wait, where not even a word can be spared.
        let said = timeout(Duration::from_secs(2), wire.line()).await;
        if !matches!(said, Ok(Ok(line)) if is_greeting(&line)) {
            continue;
        }
        let line = log_in(&mut wire, Protocol::Imap, number).await;
        assert!(!line.contains("AUTHENTICATIONFAILED"), "{line}");
        if is_let_in(&line) {
            inside.push((line, wire));
        }
    }
    inside.len()
}

async fn recovers(stage: &Stage) {
    wait_until("descriptors are free again", || {
        stage.gateway.descriptors().is_none_or(|count| count < 50)
    });
    // It is over when a connection comes for which there is enough, and some time has passed since there was not.
    let over = timeout(Duration::from_secs(60), async {
        while stage.gateway.logged(OVER) == 0 {
            let mut wire = stage.connect(Protocol::Imap, LocalTls::None).await;
            let _ = timeout(Duration::from_millis(200), wire.line()).await;
        }
    });
    assert!(over.await.is_ok(), "{:?}", stage.gateway.log());
    for (number, protocol) in Protocol::ALL.into_iter().enumerate() {
        let mut wire = stage.connect(protocol, LocalTls::None).await;
        assert!(is_greeting(&wire.line().await.unwrap()));
        let line = log_in(&mut wire, protocol, 200 + number).await;
        assert!(is_let_in(&line), "{line}");
    }
    assert_eq!(stage.gateway.logged(OVER), 1, "{:?}", stage.gateway.log());
}
