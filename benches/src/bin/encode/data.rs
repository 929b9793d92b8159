//! Observations that look like those of agent runs: chats and tool calls as JSON, the same system prompts again and again.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, Decimal128Builder, MapBuilder, MapFieldNames, StringBuilder, TimestampMillisecondBuilder,
    UInt16Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};

/// A small generator of random numbers (xorshift): the bench needs no more.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn hex(&mut self) -> String {
        format!("{:016x}{:016x}", self.next() << 11, self.next() << 11)
    }
}

struct Language {
    words: Vec<String>,
    prompts: Vec<String>,
}

const SYLLABLES: [&str; 40] = [
    "re", "con", "ta", "in", "er", "al", "ment", "st", "ing", "pro", "ver", "tion", "de", "mo", "ri", "le", "an", "or",
    "ap", "pli", "ca", "se", "ness", "ter", "un", "com", "par", "ti", "ous", "sy", "da", "ab", "cu", "gen", "lo", "mi",
    "na", "po", "vi", "wa",
];

impl Language {
    fn new(random: &mut Random) -> Self {
        let words = (0..12_000)
            .map(|rank| {
                (0..1 + rank % 4 + u64::from(rank > 200))
                    .map(|_| SYLLABLES[random.below(40) as usize])
                    .collect()
            })
            .collect();
        let mut language = Self {
            words,
            prompts: Vec::new(),
        };
        for _ in 0..12 {
            let mut prompt = String::new();
            language.say(random, &mut prompt, 1500);
            language.prompts.push(prompt);
        }
        language
    }

    /// Words by a distribution with a long tail, as those of real text.
    fn say(&self, random: &mut Random, out: &mut String, bytes: usize) {
        let end = out.len() + bytes;
        while out.len() < end {
            let unit = random.below(1 << 24) as f64 / f64::from(1 << 24);
            let rank = (self.words.len() as f64).powf(unit) - 1.0;
            out.push_str(&self.words[rank as usize % self.words.len()]);
            out.push_str(match random.below(30) {
                0 => ". ",
                1 | 2 => ", ",
                3 => "\\n",
                _ => " ",
            });
        }
    }

    fn chat(&self, random: &mut Random, out: &mut String, bytes: usize) {
        let prompt = &self.prompts[random.below(12) as usize];
        out.push_str("[{\"role\":\"system\",\"content\":\"");
        out.push_str(prompt);
        out.push_str("\"}");
        let end = out.len() + bytes;
        while out.len() < end {
            if random.below(3) == 0 {
                let id = random.hex();
                out.push_str(&format!(",{{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{{\"id\":\"call_{}\",\"type\":\"function\",\"function\":{{\"name\":\"search_documents\",\"arguments\":\"{{\\\"query\\\": \\\"", &id[..24]));
                self.say(random, out, 60);
                out.push_str(&format!("\\\", \\\"limit\\\": {}}}\"}}}}]}},{{\"role\":\"tool\",\"tool_call_id\":\"call_{}\",\"content\":\"", random.below(50), &id[..24]));
                for _ in 0..random.below(8) {
                    out.push_str(&format!(
                        "{{\\\"score\\\": 0.{}, \\\"document\\\": \\\"{}\\\", \\\"text\\\": \\\"",
                        random.below(1_000_000),
                        &random.hex()[..12]
                    ));
                    self.say(random, out, 200);
                    out.push_str("\\\"}");
                }
                out.push_str("\"}");
            } else {
                out.push_str(",{\"role\":\"user\",\"content\":\"");
                let length = 40 + random.below(600) as usize;
                self.say(random, out, length);
                out.push_str("\"}");
            }
        }
        out.push(']');
    }
}

fn map_names() -> MapFieldNames {
    MapFieldNames {
        entry: "key_value".to_owned(),
        key: "key".to_owned(),
        value: "value".to_owned(),
    }
}

fn map<V: ArrayBuilder>(values: V, value: DataType) -> MapBuilder<StringBuilder, V> {
    MapBuilder::new(Some(map_names()), StringBuilder::new(), values)
        .with_values_field(Field::new("value", value, false))
}

struct Columns {
    id: StringBuilder,
    trace_id: StringBuilder,
    kind: StringBuilder,
    start_time: TimestampMillisecondBuilder,
    name: StringBuilder,
    metadata: MapBuilder<StringBuilder, StringBuilder>,
    input: StringBuilder,
    output: StringBuilder,
    model: StringBuilder,
    usage: MapBuilder<StringBuilder, UInt64Builder>,
    cost: MapBuilder<StringBuilder, Decimal128Builder>,
    prompt_version: UInt16Builder,
}

