//! Rows of `observations`.

use tracemill_model::Table;

use super::{Common, Painter};
use crate::synth::ids::random_uuid;
use crate::synth::plan::OBSERVATION_TYPES;
use crate::synth::row::at;
use crate::synth::size;
use crate::synth::text::print;
use crate::synth::vocab;

const T: Table = Table::Observations;
const COMMON: Common = Common {
    id: at(T, "id"),
    project: at(T, "project_id"),
    environment: at(T, "environment"),
    time: at(T, "start_time"),
    created: at(T, "created_at"),
    updated: at(T, "updated_at"),
    event_ts: at(T, "event_ts"),
    is_deleted: at(T, "is_deleted"),
    metadata: at(T, "metadata"),
};
const TRACE: usize = at(T, "trace_id");
const TYPE: usize = at(T, "type");
const PARENT: usize = at(T, "parent_observation_id");
const END: usize = at(T, "end_time");
const NAME: usize = at(T, "name");
const LEVEL: usize = at(T, "level");
const STATUS: usize = at(T, "status_message");
const VERSION: usize = at(T, "version");
const INPUT: usize = at(T, "input");
const OUTPUT: usize = at(T, "output");
const MODEL: usize = at(T, "provided_model_name");
const MODEL_ID: usize = at(T, "internal_model_id");
const PARAMETERS: usize = at(T, "model_parameters");
const GIVEN_USAGE: usize = at(T, "provided_usage_details");
const USAGE: usize = at(T, "usage_details");
const GIVEN_COST: usize = at(T, "provided_cost_details");
const COST: usize = at(T, "cost_details");
const TOTAL_COST: usize = at(T, "total_cost");
const COMPLETION_START: usize = at(T, "completion_start_time");
const PROMPT_ID: usize = at(T, "prompt_id");
const PROMPT_NAME: usize = at(T, "prompt_name");
const PROMPT_VERSION: usize = at(T, "prompt_version");
const TIER_ID: usize = at(T, "usage_pricing_tier_id");
const TIER_NAME: usize = at(T, "usage_pricing_tier_name");
const TOOL_DEFINITIONS: usize = at(T, "tool_definitions");
const TOOL_CALLS: usize = at(T, "tool_calls");
const TOOL_CALL_NAMES: usize = at(T, "tool_call_names");

const GENERATION: u8 = 1;
const EVENT: u8 = 2;
const EMBEDDING: u8 = 8;

/// Payload of each type in thousandths of the average row's; with the types' frequencies their mean is near 1000.
const WEIGHTS: [u64; 10] = [500, 1750, 150, 900, 850, 700, 1300, 500, 900, 300];

/// A count of tokens that a float cannot hold, once in a while.
const HUGE: i64 = 9_007_199_254_740_993;

