//! Installations of other programs, taken over. The hard thing is to say what could not be: a setting
//! that is dropped in silence is mail that stops without a reason.

pub mod emailproxy;
