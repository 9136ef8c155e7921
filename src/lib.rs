//! saslgate lets mail software that only knows *user name and password* go on working with mail
//! servers that only accept *OAuth 2.0*.
//!
//! # One connection's life
//! [`listener`] accepts → [`connection`] drives a [`proto`] machine until the client has logged in →
//! [`account`] checks the local password → [`token`] has an access token → [`upstream`] dials → the
//! upstream machine of [`proto`] authenticates → [`relay`] passes both directions on until one side
//! ends. Without the feature `gateway` only the sans-I/O core is built: [`proto`], [`sasl`] and
//! [`secret`].

#![forbid(unsafe_code)]

pub mod proto;
pub mod sasl;
pub mod secret;

#[cfg(feature = "gateway")]
pub mod account;
#[cfg(feature = "gateway")]
pub mod check;
#[cfg(feature = "gateway")]
pub mod cli;
#[cfg(feature = "gateway")]
pub mod config;
#[cfg(feature = "gateway")]
pub mod connection;
#[cfg(feature = "gateway")]
pub mod control;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "gateway")]
pub mod discovery;
#[cfg(feature = "gateway")]
mod fingerprint;
#[cfg(feature = "gateway")]
pub mod gateway;
#[cfg(feature = "gateway")]
pub mod guide;
#[cfg(feature = "gateway")]
pub mod hook;
#[cfg(feature = "gateway")]
pub mod import;
#[cfg(feature = "gateway")]
pub mod init;
#[cfg(feature = "gateway")]
pub mod leg;
#[cfg(feature = "gateway")]
pub mod listener;
#[cfg(feature = "gateway")]
pub mod platform;
#[cfg(feature = "gateway")]
pub mod recent;
#[cfg(feature = "gateway")]
pub mod relay;
#[cfg(feature = "gateway")]
pub mod reload;
#[cfg(feature = "gateway")]
pub mod report;
#[cfg(feature = "gateway")]
pub mod resolver;
#[cfg(feature = "gateway")]
pub mod service;
#[cfg(feature = "gateway")]
mod signing_key;
#[cfg(feature = "gateway")]
pub mod status;
#[cfg(feature = "gateway")]
pub mod store;
#[cfg(feature = "gateway")]
pub mod stream;
#[cfg(feature = "gateway")]
pub mod tap;
#[cfg(feature = "gateway")]
pub mod tls;
#[cfg(feature = "gateway")]
pub mod token;
#[cfg(feature = "gateway")]
pub mod upstream;
