//! How an application is registered with a provider and let into mailboxes, step by step.

pub mod command;
