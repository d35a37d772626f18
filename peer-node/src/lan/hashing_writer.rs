use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protocol::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::chunk_folder::READ_SIZE;
use super::temp_file::TempFile;

/// Bytes of base64 that are decoded at once; a multiple of four.
const DECODE_BLOCK: usize = READ_SIZE;
const _: () = assert!(DECODE_BLOCK.is_multiple_of(4));

/// Writes and hashes a reply on blocking threads.
pub(super) struct HashingWriter {
    file: File,
    hasher: Sha256,
    pub(super) buffer: Vec<u8>,
}

impl HashingWriter {
    pub(super) fn new(target: &TempFile) -> io::Result<Self> {
        Ok(Self { file: target.create()?, hasher: Sha256::new(), buffer: Vec::new() })
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        self.hasher.update(&self.buffer);
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the buffered bytes.
    pub(super) async fn write_buffered(mut self) -> io::Result<Self> {
        run_blocking(move || self.write_buffer().map(|()| self)).await
    }

    /// Writes the rest, syncs the file and returns the digest.
    pub(super) async fn finish(mut self) -> io::Result<Digest> {
        run_blocking(move || {
            self.write_buffer()?;
            self.sync()
        })
        .await
    }

    fn sync(self) -> io::Result<Digest> {
        self.file.sync_all()?;
        Ok(Digest::from_bytes(self.hasher.finalize().into()))
    }
}

/// A decoded chunk.
pub(super) struct DecodedChunk {
    pub(super) file: TempFile,
    pub(super) bytes: u64,
    pub(super) digest: Digest,
}

/// Decodes the base64 in a range of a reply into a new file. Returns `None` if it is not valid base64.
pub(super) async fn decode_base64(
    reply: &TempFile,
    range: Range<u64>,
    to: TempFile,
) -> io::Result<Option<DecodedChunk>> {
    let path = reply.path().to_owned();
    run_blocking(move || {
        let mut source = File::open(path)?;
        source.seek(SeekFrom::Start(range.start))?;
        // The reply may have JSON around the encoded content.
        let mut source = source.take(range.end.saturating_sub(range.start));
        let mut sink = HashingWriter::new(&to)?;
        let (mut text, mut bytes) = (Vec::with_capacity(DECODE_BLOCK), 0);
        while source.limit() > 0 {
            // Decoded block by block, so that a large chunk is never in memory as a whole.
            text.clear();
            source.by_ref().take(DECODE_BLOCK as u64).read_to_end(&mut text)?;
            let is_last = source.limit() == 0;
            let decoded = STANDARD.decode_vec(&text, &mut sink.buffer);
            // Padding is valid only at the end of the last block.
            if decoded.is_err() || !is_last && sink.buffer.len() != text.len() / 4 * 3 {
                return Ok(None);
            }
            bytes += sink.buffer.len() as u64;
            sink.write_buffer()?;
            // The file is shorter than the range that was found in it.
            if text.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Some(DecodedChunk { file: to, bytes, digest: sink.sync()? }))
    })
    .await
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;

    use super::super::chunk_folder::hash_file;
    use super::*;

    async fn decoded(text: &str) -> Option<Vec<u8>> {
        let home = tempfile::tempdir().unwrap();
        let fresh = |name: &str| TempFile::new_in(home.path(), OsStr::new(name));
        let reply = fresh("reply");
        fs::write(reply.path(), format!("before{text}after")).unwrap();
        let range = 6..6 + text.len() as u64;
        let decoded = decode_base64(&reply, range, fresh("chunk")).await.unwrap()?;
        let bytes = fs::read(decoded.file.path()).unwrap();
        assert_eq!(decoded.bytes, bytes.len() as u64);
        assert_eq!(decoded.digest, hash_file(File::open(decoded.file.path()).unwrap()).unwrap());
        Some(bytes)
    }

    #[tokio::test]
    async fn base64_is_decoded_strictly() {
        assert_eq!(decoded("aGVsbG8=").await.unwrap(), b"hello");
        assert_eq!(decoded("aGVsbG8h").await.unwrap(), b"hello!");
        for bad in ["aGVsbG8", "aGVsbG9=", "aGVs=bG8", "aGVsbG8=aGVs", "aGVs bG8=", "=", "aGVsbG-_"] {
            assert_eq!(decoded(bad).await, None, "{bad}");
        }
    }

    #[tokio::test]
    async fn base64_of_several_blocks_is_decoded() {
        let content: Vec<u8> = (0..=250).cycle().take(DECODE_BLOCK * 2 + 1).collect();
        let text = STANDARD.encode(&content);
        assert_eq!(decoded(&text).await.unwrap(), content);
        let mut padded = STANDARD.encode(&content[..DECODE_BLOCK / 4 * 3 - 1]);
        assert_eq!(padded.len(), DECODE_BLOCK);
        padded.push_str("aGVs");
        assert_eq!(decoded(&padded).await, None, "padding in the middle");
    }
}
