//! What one connection does, on both legs: a pure function of seed and number, so that one alone can be played
//! again.

use crate::{
    chance::Chance,
    script::{Exchange, script},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    Imap,
    Pop3,
    Smtp,
}

impl Protocol {
    pub const ALL: [Self; 3] = [Self::Imap, Self::Pop3, Self::Smtp];

    pub fn name(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
        }
    }
}

/// How a local port is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocalTls {
    None,
    StartTls,
    Implicit,
}

impl LocalTls {
    pub const ALL: [Self; 3] = [Self::None, Self::StartTls, Self::Implicit];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::StartTls => "starttls",
            Self::Implicit => "implicit",
        }
    }
}

/// An account, by what is wrong with its mail server or its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Account {
    /// Nothing ever is.
    Steady,
    /// Tokens last for seconds, and the token endpoint fails at random.
    Flaky,
    /// Its server refuses tokens now and then.
    Refusing,
    /// The token endpoint says that a person must sign in again.
    SignedOut,
    /// Nobody listens where its server should be.
    Closed,
    /// Its server breaks off the TLS handshake.
    Aborting,
    /// Its server accepts and says nothing.
    Silent,
    /// Its server speaks no protocol.
    Noise,
    /// Its server greets with "too busy".
    Busy,
    /// Nothing is wrong, but one of its passwords is revoked meanwhile.
    Revocable,
}

impl Account {
    pub const ALL: [Self; 10] = [
        Self::Steady,
        Self::Flaky,
        Self::Refusing,
        Self::SignedOut,
        Self::Closed,
        Self::Aborting,
        Self::Silent,
        Self::Noise,
        Self::Busy,
        Self::Revocable,
    ];

    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// With octets that parsers like to misread.
    pub fn password(self) -> String {
        format!("L0cal-{} \"{{3}}\\ pass", self.name())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// LOGIN with quoted strings; USER and PASS; AUTH LOGIN.
    Words,
    /// LOGIN with literals that wait (IMAP only).
    Literals,
    /// LOGIN with literals that do not wait (IMAP only).
    LiteralsPlus,
    /// SASL PLAIN on the command line.
    PlainInitial,
    /// SASL PLAIN behind a challenge.
    Plain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knows {
    Right,
    WrongPassword,
    NoSuchName,
    /// The password that will be revoked.
    Revocable,
}

/// What the client does at some octet of what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientFault {
    Reset,
    HalfClose,
    Close,
    Garbage,
    Silence,
}

/// What the mail server does before the verdict, or at some octet of its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerFault {
    /// When it has read the token.
    LoginReset,
    LoginClose,
    LoginSilence,
    LoginGarbage,
    LoginBusy,
    /// Later.
    Reset,
    Close,
    /// Without the end of TLS.
    Truncation,
    Garbage,
    Silence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Never,
    Once,
    Always,
}

#[derive(Clone)]
pub struct Plan {
    pub number: u64,
    pub protocol: Protocol,
    pub tls: LocalTls,
    pub account: Account,
    pub knows: Knows,
    pub form: Form,
    /// The first commands come in the login's own segment.
    pub eager: bool,
    pub exchanges: Vec<Exchange>,
    /// Ends with QUIT or LOGOUT; otherwise the client just closes.
    pub polite: bool,
    pub slow_reader: bool,
    pub slow_server: bool,
    /// At which of the client's octets, from its first.
    pub client_fault: Option<(usize, ClientFault)>,
    /// At which octet of the answers.
    pub server_fault: Option<(usize, ServerFault)>,
    pub refused: Refused,
    /// For what need not be remembered: where segments are cut, and how long pauses are.
    pub cuts: Chance,
}

