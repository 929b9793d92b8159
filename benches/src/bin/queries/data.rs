//! The data: five million observations with their traces and scores, of four projects in two weeks, made by the server from
//! numbers, once. Equal sizes give equal rows.
//!
//! Skew is as in real projects: one has three fifths, users and names follow a power, a hundredth of the traces has 200
//! observations. Every third trace and every twelfth observation has a second version in parts of its own, a few of them deletions;
//! what came before was merged. Afterwards nothing is merged any more, so every run reads the same parts.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tracemill_benches::Failure;
use tracemill_benches::process::{measure, pause};
use tracemill_benches::server::ClickHouse;

/// The database.
pub(crate) const DATABASE: &str = "bench_queries";
/// The project that is asked for: the largest.
pub(crate) const PROJECT: &str = "large";
/// Traces that come to five million observations.
pub(crate) const TRACES: u64 = 220_000;
/// Days, from 2026-01-25 on.
const DAYS: u32 = 14;
/// How long merges may take before the second versions come.
const SETTLE: Duration = Duration::from_secs(300);

/// Texts of payloads, 30 to 200 words, some long.
const POOL: &str = "CREATE TABLE pool ENGINE = MergeTree ORDER BY n AS SELECT number AS n, arrayStringConcat(arrayMap(i -> \
    ['the', 'agent', 'reads', 'a', 'file', 'and', 'calls', 'tool', 'search', 'result', 'is', 'error', 'retry', 'with', 'new', 'plan', \
    'user', 'asks', 'about', 'price', 'of', 'order', 'number', 'please', 'answer', 'in', 'json', 'format', 'because', 'model', \
    'returned', 'nothing'][1 + sipHash64(number, i) % 32], \
    range(40 + if(sipHash64(number, 'long') % 100 < 10, 600, sipHash64(number, 'words') % 200))), ' ') AS text FROM numbers(20000)";

/// Traces by number: five in a row are of one project, user, session and day.
fn source(traces: u64) -> String {
    format!(
        "CREATE VIEW source AS SELECT number AS t, intDiv(t, 5) AS g, sipHash64('g', g) AS h, sipHash64('t', t) AS k, \
         ['large', 'middle', 'small', 'tiny'][multiIf(h % 100 < 60, 1, h % 100 < 85, 2, h % 100 < 95, 3, 4)] AS project, \
         lower(hex(sipHash128('t', t))) AS trace, \
         toDateTime64('2026-01-25 00:00:00', 3, 'UTC') + toIntervalMillisecond((intDiv(h, 100) % {DAYS}) * 86400000 \
         + intDiv(h, 1400) % 80000000 + (t % 5) * 120000 + k % 60000) AS at, \
         multiIf(k % 1000 < 600, 5 + intDiv(k, 1000) % 11, k % 1000 < 900, 20 + intDiv(k, 1000) % 21, \
         k % 1000 < 990, 50 + intDiv(k, 1000) % 31, 200) AS size, \
         if(h % 11 = 0, NULL, concat('user-', toString(toUInt32(pow((intDiv(h, 7) % 100000) / 100000, 3) * 5000)))) AS user, \
         if(h % 3 = 0, NULL, concat('session-', toString(g))) AS session, \
         ['production', 'staging'][1 + (h % 10 = 0)] AS env FROM numbers({traces})"
    )
}

fn traces(version: u32) -> String {
    let (output, deleted, some) = match version {
        1 => ("NULL", "0", ""),
        _ => ("reverse(p.text)", "k % 400 = 0", "WHERE k % 3 = 0"),
    };
    format!(
        "INSERT INTO traces (id, timestamp, name, user_id, metadata, release, version, project_id, environment, tags, input, output, \
         session_id, event_ts, created_at, updated_at, is_deleted) SELECT trace, at, \
         concat('flow-', toString(toUInt32(pow((k % 1009) / 1009, 3) * 20))), user, \
         map('tenant', concat('t-', toString(k % 50)), 'note', substring(p.text, 1, 60)), concat('r', toString(h % 5)), \
         concat('v', toString(h % 3)), project, env, arraySort(arrayDistinct(arrayMap(i -> \
         concat('tag-', toString(toUInt32(pow((sipHash64(t, i) % 997) / 997, 2) * 12))), range(k % 4)))), p.text, {output}, session, \
         at + toIntervalSecond({version} * {version} * 20), at, at, {deleted} FROM source INNER JOIN pool AS p ON p.n = k % 20000 {some} \
         SETTINGS max_insert_block_size = 200000, optimize_on_insert = 0"
    )
}

