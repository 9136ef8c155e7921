use super::*;

const ANNA: &[u8] = b"anna@example.ch";
const HOME: [u8; 4] = [192, 0, 2, 1];
const HERE: [u8; 4] = [127, 0, 0, 1];

fn guesses() -> Arc<Guesses> {
    Arc::new(Guesses::default())
}

/// So many wrong logins; what the last one is worth.
fn wrong(guesses: &Guesses, times: usize, login: &[u8], from: [u8; 4]) -> u32 {
    let asker = guesses.asker(login, from.into());
    (0..times).map(|_| guesses.wrong(&asker)).max().unwrap()
}

fn guess(number: usize) -> Secret {
    Secret::new(number.to_string())
}

/// A site of a botnet.
fn bot(number: u8) -> [u8; 4] {
    [198, 51, 100, number]
}

#[tokio::test(start_paused = true)]
async fn each_more_is_worth_more_up_to_a_bound_and_is_forgotten() {
    let guesses = guesses();
    assert_eq!(wrong(&guesses, 1, ANNA, HOME), 1);
    assert_eq!(wrong(&guesses, 4, ANNA, HOME), 5);
    assert_eq!(wrong(&guesses, 100, ANNA, HOME), MOST);
    // Another site is not concerned, nor is loopback.
    assert_eq!(wrong(&guesses, 1, ANNA, HERE), 1);
    tokio::time::advance(Duration::from_secs(60 * u64::from(REMEMBERED))).await;
    assert_eq!(wrong(&guesses, 1, ANNA, HOME), 1);
}

#[tokio::test(start_paused = true)]
async fn many_names_from_one_site_and_many_sites_at_one_name_are_seen() {
    let guesses = guesses();
    let worth = (0..40).map(|n| wrong(&guesses, 1, format!("user{n}").as_bytes(), HOME)).max();
    assert_eq!(worth, Some(40 / PER_SITE));
    let worth = (0..80).map(|n| wrong(&guesses, 1, ANNA, bot(n))).max();
    assert_eq!(worth, Some(80 / PER_NAME));
}

#[tokio::test(start_paused = true)]
async fn a_name_in_other_clothes_is_the_same_name() {
    let guesses = guesses();
    wrong(&guesses, 5, b"anna", HOME);
    for other in [&b"ANNA"[..], b"dom\\anna", b"other\\Anna", b"dom/anna/info"] {
        assert!(wrong(&guesses, 1, other, HOME) > 5, "{other:?}");
    }
    // A made-up mailbox behind it is no other name.
    wrong(&guesses, 5, ANNA, HOME);
    for other in [&b"anna@example.ch\\r1@x.y"[..], b"anna@example.ch/r2"] {
        assert!(wrong(&guesses, 1, other, HOME) > 5, "{other:?}");
    }
    // What stands before may be everybody's domain.
    let names = (0..20).map(|number| format!("corp\\user{number}"));
    let worth = names.map(|name| wrong(&guesses, 1, name.as_bytes(), bot(9))).max();
    assert_eq!(worth, Some(20 / PER_SITE));
    assert_eq!(guesses.asker(&[b'\\'; 9], HOME.into()).parts.len(), PARTS - 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_guess_keeps_its_place_whatever_becomes_of_its_connection() {
    let guesses = guesses();
    let asker = guesses.asker(ANNA, HOME.into());
    for number in 0..AT_A_NAME {
        guesses.turn(&asker, &guess(number)).await.unwrap().pay(Duration::from_secs(20));
    }
    let began = Instant::now();
    assert!(guesses.turn(&asker, &guess(99)).await.is_none());
    // The same wrong one again, of a mail program that nobody has told the new one, takes no place from others.
    assert!(guesses.turn(&asker, &guess(0)).await.is_some());
    assert_eq!(began.elapsed(), PATIENCE);
    // Others are not concerned: another name, another site, this machine.
    for (login, from) in [(&b"bob"[..], HOME), (ANNA, bot(1)), (ANNA, HERE)] {
        assert!(guesses.try_turn(&guesses.asker(login, from.into()), 99).is_some());
    }
    // It becomes free when the answers are due.
    assert!(guesses.turn(&asker, &guess(99)).await.is_some());
    assert_eq!(began.elapsed(), Duration::from_secs(20));
    sleep(Duration::from_secs(1)).await;
    assert!(guesses.state().places.is_empty());
}

#[tokio::test(start_paused = true)]
async fn strangers_together_get_few_and_the_owners_site_is_none() {
    let guesses = guesses();
    for number in 0..OF_STRANGERS {
        let asker = guesses.asker(ANNA, bot(u8::try_from(number).unwrap()).into());
        guesses.turn(&asker, &guess(number)).await.unwrap().pay(Duration::from_secs(30));
    }
    let stranger = guesses.asker(ANNA, bot(200).into());
    assert!(guesses.try_turn(&stranger, 99).is_none());
    assert!(guesses.try_turn(&stranger.as_stranger(false), 99).is_some());
}

#[tokio::test(start_paused = true)]
async fn made_up_names_push_out_nobody_who_is_guessed_at() {
    let guesses = guesses();
    wrong(&guesses, 5, ANNA, HOME);
    for number in 0..2 * SUBJECTS {
        wrong(&guesses, 1, number.to_string().as_bytes(), bot(1));
    }
    assert_eq!(wrong(&guesses, 1, ANNA, HOME), 6);
}

#[tokio::test(start_paused = true)]
async fn all_of_loopback_is_one_site() {
    let guesses = guesses();
    wrong(&guesses, 5, ANNA, HERE);
    assert_eq!(wrong(&guesses, 1, ANNA, [127, 5, 6, 7]), 6);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_bounded() {
    let guesses = guesses();
    for number in 0..SUBJECTS {
        wrong(&guesses, 1, number.to_string().as_bytes(), bot(1));
    }
    let state = guesses.state();
    assert_eq!((state.scores.len(), state.order.len()), (SUBJECTS, SUBJECTS));
}

#[test]
fn on_loopback_names_have_shares_of_their_own() {
    let guesses = guesses();
    let lanes: std::collections::HashSet<_> = (0..200)
        .map(|n| guesses.asker(format!("user{n}").as_bytes(), HERE.into()).lane())
        .collect();
    assert!(lanes.len() > 8, "{}", lanes.len());
    let lane = |login: &[u8]| guesses.asker(login, HOME.into()).lane();
    assert_eq!(lane(b"a"), lane(b"b"));
}
