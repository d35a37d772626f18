//! The memory, disk space and descriptors available to this process.

use std::fs;
use std::path::{Path, PathBuf};

use super::system::machine::file_system_size;
pub(crate) use super::system::machine::raise_descriptor_limit;

/// Returns the memory available to the process in bytes: that of the machine, or the limit of its control group if lower.
pub(crate) fn available_memory() -> Option<u64> {
    let read = |path: PathBuf| fs::read_to_string(path).ok();
    let of_machine = read("/proc/meminfo".into()).and_then(|text| parse_meminfo(&text));
    let groups = read("/proc/self/cgroup".into()).unwrap_or_default();
    let limits = cgroup_limit_files(&groups).into_iter().filter_map(|path| read(path)?.trim().parse().ok());
    limits.chain(of_machine).min()
}

/// Returns the size in bytes of the file system that contains a folder, which need not exist yet.
pub(crate) fn disk_size(folder: &Path) -> Option<u64> {
    let folder = std::path::absolute(folder).ok()?;
    folder.ancestors().find_map(|path| file_system_size(path).ok())
}

/// Parses the total memory from `/proc/meminfo`.
fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1 << 10)
}

/// Returns the files with memory limits of the process's control group and its parents, for cgroup versions 1 and 2. Without a
/// limit, a file contains `max` or a number larger than any memory.
fn cgroup_limit_files(groups: &str) -> Vec<PathBuf> {
    let files = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("/"));
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            other if other.split(',').any(|controller| controller == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let group = Path::new(group.trim_start_matches('/'));
        group.ancestors().map(|group| Path::new(root).join(group).join(name)).collect()
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_parsed() {
        assert_eq!(parse_meminfo("MemFree: 1 kB\nMemTotal:       24684620 kB\n"), Some(24_684_620 << 10));
        assert_eq!(parse_meminfo("MemFree: 1 kB\n"), None);
        assert_eq!(parse_meminfo("MemTotal: many kB\n"), None);
        assert!(available_memory() > Some(1 << 20));
    }

    #[test]
    fn limits_are_read_from_cgroup_and_its_parents() {
        let paths = |groups| {
            cgroup_limit_files(groups).into_iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            paths("0::/a/b\n"),
            ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"]
        );
        assert_eq!(
            paths("5:cpu,memory:/c\n4:pids:/d\nnonsense\n")[..2],
            ["/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
    }

    #[test]
    fn missing_folder_uses_its_parents_disk() {
        let folder = tempfile::tempdir().unwrap();
        let size = disk_size(&folder.path().join("not/yet"));
        assert!(size > Some(1 << 20));
        assert_eq!(size, disk_size(folder.path()));
    }
}
