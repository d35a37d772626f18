//! Frames on a stream: a big-endian length of four bytes, then a body of that length in bincode.
//!
//! Integers have a fixed width and are big-endian, the length of a list or text takes eight bytes, the tag of an enum
//! four, so every value has exactly one encoding. A body's length is checked before it is decoded, decoding has a
//! memory limit, and a message must consume its body exactly.

use bincode::config::{BigEndian, Configuration, Fixint, Limit};
use bincode::error::DecodeError;
use bincode::{Decode, Encode};

use crate::limits::MAX_FRAME;

/// The length of a frame's header in bytes.
pub const HEADER_LEN: usize = 4;
const _: () = assert!(HEADER_LEN == size_of::<u32>(), "the header is the length of the body");

const CONFIG: Configuration<BigEndian, Fixint, Limit<MAX_FRAME>> =
    bincode::config::standard().with_big_endian().with_fixed_int_encoding().with_limit::<MAX_FRAME>();

/// An invalid frame or message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The announced length is 0 or over the limit.
    #[error("frame length {length} is not between 1 and {limit} bytes")]
    BadLength {
        /// The announced length.
        length: u32,
        /// The limit in force.
        limit: usize,
    },
    /// The body is not a valid message.
    #[error("malformed message: {reason}")]
    Malformed {
        /// The decoder's error.
        reason: String,
    },
    /// The body continues after its message.
    #[error("{extra} bytes follow the end of a message")]
    TrailingBytes {
        /// The number of extra bytes.
        extra: usize,
    },
    /// An outgoing message does not fit in a frame.
    #[error("the message does not fit in a frame of {MAX_FRAME} bytes")]
    TooLong,
}

/// Appends `message` to `out` as one frame.
pub fn encode_frame(message: &impl Encode, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_LEN]);
    let length = match bincode::encode_into_std_write(message, out, CONFIG) {
        Ok(length) if length <= MAX_FRAME => u32::try_from(length).map_err(|_| FrameError::TooLong)?,
        _ => {
            out.truncate(start);
            return Err(FrameError::TooLong);
        }
    };
    debug_assert_eq!(
        out.len(),
        start + HEADER_LEN + length as usize,
        "the header tells the length of the body"
    );
    if let Some(header) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
        *header = length.to_be_bytes();
    }
    Ok(())
}

/// Encodes `message` without a header.
pub fn encode_body(message: &impl Encode) -> Result<Vec<u8>, FrameError> {
    match bincode::encode_to_vec(message, CONFIG) {
        Ok(body) if body.len() <= MAX_FRAME => Ok(body),
        _ => Err(FrameError::TooLong),
    }
}

/// Decodes a body that must be exactly one message.
pub fn decode_body<M: Decode<()>>(body: &[u8]) -> Result<M, FrameError> {
    if body.len() > MAX_FRAME {
        return Err(FrameError::TooLong);
    }
    match bincode::decode_from_slice(body, CONFIG) {
        Ok((message, used)) if used == body.len() => Ok(message),
        Ok((_, used)) => Err(FrameError::TrailingBytes { extra: body.len().saturating_sub(used) }),
        Err(error) => Err(FrameError::Malformed { reason: error.to_string() }),
    }
}

/// Returns true if `kind` is the tag of a variant of the enum `M`.
pub fn is_known_kind<M: Decode<()>>(kind: u32) -> bool {
    // The input is the tag alone, so any error other than an unexpected variant means that fields are missing.
    let decoded = bincode::decode_from_slice::<M, _>(&kind.to_be_bytes(), CONFIG);
    !matches!(decoded, Err(DecodeError::UnexpectedVariant { .. }))
}

/// Splits a stream into frames, whatever its fragmentation, and returns the raw bytes that follow some messages.
#[derive(Debug)]
pub struct FrameBuffer {
    data: Vec<u8>,
    start: usize,
    limit: usize,
}

impl FrameBuffer {
    /// Creates an empty buffer that refuses bodies of more than `limit` bytes.
    pub const fn with_limit(limit: usize) -> Self {
        Self { data: Vec::new(), start: 0, limit }
    }