impl Columns {
    fn new() -> Self {
        let decimal = DataType::Decimal128(18, 12);
        Self {
            id: StringBuilder::new(),
            trace_id: StringBuilder::new(),
            kind: StringBuilder::new(),
            start_time: TimestampMillisecondBuilder::new().with_timezone("UTC"),
            name: StringBuilder::new(),
            metadata: map(StringBuilder::new(), DataType::Utf8),
            input: StringBuilder::new(),
            output: StringBuilder::new(),
            model: StringBuilder::new(),
            usage: map(UInt64Builder::new(), DataType::UInt64),
            cost: map(Decimal128Builder::new().with_data_type(decimal.clone()), decimal),
            prompt_version: UInt16Builder::new(),
        }
    }

    /// Adds a row; its size in bytes.
    fn push(&mut self, random: &mut Random, language: &Language, text: &mut String) -> usize {
        const KINDS: [&str; 4] = ["SPAN", "GENERATION", "TOOL", "AGENT"];
        let kind = random.below(4) as usize;
        self.id.append_value(random.hex());
        self.trace_id.append_value(random.hex());
        self.kind.append_value(KINDS[kind]);
        self.start_time
            .append_value(1_772_000_000_000 + random.below(86_400_000) as i64);
        self.name.append_value(format!("step-{}", random.below(40)));
        for key in ["deployment", "region", "attempt", "langgraph_node"] {
            self.metadata.keys().append_value(key);
            self.metadata
                .values()
                .append_value(format!("{key}-{}", random.below(9)));
        }
        self.metadata.append(true).expect("as many keys as values");
        text.clear();
        let length = (200 << random.below(5)) + random.below(1200) as usize;
        language.chat(random, text, length);
        self.input.append_value(&*text);
        let mut bytes = text.len();
        text.clear();
        text.push_str("{\"role\":\"assistant\",\"content\":\"");
        let length = 100 + random.below(1800) as usize;
        language.say(random, text, length);
        text.push_str("\"}");
        self.output.append_option((kind != 0).then_some(&*text));
        bytes += text.len() + 300;
        self.model
            .append_option((kind == 1).then_some("gpt-4.1-mini-2025-04-14"));
        for key in ["input", "output", "total"] {
            self.usage.keys().append_value(key);
            self.usage.values().append_value(random.below(9000));
            self.cost.keys().append_value(key);
            self.cost.values().append_value(i128::from(random.below(9_000_000_000)));
        }
        self.usage.append(true).expect("as many keys as values");
        self.cost.append(true).expect("as many keys as values");
        self.prompt_version.append_option((kind == 1).then_some(3));
        bytes
    }

    fn finish(mut self) -> RecordBatch {
        let columns: Vec<(&str, bool, ArrayRef)> = vec![
            ("id", false, Arc::new(self.id.finish())),
            ("trace_id", false, Arc::new(self.trace_id.finish())),
            ("type", false, Arc::new(self.kind.finish())),
            ("start_time", false, Arc::new(self.start_time.finish())),
            ("name", false, Arc::new(self.name.finish())),
            ("metadata", false, Arc::new(self.metadata.finish())),
            ("input", true, Arc::new(self.input.finish())),
            ("output", true, Arc::new(self.output.finish())),
            ("provided_model_name", true, Arc::new(self.model.finish())),
            ("usage_details", false, Arc::new(self.usage.finish())),
            ("cost_details", false, Arc::new(self.cost.finish())),
            ("prompt_version", true, Arc::new(self.prompt_version.finish())),
        ];
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, nullable, array)| Field::new(*name, array.data_type().clone(), *nullable))
            .collect();
        let columns = columns.into_iter().map(|(_, _, array)| array).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("the columns have the schema made of them")
    }
}

/// Batches of about `batch_bytes`, together about `bytes`.
pub(crate) fn observations(bytes: u64, batch_bytes: usize) -> Vec<RecordBatch> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let language = Language::new(&mut random);
    let mut text = String::new();
    let mut batches = Vec::new();
    let mut made = 0;
    while made < bytes {
        let (mut columns, mut size) = (Columns::new(), 0);
        while size < batch_bytes {
            size += columns.push(&mut random, &language, &mut text);
        }
        made += size as u64;
        batches.push(columns.finish());
    }
    batches
}
