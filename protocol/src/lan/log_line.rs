use std::net::IpAddr;

use super::ChunkName;

/// Returns the line of `download_log.txt`; the time is local, as in `2026-11-20 21:46:22`.
pub fn download_line(time: &str, chunk: &ChunkName, from: IpAddr) -> String {
    format!("{time}: {chunk} downloaded from {from}")
}

/// Returns the line of `upload_log.txt`; the time is local, as in `2026-11-20 21:46:22`.
pub fn upload_line(time: &str, chunk: &ChunkName, to: IpAddr) -> String {
    format!("Chunk: {chunk}, Timestamp: {time}, Destination: {to}")
}

/// Returns what a person is told when nobody gives a chunk.
pub fn failure_line(chunk: &ChunkName) -> String {
    format!("CHUNK {chunk} CANNOT BE DOWNLOADED FROM ONLINE PEERS.")
}
