//! Finds out from the kernel's tables what holds a TCP port.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

/// The kernel's tables of TCP sockets.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// States of sockets that no process has open any more: `FIN_WAIT1`, `FIN_WAIT2`, `TIME_WAIT`, `LAST_ACK` and `CLOSING`.
const CLOSING_STATES: [u8; 5] = [0x04, 0x05, 0x06, 0x09, 0x0b];

/// Returns true if only closing connections hold the address. The kernel keeps the connections of an ended program for a
/// minute (`TIME_WAIT`), and with them the port, unless that program had enabled its reuse.
pub(crate) fn is_only_closing(address: SocketAddrV4) -> bool {
    let tables = TABLES.map(|table| fs::read_to_string(table).unwrap_or_default());
    is_only_closing_in(tables.iter().flat_map(|table| table.lines()), address)
}

fn is_only_closing_in<'a>(lines: impl Iterator<Item = &'a str>, wanted: SocketAddrV4) -> bool {
    let mut is_closing = false;
    for (address, port, state) in lines.filter_map(parse_socket) {
        let is_same = address.is_unspecified() || wanted.ip().is_unspecified() || address == *wanted.ip();
        if port == wanted.port() && is_same {
            if !CLOSING_STATES.contains(&state) {
                return false;
            }
            is_closing = true;
        }
    }
    is_closing
}

/// Parses the local address, the port and the state. Returns `None` for the header and for unsupported addresses.
fn parse_socket(line: &str) -> Option<(IpAddr, u16, u8)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    let state = u8::from_str_radix(fields.nth(1)?, 16).ok()?;
    let address = match address.len() {
        8 => Ipv4Addr::from(parse_word(address)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (at, target) in bytes.chunks_exact_mut(4).enumerate() {
                target.copy_from_slice(&parse_word(address.get(at * 8..at * 8 + 8)?)?);
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some((address, u16::from_str_radix(port, 16).ok()?, state))
}

/// Parses an address word, which the kernel writes as an integer in native byte order.
fn parse_word(text: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid";

    /// Formats a line like the kernel's, for a socket at port 5000.
    fn line(address: &str, state: &str) -> String {
        let address: IpAddr = address.parse().unwrap();
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let words = octets.chunks_exact(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap()));
        let words: Vec<String> = words.map(|word| format!("{word:08X}")).collect();
        let address = words.concat();
        format!("   0: {address}:1388 0302007F:BF6C {state} 00000000:00000000 03:00000F6E 00000000     0")
    }

    fn is_closing(sockets: &[(&str, &str)], wanted: &str) -> bool {
        let lines: Vec<String> = sockets.iter().map(|(address, state)| line(address, state)).collect();
        is_only_closing_in(
            [HEAD].into_iter().chain(lines.iter().map(String::as_str)),
            wanted.parse().unwrap(),
        )
    }

    #[test]
    fn only_closing_connections_are_waited_for() {
        for state in ["04", "05", "06", "09", "0B"] {
            assert!(is_closing(&[("127.0.0.2", state)], "127.0.0.2:5000"), "{state}");
        }
        for state in ["01", "02", "03", "07", "08", "0A"] {
            assert!(!is_closing(&[("127.0.0.2", state)], "127.0.0.2:5000"), "{state}");
            assert!(!is_closing(&[("127.0.0.2", "06"), ("0.0.0.0", state)], "127.0.0.2:5000"), "{state}");
        }
        assert!(!is_closing(&[], "127.0.0.2:5000"), "an unused port is in no table");
    }

    #[test]
    fn only_sockets_in_the_way_count() {
        assert!(is_closing(&[("127.0.0.2", "06"), ("127.0.0.3", "0A")], "127.0.0.2:5000"));
        assert!(!is_closing(&[("127.0.0.2", "06")], "127.0.0.3:5000"));
        assert!(!is_closing(&[("127.0.0.2", "06")], "127.0.0.2:5001"));
        assert!(is_closing(&[("127.0.0.2", "06")], "0.0.0.0:5000"));
        assert!(!is_closing(&[("127.0.0.2", "06"), ("127.0.0.3", "0A")], "0.0.0.0:5000"));
        // An IPv6 listener may accept IPv4 too.
        assert!(is_closing(&[("::ffff:10.0.0.7", "06")], "10.0.0.7:5000"));
        assert!(!is_closing(&[("::ffff:10.0.0.7", "06"), ("::", "0A")], "10.0.0.7:5000"));
        assert!(!is_closing(&[("fe80::7", "06")], "10.0.0.7:5000"));
    }
}
