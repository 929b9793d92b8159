//! Lists without page numbers: what follows on the last entity that was told, the newest first.
//!
//! A page after a cursor costs what it reads from there on, however far down the list it is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tracemill_model::Millis;
use tracemill_model::time::DAY_MS;

use super::filter::Filter;
use super::list::{Listing, Page};

/// The last entity of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Its time.
    pub at: Millis,
    /// Its id.
    pub id: String,
}

impl Cursor {
    /// As clients hold it: they need not know what is in it.
    #[must_use]
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}.{}", self.at.0, self.id))
    }

    /// What [`Self::text`] made; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
        let (at, id) = text.split_once('.')?;
        let at = Millis(at.parse().ok()?);
        (at == at.within_tables()).then(|| Self { at, id: id.to_owned() })
    }
}

impl Listing {
    /// The part of a list that follows on an entity. Older versions of what is on that entity's day are still looked at, so
    /// that the newest is found.
    #[must_use]
    pub fn beyond(mut self, cursor: Cursor) -> Self {
        let end = cursor.at.day().plus(DAY_MS);
        self.span.to = Some(self.span.to.map_or(end, |own| own.min(end)));
        self.filters.push(Filter::Beyond {
            column: self.table.time_column(),
            at: cursor.at,
            id: cursor.id,
        });
        self
    }
}

/// A first page with one entity more, which tells whether another page follows.
#[must_use]
pub const fn and_one_more(limit: u64) -> Page {
    Page {
        page: 1,
        limit: limit + 1,
    }
}

#[cfg(test)]
mod tests {
    use tracemill_model::Table;

    use super::super::filter::Span;
    use super::super::list::NEWEST_FIRST;
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        for id in ["a", "", "with.dots.", "ünïcode/slash"] {
            let cursor = Cursor {
                at: Millis(-5),
                id: id.to_owned(),
            };
            assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        }
        for text in ["", "!", "bm8", "MS4A", "OTk5OTk5OTk5OTk5OTk5OTk5LmE", "x.y"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_follows_is_read_up_to_the_end_of_the_cursors_day() {
        let listing = |to| Listing {
            table: Table::Scores,
            project: "p".to_owned(),
            span: Span { from: None, to },
            filters: Vec::new(),
            order: NEWEST_FIRST,
        };
        let cursor = Cursor {
            at: Millis(DAY_MS + 7),
            id: "x".to_owned(),
        };
        assert_eq!(listing(None).beyond(cursor.clone()).span.to, Some(Millis(2 * DAY_MS)));
        let earlier = Some(Millis(DAY_MS + 9));
        let after = listing(earlier).beyond(cursor);
        assert_eq!(after.span.to, earlier);
        let sql = after.count().sql().to_owned();
        assert!(
            sql.contains("(w.1, id) < (fromUnixTimestamp64Milli({f0:Int64}, 'UTC'), {f0_id:String})"),
            "{sql}"
        );
    }
}
