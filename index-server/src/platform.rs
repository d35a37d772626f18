//! Everything that differs between operating systems; no other module names a crate or an extension of one.
//!
//! It owns how files are opened, locked and closed to other users, signals, priorities and processor time of threads, and the
//! memory, disk and descriptors of the machine. Callers get plain values and [`std::io::Result`]s.
//!
//! Each part has one implementation in `unix` and one in `other`, which uses what the standard library offers. What has no
//! equivalent there fails with an error that says so.

#![cfg_attr(not(unix), allow(dead_code, reason = "values of what is not supported are never made"))]

mod files;
mod folders;
mod machine;
mod signals;
mod threads;

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
use other as system;
#[cfg(unix)]
use unix as system;

pub(crate) use files::{disk_error_kind, open_without_waiting, try_lock, write_all_at};
pub(crate) use folders::{create_private_folder, exposed_mode, is_private, make_private, sync_folder};
pub(crate) use machine::{available_memory, disk_size, raise_descriptor_limit};
pub(crate) use signals::{ServiceSignal, ServiceSignals};
pub(crate) use threads::{lower_thread_priority, with_cpu_time};
