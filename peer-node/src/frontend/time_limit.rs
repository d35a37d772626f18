use std::time::Duration;

/// The maximum time limit: a year, in seconds.
const MAX_TIME_LIMIT: u64 = 366 * 24 * 60 * 60;

/// An invalid time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid time; expected seconds, e.g. 30, or 5m or 2h")]
pub(crate) struct TimeLimitError;

/// Parses a time: whole seconds, or whole minutes or hours with the suffix `m` or `h`.
pub(crate) fn parse_time_limit(text: &str) -> Result<Duration, TimeLimitError> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        _ => (Some(text), 1),
    };
    let number = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let seconds = number.and_then(|number| number.parse::<u64>().ok()?.checked_mul(unit));
    seconds.filter(|seconds| *seconds <= MAX_TIME_LIMIT).map(Duration::from_secs).ok_or(TimeLimitError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("0", 0), ("30", 30), ("90s", 90), ("5m", 300), ("2h", 7200)] {
            assert_eq!(parse_time_limit(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "-1", "+1", "1.5", "1 h", "1d", "99999999999", "99999999999999999999", "١"] {
            assert_eq!(parse_time_limit(text), Err(TimeLimitError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(text in any::<String>()) {
            let _ = parse_time_limit(&text);
        }
    }
}
