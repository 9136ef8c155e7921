use super::*;
use crate::{
    cli::init::SignInWay,
    config::{Protocol, Provider},
    init::Answers,
};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("saslgate").join(name)
    }

    fn place(&self) -> Place {
        let state = Some(self.0.path().join("state"));
        let config = Some(self.path("saslgate.toml"));
        Place::find(&Global { config, state, ..Global::default() }).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for folder in [self.path(""), self.path("accounts.d")] {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                files.push(entry.unwrap().file_name().into_string().unwrap());
            }
        }
        files.sort();
        files
    }
}

fn told(login: &str, secret: Option<&str>) -> Told {
    let proof = secret.map_or(Proof::Public, |_| Proof::Secret("../client-secret".into()));
    let answers = Answers {
        login: login.to_owned(),
        mailbox: login.to_owned(),
        owner: None,
        provider: Provider::named("microsoft365").unwrap(),
        tenant: Some("example.ch".to_owned()),
        grant: if secret.is_some() { "client_credentials" } else { "refresh_token" },
        client_id: "11111111-2222-3333-4444-555555555555".to_owned(),
        proof,
        redirect_uri: None,
        ca_file: None,
        endpoints: None,
        servers: Vec::new(),
        ports: vec![(Protocol::Imap, 1143), (Protocol::Smtp, 1587)],
    };
    let secret = secret.map(|it| Secret::new(it.as_bytes()));
    Told { answers, way: SignInWay::Later, secret }
}

#[test]
fn a_first_configuration_is_written_and_loads() {
    let home = Home::new();
    home.place().write(&told("anna@example.ch", Some("Hidden-secret"))).unwrap();
    let place = home.place();
    assert_eq!(place.known("ANNA@example.ch").as_deref(), Some("anna@example.ch"));
    assert_eq!(
        home.files(),
        ["accounts.d", "anna@example.ch.toml", "client-secret", "saslgate.toml"]
    );
    for name in ["saslgate.toml", "accounts.d/anna@example.ch.toml"] {
        assert!(!fs::read_to_string(home.path(name)).unwrap().contains("Hidden"));
    }
    assert_eq!(fs::read(home.path("client-secret")).unwrap(), b"Hidden-secret");
    assert!(!platform::is_open_to_others(&home.path("client-secret")).unwrap());
}

#[test]
fn what_is_there_is_never_changed() {
    let home = Home::new();
    home.place().write(&told("anna@example.ch", Some("one"))).unwrap();
    let main = fs::read(home.path("saslgate.toml")).unwrap();
    let secret = home.place().secret_name(&Secret::new(b"two"), "berta@example.ch");
    assert_eq!(secret, "berta@example.ch.client-secret");
    assert_eq!(home.place().secret_name(&Secret::new(b"one"), "berta@example.ch"), SECRET);
    home.place().write(&told("berta@example.ch", None)).unwrap();
    assert_eq!(fs::read(home.path("saslgate.toml")).unwrap(), main);
    assert_eq!(fs::read(home.path("client-secret")).unwrap(), b"one");
    let before = fs::read(home.path("accounts.d/anna@example.ch.toml")).unwrap();
    assert!(home.place().write(&told("anna@example.ch", None)).is_err());
    assert_eq!(fs::read(home.path("accounts.d/anna@example.ch.toml")).unwrap(), before);
}

#[test]
fn a_mistake_leaves_nothing_behind() {
    let home = Home::new();
    let mut told = told("anna@example.ch", Some("one"));
    told.answers.tenant = Some("common".to_owned());
    let failure = home.place().write(&told).unwrap_err();
    assert!(failure.text.contains("nothing was written"), "{failure}");
    assert!(failure.text.contains("`common` stands for many tenants"), "{failure}");
    assert!(!home.path("").exists());
}

#[test]
fn a_public_client_inherits_no_secret() {
    let home = Home::new();
    fs::create_dir_all(home.path("")).unwrap();
    fs::write(
        home.path("saslgate.toml"),
        "[defaults]\nprovider = \"microsoft365\"\nclient_secret = { env = \"PATH\" }\n",
    )
    .unwrap();
    let failure = home.place().write(&told("anna@example.ch", None)).unwrap_err();
    assert!(failure.text.contains("public client"), "{failure}");
    assert_eq!(home.files(), ["saslgate.toml"]);
}
