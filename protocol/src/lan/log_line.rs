use std::net::IpAddr;

use super::ChunkName;

/// Returns a line for `download_log.txt`; `time` is local time, such as `2026-11-20 21:46:22`.
pub fn download_line(time: &str, chunk: &ChunkName, from: IpAddr) -> String {
    format!("{time}: {chunk} downloaded from {from}")
}

/// Returns a line for `upload_log.txt`; `time` is local time, such as `2026-11-20 21:46:22`.
pub fn upload_line(time: &str, chunk: &ChunkName, to: IpAddr) -> String {
    format!("Chunk: {chunk}, Timestamp: {time}, Destination: {to}")
}

/// Returns the message for a chunk that no peer could supply.
pub fn failure_line(chunk: &ChunkName) -> String {
    format!("CHUNK {chunk} CANNOT BE DOWNLOADED FROM ONLINE PEERS.")
}
