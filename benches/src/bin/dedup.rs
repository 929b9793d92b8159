//! How fast the index of newest versions is: building it from key columns, and asking it for each row.
//!
//! `dedup [ids ...]`: how many ids, 300,000 and 3,000,000 without arguments; 6 % of them have a second version. Prints
//! nanoseconds a row and bytes a version.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tracemill_benches::Failure;
use tracemill_benches::spread::Spread;
use tracemill_model::{Leaf, Millis, Window};
use tracemill_operators::dedup::{IndexBuilder, KeyRow, VersionIndex};

const ROUNDS: usize = 5;
const TYPES: [&str; 3] = ["SPAN", "GENERATION", "TOOL"];
const DAY: i64 = tracemill_model::time::DAY_MS;

fn main() -> Result<(), Failure> {
    let mut sizes = std::env::args()
        .skip(1)
        .map(|size| size.parse::<u64>())
        .collect::<Result<Vec<_>, _>>()?;
    if sizes.is_empty() {
        sizes = vec![300_000, 3_000_000];
    }
    println!(
        "{:>10} {:>10} {:>28} {:>28} {:>9}",
        "ids", "versions", "build ns/row", "claim ns/row", "B/version"
    );
    for ids in sizes {
        measure(ids)?;
    }
    Ok(())
}

/// One version: its id as 32 hexadecimal digits.
struct Version {
    id: String,
    event_ts: i64,
    time: i64,
    ty: &'static str,
}

impl Version {
    fn key(&self) -> KeyRow<'_> {
        KeyRow {
            id: self.id.as_bytes(),
            event_ts: self.event_ts,
            time: self.time,
            ty: self.ty.as_bytes(),
        }
    }
}

fn versions(ids: u64) -> Vec<Version> {
    let version = |number: u64, event_ts: i64| Version {
        // The multiplication scatters the numbers over all ids, as random ones would be.
        id: format!(
            "{:032x}",
            u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        ),
        event_ts,
        time: i64::try_from(number * 7919).unwrap_or(0) % DAY,
        ty: TYPES[(number % 3) as usize],
    };
    let firsts = (0..ids).map(|number| version(number, 1));
    let seconds = (0..ids)
        .filter(|number| number % 100 < 6)
        .map(|number| version(number, 2));
    firsts.chain(seconds).collect()
}

fn measure(ids: u64) -> Result<(), Failure> {
    let rows = versions(ids);
    let window = Window::new(Millis(0), Millis(DAY)).ok_or("a day is a window")?;
    let leaf = Leaf::root(window);
    let (mut built, mut claimed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (index, took) = build(&leaf, &rows);
        built.push(took);
        claimed.push(claim(&index, &rows)?);
    }
    let shown = |times: Vec<Duration>| {
        let each = times.into_iter().map(|time| time.as_nanos() as f64 / rows.len() as f64);
        Spread::of(each).map_or(String::new(), |Spread { min, median, max }| {
            format!("{min:.0} / {median:.0} / {max:.0}")
        })
    };
    let bytes = IndexBuilder::bytes_for(rows.len() as u64) as f64 / rows.len() as f64;
    println!(
        "{ids:>10} {:>10} {:>28} {:>28} {bytes:>9.0}",
        rows.len(),
        shown(built),
        shown(claimed)
    );
    Ok(())
}

fn build(leaf: &Leaf, rows: &[Version]) -> (VersionIndex, Duration) {
    let began = Instant::now();
    let mut builder = IndexBuilder::new(leaf, rows.len());
    for row in rows {
        builder.push(row.key(), true);
    }
    let (index, stats) = builder.finish();
    black_box(stats);
    (index, began.elapsed())
}

fn claim(index: &VersionIndex, rows: &[Version]) -> Result<Duration, Failure> {
    let began = Instant::now();
    let yes = rows.iter().filter(|row| index.claim(row.key())).count();
    let took = began.elapsed();
    if yes as u64 == index.expected() && yes > 0 {
        Ok(took)
    } else {
        Err(format!("{yes} of {} rows were claimed", index.expected()).into())
    }
}
