//! A page of a list: how many there are, which are on the page, and their rows in its order.

use std::collections::HashMap;

use clickhouse::{RowOwned, RowRead};
use tracemill_warehouse::Statement;

use crate::query::{DayCount, Listing, Page, Place, cursor};
use crate::reader::Reader;
use crate::reply::Refusal;

/// The rows of a page, and how many there are in all. An entity that is deleted in between is left out.
pub(crate) async fn page<T: RowOwned + RowRead>(
    reader: &Reader,
    listing: &Listing,
    page: Page,
    rows: impl FnOnce(&[Place]) -> Statement,
    id: impl Fn(&T) -> &str,
) -> Result<(Vec<T>, u64), Refusal> {
    let (places, total) = match page.is_deep() {
        false => reader.counted(listing.at_once(page)).await?,
        true => deep(reader, listing, page).await?,
    };
    if places.is_empty() {
        return Ok((Vec::new(), total));
    }
    let found: Vec<T> = reader.rows(rows(&places)).await?;
    Ok((in_order(&places, found, id), total))
}

/// The places of a page before which there are many, by the days that it lies in.
async fn deep(reader: &Reader, listing: &Listing, page: Page) -> Result<(Vec<Place>, u64), Refusal> {
    let counts: Vec<DayCount> = reader.rows(listing.count()).await?;
    let total = counts.iter().map(|day| day.count).sum();
    let places = match listing.days(&counts, page) {
        Some(days) => reader.rows(listing.page(days, page.limit)).await?,
        None => Vec::new(),
    };
    Ok((places, total))
}

/// The rows of a page that follows on a cursor, and whether more follow.
pub(crate) async fn next<T: RowOwned + RowRead>(
    reader: &Reader,
    listing: &Listing,
    limit: u64,
    rows: impl FnOnce(&[Place]) -> Statement,
    id: impl Fn(&T) -> &str,
) -> Result<(Vec<T>, bool), Refusal> {
    let page = cursor::and_one_more(limit);
    let mut places: Vec<Place> = reader.rows(listing.at_once(page)).await?;
    let more = places.len() as u64 > limit;
    places.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    if places.is_empty() {
        return Ok((Vec::new(), false));
    }
    let found: Vec<T> = reader.rows(rows(&places)).await?;
    Ok((in_order(&places, found, id), more))
}

/// The rows in the order of their places.
pub(crate) fn in_order<T>(places: &[Place], rows: Vec<T>, id: impl Fn(&T) -> &str) -> Vec<T> {
    let order: HashMap<&str, usize> = places
        .iter()
        .enumerate()
        .map(|(at, place)| (place.id.as_str(), at))
        .collect();
    let mut rows = rows;
    rows.sort_by_key(|row| order.get(id(row)).copied().unwrap_or(usize::MAX));
    rows
}
