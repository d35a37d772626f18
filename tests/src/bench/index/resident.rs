use std::fs;

/// Returns the current and the peak resident memory of a process, in bytes.
pub(super) fn resident_memory(process: u32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().ok()?;
        Some(kib << 10)
    };
    Some((field("VmRSS")?, field("VmHWM")?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn current_process_has_resident_memory() {
        let (now, most) = super::resident_memory(std::process::id()).expect("/proc");
        assert!(now > 1 << 20 && most >= now / 2);
    }
}
