//! Texts of a given size: words, phrases, code, chat messages and tool calls, written straight into a buffer.
//!
//! Everything here is the inside of a JSON string or a JSON value, valid as JSON and as UTF-8, whatever the size.

use std::io::Write as _;

use super::ids;
use super::rng::Rng;
use super::vocab;

/// Slots of the word tables; a power of two, so that one draw of 64 bits picks five words.
const SLOTS: usize = 4096;
/// Words a draw.
const PICKS: u32 = 5;

/// A word with the space behind it, padded so that copying it is one move; the last byte is its length.
type Slot = [u8; 16];

/// The word tables.
#[derive(Debug)]
pub(super) struct Lexicon {
    rich: Vec<Slot>,
    plain: Vec<Slot>,
}

impl Lexicon {
    pub(super) fn new() -> Self {
        let words: Vec<&str> = vocab::WORDS.split_ascii_whitespace().collect();
        let mut plain = Vec::with_capacity(SLOTS);
        // Zipf's law, roughly: a word has slots in proportion to 1 / (its rank + 12).
        let weights: Vec<usize> = (0..words.len()).map(|rank| 9_000 / (rank + 12) + 1).collect();
        let sum: usize = weights.iter().sum();
        let mut reached = 0;
        for (word, weight) in words.iter().zip(&weights) {
            reached += weight;
            let slot = padded(&format!("{word} "));
            while plain.len() * sum < reached * SLOTS && plain.len() < SLOTS {
                plain.push(slot);
            }
        }
        let mut rich = plain.clone();
        // One slot in sixteen is a mark, spread over the table.
        for (i, slot) in rich.iter_mut().step_by(16).enumerate() {
            *slot = padded(vocab::MARKS[i * 7 % vocab::MARKS.len()]);
        }
        Self { rich, plain }
    }
}

fn padded(text: &str) -> Slot {
    let mut slot = [0; 16];
    slot[..text.len()].copy_from_slice(text.as_bytes());
    slot[15] = text.len() as u8;
    slot
}

fn words(slots: &[Slot], out: &mut Vec<u8>, rng: &mut Rng) {
    let mut buffer = [0_u8; 16 * PICKS as usize];
    let (mut at, mut bits) = (0, rng.next());
    for _ in 0..PICKS {
        let slot = &slots[bits as usize % SLOTS];
        bits >>= 12;
        buffer[at..at + 16].copy_from_slice(slot);
        at += usize::from(slot[15]);
    }
    out.extend_from_slice(&buffer[..at]);
}

/// Writes texts with one source of randomness.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) lexicon: &'a Lexicon,
    pub(super) rng: Rng,
}

