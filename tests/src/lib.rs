//! The harness of the stories, the demo and the benchmarks: real programs as processes, real sockets on free ports,
//! real files in temporary folders.
//!
//! Every process ends with the guard that started it, every wait has a limit, and stories share nothing but the built
//! programs.

pub mod bench;
pub mod configured_group;
pub mod content;
pub mod crowd;
pub mod delay_proxy;
pub mod demo;
pub mod environment;
pub mod eventually;
pub mod far_network;
pub mod free_port;
pub mod greedy_downloader;
pub mod hostile_peer;
pub mod http_tracker_client;
pub mod index;
pub mod index_load;
pub mod index_session;
pub mod lan;
pub mod listed_node;
pub mod long_line;
pub mod metrics;
pub mod namespaces;
pub mod network;
pub mod output_lines;
pub mod peer;
pub mod previous_release;
pub mod process;
pub mod programs;
pub mod raw_client;
pub mod raw_neighbour;
pub mod refusing_index;
pub mod seeder_tracker;
pub mod siege;
pub mod simulation;
pub mod small_disk;
pub mod snapshot;
pub mod source_text;
pub mod spreading;
pub mod strace;
pub mod swapper;
pub mod syscalls;
pub mod terminal;
pub mod test_folder;
pub mod third_party;
pub mod tls_proxy;
pub mod torrent_corpus;
pub mod torrent_peer;
pub mod wire;
pub mod workspace;
