//! Every transcript once more, this time through the real gateway: sockets, TLS, an account with its
//! local passwords, a token endpoint, and an upstream that says what the transcript says. The hard
//! thing is that nothing is forced here: each refusal is really caused.
//!
//! All of it is logged at TRACE, through the program's own filter, and afterwards no secret of any
//! transcript may stand in the log in any form.

mod play;
mod script;
mod secrets;
mod stage;
mod wire;

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex},
};

use saslgate::cli::log::{LogFormat, LogLevel, lines};
use tokio::task::JoinSet;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::transcript::format::Protocol;
use secrets::Secrets;
use stage::Played;

/// What cannot be played, and why.
const SKIPPED: &[(&str, &str)] = &[
    ("imap/refusal_text_stays_text.txt", "no peer can put a line's end into a refusal's text"),
    ("pop3/refusal_text_stays_text.txt", "as in IMAP"),
    ("pop3/relay_goes_on_after_its_goodbye.txt", "the upstream's goodbye is the last one"),
    ("pop3/plain_long_response.txt", "no local password is as long"),
    ("smtp/auth_response_longest.txt", "no local password is as long"),
    ("smtp/relay_reply_of_two_minds.txt", "half a reply leaves no place for the goodbye"),
    ("smtp/refusal_text_stays_text.txt", "as in IMAP"),
];

/// Conversations at a time: each costs some Argon2.
const AT_ONCE: usize = 8;

#[tokio::test]
async fn transcripts_over_sockets_leave_no_secret_in_the_log() {
    let (text, json, journal) = (Log::default(), Log::default(), Log::default());
    // Each line goes to the JSON log first, and the text log is read first: other tests go on logging.
    let layers: Vec<Box<dyn Layer<_> + Send + Sync>> = vec![
        lines(LogLevel::Trace, LogFormat::Journald, journal.writer(), false),
        lines(LogLevel::Trace, LogFormat::Json, json.writer(), false),
        lines(LogLevel::Trace, LogFormat::Text, text.writer(), false),
    ];
    // For the whole process, since the gateway has threads: other tests' lines are searched as well.
    tracing_subscriber::registry().with(layers).try_init().expect("the only one in this process");

    let sources = sources();
    let mut secrets = Secrets::default();
    let (played, failures) = play_all(&sources, &mut secrets).await;
    let failed = failures.len();
    assert!(failed == 0, "{failed} of {} differ\n\n{}", sources.len(), failures.join("\n"));
    assert_eq!(played.len(), sources.len() - SKIPPED.len());
    assert!(played.len() >= 150, "only {} were played", played.len());

    let text = text.text();
    let (json, journal) = (json.text(), journal.text());
    logged_what_happened(&text, &played);
    assert!(json.lines().count() >= text.lines().count(), "one object for each line");
    for log in [&text, &json, &journal] {
        let leaks = secrets.found_in(log);
        assert!(leaks.is_empty(), "secrets in the log:\n{}", leaks.join("\n"));
    }
}

async fn play_all(
    sources: &BTreeMap<String, (Protocol, String)>,
    secrets: &mut Secrets,
) -> (Vec<Played>, Vec<String>) {
    let mut waiting = sources
        .iter()
        .filter(|(name, _)| SKIPPED.iter().all(|(skipped, _)| skipped != name))
        .map(|(name, (protocol, source))| {
            (name.clone(), *protocol, secrets::with_telling_secrets(*protocol, source))
        });
    let (mut running, mut played, mut failures) = (JoinSet::new(), Vec::new(), Vec::new());
    loop {
        while running.len() < AT_ONCE
            && let Some((name, protocol, source)) = waiting.next()
        {
            running.spawn(async move { (name, stage::perform(protocol, &source).await) });
        }
        let Some(ended) = running.join_next().await else { return (played, failures) };
        match ended.expect("a conversation panicked") {
            (_, Ok(conversation)) => {
                secrets.learn(&conversation.transcript);
                played.push(conversation);
            }
            (name, Err(what)) => failures.push(format!("{name}: {what}")),
        }
    }
}

/// A log without these lines would be clean for want of content.
fn logged_what_happened(log: &str, played: &[Played]) {
    for line in [" logged in ", " ended: ", " wrong login name ", " read ", " written "] {
        let count = log.lines().filter(|logged| logged.contains(line.trim_end())).count();
        assert!(count >= 10, "{count} lines with {line:?}");
    }
    for Played { client, counts, .. } in played {
        let Some(counts) = counts else { continue };
        let client = format!(" client={client} ");
        // Some hundred conversations later a port may be another's.
        let ended = |line: &&str| line.contains(&client) && line.contains("ended: ");
        let lines: Vec<&str> = log.lines().filter(ended).collect();
        assert!(lines.iter().any(|line| line.contains(counts)), "{counts:?} is not in {lines:?}");
    }
}

/// All transcripts by folder and file name.
fn sources() -> BTreeMap<String, (Protocol, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut sources = BTreeMap::new();
    for protocol in Protocol::ALL {
        for file in std::fs::read_dir(folder.join(protocol.folder())).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "txt") {
                let name = path.file_name().unwrap().to_string_lossy();
                let name = format!("{}/{name}", protocol.folder());
                sources.insert(name, (protocol, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    for (skipped, _) in SKIPPED {
        assert!(sources.contains_key(*skipped), "{skipped} is gone");
    }
    sources
}

/// Log lines in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn writer(&self) -> impl Fn() -> Self + Send + Sync + 'static {
        let log = self.clone();
        move || log.clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
