use crate::escape::excerpt;
use thiserror::Error;

/// The maximum number of decimal digits that are parsed; further digits amount to less than a byte in every unit.
const FRACTION_DIGITS: usize = 18;

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SizeError {
    /// The text is empty.
    #[error("the size is missing; write a number of bytes, or a number with a unit, as in 100M")]
    Empty,
    /// The size is negative.
    #[error("`{text}` is negative; write a size of 0 or more")]
    Negative {
        /// The text, shortened and display-safe.
        text: String,
    },
    /// The text does not begin with a number.
    #[error("`{text}` is not a number; write digits and at most one point, as in 100 or 1.5G")]
    NotANumber {
        /// The text, shortened and display-safe.
        text: String,
    },
    /// The number is followed by an unknown unit.
    #[error("`{unit}` is not a unit of size; write B, K, M, G, T or P, or a form such as KiB or MB")]
    UnknownUnit {
        /// The unknown unit, shortened and display-safe.
        unit: String,
    },
    /// A number of bytes has a fraction.
    #[error("`{text}` is not a whole number of bytes; leave out the point, or add a unit, as in 1.5M")]
    FractionOfByte {
        /// The text, shortened and display-safe.
        text: String,
    },
    /// The size does not fit in 64 bits.
    #[error("`{text}` is larger than any file can be; write at most 16383P")]
    TooLarge {
        /// The text, shortened and display-safe.
        text: String,
    },
}

/// Parses a size in bytes: `100`, `100M`, `1.5G`, `10k`, `10 KiB`, `2GB`, in upper or lower case.
///
/// `K`, `M`, `G`, `T` and `P` are powers of 1024, with or without a following `i`, `B` or `iB`. A number with a unit may
/// have decimals; a fraction of a byte is dropped.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(SizeError::Empty);
    }
    if text.starts_with(['-', '\u{2212}']) {
        return Err(SizeError::Negative { text: excerpt(text) });
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    if !is_digits(whole) || !fraction.is_none_or(is_digits) {
        return Err(SizeError::NotANumber { text: excerpt(text) });
    }
    let unit = unit_bytes(unit.trim_start())?;
    if unit == 1 && fraction.is_some() {
        return Err(SizeError::FractionOfByte { text: excerpt(text) });
    }
    let too_large = || SizeError::TooLarge { text: excerpt(text) };
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    let bytes = u128::from(whole) * u128::from(unit) + fraction_bytes(fraction.unwrap_or("0"), unit);
    u64::try_from(bytes).map_err(|_| too_large())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the number of whole bytes in a decimal fraction of a unit.
fn fraction_bytes(digits: &str, unit: u64) -> u128 {
    let (mut numerator, mut denominator) = (0_u128, 1_u128);
    for digit in digits.bytes().take(FRACTION_DIGITS) {
        numerator = numerator * 10 + u128::from(digit.saturating_sub(b'0'));
        denominator *= 10;
    }
    numerator * u128::from(unit) / denominator
}

fn unit_bytes(unit: &str) -> Result<u64, SizeError> {
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "ki" | "kb" | "kib" => 10,
        "m" | "mi" | "mb" | "mib" => 20,
        "g" | "gi" | "gb" | "gib" => 30,
        "t" | "ti" | "tb" | "tib" => 40,
        "p" | "pi" | "pb" | "pib" => 50,
        _ => return Err(SizeError::UnknownUnit { unit: excerpt(unit) }),
    };
    Ok(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("100", 100),
            ("7b", 7),
            ("10k", 10 << 10),
            ("10KiB", 10 << 10),
            ("10 kb", 10 << 10),
            ("100M", 100 << 20),
            ("1.5G", 3 << 29),
            (" 2GB ", 2 << 30),
            ("3Ti", 3 << 40),
            ("1P", 1 << 50),
            ("0.001k", 1),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn invalid_sizes_are_refused_with_a_reason() {
        let text = |text: &str| text.to_owned();
        assert_eq!(parse_size("  "), Err(SizeError::Empty));
        assert_eq!(parse_size("-5M"), Err(SizeError::Negative { text: text("-5M") }));
        for garbage in ["abc", "M", "1.2.3G", ".5G", "5.G", "+5", "."] {
            assert_eq!(parse_size(garbage), Err(SizeError::NotANumber { text: text(garbage) }));
        }
        assert_eq!(parse_size("5 apples"), Err(SizeError::UnknownUnit { unit: text("apples") }));
        assert_eq!(parse_size("1,5G"), Err(SizeError::UnknownUnit { unit: text(",5G") }));
        assert_eq!(parse_size("1.5"), Err(SizeError::FractionOfByte { text: text("1.5") }));
        for large in ["18446744073709551616", "16384P", "99999999999999999999999999999999999999999999"] {
            assert_eq!(parse_size(large), Err(SizeError::TooLarge { text: text(large) }));
        }
    }

    #[test]
    fn errors_are_display_safe() {
        let message = parse_size("5\u{1b}[2J").unwrap_err().to_string();
        assert!(message.contains("\\u{1b}[2J"), "{message}");
    }

    proptest! {
        #[test]
        fn no_text_panics_the_reader(text in any::<String>(), near in "[-0-9.kKmMiIbB ]{0,60}") {
            let _ = parse_size(&text);
            let _ = parse_size(&near);
        }

        #[test]
        fn byte_counts_round_trip(bytes: u64) {
            prop_assert_eq!(parse_size(&bytes.to_string()), Ok(bytes));
        }
    }
}
