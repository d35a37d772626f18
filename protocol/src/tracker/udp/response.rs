use std::net::SocketAddr;

use super::fields::FieldReader;
use super::{DatagramError, action};
use crate::limits::{MAX_SCRAPED, MAX_TRACKED_PEERS};
use crate::tracker::{ScrapeEntry, compact, message_text};

/// The family of the addresses in a response, which is that of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    /// Returns the family of an address.
    pub const fn of(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }
}

/// A response of a tracker over UDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UdpResponse {
    /// Assigns a connection id.
    Connect {
        /// The request's transaction id.
        transaction: u32,
        /// The connection id, valid for a minute.
        connection: u64,
    },
    /// Answers an announce.
    Announce {
        /// The request's transaction id.
        transaction: u32,
        /// The announce interval in seconds, as sent by the tracker.
        interval: u32,
        /// The number of peers that do not have the complete content yet.
        leechers: u32,
        /// The number of peers that have it.
        seeders: u32,
        /// Peers of the torrent.
        peers: Vec<SocketAddr>,
    },
    /// Answers a scrape with one entry per torrent, in the order of the request.
    Scrape {
        /// The request's transaction id.
        transaction: u32,
        /// The counts.
        torrents: Vec<ScrapeEntry>,
    },
    /// Refuses the request.
    Error {
        /// The request's transaction id.
        transaction: u32,
        /// The tracker's message, unescaped and truncated.
        message: String,
    },
}

impl UdpResponse {
    /// Returns the transaction id.
    pub const fn transaction(&self) -> u32 {
        match self {
            Self::Connect { transaction, .. }
            | Self::Announce { transaction, .. }
            | Self::Scrape { transaction, .. }
            | Self::Error { transaction, .. } => *transaction,
        }
    }

    /// Encodes the datagram with the peers of `family`.
    pub fn encode(&self, family: AddressFamily) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Connect { transaction, connection } => {
                write_numbers(&mut out, &[action::CONNECT, *transaction]);
                out.extend_from_slice(&connection.to_be_bytes());
            }
            Self::Announce { transaction, interval, leechers, seeders, peers } => {
                write_numbers(&mut out, &[action::ANNOUNCE, *transaction, *interval, *leechers, *seeders]);
                let peers = peers.iter().copied();
                out.extend_from_slice(&match family {
                    AddressFamily::V4 => compact::write_v4(peers),
                    AddressFamily::V6 => compact::write_v6(peers),
                });
            }
            Self::Scrape { transaction, torrents } => {
                write_numbers(&mut out, &[action::SCRAPE, *transaction]);
                for counts in torrents.iter().take(MAX_SCRAPED) {
                    write_numbers(&mut out, &[counts.complete, counts.downloaded, counts.incomplete]);
                }
            }
            Self::Error { transaction, message } => {
                write_numbers(&mut out, &[action::ERROR, *transaction]);
                out.extend_from_slice(message.as_bytes());
            }
        }
        out
    }

    /// Decodes a datagram received over `family`.
    pub fn decode(datagram: &[u8], family: AddressFamily) -> Result<Self, DatagramError> {
        let mut fields = FieldReader::new(datagram);
        let (kind, transaction) = (fields.u32()?, fields.u32()?);
        match kind {
            action::CONNECT => Ok(Self::Connect { transaction, connection: fields.u64()? }),
            action::ANNOUNCE => {
                let (interval, leechers, seeders) = (fields.u32()?, fields.u32()?, fields.u32()?);
                let peers = match family {
                    AddressFamily::V4 => compact::read_v4(fields.rest()).take(MAX_TRACKED_PEERS).collect(),
                    AddressFamily::V6 => compact::read_v6(fields.rest()).take(MAX_TRACKED_PEERS).collect(),
                };
                Ok(Self::Announce { transaction, interval, leechers, seeders, peers })
            }
            action::SCRAPE => {
                let entries = fields.rest().as_chunks::<12>().0.iter().take(MAX_SCRAPED);
                let torrents = entries.map(|entry| counts(entry)).collect::<Result<_, _>>()?;
                Ok(Self::Scrape { transaction, torrents })
            }
            action::ERROR => {
                Ok(Self::Error { transaction, message: message_text::truncated_text(fields.rest()) })
            }
            action => Err(DatagramError::UnknownAction { action }),
        }
    }
}

fn write_numbers(out: &mut Vec<u8>, numbers: &[u32]) {
    for number in numbers {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn counts(entry: &[u8]) -> Result<ScrapeEntry, DatagramError> {
    let mut fields = FieldReader::new(entry);
    Ok(ScrapeEntry { complete: fields.u32()?, downloaded: fields.u32()?, incomplete: fields.u32()? })
}
