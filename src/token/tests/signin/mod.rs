//! Sign-ins from the link to the store, in front of a scripted provider and a browser of a few lines.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{
    provider::{Form, Provider, Reply},
    *,
};
use crate::{
    config::RedirectUri,
    store::SignedIn,
    token::signin::{BrowserFlow, Pasted, SigningIn, Welcome},
};

mod browser;
mod elsewhere;
mod person;
mod words;

/// An account whose provider is not there yet: its script depends on the link.
struct Desk {
    account: AccountConfig,
    store: Arc<FaultyStore>,
    time: Time,
    listener: Option<TcpListener>,
}

impl Desk {
    /// A public client that asks who it is.
    async fn new() -> Self {
        Self::with_redirect("http://127.0.0.1").await
    }

    async fn with_redirect(redirect_uri: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut account = account(&format!("http://localhost:{port}/tenant/token"));
        let oauth = account.oauth.as_mut().unwrap();
        oauth.client_authentication = ClientAuthentication::Public;
        oauth.sign_in.authorization_url = Some("https://id.example.test/a".parse().unwrap());
        oauth.sign_in.device_url =
            Some(format!("http://localhost:{port}/tenant/device").parse().unwrap());
        oauth.sign_in.redirect_uri = RedirectUri::parse(redirect_uri);
        oauth.sign_in.scopes = vec!["openid".to_owned()];
        oauth.sign_in.owner = Some("user@example.test".to_owned());
        let store = Arc::new(FaultyStore::new(MemoryStore::new()));
        Self { account, store, time: Time::new(), listener: Some(listener) }
    }

    fn oauth(&mut self) -> &mut OAuthConfig {
        self.account.oauth.as_mut().unwrap()
    }

    fn signing_in(&self) -> SigningIn<'_> {
        SigningIn::new(&self.account, &*self.store, DEADLINE, self.time.clock()).unwrap()
    }

    /// The provider with this script; there is one at each desk.
    fn provider(&mut self, script: Vec<Reply>) -> Provider {
        Provider::start_on(self.listener.take().unwrap(), script, None)
    }

    /// A link to follow, and what waits for its end.
    async fn browser(&self) -> (BrowserFlow, Link) {
        let flow = self.signing_in().browser().await.unwrap();
        let link = Link::of(flow.link());
        (flow, link)
    }

    /// What the token endpoint says of whoever has followed this link.
    fn answer(&self, link: &Link, refresh: Option<&str>, claims: &Value) -> Reply {
        let mut body = json!({"token_type": "Bearer", "access_token": "a1", "expires_in": 3600});
        body["id_token"] = self.id_token(link, claims).into();
        if let Some(refresh) = refresh {
            body["refresh_token"] = refresh.into();
        }
        Reply::error(200, &body.to_string())
    }

    fn id_token(&self, link: &Link, changes: &Value) -> String {
        let now = self.time.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": "https://id.example.test", "sub": "7", "aud": "app-id", "exp": now + 60,
            "nonce": link.get("nonce"), "preferred_username": "User@Example.test",
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    async fn grant(&self) -> Option<Grant> {
        self.store.grant(KEY).await.unwrap().map(|record| record.grant)
    }

    async fn refresh_token(&self) -> Option<String> {
        self.grant().await.map(|grant| shown(&grant.refresh_token.unwrap()))
    }
}

/// The parameters of a link.
struct Link(Form);

impl Link {
    fn of(url: &url::Url) -> Self {
        Self(url.query_pairs().into_owned().collect())
    }

    fn get(&self, name: &str) -> &str {
        &self.0[name]
    }

    /// Where the browser is sent with this query, the state added.
    fn back(&self, query: &str) -> Visit {
        let uri: url::Url = self.get("redirect_uri").parse().unwrap();
        let target = format!("{}?{query}&state={}", uri.path(), self.get("state"));
        let host = format!("{}:{}", uri.host_str().unwrap(), uri.port().unwrap());
        Visit { method: "GET", target, port: uri.port().unwrap(), host, more: String::new() }
    }
}

/// One request of a browser, right or wrong.
#[derive(Clone)]
struct Visit {
    method: &'static str,
    target: String,
    port: u16,
    host: String,
    more: String,
}

impl Visit {
    /// The whole answer. Empty if the connection was closed without one.
    async fn go(self) -> String {
        self.go_to("127.0.0.1").await
    }

    /// The same as a request that counts for nothing.
    async fn go_to_stray(mut self, address: &str) -> String {
        self.target = "/favicon.ico".to_owned();
        self.go_to(address).await
    }

    async fn go_to(self, address: &str) -> String {
        let Self { method, target, port, host, more } = self;
        let mut stream = TcpStream::connect((address, port)).await.unwrap();
        let request = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
        let mut answer = Vec::new();
        // Who sends too much is cut off while sending.
        if stream.write_all(request.as_bytes()).await.is_ok() {
            let _ = stream.read_to_end(&mut answer).await;
        }
        String::from_utf8(answer).unwrap()
    }
}

/// Ends a sign-in by this visit; the page is returned as well.
async fn come_back(
    desk: &Desk,
    flow: BrowserFlow,
    visit: Visit,
) -> (Result<Welcome, TokenError>, String) {
    let signing_in = desk.signing_in();
    tokio::join!(flow.finish(&signing_in, DEADLINE), visit.go())
}

/// What RFC 7636 section 4.6 has the provider do.
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}
