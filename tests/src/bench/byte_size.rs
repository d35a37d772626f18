//! Byte counts with binary units.

use std::fmt;
use std::str::FromStr;

/// A number of bytes, e.g. `64MiB` or `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteSize(pub(super) u64);

const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unit = UNITS.iter().find_map(|(unit, shift)| {
            let short = unit.trim_end_matches("iB");
            Some((text.strip_suffix(unit).or_else(|| text.strip_suffix(short))?, *shift))
        });
        let (number, shift) = unit.unwrap_or((text, 0));
        let number: u64 = number.trim().parse().map_err(|_| format!("{text:?} is not a size, e.g. 64MiB"))?;
        number.checked_mul(1 << shift).map(Self).ok_or_else(|| format!("{text} is too large"))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, shift)| self.0 != 0 && self.0.trailing_zeros() >= *shift);
        match unit {
            Some((unit, shift)) => write!(f, "{} {unit}", self.0 >> shift),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed_with_and_without_units() {
        for (text, bytes) in
            [("1GiB", 1 << 30), ("64MiB", 64 << 20), ("64M", 64 << 20), ("10KiB", 10 << 10), ("7", 7)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "GiB", "-1", "1TB", "99999999999999GiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_is_exact() {
        assert_eq!(ByteSize(3 << 30).to_string(), "3 GiB");
        assert_eq!(ByteSize(1_024_000).to_string(), "1000 KiB");
        assert_eq!(ByteSize(1).to_string(), "1 bytes");
    }
}
