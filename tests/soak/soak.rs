//! The soak: thousands of connections with random faults on both legs, each judged by its plan. A failure names
//! seed and number, by which it can be played alone.
//!
//! SASLGATE_SOAK_SECONDS, SASLGATE_SOAK_SEED and SASLGATE_SOAK_ONLY are what `scripts/soak` sets.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    chance::Chance,
    client::{self, Outcome},
    gateway::wait_until,
    judge::{self, Meanwhile},
    plan::{Account, Knows, Plan},
    upstream::Seen,
    wire::PATIENCE,
    world::World,
};

/// What is counted over a run.
#[derive(Default)]
struct Figures {
    connections: AtomicUsize,
    up: AtomicU64,
    down: AtomicU64,
    messages: AtomicU64,
    verdicts: Mutex<BTreeMap<String, usize>>,
    faults: Mutex<BTreeMap<String, usize>>,
    failures: Mutex<Vec<String>>,
}

/// The password that is revoked once a round.
#[derive(Clone, Default)]
struct Revocable {
    text: String,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Valid,
    /// Its end has begun.
    Ending,
    Revoked,
}

struct Soak {
    seed: u64,
    world: World,
    figures: Figures,
    revocable: Mutex<Revocable>,
    /// Rises when the gateway is killed, and when it is there again.
    starts: AtomicU64,
}

