//! `[me@example.com]`: how an account's tokens come about. The hard thing is what is not written there:
//! with catch-all accounts an option comes from `[@example.com]` or `[@]`, and the flow from which other
//! options there are.

use super::{
    GLOBALS, Installation, Remark,
    ini::Ini,
    sealed::{self, Sealed},
};
use crate::{secret::Secret, store::account_key};

/// One account, or all accounts of a domain.
#[derive(Debug)]
pub struct Account {
    /// `me@example.com`; `*@example.com` for a domain.
    pub login: String,
    /// How its tokens come about.
    pub flow: Flow,
    /// Where a person signs in, or where a device asks for its code.
    pub permission_url: Option<String>,
    /// As written.
    pub token_url: String,
    /// As written: apart at blanks.
    pub scopes: String,
    /// As written.
    pub redirect_uri: Option<String>,
    /// Who asks.
    pub application: Application,
    /// What needs the account's password.
    pub sealed: Sealed,
}

impl Account {
    /// Whether it stands for a whole domain.
    pub fn is_domain(&self) -> bool {
        self.login.starts_with('*')
    }
}

/// How the application says who it is.
#[derive(Debug)]
pub struct Application {
    /// For a service account: `file` or `key`.
    pub client_id: String,
    /// In clear.
    pub secret: Option<Secret>,
    /// Certificate and key, as written.
    pub certificate: Option<[String; 2]>,
    /// Whether the password of a login is its secret.
    pub secret_is_login_password: bool,
}

/// How tokens come about (`oauth2_flow`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// A person signs in, in a browser here.
    AuthorizationCode,
    /// A person signs in, on another device.
    Device,
    /// The application itself.
    ClientCredentials,
    /// The person's password at the provider.
    Password,
    /// Google's.
    ServiceAccount,
}

impl Flow {
    /// As the configuration calls it.
    pub fn grant(self) -> &'static str {
        match self {
            Self::AuthorizationCode | Self::Device => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::ServiceAccount => "service_account",
        }
    }

    /// Whether no person is needed, so that it can serve a whole domain.
    pub fn is_app_only(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::ServiceAccount)
    }
}

pub(super) fn read(ini: &Ini, installation: &mut Installation) {
    let catch_all = ini.is_on(GLOBALS, "allow_catch_all_accounts");
    for section in ini.sections().filter(|it| it.contains('@')) {
        let remark = |text: &str| Remark::new(section, text);
        if section.starts_with('@') && !catch_all {
            installation
                .remarks
                .push(remark("counted for nothing (allow_catch_all_accounts is off)"));
            continue;
        }
        let options = Options { ini, section, catch_all };
        match account(&options) {
            Err(text) => installation.remarks.push(remark(&text)),
            Ok(account) if installation.accounts.iter().any(|it| is_same(it, &account)) => {
                let text = "differs from another account only in case, which counts for nothing here: not \
                    carried over";
                installation.remarks.push(remark(text));
            }
            Ok(account) => {
                unserved(&options, &mut installation.remarks);
                installation.accounts.push(account);
            }
        }
    }
}

fn is_same(one: &Account, other: &Account) -> bool {
    account_key(&one.login) == account_key(&other.login)
}

/// The options of one section, and of those that it falls back to.
struct Options<'a> {
    ini: &'a Ini,
    section: &'a str,
    catch_all: bool,
}

impl<'a> Options<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        let own = self.ini.get(self.section, key);
        own.or_else(|| {
            let (_, domain) = self.section.rsplit_once('@').filter(|_| self.catch_all)?;
            self.ini.get(&format!("@{domain}"), key).or_else(|| self.ini.get("@", key))
        })
    }

    fn owned(&self, key: &str) -> Option<String> {
        self.get(key).map(str::to_owned)
    }

    fn required(&self, key: &str) -> Result<String, String> {
        self.owned(key).ok_or_else(|| format!("has no {key}: not carried over"))
    }
}

