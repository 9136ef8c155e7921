//! The model: what may have come of a connection, by its plan and by what was done to the gateway meanwhile. Pure
//! functions; an empty list is a connection that went as it must.

use crate::{
    client::{Outcome, Verdict},
    plan::{Account, ClientFault, Knows, Plan, Protocol, Refused, ServerFault},
    upstream::Seen,
};

/// What was done to the gateway while a connection was there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meanwhile {
    /// It was killed, stopped or started.
    pub restarted: bool,
    /// The revocable password was, or may have been, revoked.
    pub revoked: bool,
    /// It was valid when the connection began, for certain.
    pub valid: bool,
}

pub fn faults(plan: &Plan, outcome: &Outcome, seen: &Seen, meanwhile: Meanwhile) -> Vec<String> {
    let mut faults = seen.faults.clone();
    if outcome.token_seen {
        faults.push("the client saw a token".to_owned());
    }
    if seen.password_seen {
        faults.push("the upstream saw a local password".to_owned());
    }
    if outcome.late && !meanwhile.restarted {
        faults.push("the gateway hangs".to_owned());
    }
    if seen.let_in > 1 {
        faults.push(format!("{} sessions at the upstream", seen.let_in));
    }
    if outcome.verdict == Verdict::LetIn && seen.let_in == 0 {
        faults.push("let in, and the upstream does not know".to_owned());
    }
    let allowed = verdicts(plan, outcome, meanwhile);
    if !allowed.contains(&outcome.verdict) {
        faults.push(format!("{:?}, not one of {allowed:?}", outcome.verdict));
    }
    if outcome.verdict == Verdict::LetIn {
        relay(plan, outcome, seen, meanwhile, &mut faults);
    } else if seen.received > 0 && outcome.fault.is_none() && !meanwhile.restarted {
        faults.push(format!("{} octets at the upstream before the verdict", seen.received));
    }
    faults
}

fn verdicts(plan: &Plan, outcome: &Outcome, meanwhile: Meanwhile) -> Vec<Verdict> {
    use Verdict::{Left, NoWord, NotNow, WrongPassword};
    let mut allowed = match plan.knows {
        Knows::WrongPassword | Knows::NoSuchName => vec![WrongPassword],
        Knows::Revocable if !meanwhile.valid && !meanwhile.revoked => vec![WrongPassword],
        _ => of_account(plan),
    };
    if plan.knows == Knows::Revocable && meanwhile.revoked {
        allowed.push(WrongPassword);
    }
    if outcome.fault.is_some() {
        allowed.push(Left);
        // Its end cuts the login short.
        if outcome.fault != Some(ClientFault::Silence) {
            allowed.extend([NoWord, NotNow]);
        }
    }
    if meanwhile.restarted {
        allowed.extend([NoWord, NotNow]);
    }
    allowed
}

/// With the right password.
fn of_account(plan: &Plan) -> Vec<Verdict> {
    use Verdict::{LetIn, NotNow};
    match plan.account {
        Account::SignedOut
        | Account::Closed
        | Account::Aborting
        | Account::Silent
        | Account::Noise
        | Account::Busy => return vec![NotNow],
        Account::Steady | Account::Flaky | Account::Refusing | Account::Revocable => {}
    }
    if plan.server_login_fault().is_some() || plan.refused == Refused::Always {
        return vec![NotNow];
    }
    if plan.account == Account::Flaky || plan.refused == Refused::Once {
        return vec![LetIn, NotNow];
    }
    vec![LetIn]
}

