//! Kinds of file systems, and their space.

pub(crate) use super::system::file_systems::{file_system_type, is_read_only_file_system};
pub(crate) use super::system::space::{allocated_bytes, free_space, reserve_space};

/// The type of a file system, as far as it matters for names, permissions and durability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystemType {
    /// FAT.
    Fat,
    /// exFAT.
    ExFat,
    /// NTFS, by any driver.
    Ntfs,
    /// A Windows share.
    Smb,
    /// NFS.
    Nfs,
    /// A share of a virtual machine's host.
    NineP,
    /// A file system in a program.
    Fuse,
    /// Ceph.
    Ceph,
    /// AFS.
    Afs,
    /// In memory.
    Tmpfs,
    /// In memory.
    Ramfs,
    /// A container's layer.
    Overlay,
    /// A local disk, or an unknown type.
    Ordinary,
}
