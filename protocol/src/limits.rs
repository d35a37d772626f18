//! Limits on everything that an untrusted side can make a program store or process.

/// Maximum length of a frame's body, in bytes. Longer frames are refused based on their header.
pub const MAX_FRAME: usize = 1 << 20;

/// Maximum length of a requested block, in bytes.
pub const MAX_BLOCK: u32 = 1 << 20;

/// Maximum size of a shared file, in bytes (1 PiB).
pub const MAX_FILE_SIZE: u64 = 1 << 50;

/// Maximum length of a component of a share path, in bytes of UTF-8: the limit of common file systems.
pub const MAX_COMPONENT: usize = 255;

/// Maximum length of a share path, in bytes of UTF-8.
pub const MAX_PATH: usize = 4096;

/// Maximum number of components of a share path.
pub const MAX_PATH_DEPTH: usize = 64;

/// Maximum length of a search text, in bytes.
pub const MAX_QUERY: usize = 1024;

/// Maximum number of terms of a search.
pub const MAX_QUERY_TERMS: usize = 32;

/// Maximum number of hits in one page of search results.
pub const MAX_HITS: u16 = 200;

/// Maximum number of hits in all pages of one search: a cursor with that many marks takes 128 KiB.
pub const MAX_CURSOR_HITS: usize = 16_384;

/// Maximum number of names of one hit.
pub const MAX_HIT_NAMES: usize = 8;

/// Maximum number of sources of one file in a reply.
pub const MAX_SOURCES: u16 = 200;

/// Number of hits at the beginning of a page that carry sources.
pub const MAX_SOURCED_HITS: usize = 20;

/// Maximum number of sources of one hit: as many as a download dials at first.
pub const MAX_HIT_SOURCES: usize = 8;

/// Maximum number of words of a search for which the index suggests alternatives.
pub const MAX_UNKNOWN_WORDS: usize = 4;

/// Maximum number of suggested alternatives per word.
pub const MAX_ALTERNATIVES: usize = 3;

/// Maximum number of nodes in the reply to a search by id prefix.
pub const MAX_NODES_FOUND: usize = 10;

/// Maximum number of files in one page of a peer's list.
pub const MAX_LISTING: u16 = 1000;

/// Maximum size of the records in a page that a peer sends of its own list, in bytes (256 KiB). One record always fits.
pub const MAX_LISTING_BYTES: usize = 256 << 10;

/// Maximum number of files in one registration.
pub const MAX_BATCH: usize = 1000;

/// Maximum number of files that one node may register.
pub const MAX_FILES_PER_NODE: u32 = 1_000_000;

/// Maximum length of the program name and version in a greeting, in bytes.
pub const MAX_AGENT: usize = 64;

/// Maximum number of manifest states in one message (128 KiB).
pub const MAX_STATES: u32 = 4096;

/// Maximum number of files of one content whose details are sent.
pub const MAX_DETAILS: usize = 8;

/// Range of modification times accepted from a peer, in seconds since 1970: the years 1901 to 2242.
pub const MODIFIED_SECONDS: (i64, i64) = (-(1 << 31), 1 << 33);

/// Maximum number of outstanding block requests in one channel.
pub const MAX_REQUESTS: usize = 64;

/// Maximum number of messages of unknown kinds that are answered per connection; further ones are ignored.
pub const MAX_UNSUPPORTED: u32 = 64;

/// Maximum number of connections per link and direction, including the first.
pub const MAX_CONNECTIONS_PER_LINK: usize = 8;

/// Maximum number of open channels per connection and direction.
pub const MAX_CHANNELS: usize = 64;

/// Maximum nesting depth of a bencoded document.
pub const MAX_BENCODE_DEPTH: usize = 100;

/// Maximum size of a `.torrent`, in bytes (32 MiB).
pub const MAX_TORRENT: usize = 32 << 20;

/// Maximum piece length of a torrent, in bytes (64 MiB).
pub const MAX_TORRENT_PIECE: u32 = 64 << 20;

