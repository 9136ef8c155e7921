//! `[limits]` and `[deadlines]`: numbers and waits, each with its default and its bounds. The hard
//! thing is to choose them: enough for every honest client, too little for a stranger's flood.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    Deadlines, Limits, TcpWaits,
    mistake::SourceFile,
    resolve::{Context, origin, place},
    show::{Row, quoted},
    text::{DeadlinesText, DurationText, LimitsText, Written},
};
use crate::proto::LoginBounds;

pub(super) fn limits(file: &SourceFile, text: &LimitsText, cx: &mut Context) -> Option<Limits> {
    let defaults = Limits::default();
    let bounds = defaults.before_login;
    let mut numbers = Numbers { file, rows: Vec::new(), cx };
    let limits = Limits {
        connections_per_listener: numbers.number(
            "connections_per_listener",
            &text.connections_per_listener,
            defaults.connections_per_listener,
            1..=1_000_000,
        ),
        connections_per_address: numbers.number(
            "connections_per_address",
            &text.connections_per_address,
            defaults.connections_per_address,
            1..=1_000_000,
        ),
        login_failures_per_connection: numbers.number(
            "login_failures",
            &text.login_failures,
            defaults.login_failures_per_connection,
            1..=100,
        ),
        before_login: LoginBounds {
            line: numbers.number("login_line", &text.login_line, bounds.line, 512..=1_048_576),
            literal: numbers.number(
                "login_literal",
                &text.login_literal,
                bounds.literal,
                256..=1_048_576,
            ),
            total: numbers.number(
                "login_total",
                &text.login_total,
                bounds.total,
                4096..=16_777_216,
            ),
            faults: numbers.number("login_faults", &text.login_faults, bounds.faults, 1..=1000),
        },
    };
    let rows = numbers.rows;
    cx.section("[limits]", rows);
    Some(limits)
}

pub(super) fn deadlines(
    file: &SourceFile,
    text: &DeadlinesText,
    cx: &mut Context,
) -> Option<Deadlines> {
    let defaults = Deadlines::default();
    let mut waits = Numbers { file, rows: Vec::new(), cx };
    let deadlines = Deadlines {
        login: waits.wait("login", &text.login, defaults.login, 10..=3600),
        verdict: waits.wait("verdict", &text.verdict, defaults.verdict, 5..=3600),
        handshake: waits.wait("handshake", &text.handshake, defaults.handshake, 1..=3600),
        connect: waits.wait("connect", &text.connect, defaults.connect, 1..=3600),
        upstream_answer: waits.wait(
            "upstream_answer",
            &text.upstream_answer,
            defaults.upstream_answer,
            1..=3600,
        ),
        // The lease on a refresh must last longer, and the store gives none beyond ten minutes.
        token: waits.wait("token", &text.token, defaults.token, 1..=300),
        connection_turn: waits.wait(
            "connection_turn",
            &text.connection_turn,
            defaults.connection_turn,
            0..=3600,
        ),
        failed_login_delay: waits.wait(
            "failed_login_delay",
            &text.failed_login_delay,
            defaults.failed_login_delay,
            0..=3600,
        ),
        linger: waits.wait("linger", &text.linger, defaults.linger, 1..=3600),
        imap_idle: waits.wait("imap_idle", &text.imap_idle, defaults.imap_idle, 1..=A_WEEK),
        pop3_idle: waits.wait("pop3_idle", &text.pop3_idle, defaults.pop3_idle, 1..=A_WEEK),
        smtp_idle: waits.wait("smtp_idle", &text.smtp_idle, defaults.smtp_idle, 1..=A_WEEK),
        tcp: TcpWaits {
            keepalive: waits.wait(
                "tcp_keepalive",
                &text.tcp_keepalive,
                defaults.tcp.keepalive,
                1..=7200,
            ),
            unanswered: waits.wait(
                "tcp_user_timeout",
                &text.tcp_user_timeout,
                defaults.tcp.unanswered,
                1..=7200,
            ),
        },
        drain: waits.wait("drain", &text.drain, defaults.drain, 0..=3600),
        shutdown: waits.wait("shutdown", &text.shutdown, defaults.shutdown, 0..=3600),
    };
    let rows = waits.rows;
    cx.section("[deadlines]", rows);
    Some(deadlines)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_listener: 1000,
            connections_per_address: 50,
            login_failures_per_connection: 3,
            before_login: LoginBounds::default(),
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            // People are prompted for their password while the program is connected.
            login: seconds(300),
            // Clients give up at about a minute.
            verdict: seconds(50),
            handshake: seconds(30),
            connect: seconds(15),
            upstream_answer: seconds(20),
            token: seconds(20),
            connection_turn: seconds(30),
            failed_login_delay: seconds(2),
            // The operating system tells of a slow reader's progress in steps of up to a megabyte.
            linger: seconds(180),
            // RFC 9051 section 5.4 gives clients 30 minutes; the server's own end, with its own words,
            // comes first.
            imap_idle: seconds(35 * 60),
            // RFC 1939 section 3: at least 10 minutes.
            pop3_idle: seconds(15 * 60),
            // RFC 5321 section 4.5.3.2: a client waits 10 minutes for what becomes of its message, and
            // a server 5 minutes for a command.
            smtp_idle: seconds(15 * 60),
            tcp: TcpWaits::default(),
            drain: Duration::ZERO,
            shutdown: seconds(10),
        }
    }
}

impl Default for TcpWaits {
    fn default() -> Self {
        Self {
            // Well under the shortest timeout of common NAT devices.
            keepalive: Duration::from_secs(120),
            // The user timeout of RFC 9293 section 3.9.1.
            unanswered: Duration::from_secs(300),
        }
    }
}

const A_WEEK: u64 = 7 * 24 * 3600;

/// Reads plain numbers and waits with their bounds. Out of bounds is a mistake; the default then
/// stands in until the mistakes are told.
struct Numbers<'a, 'c> {
    file: &'a SourceFile,
    rows: Vec<Row>,
    cx: &'c mut Context,
}

impl Numbers<'_, '_> {
    fn number(
        &mut self,
        key: &'static str,
        written: &Written<u64>,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> usize {
        let number =
            written.as_ref().map_or(Some(default), |it| usize::try_from(*it.get_ref()).ok());
        let number = number.filter(|number| range.contains(number)).unwrap_or_else(|| {
            let at = place(self.file, 0, &format!("limits.{key}"), written);
            let text = format!("must lie between {} and {}", range.start(), range.end());
            self.cx.mistake::<()>(&at, text);
            default
        });
        self.rows.push(Row::new(key, number.to_string(), origin(self.file, written)));
        number
    }

    fn wait(
        &mut self,
        key: &'static str,
        written: &Written<DurationText>,
        default: Duration,
        seconds: RangeInclusive<u64>,
    ) -> Duration {
        let wait = written.as_ref().map_or(default, |wait| wait.get_ref().0);
        let (least, most) = seconds.into_inner();
        let [least, most] = [least, most].map(Duration::from_secs);
        if !(least..=most).contains(&wait) {
            let at = place(self.file, 0, &format!("deadlines.{key}"), written);
            self.cx.mistake::<()>(
                &at,
                format!(
                    "must lie between {} and {}",
                    humantime::format_duration(least),
                    humantime::format_duration(most)
                ),
            );
        }
        let row = quoted(&humantime::format_duration(wait).to_string());
        self.rows.push(Row::new(key, row, origin(self.file, written)));
        wait
    }
}
