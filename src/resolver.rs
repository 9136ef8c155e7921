//! From a name to addresses, by the system's own resolver. The hard thing is that it blocks a thread
//! for as long as it likes, also when nobody waits any more: so it gets threads of its own, and all
//! who ask for one name share them. A name that is never answered then costs a few threads, and no
//! other name anything.
//!
//! Some name servers drop the question for IPv6 addresses, and the system then waits for it before it
//! tells the IPv4 ones that it has. So after a second both families are asked for apart; whichever comes first
//! waits a moment for the other, since a host may have no use for one of them (RFC 8305 section 3).

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    pin::pin,
    sync::{LazyLock, Mutex, PoisonError},
    thread,
    time::Duration,
};

use dns_lookup::{AddrFamily, AddrInfoHints, SockType, getaddrinfo};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

/// The addresses of a host. The caller bounds the time.
///
/// # Errors
/// The resolver's.
pub async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = LOOK_UPS.first_answer(host).await?;
    Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
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

/// What the resolver is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    host: String,
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Family {
    /// In the system's own order.
    Any,
    V4,
    V6,
}

/// `io::Error` cannot be shared.
type Answer = Result<Vec<IpAddr>, (io::ErrorKind, String)>;

/// The look-ups under way. Once answered, a name is asked for anew by whoever comes next: how long an
/// answer holds is the system's business.
struct LookUps {
    /// Blocks.
    look_up: fn(&Question) -> io::Result<Vec<IpAddr>>,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    questions: HashMap<Question, Asked>,
    threads: usize,
}

/// One question, and all who wait for its answer.
struct Asked {
    answer: watch::Sender<Option<Answer>>,
    threads: usize,
    /// When the last of the threads was sent.
    sent: Instant,
}

impl LookUps {
    const fn new(
        look_up: fn(&Question) -> io::Result<Vec<IpAddr>>,
        under_way: Mutex<UnderWay>,
    ) -> Self {
        Self { look_up, under_way }
    }

    /// The answer on both families; where that is late, what each family has.
    async fn first_answer(&'static self, host: &str) -> io::Result<Vec<IpAddr>> {
        let ask = |family| self.ask(Question { host: host.to_owned(), family });
        let apart = async |family| {
            sleep(PATIENCE).await;
            match ask(family).await {
                Ok(addresses) if !addresses.is_empty() => addresses,
                // That there are none of this family decides nothing.
                _ => std::future::pending().await,
            }
        };
        let mut any = pin!(ask(Family::Any));
        let (mut v6, mut v4) = (pin!(apart(Family::V6)), pin!(apart(Family::V4)));
        let (mut found, late) = tokio::select! {
            found = &mut any => return found.map_err(|(kind, text)| io::Error::new(kind, text)),
            found = &mut v6 => (found, Family::V4),
            found = &mut v4 => (found, Family::V6),
        };
        // The other one alone may be of use here.
        let other = async { if late == Family::V4 { v4.await } else { v6.await } };
        tokio::select! {
            Ok(both) = &mut any => return Ok(both),
            rest = other => found.extend(rest),
            () = sleep(OTHER_FAMILY) => {}
        }
        Ok(found)
    }

    /// Waits for the answer of all threads that were sent for it. While none comes, another one is sent
    /// now and then: the first may be waiting for a network that was there when it set out.
    async fn ask(&'static self, question: Question) -> Answer {
        loop {
            let mut answer = self.join(&question)?;
            if let Ok(Ok(answered)) = timeout(AGAIN, answer.wait_for(Option::is_some)).await
                && let Some(answered) = answered.as_ref()
            {
                return answered.clone();
            }
        }
    }

