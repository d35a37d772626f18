use std::fmt::{Display, Formatter, Result};
use std::time::Duration;

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Formats a number of bytes: `0 B`, `1023 B`, `1.0 KiB`, `33.1 MiB`. Width and alignment of the format are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisplaySize(pub u64);

/// Formats a number of bytes per second: `33.1 MiB/s`. Negative and non-finite numbers are formatted as `0 B/s`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct DisplayRate(pub f64);

/// Formats a duration in its two largest units: `3 s`, `2 min 05 s`, `1 h 03 min`, `2 d 04 h`.
///
/// Seconds are rounded up, so only a zero duration is formatted as `0 s`; larger units are rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisplayDuration(pub Duration);

impl Display for DisplaySize {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.pad(&size_text(self.0))
    }
}

impl Display for DisplayRate {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.pad(&format!("{}/s", size_text(rounded_bytes(self.0))))
    }
}

impl Display for DisplayDuration {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let seconds = self.0.as_secs().saturating_add(u64::from(self.0.subsec_nanos() > 0));
        let text = match seconds {
            0..MINUTE => format!("{seconds} s"),
            MINUTE..HOUR => format!("{} min {:02} s", seconds / MINUTE, seconds % MINUTE),
            HOUR..DAY => format!("{} h {:02} min", seconds / HOUR, seconds % HOUR / MINUTE),
            DAY.. => format!("{} d {:02} h", seconds / DAY, seconds % DAY / HOUR),
        };
        f.pad(&text)
    }
}

fn size_text(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Round to tenths with integers before choosing the unit: 1023.96 KiB must become 1.0 MiB, not 1024.0 KiB.
    let mut shift = 10_u32;
    let mut shown = String::new();
    for unit in UNITS {
        let tenths = ((u128::from(bytes) * 10) + (1 << (shift - 1))) >> shift;
        shown = format!("{}.{} {unit}", tenths / 10, tenths % 10);
        if tenths < 10240 {
            break;
        }
        shift += 10;
    }
    shown
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast maps NaN and negative numbers to zero, and saturates at the maximum"
)]
fn rounded_bytes(rate: f64) -> u64 {
    if rate.is_finite() { rate.round() as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_have_one_decimal_from_a_kibibyte_up() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (34_707_866, "33.1 MiB"),
            (1_048_575, "1.0 MiB"),
            (1 << 30, "1.0 GiB"),
            (3 << 39, "1.5 TiB"),
            (1 << 50, "1.0 PiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(DisplaySize(bytes).to_string(), text);
        }
        assert_eq!(format!("[{:>9}]", DisplaySize(5)), "[      5 B]");
    }

    #[test]
    fn rates_are_sizes_per_second() {
        assert_eq!(DisplayRate(34_707_866.2).to_string(), "33.1 MiB/s");
        assert_eq!(DisplayRate(0.4).to_string(), "0 B/s");
        for odd in [-5.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(DisplayRate(odd).to_string(), "0 B/s");
        }
    }

    #[test]
    fn durations_show_their_two_largest_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (3, "3 s"),
            (59, "59 s"),
            (60, "1 min 00 s"),
            (125, "2 min 05 s"),
            (3600 + 3 * 60 + 59, "1 h 03 min"),
            (2 * 86400 + 4 * 3600, "2 d 04 h"),
        ] {
            assert_eq!(DisplayDuration(Duration::from_secs(seconds)).to_string(), text);
        }
        assert_eq!(DisplayDuration(Duration::from_millis(1)).to_string(), "1 s");
        assert_eq!(DisplayDuration(Duration::from_millis(59_001)).to_string(), "1 min 00 s");
    }

    #[test]
    fn longest_duration_is_displayed() {
        assert!(DisplayDuration(Duration::MAX).to_string().ends_with(" h"));
    }

    proptest! {
        #[test]
        fn sizes_never_show_1024_of_a_unit(bytes: u64) {
            let text = DisplaySize(bytes).to_string();
            let number: f64 = text.split(' ').next().unwrap().parse().unwrap();
            prop_assert!(number < 1024.0, "{}", text);
        }
    }
}