/// Maximum number of files in a torrent.
pub const MAX_TORRENT_FILES: usize = 1_000_000;

/// Maximum number of path components below a torrent's folder.
pub const MAX_TORRENT_DEPTH: usize = 100;

/// Maximum number of trackers, and so of tiers, that are used from a torrent.
pub const MAX_TRACKERS: usize = 100;

/// Maximum length of a tracker URL, in bytes.
pub const MAX_TRACKER_URL: usize = 2048;

/// Maximum block length of the BitTorrent dialect, in bytes: the largest that common clients request.
pub const MAX_BITTORRENT_BLOCK: u32 = 128 << 10;

/// Maximum number of outstanding BitTorrent requests per peer: as many as libtorrent queues.
pub const MAX_BITTORRENT_REQUESTS: usize = 2000;

/// Maximum length of a BitTorrent extension message that is parsed, in bytes; longer ones are skipped.
pub const MAX_EXTENDED: u32 = 16 << 10;

/// Maximum length of an unknown BitTorrent message that is skipped, in bytes; longer ones are an error.
pub const MAX_SKIPPED_MESSAGE: u32 = 1 << 20;

/// Maximum length of a tracker's reply after decompression, in bytes.
pub const MAX_TRACKER_REPLY: usize = 1 << 20;

/// Maximum length of a tracker query, in bytes: enough for a scrape of [`MAX_SCRAPED`] torrents.
pub const MAX_TRACKER_QUERY: usize = 8 << 10;

/// Maximum number of peers used from one tracker reply.
pub const MAX_TRACKED_PEERS: usize = 2000;

/// Maximum number of peers with host names used from one tracker reply: each name has to be resolved.
pub const MAX_NAMED_PEERS: usize = 16;

/// Maximum number of torrents in one scrape: as many as fit in a datagram (BEP 15).
pub const MAX_SCRAPED: usize = 74;

/// Maximum length of a tracker's refusal or warning, in characters; longer ones are truncated.
pub const MAX_TRACKER_MESSAGE: usize = 256;

/// Maximum length of a tracker id, in bytes.
pub const MAX_TRACKER_ID: usize = 512;

/// Maximum number of torrents that one node may offer at the index.
pub const MAX_TORRENTS_PER_NODE: u32 = 10_000;

/// Maximum total size of the torrents offered by one node at the index, in bytes (2 MiB); see
/// [`TorrentHint::weight`](crate::index::TorrentHint::weight).
pub const MAX_TORRENT_BYTES_PER_NODE: u32 = 2 << 20;

/// Maximum number of nodes in one report of unreachable nodes.
pub const MAX_REPORTED: usize = 32;

/// Maximum number of torrents in one reply of the index.
pub const MAX_TORRENT_HINTS: usize = 8;

/// Maximum piece length of a configured swarm, in bytes (64 MiB): an unfinished piece is kept in memory.
pub const MAX_CONFIGURED_PIECE: u32 = 64 << 20;

/// Maximum number of pieces of a configured swarm: a bitfield of 256 KiB.
pub const MAX_CONFIGURED_PIECES: u32 = 2 << 20;

/// Maximum number of peers of a configured swarm, where each peer connects to all others.
pub const MAX_CONFIGURED_PEERS: usize = 1000;

/// Maximum interval of a configured swarm, in seconds (a day).
pub const MAX_CONFIGURED_INTERVAL: u32 = 86_400;

/// Maximum size of a configuration file of a swarm, in bytes.
pub const MAX_CONFIG: usize = 1 << 20;

/// Maximum length of a chunk name of the LAN dialect, in bytes: two names, a digest and the sender fit in a datagram.
pub const MAX_CHUNK_NAME: usize = 128;

/// Maximum number of chunks per file in the LAN dialect.
pub const MAX_CHUNK_COUNT: u16 = 1000;

/// Maximum length of a received LAN announcement, in bytes: other programs do not split theirs.
pub const MAX_ANNOUNCEMENT: usize = 8 << 10;