impl Painter<'_> {
    pub(super) fn observation(&mut self) {
        let kind = self.version.kind;
        self.common(&COMMON);
        self.release(None, VERSION);
        self.set_id(TRACE, Some(self.facts.id));
        self.set_id(PARENT, self.entity.parent);
        self.row.set_text(TYPE, OBSERVATION_TYPES[usize::from(kind)]);
        self.row
            .set_text(NAME, self.stable.rng.pick(&vocab::NAMES[usize::from(kind)]));
        self.timing();
        self.level();
        self.payload();
        if matches!(kind, GENERATION | EMBEDDING) {
            self.model();
        }
        if kind == GENERATION {
            self.prompt();
            self.tools();
        }
    }

    fn timing(&mut self) {
        let (start, duration) = (self.version.time, self.entity.duration);
        // Events have no end, and a few steps never got one.
        if self.version.kind != EVENT && !self.salted.rng.chance(0.02) {
            self.row.set_num(END, start + duration);
        }
        if self.version.kind == GENERATION && self.stable.rng.chance(0.7) {
            self.row.set_num(COMPLETION_START, start + duration / 4);
        }
    }

    fn level(&mut self) {
        let rng = &mut self.salted.rng;
        let level = match rng.below(100) {
            0..88 => "DEFAULT",
            88..93 => "DEBUG",
            93..97 => "WARNING",
            _ => "ERROR",
        };
        self.row.set_text(LEVEL, level);
        if matches!(level, "WARNING" | "ERROR") || rng.chance(0.01) {
            self.row.set_text(STATUS, rng.pick(&vocab::STATUS));
        }
    }

    fn payload(&mut self) {
        let kind = self.version.kind;
        let (stable, salted) = (&mut self.stable, &mut self.salted);
        let size = size::draw(
            &self.context.config.payload,
            WEIGHTS[usize::from(kind)],
            &mut stable.rng,
        );
        let (into, out) = (size * 13 / 20, size * 7 / 20);
        let row = &mut *self.row;
        match stable.rng.below(100) {
            0..2 => {}
            2 => row.set_text(INPUT, ""),
            3 => stable.plain(row.text(INPUT), into),
            _ => {
                let input = row.text(INPUT);
                match kind {
                    GENERATION => stable.chat(input, into, self.facts.topic),
                    7 | 9 => stable.answer(input, into),
                    0 | 5 => stable.records(input, into),
                    _ => stable.arguments(input, into),
                }
            }
        }
        match salted.rng.below(100) {
            0..3 => {}
            3 => row.set_text(OUTPUT, ""),
            // Plain text with line ends and control characters, as a program prints it.
            4..7 => {
                let output = row.text(OUTPUT);
                let end = output.len() + out;
                while output.len() < end {
                    salted.plain(output, 200);
                    print(
                        output,
                        format_args!("\r\n\t\"{}\"\u{0}\u{1}\n", salted.rng.pick(&vocab::STATUS)),
                    );
                }
            }
            _ if kind == EVENT => {}
            _ => {
                let output = row.text(OUTPUT);
                match kind {
                    4 | 6 => salted.records(output, out),
                    EMBEDDING => salted.vector(output, out),
                    _ => salted.answer(output, out),
                }
            }
        }
    }

    fn model(&mut self) {
        let rng = &mut self.stable.rng;
        let models = if self.version.kind == EMBEDDING {
            &vocab::MODELS[7..]
        } else {
            &vocab::MODELS[..7]
        };
        let (model, input_price, output_price) = rng.pick(models);
        let row = &mut *self.row;
        row.set_text(MODEL, model);
        if rng.chance(0.9) {
            random_uuid(row.text(MODEL_ID), rng);
            row.set_text(TIER_ID, "tier-standard");
            row.set_text(TIER_NAME, "Standard");
        }
        let parameters = row.text(PARAMETERS);
        print(
            parameters,
            format_args!(
                "{{\"temperature\":\"0.{}\",\"max_tokens\":\"{}\",\"top_p\":\"1\",\"stop\":\"[\\\"\\\\n\\\\n\\\"]\"}}",
                rng.below(10),
                256 << rng.below(6)
            ),
        );
        let rng = &mut self.salted.rng;
        let input = row.cells[INPUT].text.len() as i64 / 4 + rng.between(1, 50);
        let output = row.cells[OUTPUT].text.len() as i64 / 4 + rng.between(0, 20);
        if rng.chance(0.02) {
            return;
        }
        let cached = rng.chance(0.2).then_some(input / 2);
        let huge = rng.chance(0.0005).then_some(HUGE);
        let total = huge.unwrap_or(input + output);
        let counts = [
            ("input", Some(input)),
            ("input_cached_tokens", cached),
            ("output", Some(output)),
            ("total", Some(total)),
        ];
        for column in [GIVEN_USAGE, USAGE] {
            for (key, count) in counts {
                if let Some(count) = count {
                    row.put_num(column, key, count);
                }
            }
        }
        // Cents a million tokens to 10^-12 dollars a token.
        let (input, output) = (input * input_price * 10_000, output * output_price * 10_000);
        for (key, cost) in [("input", input), ("output", output), ("total", input + output)] {
            row.put_num(COST, key, cost);
        }
        if rng.chance(0.1) {
            row.put_num(GIVEN_COST, "total", input + output);
        }
        row.set_num(TOTAL_COST, input + output);
    }

    fn prompt(&mut self) {
        let rng = &mut self.stable.rng;
        if rng.chance(0.5) {
            random_uuid(self.row.text(PROMPT_ID), rng);
            self.row.set_text(PROMPT_NAME, rng.pick(&vocab::PROMPTS));
            let version = if rng.chance(0.001) { 65_535 } else { rng.between(1, 40) };
            self.row.set_num(PROMPT_VERSION, version);
        }
    }

    fn tools(&mut self) {
        let w = &mut self.stable;
        if !w.rng.chance(0.2) {
            return;
        }
        let first = w.rng.index(vocab::TOOLS.len() - 1);
        let mut tools = [vocab::TOOLS[first], vocab::TOOLS[first + 1]];
        tools.sort_unstable();
        for (tool, argument) in tools {
            let mut text = Vec::with_capacity(128);
            print(
                &mut text,
                format_args!(
                    "{{\"description\":\"\",\"parameters\":{{\"type\":\"object\",\"required\":[\"{argument}\"]}}}}"
                ),
            );
            self.row.put(TOOL_DEFINITIONS, tool, &text);
            text.clear();
            w.arguments(&mut text, 40);
            self.row.push(TOOL_CALLS, &text);
            self.row.push(TOOL_CALL_NAMES, tool.as_bytes());
        }
    }
}
