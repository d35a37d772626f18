//! Every bound on what a stranger may make us hold, in one place.

/// The longest body of a frame, in bytes. A longer one is refused from its header alone.
pub const MAX_FRAME: usize = 1 << 20;

/// The longest block of content that one request may name, in bytes.
pub const MAX_BLOCK: u32 = 1 << 20;

/// The largest file that can be shared, in bytes (1 PiB).
pub const MAX_FILE_SIZE: u64 = 1 << 50;

/// The longest component of a share path, in bytes of UTF-8: what common file systems allow.
pub const MAX_COMPONENT: usize = 255;

/// The longest share path, in bytes of UTF-8.
pub const MAX_PATH: usize = 4096;

/// The most components of a share path.
pub const MAX_PATH_DEPTH: usize = 64;

/// The longest search text, in bytes.
pub const MAX_QUERY: usize = 1024;

/// The most terms of a search.
pub const MAX_QUERY_TERMS: usize = 32;

/// The most hits in one page of search results.
pub const MAX_HITS: u16 = 200;

/// The most hits that all pages of one search tell: a cursor of so many takes 128 KiB.
pub const MAX_CURSOR_HITS: usize = 16_384;

/// The most names told of one hit.
pub const MAX_HIT_NAMES: usize = 8;

/// The most sources told of one file.
pub const MAX_SOURCES: u16 = 200;

/// The first hits of a page that carry sources.
pub const MAX_SOURCED_HITS: usize = 20;

/// The most sources carried by one hit: as many as a download dials at first.
pub const MAX_HIT_SOURCES: usize = 8;

/// The most words of a search that the index suggests others for.
pub const MAX_UNKNOWN_WORDS: usize = 4;

/// The most words suggested in place of one.
pub const MAX_ALTERNATIVES: usize = 3;

/// The most nodes named by the beginning of their id.
pub const MAX_NODES_FOUND: usize = 10;

/// The most files in one page of a peer's list.
pub const MAX_LISTING: u16 = 1000;

/// The most files in one registration.
pub const MAX_BATCH: usize = 1000;

/// The most files that one node may register.
pub const MAX_FILES_PER_NODE: u32 = 1_000_000;

/// The longest program name and version in a greeting, in bytes.
pub const MAX_AGENT: usize = 64;

/// The most manifest states in one message (128 KiB).
pub const MAX_STATES: u32 = 4096;

/// The most files of one content whose details are sent.
pub const MAX_DETAILS: usize = 8;

/// The earliest and the latest modification time that is taken from a peer, in seconds since 1970: the years 1901 to 2242.
pub const MODIFIED_SECONDS: (i64, i64) = (-(1 << 31), 1 << 33);

/// The most block requests that may wait in one channel.
pub const MAX_REQUESTS: usize = 64;

/// The most messages of unknown kinds that are answered on one connection; later ones are ignored.
pub const MAX_UNSUPPORTED: u32 = 64;

/// The most connections of one link over which one side sends, the first included.
pub const MAX_CONNECTIONS_PER_LINK: usize = 8;

/// The most contents that may be open at once on one connection, in one direction.
pub const MAX_CHANNELS: usize = 64;

/// The most lists and dictionaries inside each other in a bencoded document.
pub const MAX_BENCODE_DEPTH: usize = 100;

/// The largest `.torrent` that is read, in bytes (32 MiB).
pub const MAX_TORRENT: usize = 32 << 20;

/// The longest piece of a torrent, in bytes (64 MiB).
pub const MAX_TORRENT_PIECE: u32 = 64 << 20;

/// The most files in a torrent.
pub const MAX_TORRENT_FILES: usize = 1_000_000;

/// The most components of a path below a torrent's folder.
pub const MAX_TORRENT_DEPTH: usize = 100;

/// The most trackers that are taken from a torrent, and so the most tiers.
pub const MAX_TRACKERS: usize = 100;

/// The longest address of a tracker, in bytes.
pub const MAX_TRACKER_URL: usize = 2048;

