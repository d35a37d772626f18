use std::net::IpAddr;
use std::str::FromStr;

/// Addresses with a common beginning, such as `10.0.0.0/8`. Pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    /// How many bits are common.
    length: u32,
}

/// A text that is no network.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoNetwork;

impl Network {
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.address)
            && bits(address).checked_shr(width(address) - self.length).unwrap_or_default()
                == bits(self.address).checked_shr(width(address) - self.length).unwrap_or_default()
    }
}

impl FromStr for Network {
    type Err = NoNetwork;

    /// Takes an address alone for a network of one. Bits that are not common must be zero.
    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let length = match length {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| NoNetwork)?
            }
            Some(_) => return Err(NoNetwork),
            None => width(address),
        };
        let rest = width(address).checked_sub(length).ok_or(NoNetwork)?;
        let is_clean = bits(address).trailing_zeros() >= rest || rest == 0;
        is_clean.then_some(Self { address, length }).ok_or(NoNetwork)
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
    fn a_network_has_the_addresses_that_begin_like_it() {
        let has = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.0"));
        assert!(has("0.0.0.0/0", "255.255.255.255") && !has("0.0.0.0/0", "::1"));
        assert!(has("192.0.2.1", "::ffff:192.0.2.1") && !has("192.0.2.1", "192.0.2.2"));
        assert!(has("::/0", "2001:db8::1") && has("2001:db8::/33", "2001:db8:7fff::"));
        assert!(!has("2001:db8::/33", "2001:db8:8000::"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
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
            assert_eq!(text.parse::<Network>(), Err(NoNetwork), "{text}");
        }
    }
}
