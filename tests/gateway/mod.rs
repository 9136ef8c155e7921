//! One file a theme.

mod bad_days;
mod limits;
mod live;
mod login;
mod tls;
mod tokens;
