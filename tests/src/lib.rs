//! The harness of the stories, the demo and the benchmark: real programs as processes, real sockets on free ports, real files in
//! temporary folders.
//!
//! Every process ends with the guard that started it, every wait has a limit, and nothing here is shared between
//! stories but the built programs.

pub mod announcer;
pub mod bench;
pub mod content;
pub mod crowd;
pub mod cycles;
pub mod delay_proxy;
pub mod demo;
pub mod eventually;
pub mod far_network;
pub mod fetcher;
pub mod foreign;
pub mod free_port;
pub mod group;
pub mod home;
pub mod hostile_index;
pub mod hostile_peer;
pub mod index;
pub mod index_load;
pub mod index_session;
pub mod lan;
pub mod lines;
pub mod listed_key;
pub mod long_line;
pub mod metrics;
pub mod namespaces;
pub mod network;
pub mod peer;
pub mod previous_release;
pub mod process;
pub mod programs;
pub mod raw_client;
pub mod raw_neighbour;
pub mod seeder_tracker;
pub mod siege;
pub mod simulation;
pub mod small_disk;
pub mod spreading;
pub mod swapper;
pub mod syscalls;
pub mod terminal;
pub mod tls_front;
pub mod torrent_corpus;
pub mod torrent_peer;
pub mod tracer;
pub mod wire;
