//! Everything that differs between operating systems. Outside tests, no other module names a crate or an extension that only
//! some systems have.
//!
//! | part | owns |
//! |---|---|
//! | `errors` | what an error of the system means beyond its kind |
//! | `file_identity` | recognising a file, and one state of it |
//! | `file_systems` | kinds of file systems, free space, preallocation |
//! | `files` | opening, positional and direct I/O, holes, links, permissions, read-ahead |
//! | `folders` | opening beneath a folder without following links, and what happens in an open folder |
//! | `limits` | descriptors and inotify watches |
//! | `locks` | locks that keep other programs out |
//! | `names` | renaming without replacing, durable names, names that are not Unicode |
//! | `processes` | signals to child processes |
//! | `signals` | signals to this program |
//! | `sockets` | measurements and options of TCP connections, `sendfile` |
//! | `terminal` | modes of the terminal, and the pseudo-terminal of the line editor |
//!
//! Callers get functions in their own terms and [`std::io::Result`]s. Each part has one implementation in `unix`, which needs
//! Linux, and one in `other`, which uses what the standard library offers. What has no equivalent there fails with an error
//! that says so, and never panics. All functions about files may wait for the disk and belong on a blocking thread.

#![cfg_attr(not(unix), allow(dead_code, reason = "values of what is not supported are never made"))]

mod errors;
mod file_identity;
mod file_systems;
mod files;
mod folders;
mod limits;
mod locks;
mod names;
mod processes;
mod signals;
mod sockets;
mod terminal;

#[cfg(all(unix, not(target_os = "linux")))]
compile_error!("of the Unix systems, this program supports Linux only");

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
use other as system;
#[cfg(unix)]
use unix as system;

pub(crate) use errors::{
    is_not_a_folder, is_out_of_resources, is_transient, is_unfollowed_link, is_watch_limit, is_without_reader,
};
pub(crate) use file_identity::{FileId, FileIdentity, file_id, is_same_file};
pub(crate) use file_systems::{
    FileSystemType, allocated_bytes, file_system_type, free_space, is_read_only_file_system, reserve_space,
};
pub(crate) use files::{
    FileAt, LinkPolicy, advise_sequential, data_ranges, exposed_mode, has_data, has_descriptor_path,
    is_executable, make_executable, modified_time, open_direct, open_nonblocking, prefetch, read_slices_at,
    reflink, with_mode, write_direct, write_slices_at,
};
pub(crate) use folders::{
    EntryStatus, EntryType, Folder, FolderEntries, FolderRef, OpenMode, PathKind, is_strictly_below,
    private_folder_builder,
};
pub(crate) use limits::{descriptor_limit, raise_descriptor_limit, watch_limit};
pub(crate) use locks::{lock, open_lock_file, try_lock, unlock};
pub(crate) use names::{path_from_bytes, path_to_bytes, rename_no_replace, sync_folder};
pub(crate) use processes::{ProcessId, detach_from_terminal};
pub(crate) use signals::{Signals, StopSignal};
pub(crate) use sockets::{
    TcpInfo, congestion_control, limit_unacknowledged, limit_unsent, pace, send_file, send_more,
    set_congestion_control, share_port, tcp_info,
};
pub(crate) use terminal::{
    Awaited, EchoGuard, EditorTerminal, InteractiveTerminal, OutputStream, discard_unread_input,
    terminal_size, unread_input, wait_for,
};
