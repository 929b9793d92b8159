//! The seeds of the fuzzer, as they are and changed some thousand times, go through every target: so the targets hold, and
//! build, without a fuzzer.

use std::path::{Path, PathBuf};

use tracemill_fuzz::{ingestion, jobs, mutate, otlp};

/// How often each seed is changed.
const ROUNDS: u32 = 400;
/// The greatest input.
const MOST: usize = 20_000;

/// Files of a folder of the repository whose names end so.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder of the seeds");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    assert!(!files.is_empty(), "{}: no seeds", folder.display());
    files
}

fn read(paths: Vec<PathBuf>) -> Vec<Vec<u8>> {
    paths
        .into_iter()
        .map(|path| std::fs::read(path).expect("a seed"))
        .collect()
}

/// One byte is changed, inserted or taken away, or the rest is cut off.
fn bytes(data: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
    let at = seed.wrapping_mul(2_654_435_761) as usize % size.max(1);
    match seed % 4 {
        0 => at,
        1 if size < most => {
            data.copy_within(at..size, at + 1);
            size + 1
        }
        2 if size > 0 => {
            data.copy_within(at + 1..size, at);
            size - 1
        }
        _ => {
            data[at] ^= 1 << (seed % 8);
            size
        }
    }
}

fn all(bodies: &[Vec<u8>], choosers: &[&[u8; 2]], run: impl Fn(&[u8])) {
    for body in bodies {
        for chooser in choosers {
            let seed = [chooser.as_slice(), body].concat();
            run(&seed);
            let mut data = vec![0; MOST.max(seed.len())];
            let mut size = 0;
            for round in 0..ROUNDS {
                // Changes pile up for a while.
                if round % 8 == 0 {
                    data[..seed.len()].copy_from_slice(&seed);
                    size = seed.len();
                }
                let most = data.len();
                size = mutate(&mut data, size, most, round, |data, size, most| {
                    bytes(data, size, most, round)
                });
                run(&data[..size]);
            }
        }
    }
}

#[test]
fn otlp_seeds() {
    let mut bodies = read(files("seeds", "generation.json"));
    bodies.extend(read(files("../fixtures/sdk", ".pb")));
    bodies.retain(|body| body.len() < MOST);
    all(&bodies, &[b"00", b"10", b"2p"], otlp::run);
}

#[test]
fn ingestion_seeds() {
    let mut bodies = read(files("seeds", ".json"));
    bodies.extend(read(files("../../operators/src/decode/events/fixtures", ".json")));
    all(&bodies, &[b"00", b"40", b"60", b"80"], ingestion::run);
}

#[test]
fn job_seeds() {
    let lines = read(files("seeds", ".txt"));
    let lines = lines.iter().flat_map(|text| text.split(|byte| *byte == b'\n'));
    let seeds: Vec<Vec<u8>> = lines
        .filter(|line| line.len() > 2)
        .map(|line| {
            line.iter()
                .map(|byte| if *byte == b'|' { b'\n' } else { *byte })
                .collect()
        })
        .collect();
    assert!(seeds.len() > 5, "{} jobs", seeds.len());
    for seed in seeds {
        let chooser = seed.first_chunk::<2>().expect("it is longer");
        all(&[seed[2..].to_vec()], &[chooser], jobs::run);
    }
}
