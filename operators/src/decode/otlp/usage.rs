//! What a span says that was used and what it cost.
//!
//! Counts are whole numbers from zero; fractions and negative numbers are left out, as in the ingestion API.

use std::borrow::Cow;

use rust_decimal::Decimal;
use tracemill_model::ingest::Text;

use super::cursor::Cursor;
use super::keys::{Attr, Attrs, Family, Key};
use super::value::{Value, valid_json};

/// Counts by name, each name once.
pub(super) type Usage = Vec<(Text, u64)>;

/// Usage. The first source that has any counts.
pub(super) fn usage(attrs: &Attrs<'_>, scope: &str) -> Usage {
    let own = attrs.truthy(Key::ObsUsage).map(Value::text);
    if let Some(raw) = own.as_deref().and_then(valid_json) {
        return of_json(raw);
    }
    if scope == "ai"
        && let Some(usage) = vercel(attrs)
    {
        return usage;
    }
    if scope == "pydantic-ai" {
        pydantic(attrs)
    } else {
        generic(attrs)
    }
}

fn set(usage: &mut Usage, name: &str, value: u64) {
    match usage.iter_mut().find(|(known, _)| &**known == name) {
        Some((_, known)) => *known = value,
        None => usage.push((name.into(), value)),
    }
}

fn get(usage: &Usage, name: &str) -> u64 {
    usage
        .iter()
        .find(|(known, _)| &**known == name)
        .map_or(0, |(_, value)| *value)
}

/// The most names that one span can count.
const MAX_NAMES: usize = 256;