/// Maximum length of a sent LAN announcement, in bytes: as much as other programs read.
pub const MAX_ANNOUNCEMENT_SENT: usize = 1024;

/// Maximum number of chunks, digests or contents in one LAN announcement.
pub const MAX_ANNOUNCED: usize = 512;

/// Maximum length of a LAN request, in bytes.
pub const MAX_CHUNK_REQUEST: usize = 1024;

/// Maximum number of stored addresses per chunk of the LAN dialect.
pub const MAX_CHUNK_HOLDERS: usize = 32;

// Relations between the limits: what is allowed to exist must also fit where it is sent.

const _: () = assert!(MAX_FRAME <= u32::MAX as usize, "the header of a frame has four bytes");
const _: () = assert!(
    MAX_COMPONENT <= MAX_PATH && 2 * MAX_PATH_DEPTH - 1 <= MAX_PATH,
    "a path can be as deep as allowed"
);
const _: () = assert!(2 * (MAX_PATH + 64) <= MAX_FRAME, "a record with the longest path fits a frame");
const _: () =
    assert!(MAX_QUERY + 8 * MAX_CURSOR_HITS + 64 <= MAX_FRAME, "a search for the last page fits a frame");
const _: () = assert!(MAX_QUERY_TERMS <= MAX_QUERY, "each term takes a byte");
const _: () = assert!(MAX_CURSOR_HITS >= MAX_HITS as usize, "a search has at least one page");
const _: () = assert!(MAX_SOURCED_HITS <= MAX_HITS as usize, "no more hits have sources than there are");
const _: () =
    assert!(MAX_HIT_SOURCES <= MAX_SOURCES as usize, "a search does not replace a request for sources");
const _: () = assert!(64 * MAX_SOURCES as usize <= MAX_FRAME, "a reply with all sources fits a frame");
const _: () = assert!(MAX_BATCH <= MAX_FILES_PER_NODE as usize, "a list holds a full message");
const _: () = assert!(32 * MAX_STATES as usize + 64 <= MAX_FRAME, "all states of a message fit a frame");
const _: () = assert!(MAX_BLOCK as u64 <= MAX_FILE_SIZE, "the largest file has the longest block");
const _: () = assert!(MODIFIED_SECONDS.0 < 0 && 0 < MODIFIED_SECONDS.1, "1970 is an allowed time");
const _: () = assert!(MAX_BITTORRENT_BLOCK <= MAX_BLOCK, "each block of a torrent is a block");
const _: () = assert!(MAX_BITTORRENT_BLOCK <= MAX_TORRENT_PIECE, "a piece of a torrent can be requested");
const _: () =
    assert!(MAX_EXTENDED <= MAX_SKIPPED_MESSAGE, "no message is skipped that would be too long to read");
const _: () = assert!(MAX_TORRENT_FILES <= MAX_TORRENT, "each file of a torrent takes a byte");
const _: () = assert!(
    18 * MAX_TRACKED_PEERS + MAX_TRACKER_MESSAGE + MAX_TRACKER_ID < MAX_TRACKER_REPLY,
    "a full reply is read"
);
const _: () =
    assert!(71 * MAX_SCRAPED < MAX_TRACKER_QUERY, "a request to scrape as many torrents as allowed is read");
const _: () = assert!(MAX_TORRENT_HINTS <= MAX_TORRENTS_PER_NODE as usize, "one node can make a full reply");
const _: () = assert!(
    MAX_CONFIGURED_PIECE as u64 * MAX_CONFIGURED_PIECES as u64 <= MAX_FILE_SIZE,
    "a configured file is a file"
);
const _: () = assert!(MAX_CONFIGURED_PEERS <= MAX_CONFIG, "each peer of a configuration takes a byte");
const _: () = assert!(MAX_ANNOUNCEMENT_SENT <= MAX_ANNOUNCEMENT, "neighbours read what is sent");
const _: () = assert!(
    MAX_CHUNK_NAME <= MAX_COMPONENT && MAX_CHUNK_NAME < MAX_CHUNK_REQUEST,
    "a chunk can be stored and requested"
);
