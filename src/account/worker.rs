//! The threads that compute Argon2id, and nothing else. The hard thing is that guesses must not take
//! the cores, nor the queue from those who know their password: few threads, each with its own memory
//! block, behind a short queue; a place in it is waited for a bounded time, and each lane (a site; on loopback some of
//! the names) has a small share of it. Within a lane the newest is next: under a flood the oldest have given
//! up by the time that it is their turn, and with them in front nobody would be served in time.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};

use crate::secret::Secret;

/// 32 octets of Argon2id, from which a digest is made.
pub(super) type StretchedKey = Secret;

/// One Argon2id evaluation to do.
struct Job {
    password: Secret,
    salt: [u8; 16],
    reply: oneshot::Sender<Option<StretchedKey>>,
    /// Its place in the queue, given back when a thread takes it.
    place: OwnedSemaphorePermit,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerError {
    /// No place in the queue became free in time.
    Busy,
    /// The threads could not be started, or are gone.
    Gone,
}

/// A handle to the threads; they end when it is dropped.
pub(super) struct Worker {
    jobs: SyncSender<Job>,
    places: Arc<Semaphore>,
    lanes: Arc<Lanes>,
    /// How many evaluations were asked for.
    #[cfg(test)]
    pub(super) asked: std::sync::atomic::AtomicUsize,
}

impl Worker {
    /// One thread for every two cores: the other half is for everyone who is logged in.
    pub(super) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::with_threads((cores / 2).max(1), QUEUE)
    }

    fn with_threads(threads: usize, queue: usize) -> io::Result<Self> {
        let (jobs, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads {
            let receiver = Arc::clone(&receiver);
            let name = format!("password-{number}");
            thread::Builder::new().name(name).spawn(move || work(&receiver))?;
        }
        Ok(Self::of_queue(jobs, queue))
    }

    fn of_queue(jobs: SyncSender<Job>, queue: usize) -> Self {
        Self {
            jobs,
            places: Arc::new(Semaphore::new(queue)),
            lanes: Arc::default(),
            #[cfg(test)]
            asked: std::sync::atomic::AtomicUsize::new(0),
        }
    }

    /// Waits for a place in the queue, in this lane; `None`: nobody's share counts.
    pub(super) async fn place(&self, lane: Option<Lane>) -> Result<Place, WorkerError> {
        let waited = timeout(PATIENCE, async {
            let share = match lane {
                Some(lane) => Some(Lanes::enter(&self.lanes, lane).await?),
                None => None,
            };
            let places = Arc::clone(&self.places);
            let in_queue = places.acquire_owned().await.map_err(|_| WorkerError::Gone)?;
            Ok(Place { in_queue, _share: share })
        });
        waited.await.unwrap_or(Err(WorkerError::Busy))
    }

    /// Argon2id of the password.
    pub(super) async fn stretch(
        &self,
        place: Place,
        password: Secret,
        salt: [u8; 16],
    ) -> Result<StretchedKey, WorkerError> {
        #[cfg(test)]
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // The lane's share is kept until the answer.
        let Place { in_queue, _share } = place;
        let (reply, answer) = oneshot::channel();
        let job = Job { password, salt, reply, place: in_queue };
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => WorkerError::Busy,
            TrySendError::Disconnected(_) => WorkerError::Gone,
        })?;
        answer.await.ok().flatten().ok_or(WorkerError::Gone)
    }
}

/// A place in the queue, and a share of the lane.
pub(super) struct Place {
    in_queue: OwnedSemaphorePermit,
    _share: Option<Share>,
}

/// Who shares a part of the evaluations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    pub(super) site: IpAddr,
    pub(super) name: u64,
}

/// The lanes that have evaluations under way or waiting.
#[derive(Default)]
struct Lanes(Mutex<HashMap<Lane, State>>);

struct State {
    in_use: usize,
    /// Oldest first.
    waiting: Vec<oneshot::Sender<Share>>,
}