impl Writer<'_> {
    /// Running text of about `size` bytes for a JSON string, with phrases and now and then code or an id.
    pub(super) fn prose(&mut self, out: &mut Vec<u8>, size: usize) {
        let end = out.len() + size;
        while out.len() < end {
            match self.rng.below(64) {
                0..18 => out.extend_from_slice(self.rng.pick(&vocab::PHRASES).as_bytes()),
                18 if end - out.len() > 400 => out.extend_from_slice(self.rng.pick(&vocab::CODE).as_bytes()),
                19 => {
                    ids::random_uuid(out, &mut self.rng);
                    out.push(b' ');
                }
                20 => print(out, format_args!("{} ", self.rng.next() >> 40)),
                _ => words(&self.lexicon.rich, out, &mut self.rng),
            }
        }
    }

    /// Words without anything that a string in a string would have to escape.
    pub(super) fn plain(&mut self, out: &mut Vec<u8>, size: usize) {
        let end = out.len() + size;
        while out.len() < end {
            words(&self.lexicon.plain, out, &mut self.rng);
        }
        if out.last() == Some(&b' ') {
            out.pop();
        }
    }

    /// A chat: system, then user, assistant, tool calls and their results, until `size` is reached; a JSON object.
    pub(super) fn chat(&mut self, out: &mut Vec<u8>, size: usize, topic: usize) {
        let end = out.len() + size;
        out.extend_from_slice(br#"{"messages":[{"role":"system","content":""#);
        let system = vocab::SYSTEMS[topic % vocab::SYSTEMS.len()];
        if size > 2 * system.len() {
            out.extend_from_slice(system.as_bytes());
        }
        out.extend_from_slice(br#""},{"role":"user","content":""#);
        let left = end.saturating_sub(out.len());
        self.prose(out, left.min(60 + left / 6));
        out.extend_from_slice(b"\"}");
        while out.len() + 300 < end {
            let left = end - out.len();
            if self.rng.chance(0.5) {
                self.call_and_result(out, (left / 2).min(4_000).max(left / 24));
            } else {
                out.extend_from_slice(br#",{"role":"assistant","content":""#);
                self.prose(out, (left / 3).min(3_000).max(left / 24));
                out.extend_from_slice(br#""},{"role":"user","content":""#);
                self.prose(out, (left / 8).min(600));
                out.extend_from_slice(b"\"}");
            }
        }
        print(
            out,
            format_args!(
                "],\"temperature\":0.{},\"stream\":{}}}",
                self.rng.below(10),
                self.rng.chance(0.5)
            ),
        );
    }

    /// What a model answers: text, or tool calls; a JSON object.
    pub(super) fn answer(&mut self, out: &mut Vec<u8>, size: usize) {
        out.extend_from_slice(br#"{"role":"assistant","content":"#);
        if self.rng.chance(0.3) {
            out.extend_from_slice(br#"null,"tool_calls":["#);
            self.call(out, size);
            out.extend_from_slice(b"]}");
        } else {
            out.push(b'"');
            self.prose(out, size);
            out.extend_from_slice(br#"","refusal":null}"#);
        }
    }

    fn call_and_result(&mut self, out: &mut Vec<u8>, size: usize) {
        out.extend_from_slice(br#",{"role":"assistant","content":null,"tool_calls":["#);
        let id = self.call(out, 40 + size / 8);
        print(
            out,
            format_args!("]}},{{\"role\":\"tool\",\"tool_call_id\":\"call_{id:016x}\",\"content\":\""),
        );
        self.prose(out, size);
        out.extend_from_slice(b"\"}");
    }

    /// One tool call as a model sends it: its arguments are JSON in a string.
    fn call(&mut self, out: &mut Vec<u8>, size: usize) -> u64 {
        let (id, (tool, argument)) = (self.rng.next(), self.rng.pick(&vocab::TOOLS));
        print(
            out,
            format_args!(
                "{{\"id\":\"call_{id:016x}\",\"type\":\"function\",\"function\":{{\"name\":\"{tool}\",\"arguments\":\"{{\\\"{argument}\\\":\\\""
            ),
        );
        self.plain(out, size);
        print(out, format_args!("\\\",\\\"limit\\\":{}}}\"}}}}", self.rng.below(50)));
        id
    }

    /// Arguments of a tool; a JSON object.
    pub(super) fn arguments(&mut self, out: &mut Vec<u8>, size: usize) {
        let (_, argument) = self.rng.pick(&vocab::TOOLS);
        print(out, format_args!("{{\"{argument}\":\""));
        self.prose(out, size);
        print(
            out,
            format_args!("\",\"limit\":{},\"strict\":true,\"cursor\":null}}", self.rng.below(500)),
        );
    }

    /// Records as a search or a database returns them; a JSON array of at least one object.
    pub(super) fn records(&mut self, out: &mut Vec<u8>, size: usize) {
        let end = out.len() + size;
        let mut before = b'[';
        loop {
            out.push(before);
            before = b',';
            out.extend_from_slice(br#"{"id":""#);
            ids::random_uuid(out, &mut self.rng);
            let score = self.rng.below(10_000);
            print(
                out,
                format_args!(
                    "\",\"score\":0.{score:04},\"amount\":{},\"text\":\"",
                    self.rng.below(1 << 44)
                ),
            );
            let left = end.saturating_sub(out.len());
            self.prose(out, left.min(700));
            out.extend_from_slice(b"\"}");
            if out.len() + 200 >= end {
                break;
            }
        }
        out.push(b']');
    }

    /// Numbers of an embedding; a JSON array of at least one.
    pub(super) fn vector(&mut self, out: &mut Vec<u8>, size: usize) {
        let end = out.len() + size;
        let mut before = b'[';
        while before == b'[' || out.len() + 11 < end {
            let bits = self.rng.next();
            let sign = if bits & 1 == 0 { "" } else { "-" };
            print(
                out,
                format_args!("{}{sign}0.0{:06}", char::from(before), (bits >> 8) % 1_000_000),
            );
            before = b',';
        }
        out.push(b']');
    }
}

pub(super) fn print(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::synth::rng::Rng;

    proptest! {
        #[test]
        fn every_text_is_json_near_its_size(seed: u64, size in 0usize..20_000) {
            let lexicon = Lexicon::new();
            let mut w = Writer { lexicon: &lexicon, rng: Rng::new(seed) };
            let mut check = |name: &str, write: &dyn Fn(&mut Writer<'_>, &mut Vec<u8>)| {
                let mut out = Vec::new();
                write(&mut w, &mut out);
                let text = String::from_utf8(out).expect("UTF-8");
                assert!(text.len() < size + 3_000 && text.len() + 300 > size * 2 / 3, "{name}: {} for {size}", text.len());
                let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}: {text}"));
                if let Some(arguments) = json.pointer("/tool_calls/0/function/arguments") {
                    let text = arguments.as_str().expect("a string");
                    assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
                }
            };
            check("chat", &|w, out| w.chat(out, size, seed as usize % 64));
            check("answer", &|w, out| w.answer(out, size));
            check("arguments", &|w, out| w.arguments(out, size));
            check("records", &|w, out| w.records(out, size));
            check("vector", &|w, out| w.vector(out, size));
        }
    }

    #[test]
    fn words_fit_their_slots() {
        let lexicon = Lexicon::new();
        assert_eq!(lexicon.plain.len(), SLOTS);
        assert!(
            lexicon
                .rich
                .iter()
                .all(|slot| std::str::from_utf8(&slot[..usize::from(slot[15])]).is_ok())
        );
        for word in vocab::WORDS.split_ascii_whitespace() {
            assert!(
                lexicon.plain.contains(&padded(&format!("{word} "))),
                "{word} has no slot"
            );
        }
    }
}