fn relay(
    plan: &Plan,
    outcome: &Outcome,
    seen: &Seen,
    meanwhile: Meanwhile,
    faults: &mut Vec<String>,
) {
    let cut_by_us = meanwhile.restarted || (plan.knows == Knows::Revocable && meanwhile.revoked);
    let server_fault = plan.server_relay_fault().map(|(_, fault)| fault);
    let upward: usize = upward(plan).map(|(_, octets)| octets).sum();
    let client_noise = outcome.fault == Some(ClientFault::Garbage);
    let server_noise = server_fault == Some(ServerFault::Garbage);

    if let Some(odd) = &seen.deviation
        && !client_noise
    {
        faults.push(format!("the upstream got something else at {}: {odd}", seen.received));
    }
    let got = received(plan, outcome);
    if got > seen.sent {
        faults.push(format!("the client got {got} octets, the upstream sent {}", seen.sent));
    }
    let goodbye = is_goodbye(plan, outcome);
    if !outcome.deviation.is_empty() && !goodbye && !server_noise && !client_noise {
        faults.push(format!("the client got something else: {}", front(&outcome.deviation)));
    }
    // What the client has said wrong may be answered by anybody, but between two lines.
    if client_noise && !server_noise && !goodbye && is_altered(plan, outcome) {
        faults.push(format!("a line was altered: {}", front(&outcome.deviation)));
    }
    let troubled = outcome.fault.is_some() || server_fault.is_some() || cut_by_us;
    if !troubled {
        if outcome.answers < plan.exchanges.len() {
            faults.push(format!("the answer {} did not come whole", outcome.answers));
        }
        if !outcome.deviation.is_empty() {
            faults.push(format!("behind the last answer came {}", front(&outcome.deviation)));
        }
        if seen.received != upward {
            faults.push(format!("{} of {upward} octets reached the upstream", seen.received));
        }
    }
    let ended_well = [ServerFault::Close, ServerFault::Truncation].map(Some);
    if outcome.fault.is_none()
        && !cut_by_us
        && ended_well.contains(&server_fault)
        && got != seen.sent
    {
        faults.push(format!("the client got {got} of {} octets before the end", seen.sent));
    }
    if outcome.fault == Some(ClientFault::HalfClose) && server_fault.is_none() && !cut_by_us {
        half_closed(plan, outcome, seen, faults);
    }
}

/// Whether what came instead begins like the line that was expected.
fn is_altered(plan: &Plan, outcome: &Outcome) -> bool {
    let expected = plan.exchanges.get(outcome.answers).map(|it| it.answer());
    let line = expected.and_then(|answer| answer.get(outcome.part..outcome.part + 8));
    line.is_some_and(|line| outcome.deviation.starts_with(line))
}

/// What was whole when the client ended its input is answered.
fn half_closed(plan: &Plan, outcome: &Outcome, seen: &Seen, faults: &mut Vec<String>) {
    let mut end = 0;
    let whole = plan.exchanges.iter().take_while(|it| {
        end += it.client.len();
        end <= outcome.sent
    });
    let whole = whole.count();
    let owed: usize =
        upward(plan).take_while(|(at, _)| *at < whole).map(|(_, octets)| octets).sum();
    if seen.received < owed {
        faults.push(format!("{} of {owed} whole octets reached the upstream", seen.received));
    }
    if outcome.answers < whole {
        faults.push(format!("{} of {whole} answers came after a half-close", outcome.answers));
    }
}

/// Place and length of each command that goes up.
fn upward(plan: &Plan) -> impl Iterator<Item = (usize, usize)> {
    let commands = plan.exchanges.iter().enumerate().filter(|(_, it)| it.reaches_upstream());
    commands.map(|(at, it)| (at, it.client.len()))
}

/// Octets of the upstream's answers that the client has.
fn received(plan: &Plan, outcome: &Outcome) -> usize {
    let whole: usize = plan.exchanges[..outcome.answers].iter().map(|it| it.answer().len()).sum();
    let next = plan.exchanges.get(outcome.answers);
    whole + if next.is_some_and(|it| it.reaches_upstream()) { outcome.part } else { 0 }
}

/// One line of the gateway's, where the stream stood between two responses; and only where there is a reason.
fn is_goodbye(plan: &Plan, outcome: &Outcome) -> bool {
    let deviation = outcome.deviation.as_slice();
    let words: &[&[u8]] = match plan.protocol {
        Protocol::Imap => &[b"* BYE "],
        Protocol::Pop3 => &[b"-ERR [SYS/TEMP] ", b"-ERR "],
        Protocol::Smtp => &[b"421 4.", b"221 2.0.0 "],
    };
    let is_line =
        deviation.ends_with(b"\r\n") && memchr::memchr_iter(b'\n', deviation).count() == 1;
    is_line && words.iter().any(|word| deviation.starts_with(word))
}

