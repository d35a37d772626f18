//! The text form of a network in an access list.

use std::net::IpAddr;

use ipnet::IpNet;

/// Parses `ADDRESS/LENGTH`; an address alone is a network of one. Returns `None` if the text is no network, or a bit behind the
/// prefix is set: [`IpNet`]'s own parser accepts that.
pub(super) fn parse_network(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else {
        return Some(text.parse::<IpAddr>().ok()?.into());
    };
    // The parser of integers also accepts a plus sign.
    if !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let network = IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()?;
    (network == network.trunc()).then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_contains_addresses_with_its_prefix() {
        let has = |network: &str, address: &str| {
            let address: IpAddr = address.parse().unwrap();
            parse_network(network).unwrap().contains(&address.to_canonical())
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
            assert_eq!(parse_network(text), None, "{text}");
        }
    }

    #[test]
    fn length_may_have_leading_zeros() {
        assert_eq!(parse_network("10.0.0.0/0008"), parse_network("10.0.0.0/8"));
        assert!(parse_network("10.0.0.0/0008").is_some());
    }
}