    /// Sends a thread if it is time to.
    fn join(
        &'static self,
        question: &Question,
    ) -> Result<watch::Receiver<Option<Answer>>, (io::ErrorKind, String)> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let UnderWay { questions, threads } = &mut *under_way;
        if let Some(asked) = questions.get_mut(question) {
            let waits = asked.sent.elapsed() < AGAIN || asked.threads >= THREADS_PER_QUESTION;
            if !waits && *threads < THREADS && self.send(question, &asked.answer).is_ok() {
                asked.threads += 1;
                *threads += 1;
                asked.sent = Instant::now();
            }
            return Ok(asked.answer.subscribe());
        }
        if *threads >= THREADS {
            return Err((io::ErrorKind::WouldBlock, "too many names are being looked up".into()));
        }
        let (answer, receiver) = watch::channel(None);
        self.send(question, &answer).map_err(|error| (error.kind(), error.to_string()))?;
        *threads += 1;
        questions.insert(question.clone(), Asked { answer, threads: 1, sent: Instant::now() });
        Ok(receiver)
    }

    fn send(
        &'static self,
        question: &Question,
        answer: &watch::Sender<Option<Answer>>,
    ) -> io::Result<()> {
        let (question, answer) = (question.clone(), answer.clone());
        let thread = thread::Builder::new().name("resolver".into());
        thread.spawn(move || {
            let found = (self.look_up)(&question);
            self.note(&question, &answer, found.map_err(|error| (error.kind(), error.to_string())));
        })?;
        Ok(())
    }

    /// A thread has come back. An error counts when nobody is under way any more.
    fn note(&self, question: &Question, sender: &watch::Sender<Option<Answer>>, found: Answer) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let UnderWay { questions, threads } = &mut *under_way;
        *threads -= 1;
        // Unless another thread has answered it long ago, and it was asked anew.
        if let Some(asked) = questions.get_mut(question)
            && asked.answer.same_channel(sender)
        {
            asked.threads -= 1;
            if found.is_ok() || asked.threads == 0 {
                questions.remove(question);
                sender.send_replace(Some(found));
            }
        }
    }
}

/// Asks the system. Its own order of both families is the best there is.
fn of_the_system(question: &Question) -> io::Result<Vec<IpAddr>> {
    let host = question.host.as_str();
    let found: Vec<IpAddr> = match question.family {
        Family::Any => (host, 0).to_socket_addrs()?.map(|it| it.ip()).collect(),
        Family::V4 | Family::V6 => {
            let v4 = question.family == Family::V4;
            let address = if v4 { AddrFamily::Inet } else { AddrFamily::Inet6 }.into();
            let hints =
                AddrInfoHints { socktype: SockType::Stream.into(), address, ..Default::default() };
            let found = getaddrinfo(Some(host), None, Some(hints))?;
            found.map(|it| it.map(|it| it.sockaddr.ip())).collect::<io::Result<_>>()?
        }
    };
    Ok(found)
}

static LOOK_UPS: LazyLock<LookUps> =
    LazyLock::new(|| LookUps::new(of_the_system, Mutex::default()));

