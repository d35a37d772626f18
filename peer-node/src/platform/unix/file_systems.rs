use std::io;
use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statfs, statvfs};

use super::super::FileSystemType;

/// Returns the type of the file system that contains an existing path.
pub(crate) fn file_system_type(path: &Path) -> io::Result<FileSystemType> {
    Ok(type_of_magic(u64::from_ne_bytes(statfs(path)?.f_type.to_ne_bytes())))
}

/// Returns true if the file system of a path is known to be mounted read-only.
pub(crate) fn is_read_only_file_system(path: &Path) -> bool {
    statvfs(path).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Returns the type for a magic number from statfs(2).
const fn type_of_magic(magic: u64) -> FileSystemType {
    match magic & 0xffff_ffff {
        0x4d44 => FileSystemType::Fat,
        0x2011_bab0 => FileSystemType::ExFat,
        // Two drivers.
        0x5346_544e | 0x7366_746e => FileSystemType::Ntfs,
        // Three versions.
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => FileSystemType::Smb,
        0x6969 => FileSystemType::Nfs,
        0x0102_1997 => FileSystemType::NineP,
        0x6573_5546 => FileSystemType::Fuse,
        0x00c3_6400 => FileSystemType::Ceph,
        0x5346_414f => FileSystemType::Afs,
        0x0102_1994 => FileSystemType::Tmpfs,
        0x8584_58f6 => FileSystemType::Ramfs,
        0x794c_7630 => FileSystemType::Overlay,
        _ => FileSystemType::Ordinary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_file_systems_are_recognised() {
        for (magic, known) in [
            (0xef53, FileSystemType::Ordinary),
            (0x4d44, FileSystemType::Fat),
            (0x0102_1994, FileSystemType::Tmpfs),
            (0xffff_ffff_ff53_4d42, FileSystemType::Smb),
        ] {
            assert_eq!(type_of_magic(magic), known);
        }
        file_system_type(Path::new("/")).unwrap();
    }
}
