//! `client_secret`: where it is read from. The hard thing is that a person may write the secret itself,
//! and the refusal must not repeat it.

use std::fmt;

use serde::{
    Deserialize,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// Where a secret is read from; never the secret.
#[derive(Clone, Debug)]
pub(in crate::config) enum SecretText {
    /// A file that only its owner can read, relative to the file it is written in.
    File(String),
    /// A variable of the gateway's environment.
    Env(String),
    /// What a program prints; no shell in between.
    Command(Vec<String>),
    /// A systemd credential of this name.
    Credential(String),
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Place)
    }
}

struct Place;

impl Place {
    fn in_clear<E: de::Error>() -> Result<SecretText, E> {
        Err(E::custom(SECRET_IN_CLEAR))
    }
}

/// Every type is refused here: serde's own words would repeat the value.
impl<'de> Visitor<'de> for Place {
    type Value = SecretText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of { file = … }, { env = … }, { command = […] }, { credential = … }")
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretText, E> {
        Self::in_clear()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretText, E> {
        Self::in_clear()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretText, E> {
        Self::in_clear()
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<SecretText, E> {
        Self::in_clear()
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<SecretText, E> {
        Self::in_clear()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretText, E> {
        Self::in_clear()
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretText, E> {
        Self::in_clear()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<SecretText, A::Error> {
        Self::in_clear()
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SecretText, A::Error> {
        match SecretTableText::deserialize(MapAccessDeserializer::new(map)) {
            Ok(table) => table.place().ok_or_else(|| {
                de::Error::custom(
                    "exactly one of `file`, `env`, `command` and `credential` is needed",
                )
            }),
            Err(error) if error.to_string().contains(DATE) => Self::in_clear(),
            Err(error) => Err(error),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SecretTableText {
    file: Option<String>,
    env: Option<String>,
    command: Option<Vec<String>>,
    credential: Option<String>,
}

impl SecretTableText {
    fn place(self) -> Option<SecretText> {
        match self {
            Self { file: Some(it), env: None, command: None, credential: None } => {
                Some(SecretText::File(it))
            }
            Self { file: None, env: Some(it), command: None, credential: None } => {
                Some(SecretText::Env(it))
            }
            Self { file: None, env: None, command: Some(it), credential: None } => {
                Some(SecretText::Command(it))
            }
            Self { file: None, env: None, command: None, credential: Some(it) } => {
                Some(SecretText::Credential(it))
            }
            Self { .. } => None,
        }
    }
}

/// A date comes from the TOML reader as a table with a key of this name.
const DATE: &str = "$__toml_private_datetime";

const SECRET_IN_CLEAR: &str = "a secret does not stand in the configuration, which is copied, \
    backed up and shown to others: write it to a file that only saslgate can read and say \
    { file = \"client-secret\" }, or use { env = … }, { command = […] } or { credential = … }";
