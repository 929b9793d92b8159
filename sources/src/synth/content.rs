//! Contents of rows: what a version of an entity says in each column.
//!
//! Content depends on the entity's seed, and for what updates change on the version's salt; so versions can be
//! rendered in any order, and the same version twice.

mod observation;
mod score;
mod trace;

use tracemill_model::Table;

use super::config::SynthConfig;
use super::ids::IdSeed;
use super::plan::{Entity, TraceFacts};
use super::rng::{Rng, derive};
use super::row::Row;
use super::text::{Lexicon, Writer, print};
use super::versions::Version;
use super::vocab;

/// What is needed to render, beside the version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) config: &'a SynthConfig,
    pub(super) lexicon: &'a Lexicon,
}

/// Fills the row with a version's content.
pub(super) fn render(context: Context<'_>, facts: &TraceFacts, entity: &Entity, version: &Version, row: &mut Row) {
    row.clear();
    let stable = Rng::new(derive(entity.seed, &[30]));
    let salted = Rng::new(derive(entity.seed, &[31, u64::from(version.salt)]));
    let lexicon = context.lexicon;
    let mut painter = Painter {
        context,
        facts,
        entity,
        version,
        stable: Writer { lexicon, rng: stable },
        salted: Writer { lexicon, rng: salted },
        row,
    };
    match entity.table {
        Table::Traces => painter.trace(),
        Table::Observations => painter.observation(),
        Table::Scores => painter.score(),
    }
}

/// One row being filled.
struct Painter<'a> {
    context: Context<'a>,
    facts: &'a TraceFacts,
    entity: &'a Entity,
    version: &'a Version,
    /// What no update changes.
    stable: Writer<'a>,
    /// What updates change.
    salted: Writer<'a>,
    row: &'a mut Row,
}

/// Where the columns are that all tables have.
struct Common {
    id: usize,
    project: usize,
    environment: usize,
    time: usize,
    created: usize,
    updated: usize,
    event_ts: usize,
    is_deleted: usize,
    metadata: usize,
}

impl Painter<'_> {
    fn common(&mut self, at: &Common) {
        let Version {
            event_ts,
            time,
            deleted,
            ..
        } = *self.version;
        self.entity.id.write(self.row.text(at.id));
        self.row
            .set_text(at.project, self.context.config.projects[self.facts.project].id.as_str());
        self.row
            .set_text(at.environment, vocab::ENVIRONMENTS[self.facts.environment]);
        self.row.set_num(at.time, time);
        self.row.set_num(at.created, self.facts.start + 1_000);
        self.row.set_num(at.updated, event_ts);
        self.row.set_num(at.event_ts, event_ts);
        self.row.set_num(at.is_deleted, i64::from(deleted));
        self.metadata(at.metadata);
    }

    /// Metadata, its keys in byte order; every update changes it.
    fn metadata(&mut self, at: usize) {
        let rng = &mut self.stable.rng;
        let mut value = Vec::new();
        if rng.chance(0.8) {
            print(&mut value, format_args!("{}", rng.below(6)));
            self.row.put(at, "attempt", &value);
        }
        if rng.chance(0.03) {
            self.row.put(at, "empty", b"");
        }
        if rng.chance(0.4) {
            self.row.put(
                at,
                "framework",
                rng.pick(&["langgraph", "crewai", "custom", "autogen"]).as_bytes(),
            );
        }
        if rng.chance(0.02) {
            self.row.put(at, "größe", "XL 📦".as_bytes());
        }
        if rng.chance(0.1) {
            self.row.put(at, "note", rng.pick(&vocab::COMMENTS).as_bytes());
        }
        if rng.chance(0.3) {
            value.clear();
            value.extend_from_slice(b"{\"region\":\"eu-west-1\",\"host\":\"");
            super::ids::hex(&mut value, rng.next(), 12);
            value.extend_from_slice(b"\"}");
            self.row.put(at, "resourceAttributes", &value);
        }
        if self.version.salt > 0 {
            value.clear();
            print(&mut value, format_args!("{}", self.version.salt));
            self.row.put(at, "revision", &value);
        }
    }

    /// `release` and `version`: missing, empty, or a number.
    fn release(&mut self, release: Option<usize>, version: usize) {
        if let (Some(at), Some(release)) = (release, self.facts.release) {
            print(self.row.text(at), format_args!("2026.{release}.0"));
        }
        match self.stable.rng.below(10) {
            0..5 => {}
            5 => self.row.set_text(version, ""),
            minor => print(self.row.text(version), format_args!("1.{minor}.0")),
        }
    }

    fn set_id(&mut self, at: usize, id: Option<IdSeed>) {
        if let Some(id) = id {
            id.write(self.row.text(at));
        }
    }
}