/// Of every run that names none: a change, and not chance, is what makes it fail. `scripts/soak` draws others.
const SEED: u64 = 20;
/// Connections at once.
const CROWD: usize = 200;
/// Between two connections, so that the machine is not what is tested.
const PACE: Duration = Duration::from_millis(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_faults_on_both_legs() {
    let _turn = crate::TURN.lock().await;
    let variable = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let seconds = variable("SASLGATE_SOAK_SECONDS").unwrap_or(60);
    let seed = variable("SASLGATE_SOAK_SEED").unwrap_or(SEED);
    println!("soak: seed {seed}, {seconds} s");
    let soak = Arc::new(Soak {
        seed,
        world: World::new(seed).await,
        figures: Figures::default(),
        revocable: Mutex::default(),
        starts: AtomicU64::new(0),
    });
    soak.world.gateway.start();
    soak.new_revocable(0);
    if let Some(number) = variable("SASLGATE_SOAK_ONLY") {
        soak.play_alone(number).await;
    } else {
        soak.rounds(Duration::from_secs(seconds)).await;
    }
    let soak = Arc::into_inner(soak).expect("all connections have ended");
    soak.conclude();
}

impl Soak {
    async fn play_alone(self: &Arc<Self>, number: u64) {
        let plan = Plan::new(self.seed, number);
        println!("{number}: {}", plan.describe());
        let (outcome, seen) = self.play(&plan).await;
        println!(
            "{:?} {:?}; sent {}, answers {} and {} octets, then {:?}; {}; fault {:?}\n\
             upstream: {} attempts, {} let in, received {}, sent {}, then {:?}",
            outcome.verdict,
            outcome.words,
            outcome.sent,
            outcome.answers,
            outcome.part,
            String::from_utf8_lossy(&outcome.deviation),
            outcome.end,
            outcome.fault,
            seen.attempts,
            seen.let_in,
            seen.received,
            seen.sent,
            seen.deviation,
        );
        println!("{}", self.world.gateway.log().join("\n"));
    }

    /// Rounds of connections; behind each, everything must be as it was before.
    async fn rounds(self: &Arc<Self>, all: Duration) {
        let round = (all / 4).clamp(Duration::from_secs(5), Duration::from_secs(60));
        let until = Instant::now() + all;
        let mut next = 0;
        let mut rested: Vec<(Option<usize>, u64)> = Vec::new();
        let mut count = 0;
        while Instant::now() + round / 2 < until {
            count += 1;
            next = self.round(count, next, round, all > Duration::from_secs(300)).await;
            let killed = self.starts.load(Ordering::SeqCst) / 2;
            let (descriptors, memory) = self.rest().await;
            let (_, peak) = self.world.gateway.memory();
            println!(
                "round {count}: {next} connections, {descriptors:?} descriptors, {memory} KiB own memory at rest, \
                 {peak} KiB at most, {killed} kills"
            );
            rested.push((descriptors, memory));
            // The first round after a start fills caches, pools and the allocator's arenas.
            if count % 5 == 0 && all > Duration::from_secs(300) {
                self.judge_rest(&rested);
                rested.clear();
                self.restart().await;
            }
        }
        self.judge_rest(&rested);
    }

    async fn round(self: &Arc<Self>, count: u64, from: u64, length: Duration, kills: bool) -> u64 {
        let until = Instant::now() + length;
        let places = Arc::new(Semaphore::new(CROWD));
        let mut tasks = JoinSet::new();
        let mut number = from;
        let mut chance = Chance::new(self.seed ^ 3, count);
        let mut events = vec![(length.mul_f64(0.3), 'r'), (length.mul_f64(0.6), 'h')];
        events.push((length.mul_f64(0.2 + chance.below(50) as f64 / 100.0), 'p'));
        if kills && count % 5 == 3 {
            events.push((length.mul_f64(0.5), 'k'));
        }
        for (after, event) in events {
            let soak = Arc::clone(self);
            tasks.spawn(async move {
                sleep(after).await;
                soak.happen(event, count).await;
            });
        }
        while Instant::now() < until {
            let place = Arc::clone(&places).acquire_owned().await.unwrap();
            let soak = Arc::clone(self);
            tasks.spawn(async move {
                soak.connection(number).await;
                drop(place);
            });
            number += 1;
            sleep(PACE).await;
        }
        let ended = timeout(PATIENCE * 3, async {
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
        });
        assert!(ended.await.is_ok(), "some connections of seed {} do not end", self.seed);
        number
    }

    async fn happen(self: &Arc<Self>, event: char, count: u64) {
        let soak = Arc::clone(self);
        match event {
            'r' => {
                // Another configuration, which changes nothing for anybody.
                let gateway = &self.world.gateway;
                gateway.write("saslgate.toml", &format!("{}# round {count}\n", gateway.config()));
                blocking(move || soak.world.gateway.command(&["reload"], "")).await;
            }
            'h' => blocking(move || soak.world.gateway.signal("HUP")).await,
            'p' => {
                self.revocable.lock().unwrap().state = State::Ending;
                let words = ["account", "remove-password", "revocable", "--name", "temporary"];
                blocking(move || soak.world.gateway.command(&words, "")).await;
                self.revocable.lock().unwrap().state = State::Revoked;
                sleep(Duration::from_millis(500)).await;
                let soak = Arc::clone(self);
                blocking(move || soak.new_revocable(count)).await;
            }
            _ => self.restart().await,
        }
    }

    async fn restart(self: &Arc<Self>) {
        self.starts.fetch_add(1, Ordering::SeqCst);
        let soak = Arc::clone(self);
        blocking(move || {
            soak.world.gateway.kill();
            soak.world.gateway.start();
        })
        .await;
        self.starts.fetch_add(1, Ordering::SeqCst);
    }

    fn new_revocable(&self, count: u64) {
        let text = format!("L0cal-revocable-{count}");
        let words = ["account", "password", "revocable", "--name", "temporary"];
        self.world.gateway.command(&words, &text);
        *self.revocable.lock().unwrap() = Revocable { text, state: State::Valid };
    }

    async fn connection(self: Arc<Self>, number: u64) {
        let plan = Plan::new(self.seed, number);
        let starts = self.starts.load(Ordering::SeqCst);
        let before = self.revocable.lock().unwrap().clone();
        let (outcome, seen) = self.play(&plan).await;
        let after = self.revocable.lock().unwrap().clone();
        let same = after.text == before.text;
        let meanwhile = Meanwhile {
            // Odd: it is not there just now.
            restarted: starts % 2 == 1 || self.starts.load(Ordering::SeqCst) != starts,
            revoked: before.state == State::Ending || !same || after.state != before.state,
            valid: before.state == State::Valid,
        };
        let faults = judge::faults(&plan, &outcome, &seen, meanwhile);
        self.count(&plan, &outcome, &seen);
        if !faults.is_empty() {
            let mut failures = self.figures.failures.lock().unwrap();
            let failure = format!(
                "{number}: {}\n    {}\n    {:?} ({}), {}, fault {:?}, {meanwhile:?}",
                faults.join("; "),
                plan.describe(),
                outcome.verdict,
                outcome.words.trim_end(),
                outcome.end,
                outcome.fault,
            );
            println!("FAILED {failure}");
            failures.push(failure);
        }
    }

    async fn play(&self, plan: &Plan) -> (Outcome, Seen) {
        let address = loop {
            match self.world.gateway.port(plan.protocol, plan.tls) {
                Some(address) => break address,
                None => sleep(Duration::from_millis(20)).await,
            }
        };
        let revocable = self.revocable.lock().unwrap().text.clone();
        let password = client::password(plan, &revocable);
        let outcome = client::run(plan, address, &self.world.tls, &password).await;
        let number = plan.number;
        let ended = timeout(PATIENCE, self.world.upstreams.wait_for_end(number));
        let ended = ended.await.is_ok();
        let mut seen = self.world.upstreams.take(number);
        if !ended {
            seen.faults.push("the session at the upstream does not end".to_owned());
        }
        (outcome, seen)
    }

    fn count(&self, plan: &Plan, outcome: &Outcome, seen: &Seen) {
        let figures = &self.figures;
        figures.connections.fetch_add(1, Ordering::Relaxed);
        figures.up.fetch_add(seen.received as u64, Ordering::Relaxed);
        figures.down.fetch_add(seen.sent as u64, Ordering::Relaxed);
        let told = plan.exchanges.iter().take(outcome.answers);
        let accepted = told.filter(|it| it.answer().starts_with(b"250 2.0.0 Ok: queued as "));
        figures.messages.fetch_add(accepted.count() as u64, Ordering::Relaxed);
        let add = |map: &Mutex<BTreeMap<String, usize>>, what: String| {
            *map.lock().unwrap().entry(what).or_default() += 1;
        };
        add(&figures.verdicts, format!("{:?}", outcome.verdict));
        if let Some(fault) = outcome.fault {
            add(&figures.faults, format!("client {fault:?}"));
        }
        if let Some((_, fault)) = plan.server_fault.filter(|_| seen.attempts > 0) {
            add(&figures.faults, format!("server {fault:?}"));
        }
        if plan.account != Account::Steady {
            add(&figures.faults, format!("account {:?}", plan.account));
        }
        if !matches!(plan.knows, Knows::Right | Knows::Revocable) {
            add(&figures.faults, format!("login {:?}", plan.knows));
        }
    }

    /// Waits until nothing is left of the connections; descriptors and memory then.
    async fn rest(self: &Arc<Self>) -> (Option<usize>, u64) {
        self.world.endpoint.hang_up.notify_waiters();
        let soak = Arc::clone(self);
        blocking(move || {
            let gateway = &soak.world.gateway;
            wait_until("no session is left", || gateway.sessions() == 0);
            // What is at rest does not change.
            let mut last = None;
            wait_until("descriptors are given back", || {
                // Where they cannot be seen, there is nothing to wait for.
                let Some(now) = gateway.descriptors() else { return true };
                let before = last.replace(now);
                before == Some(now) && now < 60
            });
            (gateway.descriptors(), gateway.memory().0)
        })
        .await
    }

    /// Behind the first round nothing grows. Four descriptors are what the store's pool may have opened since; a
    /// quarter and four mebioctets what the allocator keeps in pieces.
    fn judge_rest(&self, rested: &[(Option<usize>, u64)]) {
        let Some((&(descriptors, memory), later)) = rested.split_first() else { return };
        for (count, &(now, memory_now)) in later.iter().enumerate() {
            let mut failures = self.figures.failures.lock().unwrap();
            if let (Some(descriptors), Some(now)) = (descriptors, now)
                && now > descriptors + 4
            {
                failures.push(format!("{descriptors} descriptors became {now} (round {count})"));
            }
            if memory_now > memory + memory / 4 + 4096 {
                failures.push(format!("{memory} KiB became {memory_now} KiB (round {count})"));
            }
        }
    }

    fn conclude(self) {
        let Self { seed, world, figures, .. } = self;
        println!(
            "soak: seed {seed}: {} connections, {} octets up and {} down, {} messages accepted",
            figures.connections.into_inner(),
            figures.up.into_inner(),
            figures.down.into_inner(),
            figures.messages.into_inner(),
        );
        println!("verdicts: {:?}", figures.verdicts.into_inner().unwrap());
        println!("faults: {:?}", figures.faults.into_inner().unwrap());
        println!("token endpoint: {:?}", world.endpoint.answers.lock().unwrap());
        println!(
            "at the end: {:?} descriptors, memory {:?} KiB",
            world.gateway.descriptors(),
            world.gateway.memory()
        );
        let mut failures = figures.failures.into_inner().unwrap();
        failures.extend(world.endpoint.strange.lock().unwrap().iter().cloned());
        failures.extend(world.upstreams.strays.lock().unwrap().iter().cloned());
        let panics = world.gateway.logged("panicked");
        if panics > 0 {
            failures.push(format!("{panics} panics in the log"));
        }
        let code = world.gateway.stop();
        if code != Some(0) {
            failures.push(format!("it ended with {code:?}"));
        }
        if failures.is_empty() {
            return;
        }
        let folder = world.gateway.keep_folder();
        panic!(
            "{} failures; play one alone with: scripts/soak --seed {seed} --only NUMBER\nlog: {}\n{}",
            failures.len(),
            folder.join("log").display(),
            failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n"),
        );
    }
}

async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(f).await.unwrap()
}
