//! The file sinks: parquet, csv and jsonl.

use tracemill_model::ByteSize;

use super::checked::{Compression, FileFormat, FileSink, Layout, OnStuck};
use super::defaults;
use super::reader::{Bounds, Section};
use super::stores::Stores;

/// What the files are, before their settings are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    Csv,
    Jsonl,
}

#[derive(Clone, Copy)]
enum Method {
    None,
    Gzip,
    Zstd,
}

/// Reads a sink of that type. Its links (`input`, `failed`) are the graph's to read, and are left empty here.
pub(super) fn read(section: &Section<'_>, format: Format, stores: &Stores, memory: ByteSize) -> FileSink {
    let layouts = [("langfuse", Layout::Langfuse), ("hive", Layout::Hive)];
    let stuck = [("letter", OnStuck::Letter), ("hold", OnStuck::Hold)];
    let file_size = size(
        section,
        "file_size",
        defaults::MIN_FILE_SIZE,
        defaults::MAX_FILE_SIZE,
        "",
    );
    let part_size = size(
        section,
        "part_size",
        defaults::MIN_PART_SIZE,
        defaults::MAX_PART_SIZE,
        " (what S3 takes)",
    );
    let row_group = match format {
        Format::Parquet => {
            let why = " (2 GiB is what a column chunk can hold)";
            let row_group = size(
                section,
                "row_group",
                defaults::MIN_ROW_GROUP,
                defaults::MAX_ROW_GROUP,
                why,
            );
            check_row_group(section, row_group, file_size, memory);
            row_group
        }
        Format::Csv | Format::Jsonl => {
            section.refuse(
                "row_group",
                "is for parquet alone",
                "remove it, or write type = \"parquet\"",
            );
            None
        }
    };
    let file_size = file_size.unwrap_or(defaults::FILE_SIZE);
    let part_size = part_size.unwrap_or(defaults::PART_SIZE);
    if file_size.0.div_ceil(part_size.0) > defaults::MAX_PARTS {
        let most = defaults::MAX_PARTS;
        let message = format!(
            "{} has files of {file_size} in parts of {part_size}: more than {most} parts",
            section.path
        );
        let remedy = format!("make part_size at least {}", ByteSize(file_size.0.div_ceil(most)));
        section.report(section.at_of("file_size"), "file_size", None, message, remedy);
    }
    FileSink {
        input: String::new(),
        store: store(section, stores).unwrap_or_default(),
        prefix: given_prefix(section).unwrap_or_default(),
        layout: section.choice("layout", &layouts).unwrap_or(Layout::Langfuse),
        format: with_settings(section, format, row_group),
        file_size,
        part_size,
        failed: String::new(),
        on_stuck: section.choice("on_stuck", &stuck).unwrap_or(OnStuck::Letter),
    }
}

fn size(section: &Section<'_>, key: &str, from: ByteSize, to: ByteSize, why: &'static str) -> Option<ByteSize> {
    section.size(key, &Bounds { range: from..=to, why })
}

fn check_row_group(section: &Section<'_>, row_group: Option<ByteSize>, file: Option<ByteSize>, memory: ByteSize) {
    let Some(row_group) = row_group else { return };
    let report = |message: String, remedy: String| {
        section.report(section.at_of("row_group"), "row_group", None, message, remedy);
    };
    if row_group > memory {
        let message = format!(
            "row_group = {row_group} in {} is more than the memory budget of {memory}",
            section.path
        );
        report(message, "make row_group smaller, or limits.memory larger".to_owned());
    }
    if let Some(file) = file.filter(|file| row_group > *file) {
        let message = format!(
            "row_group = {row_group} in {} is more than file_size = {file}",
            section.path
        );
        report(message, "make row_group smaller, or file_size larger".to_owned());
    }
}

fn with_settings(section: &Section<'_>, format: Format, row_group: Option<ByteSize>) -> FileFormat {
    let compression = compression(section, format);
    match format {
        Format::Parquet => FileFormat::Parquet {
            row_group: row_group.unwrap_or(defaults::ROW_GROUP),
            compression,
        },
        Format::Csv => FileFormat::Csv { compression },
        Format::Jsonl => FileFormat::Jsonl { compression },
    }
}

fn compression(section: &Section<'_>, format: Format) -> Compression {
    let all = [("none", Method::None), ("zstd", Method::Zstd), ("gzip", Method::Gzip)];
    let choices = if format == Format::Parquet { &all[..2] } else { &all[..] };
    let default = if format == Format::Parquet {
        Method::Zstd
    } else {
        Method::Gzip
    };
    let method = section.choice("compression", choices).unwrap_or(default);
    let level = |range, default| section.integer("level", &Bounds { range, why: "" }).unwrap_or(default);
    match method {
        Method::Zstd => Compression::Zstd(level(1..=22, defaults::ZSTD_LEVEL)),
        Method::Gzip => Compression::Gzip(level(1..=9, defaults::GZIP_LEVEL)),
        Method::None => {
            section.refuse(
                "level",
                "is of no use without compression",
                "remove it, or choose a compression",
            );
            Compression::None
        }
    }
}

pub(super) fn store(section: &Section<'_>, stores: &Stores) -> Option<String> {
    let names: Vec<&str> = stores.keys().map(String::as_str).collect();
    if !section.has("store") {
        let remedy = match names.as_slice() {
            [] => "add [store.lake] with a url, and write store = \"lake\"".to_owned(),
            [first, ..] => format!("write store = {first:?}"),
        };
        section.missing("store", remedy);
    }
    let text = section.name("store")?;
    if !stores.contains_key(&text.value) {
        let message = format!("there is no store {:?}, which {} names", text.raw, section.key("store"));
        let hint = match names.as_slice() {
            [] => format!("add [store.{}] with a url", text.raw),
            _ => super::fault::nearest(&text.value, &names),
        };
        section.report(text.at, "store", Some(&text.raw), message, hint);
        return None;
    }
    Some(text.value)
}

/// What is wrong with a prefix of objects' names.
pub(super) fn prefix_fault(prefix: &str) -> Option<&'static str> {
    if prefix.starts_with('/') {
        Some("begins with a slash")
    } else if prefix.contains("//") || prefix.contains('\\') {
        Some("has an empty folder or a backslash in it")
    } else if prefix.split('/').any(|part| matches!(part, "." | "..")) {
        Some("leaves its folder")
    } else if prefix.chars().any(char::is_control) {
        Some("has a control character")
    } else {
        None
    }
}

/// The prefix of objects' names; `None` where the file has none.
pub(super) fn given_prefix(section: &Section<'_>) -> Option<String> {
    let text = section.text("prefix")?;
    if let Some(fault) = prefix_fault(&text.value) {
        let message = format!("prefix = {:?} in {} {fault}", text.raw, section.path);
        section.report(
            text.at,
            "prefix",
            Some(&text.raw),
            message,
            "write folders with slashes between: \"exports/\"",
        );
    }
    Some(text.value)
}
