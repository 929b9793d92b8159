//! Rows of `scores`.

use tracemill_model::Table;

use super::{Common, Painter};
use crate::synth::ids::random_uuid;
use crate::synth::plan::SCORE_TYPES;
use crate::synth::row::at;
use crate::synth::vocab;

const T: Table = Table::Scores;
const COMMON: Common = Common {
    id: at(T, "id"),
    project: at(T, "project_id"),
    environment: at(T, "environment"),
    time: at(T, "timestamp"),
    created: at(T, "created_at"),
    updated: at(T, "updated_at"),
    event_ts: at(T, "event_ts"),
    is_deleted: at(T, "is_deleted"),
    metadata: at(T, "metadata"),
};
const TRACE: usize = at(T, "trace_id");
const SESSION: usize = at(T, "session_id");
const RUN: usize = at(T, "dataset_run_id");
const OBSERVATION: usize = at(T, "observation_id");
const NAME: usize = at(T, "name");
const VALUE: usize = at(T, "value");
const SOURCE: usize = at(T, "source");
const COMMENT: usize = at(T, "comment");
const AUTHOR: usize = at(T, "author_user_id");
const CONFIG: usize = at(T, "config_id");
const DATA_TYPE: usize = at(T, "data_type");
const STRING_VALUE: usize = at(T, "string_value");
const QUEUE: usize = at(T, "queue_id");
const EXECUTION: usize = at(T, "execution_trace_id");
const LONG: usize = at(T, "long_string_value");

/// Values at the edges of a double, beside the usual ones.
const EDGES: [f64; 6] = [
    0.1 + 0.2,
    1e300,
    5e-324,
    -123_456_789.123_456_79,
    9_007_199_254_740_993.0,
    -0.0,
];

impl Painter<'_> {
    pub(super) fn score(&mut self) {
        self.common(&COMMON);
        let (stable, salted) = (&mut self.stable.rng, &mut self.salted.rng);
        let row = &mut *self.row;
        let (name, categories) = stable.pick(&vocab::SCORES);
        row.set_text(NAME, name);
        row.set_text(SOURCE, stable.pick(&["API", "EVAL", "ANNOTATION"]));
        row.set_text(
            DATA_TYPE,
            SCORE_TYPES[usize::from(self.version.kind) % SCORE_TYPES.len()],
        );
        let value = match self.version.kind {
            0 if salted.chance(0.02) => salted.pick(&EDGES),
            0 => salted.below(1001) as f64 / 1000.0,
            1 => {
                let yes = salted.chance(0.7);
                row.set_text(STRING_VALUE, if yes { "True" } else { "False" });
                f64::from(u8::from(yes))
            }
            2 => {
                let category = salted.index(categories.len());
                row.set_text(STRING_VALUE, categories[category]);
                category as f64
            }
            _ => {
                self.salted.plain(row.text(LONG), 300);
                0.0
            }
        };
        row.set_num(VALUE, value.to_bits().cast_signed());
        if self.salted.rng.chance(0.3) {
            row.set_text(COMMENT, self.salted.rng.pick(&vocab::COMMENTS));
        }
        for (column, share) in [
            (RUN, 0.05),
            (AUTHOR, 0.1),
            (CONFIG, 0.3),
            (QUEUE, 0.05),
            (EXECUTION, 0.1),
        ] {
            if stable.chance(share) {
                random_uuid(row.text(column), stable);
            }
        }
        // A few scores are about a session as a whole.
        if self.entity.parent.is_none() && self.facts.session.is_some() && self.stable.rng.chance(0.1) {
            self.set_id(SESSION, self.facts.session);
        } else {
            self.set_id(TRACE, Some(self.facts.id));
            self.set_id(OBSERVATION, self.entity.parent);
        }
    }
}
