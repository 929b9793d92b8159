//! How fast the Parquet encoder is, and how near it comes to zstd alone.
//!
//! `encode [MiB] [level ...]` makes so much data of observations (default 256) in batches of 2 MiB, and runs for each level: zstd alone on the
//! bytes of the string columns in pages of 1 MiB, the Parquet crate's ordinary writer, and the encoder, with one thread and
//! with two. Rates are plain bytes a second of wall time; CPU is that of the process.

mod data;

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use tracemill_sinks::encode::{EncodeOptions, Encoder, Format, TextCompression};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Pages of zstd alone are as large as those of the encoder.
const PAGE: usize = 1 << 20;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<i32>());
    let mebibytes = arguments.next().unwrap_or(Ok(256))?;
    let mut levels = arguments.collect::<Result<Vec<_>, _>>()?;
    if levels.is_empty() {
        levels = vec![1, 3];
    }
    let batches = data::observations(u64::from(mebibytes.unsigned_abs()) << 20, 2 << 20);
    let pages = string_pages(&batches);
    let plain: usize = pages.iter().map(Vec::len).sum();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    println!("{rows} rows, {} batches, {} MiB of strings", batches.len(), plain >> 20);
    let mut scratch = Vec::with_capacity(PAGE);
    let copied = measure(|| {
        for page in &pages {
            scratch.clear();
            scratch.extend_from_slice(page);
            black_box(&scratch);
        }
        Ok(plain)
    })?;
    report("memcpy into a warm page", 1, &copied, plain, None);
    for level in levels {
        println!("level {level}");
        run_level(level, &batches, &pages, plain)?;
    }
    for format in [
        Format::Csv(TextCompression::Zstd),
        Format::Jsonl(TextCompression::None),
        Format::Jsonl(TextCompression::Zstd),
    ] {
        let taken = measure(|| encode(&batches, &EncodeOptions::new(format)).map(|(bytes, _)| bytes))?;
        report(format.extension(), 1, &taken, plain, None);
    }
    Ok(())
}

fn run_level(level: i32, batches: &[RecordBatch], pages: &[Vec<u8>], plain: usize) -> Result<(), Failure> {
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let alone = measure(|| pool.install(|| compress(pages, level)))?;
        report("zstd alone", threads, &alone, plain, None);
        if threads == 1 {
            let writer = measure(|| ordinary(batches, level))?;
            report("ordinary ArrowWriter", threads, &writer, plain, Some(&alone));
        }
        let options = EncodeOptions {
            level,
            ..EncodeOptions::new(Format::Parquet)
        };
        let mut peak = 0;
        let taken = measure(|| {
            pool.install(|| {
                let (bytes, held) = encode(batches, &options)?;
                peak = held;
                Ok(bytes)
            })
        })?;
        report("encoder", threads, &taken, plain, Some(&alone));
        println!("    held at most {} MiB", peak >> 20);
    }
    Ok(())
}

struct Measured {
    wall: Duration,
    cpu: Duration,
    bytes: usize,
}

fn measure(work: impl FnOnce() -> Result<usize, Failure>) -> Result<Measured, Failure> {
    let (start, cpu) = (Instant::now(), cpu_time()?);
    let bytes = work()?;
    Ok(Measured {
        wall: start.elapsed(),
        cpu: cpu_time()?.saturating_sub(cpu),
        bytes,
    })
}

/// User and system time of the process, in ticks of 10 ms.
fn cpu_time() -> io::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

fn report(name: &str, threads: usize, measured: &Measured, plain: usize, against: Option<&Measured>) {
    let rate = plain as f64 / measured.wall.as_secs_f64() / 1e6;
    let ratio = against.map_or(String::new(), |alone| {
        let (wall, cpu) = (
            alone.wall.as_secs_f64() / measured.wall.as_secs_f64(),
            measured.cpu.as_secs_f64() / alone.cpu.as_secs_f64(),
        );
        format!(", {wall:.2} of zstd alone, {cpu:.2} times its CPU")
    });
    println!(
        "  {name:<24} {threads} thread(s) {rate:>7.0} MB/s, CPU {:>5.2} s, {:>6.1} MB, 1/{:.2}{ratio}",
        measured.cpu.as_secs_f64(),
        measured.bytes as f64 / 1e6,
        plain as f64 / measured.bytes as f64,
    );
}

/// The bytes of the flat string columns, each column's values after one another, in pages.
fn string_pages(batches: &[RecordBatch]) -> Vec<Vec<u8>> {
    let mut pages = Vec::new();
    let fields = batches.first().map_or(0, RecordBatch::num_columns);
    for column in 0..fields {
        let mut page = Vec::with_capacity(PAGE);
        for batch in batches
            .iter()
            .filter(|batch| batch.column(column).data_type() == &DataType::Utf8)
        {
            for value in batch.column(column).as_string::<i32>().iter().flatten() {
                page.extend_from_slice(value.as_bytes());
                if page.len() >= PAGE {
                    pages.push(std::mem::replace(&mut page, Vec::with_capacity(PAGE)));
                }
            }
        }
        pages.push(page);
    }
    pages
}

fn compress(pages: &[Vec<u8>], level: i32) -> Result<usize, Failure> {
    let compressed = pages
        .par_iter()
        .map_init(
            || (zstd::bulk::Compressor::new(level), Vec::new()),
            |(compressor, out), page| {
                out.clear();
                out.reserve(zstd::zstd_safe::compress_bound(page.len()));
                compressor
                    .as_mut()
                    .map_or(Ok(0), |compressor| compressor.compress_to_buffer(page, out))
            },
        )
        .collect::<io::Result<Vec<usize>>>()?;
    Ok(compressed.iter().sum())
}

fn ordinary(batches: &[RecordBatch], level: i32) -> Result<usize, Failure> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(level)?))
        .set_max_row_group_bytes(Some(64 << 20))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties))?;
    for batch in batches {
        writer.write(batch)?;
    }
    Ok(writer.into_inner()?.len())
}

/// The size of the file, and the most that the encoder held.
fn encode(batches: &[RecordBatch], options: &EncodeOptions) -> Result<(usize, u64), Failure> {
    let mut encoder = Encoder::new(&batches[0].schema(), options)?;
    let mut held = 0;
    for batch in batches {
        encoder.write(batch)?;
        held = held.max(encoder.held_bytes());
        black_box(encoder.take_output());
    }
    Ok((usize::try_from(encoder.finish()?.bytes)?, held))
}
