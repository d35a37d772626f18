use std::net::{IpAddr, Ipv4Addr};

use super::fields::FieldReader;
use super::{DatagramError, MAGIC, action, options};
use crate::infohash::Infohash;
use crate::limits::MAX_SCRAPED;
use crate::tracker::{AnnounceRequest, TrackerEvent};

/// A request to a tracker over UDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UdpRequest {
    /// Requests a connection id.
    Connect {
        /// The transaction id, repeated by the response.
        transaction: u32,
    },
    /// Announces. The fields that exist only over HTTP (`compact`, `no_peer_id`, `tracker_id`) are not transmitted;
    /// both flags are decoded as true, because responses are always compact and without ids.
    Announce {
        /// The connection id from the tracker.
        connection: u64,
        /// The transaction id, repeated by the response.
        transaction: u32,
        /// The announce.
        request: AnnounceRequest,
        /// Path and query of the tracker's URL (BEP 41); may be empty. At most
        /// [`MAX_TRACKER_URL`](crate::limits::MAX_TRACKER_URL) bytes are encoded and decoded.
        url_data: Vec<u8>,
    },
    /// Requests the number of peers of torrents.
    Scrape {
        /// The connection id from the tracker.
        connection: u64,
        /// The transaction id, repeated by the response.
        transaction: u32,
        /// The torrents; at most [`MAX_SCRAPED`] are encoded and decoded.
        infohashes: Vec<Infohash>,
    },
}

impl UdpRequest {
    /// Returns the transaction id.
    pub const fn transaction(&self) -> u32 {
        match self {
            Self::Connect { transaction }
            | Self::Announce { transaction, .. }
            | Self::Scrape { transaction, .. } => *transaction,
        }
    }

    /// Encodes the datagram.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Connect { transaction } => head(MAGIC, action::CONNECT, *transaction),
            Self::Announce { connection, transaction, request, url_data } => {
                let mut out = head(*connection, action::ANNOUNCE, *transaction);
                write_announce(request, &mut out);
                options::write_url_data(url_data, &mut out);
                out
            }
            Self::Scrape { connection, transaction, infohashes } => {
                let mut out = head(*connection, action::SCRAPE, *transaction);
                infohashes.iter().take(MAX_SCRAPED).for_each(|hash| out.extend_from_slice(hash.as_bytes()));
                out
            }
        }
    }

    /// Decodes a datagram. Unknown or truncated options after an announce (BEP 41) are ignored.
    pub fn decode(datagram: &[u8]) -> Result<Self, DatagramError> {
        let mut fields = FieldReader::new(datagram);
        let (connection, kind, transaction) = (fields.u64()?, fields.u32()?, fields.u32()?);
        match kind {
            action::CONNECT if connection == MAGIC => Ok(Self::Connect { transaction }),
            action::CONNECT => Err(DatagramError::WrongProtocol),
            action::ANNOUNCE => {
                let request = read_announce(&mut fields)?;
                let url_data = options::read_url_data(fields.rest());
                Ok(Self::Announce { connection, transaction, request, url_data })
            }
            action::SCRAPE => {
                let hashes = fields.rest().as_chunks::<20>().0.iter().take(MAX_SCRAPED);
                let infohashes = hashes.copied().map(Infohash::from_bytes).collect();
                Ok(Self::Scrape { connection, transaction, infohashes })
            }
            action => Err(DatagramError::UnknownAction { action }),
        }
    }
}

fn head(connection: u64, action: u32, transaction: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(98);
    out.extend_from_slice(&connection.to_be_bytes());
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&transaction.to_be_bytes());
    out
}

fn write_announce(request: &AnnounceRequest, out: &mut Vec<u8>) {
    out.extend_from_slice(request.infohash.as_bytes());
    out.extend_from_slice(&request.peer_id);
    for count in [request.downloaded, request.left, request.uploaded] {
        out.extend_from_slice(&count.to_be_bytes());
    }
    let ip = match request.ip {
        Some(IpAddr::V4(ip)) => ip,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    let event: u32 = match request.event {
        None => 0,
        Some(TrackerEvent::Completed) => 1,
        Some(TrackerEvent::Started) => 2,
        Some(TrackerEvent::Stopped) => 3,
    };
    let numwant = request.numwant.map_or(-1, |count| i32::try_from(count).unwrap_or(i32::MAX));
    out.extend_from_slice(&event.to_be_bytes());
    out.extend_from_slice(&ip.octets());
    out.extend_from_slice(&request.key.unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&numwant.to_be_bytes());
    out.extend_from_slice(&request.port.to_be_bytes());
}

fn read_announce(fields: &mut FieldReader<'_>) -> Result<AnnounceRequest, DatagramError> {
    let infohash = Infohash::from_bytes(fields.array()?);
    let peer_id = fields.array()?;
    let (downloaded, left, uploaded) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let event = match fields.u32()? {
        1 => Some(TrackerEvent::Completed),
        2 => Some(TrackerEvent::Started),
        3 => Some(TrackerEvent::Stopped),
        _ => None,
    };
    let ip = Some(Ipv4Addr::from(fields.array::<4>()?)).filter(|ip| !ip.is_unspecified());
    let key = Some(fields.u32()?).filter(|key| *key != 0);
    // -1 leaves the number to the tracker.
    let numwant = u32::try_from(i32::from_be_bytes(fields.array()?)).ok();
    let port = fields.u16()?;
    Ok(AnnounceRequest {
        infohash,
        peer_id,
        port,
        uploaded,
        downloaded,
        left,
        event,
        numwant,
        compact: true,
        no_peer_id: true,
        key,
        tracker_id: None,
        ip: ip.map(IpAddr::V4),
    })
}
