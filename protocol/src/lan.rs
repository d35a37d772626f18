//! The LAN dialect: chunks of files, announced by broadcast and fetched over plain TCP, with no server and no hashes.
//!
//! This module defines the datagrams, the requests and the text files of the dialect's programs, and how a file is
//! split into chunks. It has no sockets, clocks or files. "Chunk" is this dialect's own term: its chunks have no
//! digests. Between Peerdex nodes, an extra key of the announcement carries digests ([`Card`]).
//!
//! | what | format |
//! |---|---|
//! | announcement, a UDP broadcast | `{"chunks": ["forest_1", "forest_2"]}` |
//! | request, the first bytes on a TCP connection | `{"requested_content": "forest_1"}` |
//! | reply | the chunk's bytes, then the end of the stream; no bytes at all if the chunk is missing |
//! | request of the programs of 2025 and 2026 | `{"requested content": "forest_1"}` |
//! | their reply | `{"chunk name": "forest_1", "data": "iVBORw0…"}`, or `{"error": "File not found"}` |

mod announcement;
mod card;
mod chunk_layout;
mod chunk_name;
mod dictionary;
#[cfg(test)]
mod golden;
mod log_line;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub use announcement::{AnnouncementError, LanAnnouncement};
pub use card::{Card, Cookie};
pub use chunk_layout::{ChunkCount, ChunkLayout, ChunkLengthRule};
pub use chunk_name::{ChunkName, ChunkNameError};
pub use dictionary::{DictionaryLine, DictionaryLineError};
pub use log_line::{download_line, failure_line, upload_line};
pub use reply::{ChunkReplyError, DataText, JsonReply, ReplyContent, ReplyScanner};
pub use request::{ChunkRequest, ReplyFormat, RequestError, RequestReader, encode_request, json_reply_frame};

/// The default UDP port for announcements.
pub const ANNOUNCE_PORT: u16 = 5001;

/// The default TCP port for chunk requests.
pub const CHUNK_PORT: u16 = 5000;

/// The default interval between two announcements, in seconds.
pub const ANNOUNCE_INTERVAL_SECONDS: u32 = 60;

/// The defaults of the programs of 2025 and 2026: UDP port, TCP port, announce interval in seconds, and number of
/// chunks.
pub const JSON_DEFAULTS: (u16, u16, u32, u16) = (6000, 6001, 8, 3);
