//! The LAN dialect: chunks of files told by broadcast and fetched over plain TCP, with no server and no hashes.
//!
//! Owns what stands in the datagrams, in the requests and in the text files that its programs keep, and how a file is cut
//! into chunks. Sockets, clocks and files are the business of who drives it. "Chunk" is this dialect's own word: what is cut
//! here has no digest by itself; between programs of ours an extra key of the announcement carries digests ([`Card`]).
//!
//! | what | how it looks |
//! |---|---|
//! | announcement, a UDP broadcast | `{"chunks": ["forest_1", "forest_2"]}` |
//! | request, the first bytes on a TCP connection | `{"requested_content": "forest_1"}` |
//! | reply | the chunk's bytes, then the end of the stream; none at all if the chunk is not there |
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

/// The UDP port on which announcements are heard, if nobody says otherwise.
pub const ANNOUNCE_PORT: u16 = 5001;

/// The TCP port on which chunks are asked for, if nobody says otherwise.
pub const CHUNK_PORT: u16 = 5000;

/// The seconds between two announcements, if nobody says otherwise.
pub const ANNOUNCE_INTERVAL_SECONDS: u32 = 60;

/// The same of the programs of 2025 and 2026: the UDP port, the TCP port, the period in seconds, and the number of chunks.
pub const JSON_DEFAULTS: (u16, u16, u32, u16) = (6000, 6001, 8, 3);
