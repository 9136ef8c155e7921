//! The threads that compute Argon2id, and nothing else. The hard thing is that guesses must not take
//! the cores: few threads, each with its own memory block, behind a queue that refuses instead of
//! growing.

use std::{
    io,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::oneshot;

use crate::secret::Secret;

/// 32 octets of Argon2id, from which a digest is made.
pub(super) type StretchedKey = Secret;

/// One Argon2id evaluation to do.
struct Job {
    password: Secret,
    salt: [u8; 16],
    reply: oneshot::Sender<Option<StretchedKey>>,
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkerError {
    /// Too many evaluations wait already.
    Busy,
    /// The threads could not be started, or are gone.
    Gone,
}

/// A handle to the threads; they end when it is dropped.
pub(super) struct Worker {
    jobs: SyncSender<Job>,
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
        Ok(Self::of_queue(jobs))
    }

    fn of_queue(jobs: SyncSender<Job>) -> Self {
        Self {
            jobs,
            #[cfg(test)]
            asked: std::sync::atomic::AtomicUsize::new(0),
        }
    }

    /// Argon2id of the password.
    pub(super) async fn stretch(
        &self,
        password: Secret,
        salt: [u8; 16],
    ) -> Result<StretchedKey, WorkerError> {
        #[cfg(test)]
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job { password, salt, reply }).map_err(|error| match error {
            TrySendError::Full(_) => WorkerError::Busy,
            TrySendError::Disconnected(_) => WorkerError::Gone,
        })?;
        answer.await.ok().flatten().ok_or(WorkerError::Gone)
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS);
    let mut memory = vec![Block::default(); PARAMS.block_count()];
    loop {
        // A poisoned lock means that another thread panicked while it waited, which changes nothing.
        let job = jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses() {
        let (jobs, _receiver) = sync_channel(1);
        let worker = Worker::of_queue(jobs);
        let (reply, _answer) = oneshot::channel();
        worker.jobs.try_send(Job { password: Secret::new("a"), salt: [0; 16], reply }).unwrap();
        let refused = worker.stretch(Secret::new("b"), [0; 16]).await;
        assert_eq!(refused.map(|_| ()), Err(WorkerError::Busy));
    }

    /// Against the reference implementation (argon2-cffi: `hash_secret_raw(b"password", salt, 2, 19456,
    /// 1, 32, Type.ID)`).
    #[tokio::test]
    async fn the_parameters_are_those_of_the_stored_digests() {
        let worker = Worker::with_threads(1, 1).unwrap();
        let key = worker.stretch(Secret::new("password"), *b"0123456789abcdef").await.unwrap();
        let hex: String = key.expose().iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(hex, "d2ab07b39ef7f8b806227cd86fbb11aa5393066a98e17eacacd126eb26e9276d");
    }
}