impl Lanes {
    async fn enter(lanes: &Arc<Self>, lane: Lane) -> Result<Share, WorkerError> {
        let turn = {
            let mut known = lanes.lock();
            let new = || State { in_use: 0, waiting: Vec::new() };
            let state = known.entry(lane).or_insert_with(new);
            if state.in_use < SHARE {
                state.in_use += 1;
                drop(known);
                return Ok(Share { held: Some((Arc::clone(lanes), lane)) });
            }
            if state.waiting.len() >= WAITING {
                state.waiting.retain(|waiting| !waiting.is_closed());
            }
            let (sender, turn) = oneshot::channel();
            state.waiting.push(sender);
            turn
        };
        turn.await.map_err(|_| WorkerError::Gone)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Lane, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is next, if anybody is; else the lane is given back.
    fn next(&self, lane: Lane) -> Option<oneshot::Sender<Share>> {
        let mut known = self.lock();
        let state = known.get_mut(&lane)?;
        let next = state.waiting.pop();
        if next.is_none() {
            state.in_use -= 1;
            if state.in_use == 0 {
                known.remove(&lane);
            }
        }
        next
    }
}

/// A share of a lane; on drop it goes to the newest that waits.
struct Share {
    /// `None` once it has gone to another.
    held: Option<(Arc<Lanes>, Lane)>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((lanes, lane)) = self.held.take() else { return };
        while let Some(next) = lanes.next(lane) {
            let share = Self { held: Some((Arc::clone(&lanes), lane)) };
            match next.send(share) {
                Ok(()) => return,
                // Whoever waited has given up.
                Err(mut share) => drop(share.held.take()),
            }
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS);
    let mut memory = vec![Block::default(); PARAMS.block_count()];
    loop {
        // A poisoned lock means that another thread panicked while it waited, which changes nothing.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        drop(job.place);
        if job.reply.is_closed() {
            continue;
        }
        let mut key = vec![0; KEY_LENGTH];
        let password = job.password.expose();
        let done =
            argon2.hash_password_into_with_memory(password, &job.salt, &mut key, &mut memory);
        // Whoever asked may have gone meanwhile.
        let _gone = job.reply.send(done.ok().map(|()| Secret::new(key)));
    }
}

/// Argon2id with 19 MiB, two passes, one lane: the first choice of OWASP's Password Storage Cheat
/// Sheet, some 20 ms of one core. The stored digests depend on it: another choice needs a version
/// beside the digest.
const PARAMS: Params = match Params::new(19 * 1024, 2, 1, Some(KEY_LENGTH)) {
    Ok(params) => params,
    Err(_) => Params::DEFAULT,
};
const KEY_LENGTH: usize = 32;

/// At 20 ms each, the last in the queue waits little more than a second.
const QUEUE: usize = 64;

/// How long a place in the queue is waited for: behind a restart all mail programs come at once, and a
/// thousand passwords take that long on one core. Those who wait cost nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// Evaluations of one lane at once: small beside the queue, enough for an office whose mail programs
/// all start together.
const SHARE: usize = 8;

/// So many may wait in a lane before those that have given up are looked for.
const WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(last: u8) -> Lane {
        Lane { site: [192, 0, 2, last].into(), name: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_after_a_while() {
        let (jobs, _receiver) = sync_channel(1);
        let worker = Worker::of_queue(jobs, 1);
        let first = stretch(&worker, Secret::new("a"), [0; 16], None);
        let second = async {
            let began = tokio::time::Instant::now();
            let refused = stretch(&worker, Secret::new("b"), [0; 16], None).await;
            (refused.map(|_| ()), began.elapsed())
        };
        tokio::select! {
            biased;
            _ = first => unreachable!("nobody computes"),
            ended = second => assert_eq!(ended, (Err(WorkerError::Busy), PATIENCE)),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_becomes_free_is_taken() {
        let (jobs, receiver) = sync_channel(1);
        let worker = Worker::of_queue(jobs, 1);
        let first = stretch(&worker, Secret::new("a"), [0; 16], None);
        let second = stretch(&worker, Secret::new("b"), [0; 16], None);
        let threads = async {
            tokio::task::yield_now().await;
            for expected in ["a", "b"] {
                let Job { password, reply, place, .. } = receiver.try_recv().unwrap();
                assert_eq!(password.expose(), expected.as_bytes());
                drop(place);
                reply.send(Some(password)).unwrap();
                tokio::time::sleep(PATIENCE / 2).await;
            }
        };
        let (first, second, ()) = tokio::join!(first, second, threads);
        assert!(first.is_ok() && second.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_cannot_fill_the_queue() {
        let (jobs, receiver) = sync_channel(QUEUE);
        let worker = Worker::of_queue(jobs, QUEUE);
        let guess = || stretch(&worker, Secret::new("guess"), [0; 16], Some(lane(1)));
        let mut guesses: Vec<_> = (0..QUEUE).map(|_| Box::pin(guess())).collect();
        for guess in &mut guesses {
            assert!(poll_once(guess).await.is_pending());
        }
        assert_eq!(worker.places.available_permits(), QUEUE - SHARE);
        let mut other = Box::pin(stretch(&worker, Secret::new("other"), [0; 16], Some(lane(2))));
        assert!(poll_once(&mut other).await.is_pending());
        assert_eq!(worker.places.available_permits(), QUEUE - SHARE - 1);
        assert_eq!(worker.lanes.lock().len(), 2);
        drop((guesses, other));
        assert!(worker.lanes.lock().is_empty());
        drop(receiver);
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_in_a_lane_is_next_and_who_has_given_up_is_not() {
        let lanes = Arc::new(Lanes::default());
        let enter = || Box::pin(Lanes::enter(&lanes, lane(1)));
        let mut held = Vec::new();
        for _ in 0..SHARE {
            held.push(enter().await.ok().unwrap());
        }
        let (mut old, mut owner, mut gone) = (enter(), enter(), enter());
        for waiting in [&mut old, &mut owner, &mut gone] {
            assert!(poll_once(waiting).await.is_pending());
        }
        drop(gone);
        drop(held.pop());
        assert!(poll_once(&mut old).await.is_pending());
        let share = owner.await.ok().unwrap();
        // One that gives up in the moment of its turn passes it on.
        let mut late = enter();
        assert!(poll_once(&mut late).await.is_pending());
        drop(share);
        drop(late);
        held.push(old.await.ok().unwrap());
        drop(held);
        assert!(lanes.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_have_given_up_are_forgotten() {
        let lanes = Arc::new(Lanes::default());
        let mut held = Vec::new();
        for _ in 0..SHARE {
            held.push(Lanes::enter(&lanes, lane(1)).await.ok().unwrap());
        }
        for _ in 0..10 * WAITING {
            let mut waiting = Box::pin(Lanes::enter(&lanes, lane(1)));
            assert!(poll_once(&mut waiting).await.is_pending());
        }
        let waiting = lanes.lock().get(&lane(1)).unwrap().waiting.len();
        assert!(waiting <= WAITING, "{waiting}");
    }

    async fn stretch(
        worker: &Worker,
        password: Secret,
        salt: [u8; 16],
        lane: Option<Lane>,
    ) -> Result<StretchedKey, WorkerError> {
        worker.stretch(worker.place(lane).await?, password, salt).await
    }

    /// Polls a future once.
    async fn poll_once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx)))
            .await
    }

    /// Against the reference implementation (argon2-cffi: `hash_secret_raw(b"password", salt, 2, 19456,
    /// 1, 32, Type.ID)`).
    #[tokio::test]
    async fn the_parameters_are_those_of_the_stored_digests() {
        let worker = Worker::with_threads(1, 1).unwrap();
        let key =
            stretch(&worker, Secret::new("password"), *b"0123456789abcdef", None).await.unwrap();
        let hex: String = key.expose().iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(hex, "d2ab07b39ef7f8b806227cd86fbb11aa5393066a98e17eacacd126eb26e9276d");
    }
}
