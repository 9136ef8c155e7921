//! `client_secret`: where it is read from. The hard thing is that a person may write the secret itself,
//! and the refusal must not repeat it.

use std::fmt;

use serde::{
    Deserialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
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
        struct Place;
        impl<'de> Visitor<'de> for Place {
            type Value = SecretText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "one of { file = … }, { env = … }, { command = […] }, { credential = … }",
                )
            }
            fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(E::custom(SECRET_IN_CLEAR))
            }
            // A secret of digits alone; serde's own words would repeat it.
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
                Err(E::custom(SECRET_IN_CLEAR))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let text = SecretTableText::deserialize(MapAccessDeserializer::new(map))?;
                match text {
                    SecretTableText {
                        file: Some(it),
                        env: None,
                        command: None,
                        credential: None,
                    } => Ok(SecretText::File(it)),
                    SecretTableText {
                        file: None,
                        env: Some(it),
                        command: None,
                        credential: None,
                    } => Ok(SecretText::Env(it)),
                    SecretTableText {
                        file: None,
                        env: None,
                        command: Some(it),
                        credential: None,
                    } => Ok(SecretText::Command(it)),
                    SecretTableText {
                        file: None,
                        env: None,
                        command: None,
                        credential: Some(it),
                    } => Ok(SecretText::Credential(it)),
                    _ => Err(de::Error::custom(
                        "exactly one of `file`, `env`, `command` and `credential` is needed",
                    )),
                }
            }
        }
        deserializer.deserialize_any(Place)
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

const SECRET_IN_CLEAR: &str = "a secret does not stand in the configuration, which is copied, \
    backed up and shown to others: write it to a file that only saslgate can read and say \
    { file = \"client-secret\" }, or use { env = … }, { command = […] } or { credential = … }";