/// How long both families are waited for together.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long one family waits for the other.
const OTHER_FAMILY: Duration = Duration::from_secs(1);
/// After this, one more thread is sent for the same answer.
const AGAIN: Duration = Duration::from_secs(2);
const THREADS_PER_QUESTION: usize = 4;
/// In all. They are many beside the names in a configuration, and do nothing but wait.
const THREADS: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::{
        Condvar,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    fn look_ups(look_up: fn(&Question) -> io::Result<Vec<IpAddr>>) -> &'static LookUps {
        Box::leak(Box::new(LookUps::new(look_up, Mutex::default())))
    }

    /// Lets no thread through before it is opened.
    #[derive(Default)]
    struct Gate(Mutex<bool>, Condvar);

    impl Gate {
        const fn new() -> Self {
            Self(Mutex::new(false), Condvar::new())
        }

        fn open(&self) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }

        fn pass(&self) {
            let _open = self.1.wait_while(self.0.lock().unwrap(), |open| !*open).unwrap();
        }
    }

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
        let v4 = of_the_system(&Question { host: "localhost".into(), family: Family::V4 }).unwrap();
        assert!(v4.contains(&HERE) && v4.iter().all(IpAddr::is_ipv4));
    }

    /// A host may have no use for the family that is answered first.
    #[tokio::test]
    async fn one_family_waits_a_moment_for_the_other() {
        static GATE: Gate = Gate::new();
        static V6_CAME: Gate = Gate::new();
        let look_ups = look_ups(|question| {
            match question.family {
                Family::Any => GATE.pass(),
                Family::V6 => V6_CAME.open(),
                Family::V4 => V6_CAME.pass(),
            }
            Ok(vec![if question.family == Family::V6 { THERE } else { HERE }])
        });
        let found = look_ups.first_answer("both").await.unwrap();
        GATE.open();
        assert!(found.contains(&HERE) && found.contains(&THERE), "{found:?}");
    }

    #[tokio::test]
    async fn names_that_nobody_answers_hold_up_no_other() {
        static GATE: Gate = Gate::new();
        let look_ups = look_ups(|question| {
            if question.host.starts_with("slow") {
                GATE.pass();
            }
            Ok(vec![HERE])
        });
        let slow: Vec<_> = (0..600)
            .map(|number| {
                tokio::spawn(async move { look_ups.first_answer(&format!("slow{number}")).await })
            })
            .collect();
        while look_ups.under_way.lock().unwrap().threads < 600 {
            tokio::task::yield_now().await;
        }
        assert_eq!(look_ups.first_answer("quick").await.unwrap(), [HERE]);
        GATE.open();
        for one in slow {
            assert_eq!(one.await.unwrap().unwrap(), [HERE]);
        }
        while look_ups.under_way.lock().unwrap().threads > 0 {
            tokio::task::yield_now().await;
        }
        assert!(look_ups.under_way.lock().unwrap().questions.is_empty());
    }

    #[tokio::test]
    async fn all_who_ask_for_one_name_share_a_thread() {
        static GATE: Gate = Gate::new();
        static THREADS_SENT: AtomicUsize = AtomicUsize::new(0);
        let look_ups = look_ups(|_| {
            THREADS_SENT.fetch_add(1, Ordering::SeqCst);
            GATE.pass();
            Err(io::ErrorKind::NotFound.into())
        });
        let question = Question { host: "one".into(), family: Family::Any };
        let receivers: Vec<_> = (0..100).map(|_| look_ups.join(&question).unwrap()).collect();
        GATE.open();
        for mut receiver in receivers {
            let answer = receiver.wait_for(Option::is_some).await.unwrap().clone();
            assert_eq!(answer.unwrap().unwrap_err().0, io::ErrorKind::NotFound);
        }
        assert_eq!(THREADS_SENT.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_without_an_answer_is_made_again_and_not_for_ever() {
        static GATE: Gate = Gate::new();
        static THREADS_SENT: AtomicUsize = AtomicUsize::new(0);
        let look_ups = look_ups(|_| {
            let number = THREADS_SENT.fetch_add(1, Ordering::SeqCst);
            GATE.pass();
            // The last is the quickest, and those before it find nobody.
            if number + 1 == THREADS_PER_QUESTION {
                Ok(vec![HERE])
            } else {
                Err(io::ErrorKind::TimedOut.into())
            }
        });
        let question = Question { host: "lost".into(), family: Family::Any };
        let waited = timeout(Duration::from_secs(60), look_ups.ask(question.clone())).await;
        assert!(waited.is_err(), "nobody has answered yet");
        assert_eq!(look_ups.under_way.lock().unwrap().threads, THREADS_PER_QUESTION);
        let mut answer = look_ups.join(&question).unwrap();
        GATE.open();
        let answer = answer.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        assert_eq!(answer, Ok(vec![HERE]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_family_that_is_not_answered_does_not_hold_up_the_other() {
        static GATE: Gate = Gate::new();
        let look_ups = look_ups(|question| {
            if question.family != Family::V4 {
                GATE.pass();
            }
            Ok(vec![HERE])
        });
        assert_eq!(look_ups.first_answer("half").await.unwrap(), [HERE]);
        GATE.open();
    }
}
