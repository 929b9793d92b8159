//! Lists of ids, cut so that each piece fits into one parameter of a statement; and bounds in time that may be asked for.

use tracemill_model::Millis;
use tracemill_model::time::DAY_MS;

/// Most ids of a piece.
const MAX_IDS: usize = 4096;

/// Most bytes of a piece once it is escaped; servers take 128 KiB a form field by default.
const MAX_BYTES: usize = 100_000;

/// Cuts `items` into pieces, in order; none is empty. An item alone may be larger than a piece.
pub fn chunks<'a, T>(items: &'a [T], id: impl Fn(&'a T) -> &'a str) -> impl Iterator<Item = &'a [T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut bytes = 2;
        let fitting = rest.iter().take(MAX_IDS).take_while(|item| {
            bytes += escaped(id(item)) + 3;
            bytes <= MAX_BYTES
        });
        let (piece, after) = rest.split_at(fitting.count().max(1));
        rest = after;
        Some(piece)
    })
}

/// A condition that `column` lies within `from` and `to`, both included, for parameters of these names; empty where it would
/// lead astray: days before 1970 and after 2148 do not fit into a `Date`, in which the tables are sorted.
#[must_use]
pub fn between(column: &str, from: Millis, to: Millis) -> String {
    if from.0 < DAY_MS || to.0 > i64::from(u16::MAX - 1) * DAY_MS {
        return String::new();
    }
    format!(
        " AND {column} >= fromUnixTimestamp64Milli({{from:Int64}}, 'UTC') \
         AND {column} <= fromUnixTimestamp64Milli({{to:Int64}}, 'UTC')"
    )
}

fn escaped(id: &str) -> usize {
    let doubled = id
        .bytes()
        .filter(|byte| matches!(byte, b'\\' | b'\'' | b'\t' | b'\n' | b'\r' | 0));
    id.len() + doubled.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_and_small() {
        let ids: Vec<String> = (0..10_000)
            .map(|n| format!("id'{n}"))
            .chain([".".repeat(300_000)])
            .collect();
        let pieces: Vec<&[String]> = chunks(&ids, |id| id).collect();
        assert_eq!(pieces.concat(), ids);
        assert!(pieces.iter().all(|piece| piece.len() <= MAX_IDS && !piece.is_empty()));
        assert_eq!(pieces.last().map(|piece| piece.len()), Some(1));
        let long: Vec<String> = (0..500).map(|_| "'".repeat(800)).collect();
        for piece in chunks(&long, |id| id) {
            assert!(crate::statement::Param::text(&piece).len() <= MAX_BYTES + 2);
        }
        assert_eq!(chunks(&[] as &[String], |id| id).count(), 0);
    }
}
