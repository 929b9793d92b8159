//! How many tokens a text is, for models whose tokenizer is public.
//!
//! Texts over [`MAX_BYTES`] are not counted: their usage stays empty. The vocabulary of a tokenizer is loaded when it is
//! first needed, once per process, and takes tens of megabytes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::value::RawValue;
use tiktoken_rs::CoreBPE;
use tiktoken_rs::tokenizer::get_tokenizer;
use tracemill_model::ingest::Text;

use crate::decode::json;

/// Longer texts are not counted.
const MAX_BYTES: usize = 1 << 20;

/// Long texts are counted in parts of about this many bytes, cut where the tokenizer cuts anyway wherever there is such a
/// place: what one pass may cost is bounded.
const PART: usize = 32 << 10;

/// Counts tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tokenizer {
    /// The name under which the vocabulary is known.
    model: String,
    /// What a list of messages costs beyond their texts, for models that are known to be chat models.
    chat: Option<Chat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chat {
    per_message: i64,
    per_name: i64,
}

/// A list of messages is primed with this many tokens.
const PER_LIST: i64 = 3;

/// What of a message is counted.
const COUNTED: [&str; 7] = [
    "content",
    "role",
    "name",
    "tool_calls",
    "function_call",
    "toolCalls",
    "functionCall",
];

impl Tokenizer {
    /// That of an OpenAI model; a name that is not known counts as one of the GPT-4 vocabulary.
    pub(super) fn openai(model: &str) -> Self {
        let is_chat = ["gpt-3.5-turbo", "gpt-35-turbo", "gpt-4", "chatgpt-4o", "gpt-5"]
            .iter()
            .any(|prefix| model.starts_with(prefix));
        let chat = match model {
            "gpt-3.5-turbo-0301" => Chat {
                per_message: 4,
                per_name: -1,
            },
            _ => Chat {
                per_message: 3,
                per_name: 1,
            },
        };
        Self {
            model: model.to_owned(),
            chat: is_chat.then_some(chat),
        }
    }

    /// The tokens of a column's text. `None`: too long, or beyond the tokenizer.
    pub(super) fn count(&self, text: &str) -> Option<u64> {
        if text.len() > MAX_BYTES {
            return None;
        }
        // The tokenizer panics where its regular expression gives up.
        catch_unwind(AssertUnwindSafe(|| self.count_value(text))).ok()
    }

    fn count_value(&self, text: &str) -> u64 {
        let bpe = self.bpe();
        match text.trim_start().as_bytes().first() {
            Some(b'[') => match self.chat.and_then(|chat| count_messages(bpe, chat, text)) {
                Some(count) => count,
                None => count_json(bpe, text),
            },
            Some(b'{') => count_json(bpe, text),
            Some(b'"') => match serde_json::from_str::<String>(text) {
                Ok(inner) => count_text(bpe, &inner),
                Err(_) => count_text(bpe, text),
            },
            _ => count_text(bpe, text),
        }
    }

    fn bpe(&self) -> &'static CoreBPE {
        let tokenizer = get_tokenizer(&self.model).and_then(|found| tiktoken_rs::bpe_for_tokenizer(found).ok());
        tokenizer.unwrap_or_else(tiktoken_rs::cl100k_base_singleton)
    }
}

/// A list of messages with roles and texts. `None`: it is not one.
fn count_messages(bpe: &CoreBPE, chat: Chat, text: &str) -> Option<u64> {
    let messages: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let messages: Vec<Vec<(Text, &RawValue)>> = messages.iter().map(|message| json::entries(message.get())).collect();
    if !messages.iter().all(|message| is_message(message)) {
        return None;
    }
    let mut count = PER_LIST;
    for message in &messages {
        count += chat.per_message;
        for (name, value) in message {
            if !COUNTED.contains(&&**name) {
                continue;
            }
            if let Some(value) = json::payload(value.get()).filter(|value| !matches!(&**value, "" | "0" | "false")) {
                count += i64::try_from(count_text(bpe, &value)).unwrap_or(0);
                if **name == *"name" {
                    count += chat.per_name;
                }
            }
        }
    }
    u64::try_from(count).ok()
}

fn is_message(message: &[(Text, &RawValue)]) -> bool {
    let is_text = |wanted: &str| {
        message
            .iter()
            .find(|(name, _)| **name == *wanted)
            .map(|(_, value)| value.get().starts_with('"'))
    };
    is_text("role") == Some(true) && is_text("content") == Some(true) && is_text("name") != Some(false)
}

fn count_json(bpe: &CoreBPE, text: &str) -> u64 {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => count_text(bpe, &json::compact(value.get())),
        Err(_) => count_text(bpe, text),
    }
}

fn count_text(bpe: &CoreBPE, mut text: &str) -> u64 {
    let mut count = 0;
    while text.len() > PART {
        let (part, rest) = text.split_at(cut(text));
        count += bpe.count_ordinary(part);
        text = rest;
    }
    (count + bpe.count_ordinary(text)) as u64
}

/// Before the last single space of the first part, where a token ends; else at any character.
fn cut(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_between_words = |at: &usize| {
        bytes[*at] == b' ' && bytes[at - 1].is_ascii_alphanumeric() && bytes[at + 1].is_ascii_alphanumeric()
    };
    let word = (PART / 2..PART).rev().find(is_between_words);
    word.unwrap_or_else(|| text.floor_char_boundary(PART))
}
