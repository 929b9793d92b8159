//! Which rows of a batch are sent together, and how they are halved. Pure.

use std::ops::Range;

use twox_hash::XxHash3_128;

use super::batch::Batch;

/// Rows of a batch that are sent in one insert: ranges in order, none empty, none touching the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    ranges: Vec<Range<usize>>,
    /// The token of the attempt that may have brought some of them in; `None`: from the bytes.
    token: Option<String>,
}

impl Piece {
    /// All rows.
    pub(super) fn all(batch: &Batch) -> Self {
        let all = 0..batch.rows();
        Self {
            ranges: if all.is_empty() { Vec::new() } else { vec![all] },
            token: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = usize> {
        self.ranges.iter().cloned().flatten()
    }

    /// The rows of the piece that are in `missing` (sorted), sent again under a token. Under that of the attempt before the
    /// server drops what arrived after all.
    pub(super) fn only(&self, missing: &[usize], token: String) -> Self {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for &row in missing {
            match ranges.last_mut() {
                Some(last) if last.end == row => last.end += 1,
                _ => ranges.push(row..row + 1),
            }
        }
        Self {
            ranges,
            token: Some(token),
        }
    }

    /// Two halves by rows; both are non-empty where the piece has two rows or more.
    pub(super) fn halves(&self) -> (Self, Self) {
        let mut left = self.len().div_ceil(2);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for range in &self.ranges {
            let middle = range.start + left.min(range.len());
            left -= middle - range.start;
            if range.start < middle {
                first.push(range.start..middle);
            }
            if middle < range.end {
                second.push(middle..range.end);
            }
        }
        let piece = |ranges| Self { ranges, token: None };
        (piece(first), piece(second))
    }

    /// The token of the insert: the same rows have the same, in any process.
    pub(super) fn token(&self, batch: &Batch) -> String {
        if let Some(token) = &self.token {
            return token.clone();
        }
        let mut digest = XxHash3_128::new();
        digest.write(batch.table().name().as_bytes());
        for range in &self.ranges {
            digest.write(&batch.slice(range));
        }
        format!("tracemill-{:032x}", digest.finish_128())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(rows: &[usize]) -> Piece {
        let empty = Piece {
            ranges: Vec::new(),
            token: None,
        };
        empty.only(rows, String::new())
    }

    proptest! {
        #[test]
        fn halves_are_the_whole(rows in prop::collection::btree_set(0_usize..200, 2..60)) {
            let rows: Vec<usize> = rows.into_iter().collect();
            let piece = piece(&rows);
            prop_assert!(piece.rows().eq(rows.iter().copied()));
            let (first, second) = piece.halves();
            prop_assert!(first.len() >= second.len() && second.len() + 1 >= first.len() && second.len() > 0);
            prop_assert_eq!(first.rows().chain(second.rows()).collect::<Vec<_>>(), rows);
        }
    }
}