/// `{"input": 1, ...}`, or one of OpenAI's two shapes of it.
pub(super) fn of_json(raw: &str) -> Usage {
    let mut entries: Vec<(Cow<'_, str>, &str)> = Vec::new();
    let mut cursor = Cursor::new(raw);
    if cursor.enter_object() {
        while let Some(name) = cursor.key() {
            let raw = cursor.raw();
            match entries.iter().position(|(known, _)| *known == name) {
                Some(place) => entries[place].1 = raw,
                None if entries.len() < MAX_NAMES => entries.push((name, raw)),
                None => {}
            }
        }
    }
    open_ai(&entries, "prompt", "completion")
        .or_else(|| open_ai(&entries, "input", "output"))
        .unwrap_or_else(|| {
            let count = |(name, raw): &(Cow<'_, str>, &str)| Some((Text::from(&**name), loose(raw)?));
            entries.iter().filter_map(count).collect()
        })
}

/// Exactly OpenAI's keys: details become `input_<detail>`, and are taken off what they are a part of.
fn open_ai(entries: &[(Cow<'_, str>, &str)], input: &str, output: &str) -> Option<Usage> {
    let mut found: [Option<u64>; 3] = [None; 3];
    let mut details: [Vec<(Cow<'_, str>, u64)>; 2] = Default::default();
    for (name, raw) in entries {
        let side = match name.strip_prefix(input) {
            Some("_tokens") => 0,
            Some("_tokens_details") => 10,
            _ => match (name.strip_prefix(output), &**name) {
                (Some("_tokens"), _) => 1,
                (Some("_tokens_details"), _) => 11,
                (_, "total_tokens") => 2,
                _ => return None,
            },
        };
        match side {
            10.. => details[side - 10] = counts(raw)?,
            _ => found[side] = Some(whole(raw)?),
        }
    }
    let mut usage: Usage = Vec::new();
    for (name, value) in ["input", "output", "total"].into_iter().zip(found) {
        usage.push((name.into(), value?));
    }
    for (side, details) in ["input", "output"].into_iter().zip(details) {
        for (name, value) in details {
            let rest = get(&usage, side).saturating_sub(value);
            set(&mut usage, side, rest);
            set(&mut usage, &format!("{side}_{name}"), value);
        }
    }
    Some(usage)
}

/// A map of counts, null left out. `None`: it is another thing.
fn counts(raw: &str) -> Option<Vec<(Cow<'_, str>, u64)>> {
    let mut cursor = Cursor::new(raw);
    if cursor.peek() == b'n' {
        return Some(Vec::new());
    }
    let mut out = Vec::new();
    if !cursor.enter_object() {
        return None;
    }
    while let Some(name) = cursor.key() {
        match cursor.raw() {
            "null" => {}
            _ if out.len() == MAX_NAMES => {}
            raw => out.push((name, whole(raw)?)),
        }
    }
    Some(out)
}

/// A number that is whole and not negative.
fn whole(raw: &str) -> Option<u64> {
    if let Ok(whole) = raw.parse() {
        return Some(whole);
    }
    let number: f64 = raw.parse().ok()?;
    (number.fract() == 0.0 && (0.0..1.8e19).contains(&number)).then_some(number as u64)
}

/// As [`whole`], or a text that starts with such a number.
fn loose(raw: &str) -> Option<u64> {
    match raw.strip_prefix('"') {
        Some(text) => leading(text),
        None => whole(raw),
    }
}

fn leading(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// An attribute's count, of a number or of a text that starts with one.
fn count(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Str(text) => leading(text),
        other => whole(&other.text()),
    }
}

/// The Vercel AI SDK. `None`: it does not parse.
fn vercel(attrs: &Attrs<'_>) -> Option<Usage> {
    let mut usage = Usage::new();
    let first = |a: Key, b: Key| attrs.get(a).or_else(|| attrs.get(b)).and_then(count);
    let sides = [
        ("input", first(Key::UsagePrompt, Key::UsageInput)),
        ("output", first(Key::UsageCompletion, Key::UsageOutput)),
        ("total", attrs.get(Key::AiTokens).and_then(count)),
    ];
    for (name, value) in sides {
        if let Some(value) = value {
            set(&mut usage, name, value);
        }
    }
    let parts = [
        (Key::AiCachedTokens, "input_cached_tokens"),
        (Key::AiReasoningTokens, "output_reasoning_tokens"),
    ];
    for (key, name) in parts {
        if let Some(value) = attrs.get(key) {
            let text = value.text();
            if let Some(value) = int_value(valid_json(&text)?) {
                set(&mut usage, name, value);
            }
        }
    }
    if let Some(metadata) = attrs.get(Key::AiProviderMetadata) {
        provider(valid_json(&metadata.text())?, &mut usage);
    }
    let sum = |usage: &Usage, names: &[&str]| {
        names
            .iter()
            .fold(0, |sum: u64, name| sum.saturating_add(get(usage, name)))
    };
    let cached = sum(
        &usage,
        &["input_cached_tokens", "input_cache_creation", "input_cache_read"],
    );
    let reasoning = get(&usage, "output_reasoning_tokens");
    let (input, output) = (get(&usage, "input"), get(&usage, "output"));
    set(&mut usage, "input", input.saturating_sub(cached));
    set(&mut usage, "output", output.saturating_sub(reasoning));
    Some(usage)
}

/// A number, or the `intValue` in an object.
fn int_value(raw: &str) -> Option<u64> {
    member(raw, "intValue").map_or_else(|| whole(raw), loose)
}

fn member<'a>(raw: &'a str, name: &str) -> Option<&'a str> {
    let mut cursor = Cursor::new(raw);
    let mut found = None;
    if cursor.enter_object() {
        while let Some(key) = cursor.key() {
            let raw = cursor.raw();
            if key == name {
                found = Some(raw);
            }
        }
    }
    found
}

/// What providers say in their metadata, where nothing else did.
fn provider(raw: &str, usage: &mut Usage) {
    const OPEN_AI: &[(&str, &str)] = &[
        ("cachedPromptTokens", "input_cached_tokens"),
        ("acceptedPredictionTokens", "accepted_prediction_tokens"),
        ("rejectedPredictionTokens", "rejected_prediction_tokens"),
        ("reasoningTokens", "output_reasoning_tokens"),
    ];
    const ANTHROPIC: &[(&str, &str)] = &[
        ("cache_creation_input_tokens", "input_cache_creation"),
        ("cache_read_input_tokens", "input_cached_tokens"),
    ];
    const BEDROCK: &[(&str, &str)] = &[
        ("cacheReadInputTokens", "input_cache_read"),
        ("cacheWriteInputTokens", "input_cache_write"),
        ("cacheCreationInputTokens", "input_cache_creation"),
    ];
    let sources = [
        (member(raw, "openai"), OPEN_AI),
        (member(raw, "anthropic").and_then(|raw| member(raw, "usage")), ANTHROPIC),
        (member(raw, "bedrock").and_then(|raw| member(raw, "usage")), BEDROCK),
    ];
    for (source, names) in sources {
        for (theirs, ours) in names {
            let value = source.and_then(|raw| member(raw, theirs)).and_then(loose);
            if let Some(value) = value.filter(|_| usage.iter().all(|(known, _)| &**known != *ours)) {
                set(usage, ours, value);
            }
        }
    }
}

fn pydantic(attrs: &Attrs<'_>) -> Usage {
    let sources = [
        ("input", [Key::UsageInput, Key::UsageInput]),
        ("output", [Key::UsageOutput, Key::UsageOutput]),
        ("input_cache_read", [Key::UsageCacheRead, Key::UsageCacheReadDetail]),
        (
            "input_cache_creation",
            [Key::UsageCacheWrite, Key::UsageCacheWriteDetail],
        ),
    ];
    let count = |(name, keys): (&str, [Key; 2])| Some((Text::from(name), count(attrs.first_present(&keys)?)?));
    sources.into_iter().filter_map(count).collect()
}

/// Every `gen_ai.usage.*` and `llm.token_count.*`.
fn generic(attrs: &Attrs<'_>) -> Usage {
    let mut usage = Usage::new();
    let counted = attrs
        .of(Family::USAGE.or(Family::TOKEN_COUNT))
        .filter(|attr| attr.key != Some(Key::UsageCost));
    for attr in counted.take(MAX_NAMES) {
        if let Some(value) = numeric(attr) {
            set(&mut usage, name(attr), value);
        }
    }
    usage
}

fn name<'v>(attr: &'v Attr<'_>) -> &'v str {
    let rest = &attr.name[attr.family.prefix().len()..];
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    match rest {
        "prompt_tokens" | "input_tokens" | "prompt" => "input",
        "completion_tokens" | "output_tokens" | "completion" => "output",
        "total_tokens" | "total" => "total",
        "" => &attr.name,
        other => other,
    }
}

/// A number, or a text that is one altogether; an empty text is zero.
fn numeric(attr: &Attr<'_>) -> Option<u64> {
    match &attr.value {
        Value::Str(text) if text.trim().is_empty() => Some(0),
        Value::Str(text) => whole(text.trim()),
        Value::Bool(value) => Some(u64::from(*value)),
        Value::Int(value) => u64::try_from(*value).ok(),
        Value::Double(_) => whole(&attr.value.text()),
        _ => None,
    }
}

/// Costs in USD with the digits that were sent: numbers from zero, nothing else.
pub(super) fn cost(attrs: &Attrs<'_>) -> Vec<(Text, Decimal)> {
    let mut costs: Vec<(Text, Decimal)> = Vec::new();
    if let Some(own) = attrs.truthy(Key::ObsCost).map(Value::text)
        && let Some(raw) = valid_json(&own)
    {
        let mut cursor = Cursor::new(raw);
        if cursor.enter_object() {
            while let Some(name) = cursor.key() {
                let Some(value) = decimal(cursor.raw()) else { continue };
                match costs.iter().position(|(known, _)| **known == *name) {
                    Some(place) => costs[place].1 = value,
                    None if costs.len() < MAX_NAMES => costs.push((name.into(), value)),
                    None => {}
                }
            }
        }
        return costs;
    }
    if let Some(total @ (Value::Int(_) | Value::Double(_))) = attrs.truthy(Key::UsageCost)
        && let Some(total) = decimal(&total.text())
    {
        costs.push(("total".into(), total));
    }
    costs
}

fn decimal(raw: &str) -> Option<Decimal> {
    let number = match raw.contains(['e', 'E']) {
        true => Decimal::from_scientific_lossy(raw),
        false => raw.parse(),
    };
    number
        .ok()
        .filter(|number| !number.is_sign_negative() || number.is_zero())
}
