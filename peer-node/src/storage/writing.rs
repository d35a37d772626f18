use std::fs::File;
use std::io::{self, IoSlice};

use crate::platform::write_slices_at;

/// Maximum number of slices that the kernel accepts in one call (`IOV_MAX`).
pub(super) const MAX_SLICES: usize = 1024;

/// Writes all parts in sequence through the page cache.
pub(crate) fn write_parts_at(file: &File, parts: &[&[u8]], mut offset: u64) -> io::Result<()> {
    let end = offset + parts.iter().map(|part| part.len() as u64).sum::<u64>();
    for parts in parts.chunks(MAX_SLICES) {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        // Removes empty slices at the front.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match write_slices_at(file, rest, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    debug_assert_eq!(offset, end, "all parts are written");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn more_parts_than_the_system_takes_at_once_are_written() {
        let file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..3000u32).flat_map(u32::to_le_bytes).collect();
        let mut parts: Vec<&[u8]> = content.chunks(4).collect();
        parts.insert(0, &[]);
        parts.push(&[]);
        write_parts_at(&file, &parts, 7).unwrap();
        let mut back = vec![0; content.len()];
        file.read_exact_at(&mut back, 7).unwrap();
        assert_eq!(back, content);
    }
}
