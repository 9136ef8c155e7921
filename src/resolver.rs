//! From a name to addresses, by the system's own resolver. The hard thing is that it blocks a thread
//! for as long as it likes, also when nobody waits any more: so the threads that may be inside it are
//! counted, and the rest of the pool stays free for files and the store.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
};

use tokio::{sync::Semaphore, task::spawn_blocking};

/// The addresses of a host. The caller bounds the time, which includes the wait for a thread.
///
/// # Errors
/// The resolver's.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let host = host.to_owned();
    in_thread(&THREADS, move || Ok((host.as_str(), port).to_socket_addrs()?.collect())).await
}

/// The same for the HTTP client.
#[derive(Clone, Copy, Debug)]
pub struct HttpResolver;

impl reqwest::dns::Resolve for HttpResolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            // The client puts the port in.
            let addresses = resolve(name.as_str(), 0).await?;
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

/// The permit goes with the thread, not with whoever waits for it.
async fn in_thread<T: Send + 'static>(
    threads: &'static Semaphore,
    look_up: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let permit = threads.acquire().await.map_err(io::Error::other)?;
    let looked_up = spawn_blocking(move || {
        let _permit = permit;
        look_up()
    });
    looked_up.await?
}

/// Few beside the 512 of tokio's pool, many beside the names in a configuration.
static THREADS: Semaphore = Semaphore::const_new(64);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_need_no_thread() {
        for (host, expected) in
            [("192.0.2.1", "192.0.2.1:993"), ("2001:db8::1", "[2001:db8::1]:993")]
        {
            assert_eq!(resolve(host, 993).await.unwrap(), [expected.parse().unwrap()]);
        }
    }

    #[tokio::test]
    async fn a_name_is_resolved() {
        let addresses = resolve("localhost", 143).await.unwrap();
        assert!(addresses.iter().any(|it| it.ip().is_loopback() && it.port() == 143));
    }

    #[tokio::test]
    async fn an_abandoned_look_up_keeps_its_place_until_it_ends() {
        static ONE: Semaphore = Semaphore::const_new(1);
        let (started, has_started) = tokio::sync::oneshot::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let slow = in_thread(&ONE, move || {
            started.send(()).unwrap();
            Ok(released.recv())
        });
        tokio::select! {
            _ = slow => unreachable!("it is not released yet"),
            begun = has_started => begun.unwrap(),
        }
        assert_eq!(ONE.available_permits(), 0);
        release.send(()).unwrap();
        assert_eq!(in_thread(&ONE, || Ok(7)).await.unwrap(), 7);
    }
}