fn account(options: &Options<'_>) -> Result<Account, String> {
    let flow = flow(options)?;
    let login = login(options.section, flow)?;
    let scopes = options.owned("oauth2_scope").ok_or_else(|| match options.get("oauth2_resource") {
        Some(_) => "asks for an oauth2_resource instead of scopes, which only the provider's older endpoint \
            knows: not carried over; set it up anew with scopes"
            .to_owned(),
        None => "has no oauth2_scope: not carried over".to_owned(),
    })?;
    Ok(Account {
        login,
        flow,
        permission_url: options.owned("permission_url"),
        token_url: options.required("token_url")?,
        scopes,
        redirect_uri: options.owned("redirect_uri"),
        application: application(options, flow)?,
        sealed: sealed(options),
    })
}

fn login(section: &str, flow: Flow) -> Result<String, String> {
    let Some(domain) = section.strip_prefix('@') else { return Ok(section.to_owned()) };
    if domain.is_empty() {
        return Err(
            "stands for every address there is: not carried over; write an account for each \
            domain or person"
                .to_owned(),
        );
    }
    if !flow.is_app_only() {
        return Err("stands for a whole domain, and its people sign in one by one: not carried over; write an \
            account for each of them (those that have sections of their own are carried over)"
            .to_owned());
    }
    Ok(format!("*@{domain}"))
}

fn flow(options: &Options<'_>) -> Result<Flow, String> {
    let written = options.get("oauth2_flow");
    // A permission URL makes it a sign-in, whatever else is written.
    if options.get("permission_url").is_some() {
        return Ok(if written == Some("device") { Flow::Device } else { Flow::AuthorizationCode });
    }
    match written {
        Some("client_credentials") => Ok(Flow::ClientCredentials),
        Some("password") => Ok(Flow::Password),
        Some("service_account") => Ok(Flow::ServiceAccount),
        Some("device" | "authorization_code") | None => {
            Err("has no permission_url, so nobody could sign in: not carried over".to_owned())
        }
        Some(_) => Err(
            "has an oauth2_flow that has no counterpart here: not carried over; a program that \
            gets such tokens can stand in grant = \"external\" (token_command)"
                .to_owned(),
        ),
    }
}

fn application(options: &Options<'_>, flow: Flow) -> Result<Application, String> {
    let files = (options.owned("jwt_certificate_path"), options.owned("jwt_key_path"));
    let secret = options.get("client_secret").map(|it| Secret::new(it.as_bytes()));
    let certificate = match files {
        (Some(certificate), Some(key)) => Some([certificate, key]),
        _ => None,
    };
    // A secret of either kind comes before the certificate there.
    let has_secret = secret.is_some() || options.get("client_secret_encrypted").is_some();
    let secret_is_login_password = flow == Flow::ClientCredentials
        && !has_secret
        && certificate.is_none()
        && options.ini.is_on(GLOBALS, "use_login_password_as_client_credentials_secret");
    let client_id = options.required("client_id")?;
    if flow == Flow::ServiceAccount && !matches!(client_id.as_str(), "file" | "key") {
        return Err(
            "is a service account whose client_id is neither `file` nor `key`: not carried over"
                .to_owned(),
        );
    }
    Ok(Application {
        client_id,
        secret,
        certificate: certificate.filter(|_| !has_secret),
        secret_is_login_password,
    })
}

fn sealed(options: &Options<'_>) -> Sealed {
    // Tokens are an account's own; what encrypts them may be its domain's.
    let own = |key| options.ini.get(options.section, key).map(str::to_owned);
    Sealed {
        salt: sealed::salt(options.get("token_salt")),
        // What is no number is as good as one that is too large.
        iterations: options.get("token_iterations").map(|it| it.parse().unwrap_or(u32::MAX)),
        access_token: own("access_token"),
        refresh_token: own("refresh_token"),
        client_secret: options
            .owned("client_secret_encrypted")
            .filter(|_| options.get("client_secret").is_none()),
    }
}

/// What the account goes on without.
fn unserved(options: &Options<'_>, remarks: &mut Vec<Remark>) {
    if options.get("redirect_listen_address").is_some() {
        remarks.push(Remark::new(
            options.section,
            "redirect_listen_address is not carried over: `saslgate signin` listens on loopback only; on \
             another machine use `saslgate signin --paste` or --device",
        ));
    }
}
