//! The output of a file in progress: bytes appended at the end, taken from the front in pieces.

use std::collections::VecDeque;
use std::io::{self, Write};

use bytes::{BufMut, Bytes, BytesMut};

/// How large a piece grows.
const PIECE: usize = 1 << 20;

/// Bytes written and not yet taken.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    full: VecDeque<Bytes>,
    full_bytes: u64,
    open: BytesMut,
    /// All bytes ever written.
    written: u64,
}

impl Pieces {
    /// All bytes written since the last call, in order.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        self.seal();
        self.full_bytes = 0;
        self.full.drain(..).collect()
    }

    /// Bytes of memory held.
    pub(super) fn held(&self) -> u64 {
        self.full_bytes + self.open.capacity() as u64
    }

    /// All bytes ever written, taken or not.
    pub(super) const fn written(&self) -> u64 {
        self.written
    }

    fn seal(&mut self) {
        if !self.open.is_empty() {
            let piece = std::mem::take(&mut self.open).freeze();
            // Only the last piece before a `take` is shorter than its allocation.
            let piece = if piece.len() < PIECE / 2 {
                Bytes::copy_from_slice(&piece)
            } else {
                piece
            };
            self.full_bytes += piece.len() as u64;
            self.full.push_back(piece);
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len() as u64;
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.open.capacity() == 0 {
                self.open = BytesMut::with_capacity(PIECE);
            }
            let room = PIECE - self.open.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.open.put_slice(now);
            if self.open.len() == PIECE {
                self.seal();
            }
            rest = later;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_counts() {
        let mut pieces = Pieces::default();
        let data: Vec<u8> = (0..3 * PIECE + 17).map(|i| (i * 31 % 251) as u8).collect();
        let mut taken = Vec::new();
        for (index, part) in data.chunks(700_001).enumerate() {
            pieces.write_all(part).unwrap();
            if index == 2 {
                pieces.take().iter().for_each(|piece| taken.extend_from_slice(piece));
                assert_eq!(pieces.held(), 0);
            }
        }
        assert!(pieces.held() >= data.len() as u64 - taken.len() as u64);
        pieces.take().iter().for_each(|piece| taken.extend_from_slice(piece));
        assert!(taken == data);
        assert_eq!(pieces.written(), data.len() as u64);
    }
}