impl Plan {
    pub fn new(seed: u64, number: u64) -> Self {
        let mut chance = Chance::new(seed, number);
        let protocol = chance.pick(&Protocol::ALL);
        let account = draw_account(&mut chance);
        let knows = match (account, chance.below(100)) {
            (Account::Revocable, 0..60) => Knows::Revocable,
            (_, 95..98) => Knows::WrongPassword,
            (_, 98..) => Knows::NoSuchName,
            _ => Knows::Right,
        };
        let form = match protocol {
            Protocol::Imap => {
                use Form::{Literals, LiteralsPlus, Plain, PlainInitial, Words};
                chance.pick(&[Words, Literals, LiteralsPlus, PlainInitial, Plain])
            }
            Protocol::Pop3 | Protocol::Smtp => {
                chance.pick(&[Form::Words, Form::PlainInitial, Form::Plain])
            }
        };
        let polite = chance.percent(80);
        let exchanges = script(protocol, number, polite, &mut chance);
        let mut plan = Self {
            number,
            protocol,
            tls: if chance.percent(75) { LocalTls::None } else { chance.pick(&LocalTls::ALL) },
            account,
            knows,
            form,
            eager: chance.percent(25),
            exchanges,
            polite,
            slow_reader: chance.percent(10),
            slow_server: chance.percent(10),
            client_fault: None,
            server_fault: None,
            refused: Refused::Never,
            cuts: Chance::new(seed ^ 1, number),
        };
        if account == Account::Refusing {
            plan.refused = chance.pick(&[Refused::Never, Refused::Once, Refused::Always]);
        }
        match chance.below(100) {
            0..18 => plan.draw_client_fault(&mut chance),
            18..36 => plan.draw_server_fault(&mut chance),
            36..39 => {
                plan.draw_client_fault(&mut chance);
                plan.draw_server_fault(&mut chance);
            }
            _ => {}
        }
        plan
    }

    fn draw_client_fault(&mut self, chance: &mut Chance) {
        use ClientFault::{Close, Garbage, HalfClose, Reset, Silence};
        let login = LOGIN_OCTETS;
        let total = login + self.exchanges.iter().map(|it| it.client.len()).sum::<usize>();
        let at = if chance.percent(25) { chance.below(login) } else { chance.below(total) };
        let kind = chance.pick(&[Reset, HalfClose, HalfClose, Close, Garbage, Silence]);
        self.client_fault = Some((at, kind));
    }

    fn draw_server_fault(&mut self, chance: &mut Chance) {
        use ServerFault as F;
        let total = self.exchanges.iter().map(|it| it.answer().len()).sum::<usize>();
        let login = [F::LoginReset, F::LoginClose, F::LoginSilence, F::LoginGarbage, F::LoginBusy];
        let later = [F::Reset, F::Close, F::Close, F::Truncation, F::Garbage, F::Silence];
        let kind = if chance.percent(25) { chance.pick(&login) } else { chance.pick(&later) };
        self.server_fault = Some((chance.below(total.max(1)), kind));
    }

    /// Of its own, so that the mail server knows whose connection it is.
    pub fn mailbox(&self) -> String {
        format!("n{}@soak.test", self.number)
    }

    /// What the client says as its name.
    pub fn login(&self) -> String {
        match self.knows {
            Knows::NoSuchName => format!("nobody{}/{}", self.number, self.mailbox()),
            _ => format!("{}/{}", self.account.name(), self.mailbox()),
        }
    }

    pub fn server_login_fault(&self) -> Option<ServerFault> {
        use ServerFault::{LoginBusy, LoginClose, LoginGarbage, LoginReset, LoginSilence};
        let (_, fault) = self.server_fault?;
        [LoginBusy, LoginClose, LoginGarbage, LoginReset, LoginSilence]
            .contains(&fault)
            .then_some(fault)
    }

    /// The one after the verdict.
    pub fn server_relay_fault(&self) -> Option<(usize, ServerFault)> {
        self.server_fault.filter(|_| self.server_login_fault().is_none())
    }

    /// In a line, for whoever looks at a failure.
    pub fn describe(&self) -> String {
        let octets: usize = self.exchanges.iter().map(|it| it.client.len()).sum();
        let answers: usize = self.exchanges.iter().map(|it| it.answer().len()).sum();
        format!(
            "{} ({} TLS), {}, {:?} by {:?}{}, {} exchanges ({octets} octets up, {answers} down), polite: {}, \
             client fault: {:?}, server fault: {:?}, refused: {:?}, slow: {} {}",
            self.protocol.name(),
            self.tls.name(),
            self.login(),
            self.knows,
            self.form,
            if self.eager { ", eager" } else { "" },
            self.exchanges.len(),
            self.polite,
            self.client_fault,
            self.server_fault,
            self.refused,
            self.slow_reader,
            self.slow_server,
        )
    }
}

fn draw_account(chance: &mut Chance) -> Account {
    match chance.below(100) {
        0..70 => Account::Steady,
        70..78 => Account::Flaky,
        78..84 => Account::Refusing,
        84..86 => Account::SignedOut,
        86..88 => Account::Closed,
        88..90 => Account::Aborting,
        90..91 => Account::Silent,
        91..93 => Account::Noise,
        93..95 => Account::Busy,
        _ => Account::Revocable,
    }
}

/// About what a login takes.
const LOGIN_OCTETS: usize = 100;