fn front(octets: &[u8]) -> String {
    octets[..octets.len().min(200)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection without any fault, and what must come of it.
    fn undisturbed() -> (Plan, Outcome, Seen) {
        let plan = (0..).map(|number| Plan::new(1, number)).find(|plan| {
            let faultless = plan.client_fault.is_none() && plan.server_fault.is_none();
            let right = plan.account == Account::Steady && plan.knows == Knows::Right;
            faultless && right && plan.protocol == Protocol::Smtp && plan.exchanges.len() > 4
        });
        let plan = plan.unwrap();
        let outcome = Outcome {
            verdict: Verdict::LetIn,
            words: String::new(),
            sent: plan.exchanges.iter().map(|it| it.client.len()).sum(),
            answers: plan.exchanges.len(),
            part: 0,
            deviation: Vec::new(),
            end: String::new(),
            fault: None,
            token_seen: false,
            late: false,
        };
        let seen = Seen {
            attempts: 1,
            let_in: 1,
            received: upward(&plan).map(|(_, octets)| octets).sum(),
            sent: plan.exchanges.iter().map(|it| it.answer().len()).sum(),
            ..Seen::default()
        };
        (plan, outcome, seen)
    }

    #[track_caller]
    fn check(expected: &str, spoil: impl FnOnce(&mut Plan, &mut Outcome, &mut Seen)) {
        let (mut plan, mut outcome, mut seen) = undisturbed();
        spoil(&mut plan, &mut outcome, &mut seen);
        let faults = faults(&plan, &outcome, &seen, Meanwhile::default()).join("; ");
        let found = if expected.is_empty() { faults.is_empty() } else { faults.contains(expected) };
        assert!(found, "{expected:?}, and it says {faults:?}");
    }

    #[test]
    fn each_kind_of_fault_is_seen() {
        check("", |_, _, _| ());
        check("saw a token", |_, outcome, _| outcome.token_seen = true);
        check("saw a local password", |_, _, seen| seen.password_seen = true);
        check("hangs", |_, outcome, _| outcome.late = true);
        check("2 sessions", |_, _, seen| seen.let_in = 2);
        check("does not know", |_, _, seen| seen.let_in = 0);
        check("WrongPassword, not one of", |_, it, _| it.verdict = Verdict::WrongPassword);
        check("NotNow, not one of", |_, it, _| it.verdict = Verdict::NotNow);
        check("LetIn, not one of", |plan, _, _| plan.knows = Knows::WrongPassword);
        check("LetIn, not one of", |plan, _, _| plan.account = Account::SignedOut);
        check("did not come whole", |_, outcome, _| outcome.answers -= 1);
        check("reached the upstream", |_, _, seen| seen.received -= 1);
        check("something else at", |_, _, seen| seen.deviation = Some("AUTH".to_owned()));
        check("behind the last answer", |_, it, _| it.deviation = b"421 4.4.2 x\r\n".to_vec());
        check("got something else", |_, it, _| it.deviation = b"250 Ok\r\n".to_vec());
        check("the upstream sent", |_, _, seen| seen.sent -= 1);
        check("octets before the end", |plan, outcome, _| {
            plan.server_fault = Some((9, ServerFault::Close));
            outcome.answers -= 1;
        });
        check("came after a half-close", |_, outcome, _| {
            outcome.fault = Some(ClientFault::HalfClose);
            outcome.answers -= 1;
        });
        check("whole octets reached", |_, outcome, seen| {
            outcome.fault = Some(ClientFault::HalfClose);
            seen.received -= 1;
        });
    }

    #[test]
    fn noise_excuses_no_altered_line() {
        check("a line was altered", |plan, outcome, _| {
            outcome.fault = Some(ClientFault::Garbage);
            outcome.answers = 0;
            outcome.deviation = [&plan.exchanges[0].answer()[..8], b"?\r\n"].concat();
        });
        check("", |_, outcome, _| {
            outcome.fault = Some(ClientFault::Garbage);
            outcome.answers = 0;
            outcome.deviation = b"500 5.5.2 what?\r\n".to_vec();
        });
    }

    #[test]
    fn a_goodbye_has_a_reason_and_a_place() {
        let cut = |plan: &mut Plan, outcome: &mut Outcome| {
            plan.server_fault = Some((9, ServerFault::Reset));
            outcome.answers -= 1;
        };
        check("", |plan, outcome, _| {
            cut(plan, outcome);
            outcome.deviation = b"421 4.4.2 the mail server closed the connection\r\n".to_vec();
        });
        check("something else", |plan, outcome, _| {
            cut(plan, outcome);
            outcome.deviation = b"250-2.421 4.4.2 in the middle of a line\r\n".to_vec();
        });
    }
}
