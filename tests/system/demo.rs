//! The demo: what it says is what it counted, and a second run adds to the first.

use tracemill_tests::scratch::{files_below, files_ending};
use tracemill_tests::{Output, Scratch, Tracemill};

/// The number before these words.
#[track_caller]
fn number(output: &Output, words: &str) -> u64 {
    let stdout = &output.stdout;
    let at = stdout
        .find(words)
        .unwrap_or_else(|| panic!("no `{words}` in:\n{stdout}"));
    let before = stdout[..at].trim_end();
    let digits = before.rsplit(|c: char| !(c.is_ascii_digit() || c == ',')).next();
    let digits = digits.unwrap_or_default().replace(',', "");
    digits
        .parse()
        .unwrap_or_else(|_| panic!("no number before `{words}`:\n{stdout}"))
}

#[test]
fn the_demo_goes_from_clients_to_parquet_and_counts_on_the_way() {
    let scratch = Scratch::new();
    let tracemill = Tracemill::new(&scratch.join("logs"));
    let folder = scratch.join("demo");
    let demo = || {
        tracemill.ok([
            "demo".as_ref(),
            "--size".as_ref(),
            "tiny".as_ref(),
            "--dir".as_ref(),
            folder.as_os_str(),
        ])
    };

    let first = demo();
    let rows = |output: &Output| {
        number(output, " traces, ") + number(output, " observations, ") + number(output, " scores in ClickHouse")
    };
    let equal = number(&first, " rows equal what was sent");
    let corrections = if first.stdout.contains("corrections are not exported") {
        number(&first, " corrections are not exported")
    } else {
        0
    };
    assert!(equal > 300, "{}", first.stdout);
    assert_eq!(equal + corrections, rows(&first), "{}", first.stdout);
    assert!(
        first.stdout.contains("; 0 differ, 0 are missing, 0 are there twice"),
        "{}",
        first.stdout
    );
    // A job a request, all acknowledged; each request is one raw object.
    let requests = number(&first, " requests by both protocols");
    assert_eq!(number(&first, " jobs of the queue"), requests);
    let objects = files_below(&folder.join("raw/events")).len() as u64;
    assert_eq!(objects, requests);
    let files = files_ending(&folder.join("lake"), ".parquet").len() as u64;
    assert_eq!(number(&first, " Parquet files, "), files, "{}", first.stdout);

    let second = demo();
    assert_eq!(number(&second, " rows of earlier demos"), equal, "{}", second.stdout);
    assert!(number(&second, " rows equal what was sent") > 300, "{}", second.stdout);
}
