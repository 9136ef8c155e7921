//! One file a theme.

mod bad_days;
mod limits;
mod live;
mod login;
mod passwords;
mod reload;
mod submission;
mod tls;
mod tokens;
