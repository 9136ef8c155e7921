//! Wall-clock times as SQLite keeps them: whole milliseconds since 1970, before it negative.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) fn to_millis(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |past| -past),
    }
}

pub(super) fn from_millis(millis: i64) -> SystemTime {
    let distance = Duration::from_millis(millis.unsigned_abs());
    let time = if millis < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    // Only a damaged row holds a time that the operating system cannot express.
    time.unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever stands in a row is a time, and a time that was kept comes back to the millisecond.
        #[test]
        fn times_come_back(millis in any::<i64>(), small in -4_000_000_000_000..4_000_000_000_000i64) {
            let _ = to_millis(from_millis(millis));
            prop_assert_eq!(to_millis(from_millis(small)), small);
        }
    }
}
