//! Asks the daemon. The hard thing is to tell "there is none" from "I may not": only the first is no
//! fault.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::{
    ControlError, PATIENCE, RELOAD_PATIENCE, SOCKET,
    message::{Answer, Request},
};
use crate::platform;

/// Asks the daemon of this state folder.
///
/// # Errors
/// There is none, it cannot be asked, or it answers with a fault.
pub async fn ask(folder: &Path, request: &Request) -> Result<Answer, ControlError> {
    let patience = match request {
        Request::Reload => RELOAD_PATIENCE,
        Request::Status | Request::Changed { .. } | Request::Log | Request::Unknown => PATIENCE,
    };
    // The daemon's own patience ends first, and what it then says is of use.
    ask_within(folder, request, patience * 2).await
}

pub(super) async fn ask_within(
    folder: &Path,
    request: &Request,
    patience: Duration,
) -> Result<Answer, ControlError> {
    match tokio::time::timeout(patience, exchange(folder, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(ControlError::Refused(format!(
            "saslgate runs but has not answered within {} seconds",
            patience.as_secs()
        ))),
    }
}

async fn exchange(folder: &Path, request: &Request) -> Result<Answer, ControlError> {
    let path = folder.join(SOCKET);
    let fault = |error: io::Error| {
        let (path, words) = (path.display(), platform::explain(&path, &error));
        ControlError::Refused(format!("saslgate cannot be asked over {path}: {words}"))
    };
    let mut stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) => {
            let nobody =
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
            return Err(if nobody { ControlError::NotRunning } else { fault(error) });
        }
    };
    let mut line = serde_json::to_vec(request).map_err(|error| fault(error.into()))?;
    line.push(b'\n');
    // Who is sent away is told why before all was read: the answer says more than the failed write.
    let written = stream.write_all(&line).await;
    let mut answer = Vec::new();
    let mut limited = stream.take(MAX_ANSWER + 1);
    let read = limited.read_to_end(&mut answer).await;
    if answer.is_empty() {
        written.map_err(fault)?;
        read.map_err(fault)?;
        return Err(ControlError::Refused("saslgate has hung up without an answer".to_owned()));
    }
    if answer.len() as u64 > MAX_ANSWER {
        return Err(ControlError::Refused("the answer of saslgate is too long".to_owned()));
    }
    match serde_json::from_slice(&answer) {
        Ok(Answer::Error { text }) => Err(ControlError::Refused(text)),
        Ok(answer) => Ok(answer),
        Err(_) => Err(ControlError::Refused(
            "saslgate answers in a way that this version does not understand: is it older or newer \
             than this command?"
                .to_owned(),
        )),
    }
}

/// A hundred thousand accounts with a session each stay below it.
const MAX_ANSWER: u64 = 16 << 20;
