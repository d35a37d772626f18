use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use clap::Args;
use protocol::lan::{ANNOUNCE_INTERVAL_SECONDS, ANNOUNCE_PORT, CHUNK_PORT, ChunkCount, Cookie, ReplyFormat};

use super::options::{port, seconds};
use crate::lan::LanSettings;

/// How a node finds other nodes on the local network.
#[derive(Debug, Clone, Args)]
pub(crate) struct NeighbourOptions {
    /// Find other nodes on the local network too, with or without an index, as far as --listen-host accepts them
    #[arg(long, env = "PEER_NODE_LAN")]
    pub lan: bool,

    /// Send and receive announcements on this UDP port (requires --lan)
    #[arg(long, value_name = "PORT", env = "PEER_NODE_LAN_PORT", default_value_t = ANNOUNCE_PORT, value_parser = port)]
    pub lan_port: u16,

    /// Announce this node at this interval in seconds (requires --lan)
    #[arg(long, value_name = "SECONDS", env = "PEER_NODE_LAN_PERIOD", default_value_t = f64::from(ANNOUNCE_INTERVAL_SECONDS), value_parser = seconds)]
    pub lan_period: f64,

    /// Send announcements to this address (requires --lan) [default: the broadcast address of every local network]
    #[arg(long, value_name = "ADDRESS", env = "PEER_NODE_LAN_BROADCAST")]
    pub lan_broadcast: Option<Ipv4Addr>,
}

/// The system provides no random numbers, which a node needs to recognise its own announcements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system provides no random numbers; omit --lan, or try again")]
pub(crate) struct NoRandomness;

impl NeighbourOptions {
    /// Returns the settings for finding other nodes. A node on loopback finds those of this machine.
    pub(crate) fn settings(&self, listen_host: IpAddr) -> Result<LanSettings, NoRandomness> {
        let host = match listen_host.to_canonical() {
            IpAddr::V4(host) => host,
            IpAddr::V6(host) if host.is_loopback() => Ipv4Addr::LOCALHOST,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        let own_machine = host.is_loopback().then_some(Ipv4Addr::new(127, 255, 255, 255));
        Ok(LanSettings {
            announce_port: self.lan_port,
            chunk_port: CHUNK_PORT,
            period: Duration::from_secs_f64(self.lan_period),
            chunk_count: ChunkCount::default(),
            broadcast: self.lan_broadcast.or(own_machine),
            host,
            max_size: 0,
            reply_format: ReplyFormat::Raw,
            cookie: fresh_cookie()?,
        })
    }
}

/// Draws the random cookie by which a run recognises its own announcements.
pub(super) fn fresh_cookie() -> Result<Cookie, NoRandomness> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(Cookie::from_bytes(bytes))
}
