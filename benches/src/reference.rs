//! The reference's query for observations, with the settings that it is sent with.

use tracemill_model::{Table, Window};

/// The settings, beside the log comment and those of the format.
pub const SETTINGS: [(&str, &str); 3] = [
    ("max_memory_usage", "20000000000"),
    ("max_threads", "10"),
    ("priority", "2"),
];

/// What makes the answer the reference's Parquet, and keeps it at the server until it is whole.
pub const PARQUET_SETTINGS: [(&str, &str); 3] = [
    ("wait_end_of_query", "1"),
    ("output_format_parquet_compression_method", "zstd"),
    ("output_format_parquet_row_group_size", "500"),
];

/// The query, without a format: both ends of the window belong to it, and what is deleted is left out before the newest
/// version is chosen.
#[must_use]
pub fn query(project: &str, window: Window) -> String {
    let columns = Table::Observations.export_columns().join(", ");
    let Window { from, to } = window;
    format!(
        "SELECT {columns} FROM observations WHERE project_id = '{}' \
         AND start_time >= fromUnixTimestamp64Milli(toInt64({}), 'UTC') \
         AND start_time <= fromUnixTimestamp64Milli(toInt64({}), 'UTC') \
         AND is_deleted = 0 ORDER BY id, event_ts DESC LIMIT 1 BY id",
        project.replace('\\', "\\\\").replace('\'', "\\'"),
        from.0,
        to.0
    )
}

/// The log comment that it is sent with.
#[must_use]
pub fn log_comment(project: &str) -> String {
    serde_json::json!({"feature": "blobstorage", "type": "observation", "kind": "analytic", "projectId": project})
        .to_string()
}

/// The window in that many parts of equal length; the last one takes the rest.
#[must_use]
pub fn parts(window: Window, count: u32) -> Vec<Window> {
    let count = i64::from(count.max(1));
    let step = window.len_ms() / count;
    let ends = |at: i64| {
        if at == count {
            window.to
        } else {
            window.from.plus(at * step)
        }
    };
    (0..count)
        .filter_map(|at| Window::new(ends(at), ends(at + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use tracemill_model::Millis;

    use super::*;

    #[test]
    fn parts_are_the_whole() {
        let window = Window::new(Millis(5), Millis(1_000)).expect("a window");
        for count in [1, 3, 96] {
            let parts = parts(window, count);
            assert_eq!(parts.len(), count as usize);
            assert_eq!((parts[0].from, parts[parts.len() - 1].to), (window.from, window.to));
            assert!(parts.windows(2).all(|pair| pair[0].to == pair[1].from));
        }
    }
}
