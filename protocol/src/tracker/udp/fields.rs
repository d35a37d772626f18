//! Reading of fixed-length fields from a datagram.

use super::DatagramError;

/// A reader over the remaining bytes of a datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldReader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> FieldReader<'a> {
    pub(super) const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram, length: datagram.len() }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DatagramError> {
        let (array, rest) =
            self.rest.split_first_chunk().ok_or(DatagramError::Truncated { length: self.length })?;
        self.rest = rest;
        Ok(*array)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DatagramError> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DatagramError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DatagramError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}
