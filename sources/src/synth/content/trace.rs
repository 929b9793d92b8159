//! Rows of `traces`.

use tracemill_model::Table;

use super::{Common, Painter};
use crate::synth::row::at;
use crate::synth::size;
use crate::synth::text::print;
use crate::synth::vocab;

const T: Table = Table::Traces;
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
const NAME: usize = at(T, "name");
const USER: usize = at(T, "user_id");
const SESSION: usize = at(T, "session_id");
const RELEASE: usize = at(T, "release");
const VERSION: usize = at(T, "version");
const PUBLIC: usize = at(T, "public");
const BOOKMARKED: usize = at(T, "bookmarked");
const TAGS: usize = at(T, "tags");
const INPUT: usize = at(T, "input");
const OUTPUT: usize = at(T, "output");

impl Painter<'_> {
    pub(super) fn trace(&mut self) {
        self.common(&COMMON);
        self.release(Some(RELEASE), VERSION);
        self.set_id(SESSION, self.facts.session);
        self.row
            .set_text(NAME, vocab::TRACES[self.facts.topic % vocab::TRACES.len()]);
        if let Some(user) = self.facts.user {
            print(self.row.text(USER), format_args!("user-{user}@example.org"));
        }
        let (stable, salted) = (&mut self.stable, &mut self.salted);
        self.row.set_num(PUBLIC, i64::from(stable.rng.chance(0.05)));
        self.row.set_num(BOOKMARKED, i64::from(salted.rng.chance(0.02)));
        for _ in 0..stable.rng.below(4) {
            self.row.push(TAGS, stable.rng.pick(&vocab::TAGS).as_bytes());
        }
        let size = size::draw(&self.context.config.payload, 600, &mut stable.rng);
        if !stable.rng.chance(0.03) {
            stable.chat(self.row.text(INPUT), size * 2 / 3, self.facts.topic);
        }
        match salted.rng.below(50) {
            0..2 => {}
            2 => self.row.set_text(OUTPUT, ""),
            _ => salted.answer(self.row.text(OUTPUT), size / 3),
        }
    }
}
