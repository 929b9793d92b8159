//! Queries: what pages and routes read, against the plain queries that the reference sends for the same pages, on one ClickHouse
//! with five million observations.
//!
//! Each page is all statements that it takes, one after another. Cold: the server's caches are dropped before each run. Warm: as it
//! was asked before. Rows and bytes are of the first cold run and the same in every one; times are medians.

mod data;
mod reference;
mod report;
mod sides;

use std::path::PathBuf;

use clap::Parser;
use serde_json::json;
use tracemill_benches::Failure;
use tracemill_benches::server::ClickHouse;
use tracemill_model::Millis;
use tracemill_warehouse::{Service, ServiceConfig, ServiceKind};
use tracemill_web::query::patterns::{PATTERNS, Pattern, Sample};

use crate::data::{DATABASE, PROJECT, TRACES};
use crate::report::{Page, Side};
use crate::sides::Run;

/// Measures the queries of pages and routes against those of the reference.
#[derive(Debug, Parser)]
struct Args {
    /// A tenth of the data, and one run of each: shows that it works.
    #[arg(long)]
    quick: bool,
    /// Cold and warm runs of each page.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Only pages whose name holds this text.
    #[arg(long, default_value = "")]
    page: String,
    /// The working folder; the data stays in it.
    #[arg(long)]
    dir: PathBuf,
    /// Where the figures go as JSON.
    #[arg(long)]
    json: PathBuf,
    /// The binary whose ClickHouse is used.
    #[arg(long)]
    tracemill: PathBuf,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let (name, count) = if args.quick {
        ("queries-tenth", TRACES / 10)
    } else {
        ("queries", TRACES)
    };
    let dir = args.dir.join(name);
    std::fs::create_dir_all(&dir)?;
    let server = ClickHouse::start(&args.tracemill, &dir)?;
    data::make(&args.tracemill, &server, &dir, count)?;
    let config = ServiceConfig {
        url: server.url(DATABASE),
        ..ServiceConfig::default()
    };
    let service = Service::new(ServiceKind::ReadOnly, &config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let sample = runtime.block_on(sample(&service))?;
    let bench = Bench {
        rounds: if args.quick { 1 } else { args.rounds.max(1) },
        server: &server,
        service: &service,
        runtime: &runtime,
        sample,
    };
    let mut pages = Vec::new();
    for pattern in PATTERNS
        .into_iter()
        .filter(|pattern| pattern.name().contains(&args.page))
    {
        let page = bench.page(pattern)?;
        eprint!("{}", page.rows());
        pages.push(page);
    }
    println!("\n{}", report::table(&pages));
    let rows = server.ask(DATABASE, "SELECT count() FROM observations")?;
    let told = json!({"observation_versions": rows.parse::<u64>()?, "pages": report::json(&pages)});
    std::fs::write(&args.json, format!("{told:#}\n"))?;
    println!("all figures: {}", args.json.display());
    Ok(())
}

/// Typical values, not the most frequent ones: a user with about 200 traces, a name of the middle.
async fn sample(service: &Service) -> Result<Sample, Failure> {
    let newest: i64 = service.one(&Sample::newest(PROJECT)).await?;
    let newest = Millis(newest);
    let mut sample = Sample {
        newest,
        of_traces: service.one(&Sample::traces(PROJECT, newest)).await?,
        of_observations: service.one(&Sample::observations(PROJECT, newest)).await?,
    };
    let user = format!(
        "SELECT ifNull(user_id, '') AS user FROM traces WHERE project_id = '{PROJECT}' AND user_id != '' GROUP BY user \
         ORDER BY abs(toInt64(uniq(id)) - 200), user LIMIT 1"
    );
    let comment = tracemill_warehouse::Comment::new("sample");
    sample.of_traces.user_id = service.one(&tracemill_warehouse::Statement::new(user, comment)).await?;
    "flow-7".clone_into(&mut sample.of_traces.name);
    "tag-7".clone_into(&mut sample.of_traces.tag);
    Ok(sample)
}

struct Bench<'a> {
    rounds: u32,
    server: &'a ClickHouse,
    service: &'a Service,
    runtime: &'a tokio::runtime::Runtime,
    sample: Sample,
}

impl Bench<'_> {
    fn side(&self, run: impl Fn() -> Result<Run, Failure>) -> Result<Side, Failure> {
        let (mut cold, mut warm) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            sides::forget(self.server)?;
            cold.push(run()?);
        }
        for _ in 0..self.rounds {
            warm.push(run()?);
        }
        Ok(Side { cold, warm })
    }

    fn page(&self, pattern: Pattern) -> Result<Page, Failure> {
        let ours = self.side(|| self.runtime.block_on(sides::ours(self.service, pattern, &self.sample)))?;
        let mut references = Vec::new();
        let api = reference::statements(pattern, PROJECT, &self.sample);
        if !api.is_empty() {
            references.push(("reference, API", self.reference(&api)?));
        }
        if let Some(condition) = self.table_of(pattern) {
            let ids = format!(
                "SELECT id FROM traces AS t WHERE t.project_id = '{PROJECT}'{condition} ORDER BY timestamp DESC, event_ts DESC LIMIT 1 BY id LIMIT 50"
            );
            let ids: Vec<String> = self.server.ask(DATABASE, &ids)?.lines().map(str::to_owned).collect();
            let table = reference::table(PROJECT, &condition, &ids);
            references.push(("reference, pages", self.reference(&table)?));
        }
        let is_list = !matches!(
            pattern,
            Pattern::Trace | Pattern::Observation | Pattern::Daily | Pattern::DailyOfWeek
        );
        Ok(Page {
            name: pattern.name(),
            is_list,
            ours,
            references,
        })
    }

    fn reference(&self, statements: &[reference::Named]) -> Result<Side, Failure> {
        self.side(|| self.runtime.block_on(sides::reference(self.service, statements)))
    }

    /// The condition of the table on the reference's pages, where there is such a table.
    fn table_of(&self, pattern: Pattern) -> Option<String> {
        let day = self.sample.newest.day().0;
        match pattern {
            Pattern::Traces => Some(String::new()),
            Pattern::TracesOfDay => Some(format!(
                " AND t.timestamp >= fromUnixTimestamp64Milli(toInt64({day}), 'UTC')"
            )),
            _ => None,
        }
    }
}