/// The longest block of the BitTorrent dialect, in bytes: what clients in the wild ask for at most.
pub const MAX_BITTORRENT_BLOCK: u32 = 128 << 10;

/// The most blocks of the BitTorrent dialect that one peer may be waiting for: as many as libtorrent queues.
pub const MAX_BITTORRENT_REQUESTS: usize = 2000;

/// The longest message of an extension of the BitTorrent dialect that is looked at, in bytes; a longer one is skipped.
pub const MAX_EXTENDED: u32 = 16 << 10;

/// The longest message of the BitTorrent dialect that is skipped because it is not known, in bytes.
pub const MAX_SKIPPED_MESSAGE: u32 = 1 << 20;

/// The longest answer of a tracker, in bytes, after it was unpacked.
pub const MAX_TRACKER_REPLY: usize = 1 << 20;

/// The longest query that a tracker is asked with, in bytes: room for the most torrents of a scrape.
pub const MAX_TRACKER_QUERY: usize = 8 << 10;

/// The most peers read of one answer of a tracker.
pub const MAX_TRACKED_PEERS: usize = 2000;

/// The most peers read of one answer of a tracker that are told by the name of their host: each is looked up.
pub const MAX_NAMED_PEERS: usize = 16;

/// The most torrents that are scraped at once: what fits a datagram (BEP 15).
pub const MAX_SCRAPED: usize = 74;

/// The longest refusal or warning of a tracker, in characters.
pub const MAX_TRACKER_MESSAGE: usize = 256;

/// The longest id that a tracker may want to be given back, in bytes.
pub const MAX_TRACKER_ID: usize = 512;

/// The most torrents that one node may offer at the index.
pub const MAX_TORRENTS_PER_NODE: u32 = 10_000;

/// The most bytes that the torrents offered by one node may take at the index (2 MiB); see
/// [`TorrentHint::message_weight`](crate::index::TorrentHint::weight).
pub const MAX_TORRENT_BYTES_PER_NODE: u32 = 2 << 20;

/// The most nodes in one report to the index that nodes do not answer.
pub const MAX_REPORTED: usize = 32;

/// The most torrents told of in one answer of the index.
pub const MAX_TORRENT_HINTS: usize = 8;

/// The longest piece of a configured swarm, in bytes (64 MiB): an unfinished one is held in memory.
pub const MAX_CONFIGURED_PIECE: u32 = 64 << 20;

/// The most pieces of a configured swarm: a bitfield then has 256 KiB.
pub const MAX_CONFIGURED_PIECES: u32 = 2 << 20;

/// The most peers of a configured swarm; each is connected to all others.
pub const MAX_CONFIGURED_PEERS: usize = 1000;

/// The longest interval of a configured swarm, in seconds (a day).
pub const MAX_CONFIGURED_INTERVAL: u32 = 86_400;

/// The largest file that configures a swarm, in bytes.
pub const MAX_CONFIG: usize = 1 << 20;

/// The longest name of a chunk of the LAN dialect, in bytes: two of them, a digest and who speaks fit a datagram.
pub const MAX_CHUNK_NAME: usize = 128;

/// The most chunks that a file is cut into in the LAN dialect.
pub const MAX_CHUNK_COUNT: u16 = 1000;

/// The longest announcement of the LAN dialect that is read, in bytes: programs in the wild do not split theirs.
pub const MAX_ANNOUNCEMENT: usize = 8 << 10;

/// The longest announcement of the LAN dialect that is sent, in bytes: as much as programs in the wild read.
pub const MAX_ANNOUNCEMENT_SENT: usize = 1024;

/// The most chunks, digests or contents read of one announcement of the LAN dialect.
pub const MAX_ANNOUNCED: usize = 512;

/// The longest request of the LAN dialect, in bytes.
pub const MAX_CHUNK_REQUEST: usize = 1024;

/// The most addresses kept of one chunk of the LAN dialect.
pub const MAX_CHUNK_HOLDERS: usize = 32;
