use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use clap::Args;

/// The options that determine which node is run, and where it is reached.
#[derive(Debug, Clone, Args)]
pub(crate) struct BasicOptions {
    /// Accept peers on this port, which also names the shared folder; 0 takes any free port (requires --share-dir)
    #[arg(value_name = "PORT", env = "PEER_NODE_PORT", default_value_t = 12349)]
    pub port: u16,

    /// Connect to the index at this address; the default port is 1313
    #[arg(long, value_name = "HOST[:PORT]", env = "PEER_NODE_INDEX", default_value = "127.0.0.1:1313", value_parser = index_address)]
    pub index: String,

    /// Accept peers on this address; 0.0.0.0 or :: for all addresses
    #[arg(long, value_name = "ADDRESS", env = "PEER_NODE_LISTEN_HOST", default_value = "127.0.0.1")]
    pub listen_host: IpAddr,

    /// Share this folder [default: `shared_dirs/PORT`]
    #[arg(long, value_name = "FOLDER", env = "PEER_NODE_SHARE_DIR")]
    pub share_dir: Option<PathBuf>,
}

/// The default port of an index.
const INDEX_PORT: u16 = 1313;

/// Parses the address of an index: a name or an IP address, with or without a port. An IPv6 address with a port needs brackets.
fn index_address(text: &str) -> Result<String, String> {
    let wrong =
        || Err(format!("expected HOST or HOST:PORT, e.g. index.example.org:{INDEX_PORT} or [2001:db8::1]"));
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if is_ipv6(host) && (rest.is_empty() || rest.starts_with(':')) => {
            (format!("[{host}]"), rest.strip_prefix(':'))
        }
        Some(_) => return wrong(),
        None if is_ipv6(text) => (format!("[{text}]"), None),
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.to_owned(), None),
        },
    };
    let port = port.map_or(Ok(INDEX_PORT), str::parse::<u16>);
    match port {
        Ok(port) if port > 0 && !host.is_empty() && !host.contains(char::is_whitespace) => {
            Ok(format!("{host}:{port}"))
        }
        _ => wrong(),
    }
}

/// Returns true for an IPv6 address, with or without the interface of a link-local one (`fe80::1%eth0`).
fn is_ipv6(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<Ipv6Addr>().is_ok()
}