    /// Changes the limit for the frames that follow.
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Adds bytes that were read from the stream.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.start == self.data.len() {
            self.data.clear();
            self.start = 0;
            // Release the memory of one large frame instead of keeping it for the small ones that follow.
            self.data.shrink_to(64 << 10);
        } else if self.start > self.data.len() / 2 {
            self.data.drain(..self.start);
            self.start = 0;
        }
        self.data.extend_from_slice(bytes);
    }

    /// Returns the next body once it is complete. Errors are final.
    pub fn next_body(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let rest = self.data.get(self.start..).unwrap_or_default();
        let Some((header, rest)) = rest.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let length = u32::from_be_bytes(*header);
        let body_len = length as usize;
        if body_len == 0 || body_len > self.limit {
            return Err(FrameError::BadLength { length, limit: self.limit });
        }
        let Some(body) = rest.get(..body_len) else { return Ok(None) };
        self.start += HEADER_LEN + body_len;
        debug_assert!(self.start <= self.data.len(), "more is consumed than was received");
        Ok(Some(body))
    }

    /// Returns the length of the next body, once its header has been received.
    pub fn announced_len(&self) -> Option<usize> {
        let header = self.data.get(self.start..)?.first_chunk::<HEADER_LEN>()?;
        Some(u32::from_be_bytes(*header) as usize)
    }

    /// Returns the next message once it is complete. Errors are final.
    pub fn next_message<M: Decode<()>>(&mut self) -> Result<Option<M>, FrameError> {
        self.next_body()?.map(decode_body).transpose()
    }

    /// Consumes up to `max_len` raw bytes: the start of a payload that was read together with its message.
    pub fn take_raw(&mut self, max_len: usize) -> &[u8] {
        let from = self.start;
        self.start = self.data.len().min(from.saturating_add(max_len));
        debug_assert!(from <= self.start, "consumed bytes are taken again");
        self.data.get(from..self.start).unwrap_or_default()
    }

    /// Releases the memory of an empty buffer, for a stream that may be idle for a long time.
    pub fn shrink(&mut self) {
        if self.pending() == 0 {
            (self.data, self.start) = (Vec::new(), 0);
        }
    }

    /// Returns the number of buffered bytes that were not consumed.
    pub fn pending(&self) -> usize {
        self.data.len() - self.start
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_checked_from_the_header_alone() {
        for (length, fits) in [(0, false), (1, true), (100, true), (101, false), (u32::MAX, false)] {
            let mut buffer = FrameBuffer::with_limit(100);
            buffer.extend(&length.to_be_bytes()[..3]);
            assert_eq!(buffer.announced_len(), None);
            buffer.extend(&length.to_be_bytes()[3..]);
            assert_eq!(buffer.announced_len(), Some(length as usize));
            assert_eq!(buffer.next_body().is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn messages_must_consume_their_body() {
        assert_eq!(decode_body::<u16>(&[1, 2]), Ok(0x0102));
        assert_eq!(decode_body::<u16>(&[1, 2, 3]), Err(FrameError::TrailingBytes { extra: 1 }));
        assert!(matches!(decode_body::<u16>(&[1]), Err(FrameError::Malformed { .. })));
    }

    #[test]
    fn counts_without_data_are_refused_before_allocating() {
        for count in [1 << 20, 1 << 28, 1 << 63, u64::MAX] {
            let body = u64::to_be_bytes(count);
            assert!(decode_body::<Vec<[u8; 32]>>(&body).is_err(), "{count}");
            assert!(decode_body::<String>(&body).is_err(), "{count}");
        }
    }

    #[test]
    fn oversized_messages_are_not_encoded() {
        assert_eq!(encode_body(&vec![0_u8; MAX_FRAME]), Err(FrameError::TooLong));
        assert!(encode_body(&vec![0_u8; MAX_FRAME - 8]).is_ok());
        let mut out = vec![1];
        assert_eq!(encode_frame(&vec![0_u8; MAX_FRAME], &mut out), Err(FrameError::TooLong));
        assert_eq!(out, [1]);
    }

    proptest! {
        #[test]
        fn any_fragmentation_gives_the_same_messages(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12),
            cuts in prop::collection::vec(1usize..64, 1..200),
        ) {
            let mut stream = Vec::new();
            for message in &messages {
                encode_frame(message, &mut stream).unwrap();
            }
            let (mut buffer, mut received, mut rest) = (FrameBuffer::with_limit(MAX_FRAME), Vec::new(), stream.as_slice());
            for cut in cuts.into_iter().cycle() {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                buffer.extend(head);
                while let Some(message) = buffer.next_message::<Vec<u8>>().unwrap() {
                    received.push(message);
                }
                rest = tail;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(received, messages);
            prop_assert_eq!(buffer.pending(), 0);
        }

        #[test]
        fn raw_bytes_between_frames_are_preserved(raw: Vec<u8>, first: u64, second: u64, cut in 1usize..50) {
            let mut stream = Vec::new();
            encode_frame(&first, &mut stream).unwrap();
            stream.extend_from_slice(&raw);
            encode_frame(&second, &mut stream).unwrap();
            let mut buffer = FrameBuffer::with_limit(MAX_FRAME);
            let (mut numbers, mut payload) = (Vec::new(), Vec::new());
            for part in stream.chunks(cut) {
                buffer.extend(part);
                loop {
                    if numbers.len() == 1 && payload.len() < raw.len() {
                        payload.extend_from_slice(buffer.take_raw(raw.len() - payload.len()));
                        if payload.len() < raw.len() {
                            break;
                        }
                    }
                    match buffer.next_message::<u64>().unwrap() {
                        Some(number) => numbers.push(number),
                        None => break,
                    }
                }
            }
            prop_assert_eq!((numbers, payload), (vec![first, second], raw));
        }
    }
}
