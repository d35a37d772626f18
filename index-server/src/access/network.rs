use std::net::IpAddr;
use std::str::FromStr;

/// An IP network in CIDR notation, such as `10.0.0.0/8`. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IpNetwork {
    address: IpAddr,
    /// The length of the prefix in bits.
    prefix_len: u32,
}

/// The text is not a valid network.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParseNetworkError;

impl IpNetwork {
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.address)
            && bits(address).checked_shr(width(address) - self.prefix_len).unwrap_or_default()
                == bits(self.address).checked_shr(width(address) - self.prefix_len).unwrap_or_default()
    }
}

impl FromStr for IpNetwork {
    type Err = ParseNetworkError;

    /// Parses `ADDRESS/LENGTH`; an address alone is a network of one. The bits behind the prefix must be zero.
    fn from_str(text: &str) -> Result<Self, ParseNetworkError> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| ParseNetworkError)?;
        let length = match length {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| ParseNetworkError)?
            }
            Some(_) => return Err(ParseNetworkError),
            None => width(address),
        };
        let rest = width(address).checked_sub(length).ok_or(ParseNetworkError)?;
        let is_clean = bits(address).trailing_zeros() >= rest || rest == 0;
        is_clean.then_some(Self { address, prefix_len: length }).ok_or(ParseNetworkError)
    }
}

const fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_contains_addresses_with_its_prefix() {
        let has = |network: &str, address: &str| {
            network.parse::<IpNetwork>().unwrap().contains(address.parse().unwrap())
        };
        assert!(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.0"));
        assert!(has("0.0.0.0/0", "255.255.255.255") && !has("0.0.0.0/0", "::1"));
        assert!(has("192.0.2.1", "::ffff:192.0.2.1") && !has("192.0.2.1", "192.0.2.2"));
        assert!(has("::/0", "2001:db8::1") && has("2001:db8::/33", "2001:db8:7fff::"));
        assert!(!has("2001:db8::/33", "2001:db8:8000::"));
    }

    #[test]
    fn invalid_networks_are_rejected() {
        for text in [
            "",
            "10",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "::/129",
            "x/8",
        ] {
            assert_eq!(text.parse::<IpNetwork>(), Err(ParseNetworkError), "{text}");
        }
    }
}
