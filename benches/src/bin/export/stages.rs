//! Where the exporter's time goes, and how near the read and the encoder are to what they do alone.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tracemill_benches::{Failure, process};

use crate::sides::{Bench, Run, beside};
use tracemill_benches::day::Day;

/// Prints the stages of a run, then the read and the encoder alone on the same rows.
pub(crate) fn tell(bench: &Bench<'_>, day: &Day, run: &Run) -> Result<Value, Failure> {
    let wall = run.used.wall.as_secs_f64();
    println!("\nwhere the time of a run of {wall:.2} s goes (stages overlap, so they add up to more):");
    for (name, us) in &run.stages {
        let seconds = *us as f64 / 1e6;
        println!("  {:<8} {seconds:>7.3} s", name.trim_end_matches("Us"));
    }
    let alone = alone(bench, day)?;
    let number = |name: &str| alone[name].as_f64().unwrap_or(f64::NAN);
    let stage = |name: &str| {
        let found = run.stages.iter().find(|(known, _)| known == name);
        found.map_or(f64::NAN, |(_, us)| *us as f64 / 1e6)
    };
    let read = number("keys_s") + number("rows_s");
    println!(
        "  the read alone, both passes to nowhere: {read:.2} s (keys {:.2} s, rows {:.2} s at {:.0} MB/s)",
        number("keys_s"),
        number("rows_s"),
        number("rows_bytes") / number("rows_s") / 1e6
    );
    println!(
        "  the encoder alone on those rows: {:.2} s at {:.0} MB/s; within the run {:.2} s",
        number("encode_s"),
        number("rows_bytes") / number("encode_s") / 1e6,
        stage("encodeUs")
    );
    println!(
        "  the run takes {:.2} times the read alone, {:.2} times the encoder alone",
        wall / read,
        wall / number("encode_s")
    );
    Ok(
        json!({"alone": alone, "wall_s": wall, "wall_to_read": wall / read, "wall_to_encoder": wall / number("encode_s")}),
    )
}

fn alone(bench: &Bench<'_>, day: &Day) -> Result<Value, Failure> {
    let out = bench.dir.join("alone.out");
    let mut command = Command::new(beside("alone")?);
    command.args([bench.server.url(day.database).as_str(), day.project]);
    command.args([day.window.from.0.to_string(), day.window.to.0.to_string()]);
    command.stdin(Stdio::null()).stdout(std::fs::File::create(&out)?);
    process::measure(&mut command, bench.args.within())?;
    Ok(serde_json::from_str(&std::fs::read_to_string(out)?)?)
}
