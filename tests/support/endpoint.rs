//! A token endpoint that a test plays: it gives the answers that it was told, in order, the last one
//! again and again, and counts.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use tokio::{net::TcpListener, sync::Semaphore};

#[derive(Clone)]
pub struct Endpoint {
    pub url: String,
    state: Arc<Script>,
}

struct Script {
    answers: Mutex<Vec<(u16, String)>>,
    requests: Mutex<Vec<String>>,
    gate: Semaphore,
}

impl Endpoint {
    pub async fn start(answers: &[(u16, &str)]) -> Self {
        let mut answers: Vec<_> =
            answers.iter().map(|(code, body)| (*code, (*body).to_owned())).collect();
        answers.reverse();
        let state = Arc::new(Script {
            answers: Mutex::new(answers),
            requests: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let router = Router::new().route("/token", post(answer)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state }
    }

    /// One that always gives the access token `good-token`.
    pub async fn good() -> Self {
        Self::start(&[(200, GOOD)]).await
    }

    pub fn requests(&self) -> usize {
        self.state.requests.lock().unwrap().len()
    }

    pub fn last_request(&self) -> String {
        self.state.requests.lock().unwrap().last().cloned().unwrap_or_default()
    }

    /// Requests from now on are received and wait.
    pub fn hold(&self) {
        self.state.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets waiting requests be answered.
    pub fn release(&self) {
        self.state.gate.add_permits(1000);
    }
}

pub const GOOD: &str = r#"{"access_token":"good-token","token_type":"Bearer","expires_in":3600}"#;

async fn answer(State(state): State<Arc<Script>>, body: String) -> impl IntoResponse {
    state.requests.lock().unwrap().push(body);
    state.gate.acquire().await.unwrap().forget();
    let mut answers = state.answers.lock().unwrap();
    let (code, body) =
        if answers.len() > 1 { answers.pop().unwrap() } else { answers.last().cloned().unwrap() };
    (StatusCode::from_u16(code).unwrap(), [("content-type", "application/json")], body)
}