fn observations(version: u32, day: u32) -> String {
    let (output, deleted, some) = match version {
        1 => ("if(r % 3 = 0, NULL, p.text)", "0", ""),
        _ => ("reverse(p.text)", "k % 400 = 0", "WHERE r % 12 = 0"),
    };
    format!(
        "INSERT INTO observations (id, trace_id, project_id, environment, type, parent_observation_id, start_time, end_time, name, \
         metadata, level, version, input, output, provided_model_name, internal_model_id, model_parameters, provided_usage_details, \
         usage_details, cost_details, total_cost, event_ts, created_at, updated_at, is_deleted) \
         SELECT lower(hex(sipHash64('o', t, i))), trace, project, env, ['SPAN', 'GENERATION', 'TOOL', 'AGENT', 'EVENT']\
         [multiIf(i = 0, 4, r % 10 < 4, 1, r % 10 < 7, 2, r % 10 < 9, 3, 5)] AS kind, \
         if(i = 0, NULL, lower(hex(sipHash64('o', t, toUInt64(0))))), at + toIntervalMillisecond(i * 700 + r % 500) AS start, \
         start + toIntervalMillisecond(r % 9000), concat('step-', toString(toUInt32(pow((r % 1009) / 1009, 3) * 60))), \
         map('k', toString(r % 50)), ['DEFAULT', 'ERROR', 'WARNING', 'DEBUG'][multiIf(r % 100 < 90, 1, r % 100 < 94, 2, \
         r % 100 < 97, 3, 4)], concat('v', toString(h % 3)), p.text, {output}, \
         if(kind = 'GENERATION', ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet', 'gemini-pro'][1 + r % 4], NULL) AS model, \
         if(isNull(model), NULL, concat('m-', model)), if(isNull(model), NULL, '{{\"temperature\":0.2}}'), \
         if(isNull(model), map(), map('input', toUInt64(r % 4000), 'output', toUInt64(r % 700), 'total', \
         toUInt64(r % 4000 + r % 700))) AS units, units, if(isNull(model), map(), map('input', toDecimal64(r % 4000 / 1e6, 12), \
         'output', toDecimal64(r % 700 / 1e6, 12), 'total', toDecimal64((r % 4000 + r % 700) / 1e6, 12))), \
         if(isNull(model), NULL, toDecimal64((r % 4000 + r % 700) / 1e6, 12)), start + toIntervalSecond({version} * {version} * 20), \
         start, start, {deleted} FROM (SELECT *, arrayJoin(range(size)) AS i, sipHash64('r', t, i) AS r FROM source \
         WHERE toDate(at) = toDate('2026-01-25') + {day}) AS s INNER JOIN pool AS p ON p.n = r % 20000 {some} \
         SETTINGS max_insert_block_size = 100000, min_insert_block_size_bytes = 268435456, optimize_on_insert = 0"
    )
}

fn scores(version: u32) -> String {
    let (deleted, some) = match version {
        1 => ("0", ""),
        _ => ("k % 800 = 0", "WHERE k % 20 = 0"),
    };
    format!(
        "INSERT INTO scores (id, timestamp, project_id, environment, trace_id, name, value, source, data_type, event_ts, created_at, \
         updated_at, is_deleted) SELECT lower(hex(sipHash128('s', t, j))), at + toIntervalSecond(60), project, env, trace, \
         ['quality', 'helpful', 'safe'][1 + j], (k % 100) / 100, 'API', 'NUMERIC', at + toIntervalSecond({version} * 60), at, at, \
         {deleted} FROM (SELECT *, arrayJoin(range(k % 4 % 3)) AS j FROM source) {some} SETTINGS optimize_on_insert = 0"
    )
}

/// Makes it, unless it is there.
pub(crate) fn make(tracemill: &Path, server: &ClickHouse, dir: &Path, count: u64) -> Result<(), Failure> {
    let done = dir.join(".complete");
    if done.exists() {
        return Ok(());
    }
    let began = Instant::now();
    eprintln!("making the data: takes minutes, once");
    server.ask("default", &format!("DROP DATABASE IF EXISTS {DATABASE} SYNC"))?;
    server.ask("default", &format!("CREATE DATABASE {DATABASE}"))?;
    let mut command = Command::new(tracemill);
    command.args(["migrate", "--url", &server.url(DATABASE)]);
    command.stdout(std::process::Stdio::null());
    measure(&mut command, Duration::from_secs(60))?;
    let run = |sql: &str| server.ask(DATABASE, sql).map(drop);
    run(POOL)?;
    run(&source(count))?;
    for version in [1, 2] {
        run(&traces(version))?;
        for day in 0..DAYS {
            run(&observations(version, day))?;
        }
        run(&scores(version))?;
        if version == 1 {
            settle(server)?;
        }
    }
    std::fs::write(&done, "")?;
    eprintln!("made in {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Waits for merges, then forbids them for good.
fn settle(server: &ClickHouse) -> Result<(), Failure> {
    let until = Instant::now() + SETTLE;
    while server.ask("default", "SELECT count() FROM system.merges")? != "0" && Instant::now() < until {
        pause(Duration::from_millis(500));
    }
    for table in ["traces", "observations", "scores"] {
        server.ask(DATABASE, &format!("SYSTEM STOP MERGES {table}"))?;
        server.ask(
            DATABASE,
            &format!(
                "ALTER TABLE {table} MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1, \
                 max_bytes_to_merge_at_min_space_in_pool = 1"
            ),
        )?;
    }
    Ok(())
}
