//! Usage, tiers and cost as table: the numbers are those of the pinned behaviours that the specification lists.

use rust_decimal::Decimal;
use tracemill_model::Millis;
use tracemill_model::ingest::{Level, ObservationRow, ObservationType, Text};

use super::Prices;

fn observation(model: &str) -> ObservationRow {
    ObservationRow {
        id: "o".into(),
        project_id: "p".into(),
        trace_id: "t".into(),
        environment: "default".into(),
        ty: ObservationType::Generation,
        parent_observation_id: None,
        start_time: Millis(0),
        end_time: None,
        completion_start_time: None,
        name: Text::default(),
        metadata: Vec::new(),
        level: Level::Default,
        status_message: None,
        version: None,
        input: None,
        output: None,
        provided_model_name: (!model.is_empty()).then(|| model.into()),
        internal_model_id: None,
        model_parameters: None,
        provided_usage_details: Vec::new(),
        usage_details: Vec::new(),
        provided_cost_details: Vec::new(),
        cost_details: Vec::new(),
        total_cost: None,
        prompt_id: None,
        prompt_name: None,
        prompt_version: None,
        created_at: Millis(0),
        updated_at: Millis(0),
        event_ts: Millis(0),
        is_deleted: false,
        usage_pricing_tier_id: None,
        usage_pricing_tier_name: None,
        tool_definitions: Vec::new(),
        tool_calls: Vec::new(),
        tool_call_names: Vec::new(),
    }
}

fn usage(pairs: &[(&str, u64)]) -> Vec<(Text, u64)> {
    pairs.iter().map(|(name, units)| ((*name).into(), *units)).collect()
}

fn costs(pairs: &[(&str, &str)]) -> Vec<(Text, Decimal)> {
    pairs.iter().map(|(name, cost)| ((*name).into(), dec(cost))).collect()
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Models with the prices that the vectors use.
fn prices() -> Prices {
    Prices::parse(
        r#"
        [[model]]
        id = "mini"
        match = '^mini$'
        per_unit = { input = 1.5e-7, output = "6e-7" }
        [[model]]
        id = "total"
        match = '^total$'
        per_unit = { input = 0.01, output = 0.02, total = 0.03 }
        [[model]]
        id = "free"
        match = '^free$'
        [[model]]
        id = "tiered"
        match = '^tiered$'
        per_unit = { input = 3e-6, output = 15e-6 }
        [[model.tier]]
        name = "Large Context"
        when = [{ usage = '^INPUT', op = "gt", value = 200000 }]
        per_unit = { input = 6e-6, output = 15e-6 }
        "#,
    )
    .unwrap()
}

/// (vector, model, provided usage, provided cost, usage, cost, total cost)
type Case<'a> = (
    &'a str,
    &'a str,
    &'a [(&'a str, u64)],
    &'a [(&'a str, &'a str)],
    &'a [(&'a str, u64)],
    &'a [(&'a str, &'a str)],
    Option<&'a str>,
);

const CASES: &[Case<'_>] = &[
    (
        "I-33",
        "",
        &[("input", 100), ("output", 200), ("total", 100)],
        &[],
        &[("input", 100), ("output", 200), ("total", 100)],
        &[],
        None,
    ),
    (
        "I-34.a",
        "",
        &[("input", 1), ("output", 2)],
        &[],
        &[("input", 1), ("output", 2), ("total", 3)],
        &[],
        None,
    ),
    ("I-34.b", "", &[("total", 100)], &[], &[("total", 100)], &[], None),
    ("I-34.c", "", &[], &[], &[], &[], None),
    (
        "I-36",
        "",
        &[("input", 1), ("cached", 2), ("reasoning", 3)],
        &[],
        &[("input", 1), ("cached", 2), ("reasoning", 3), ("total", 6)],
        &[],
        None,
    ),
    (
        "I-37",
        "",
        &[("input", 1)],
        &[("input", "123")],
        &[("input", 1), ("total", 1)],
        &[("input", "123"), ("total", "123")],
        Some("123"),
    ),
    (
        "I-41",
        "mini",
        &[("input", 4)],
        &[],
        &[("input", 4), ("total", 4)],
        &[("input", "0.0000006"), ("total", "0.0000006")],
        Some("0.0000006"),
    ),
    (
        "I-42",
        "mini",
        &[("input", 1295), ("output", 18), ("total", 1313)],
        &[],
        &[("input", 1295), ("output", 18), ("total", 1313)],
        &[
            ("input", "0.00019425"),
            ("output", "0.0000108"),
            ("total", "0.00020505"),
        ],
        Some("0.00020505"),
    ),
    (
        "I-43",
        "",
        &[],
        &[("input", "0.0006425"), ("output", "0.0007695"), ("total", "0.001412")],
        &[],
        &[("input", "0.0006425"), ("output", "0.0007695"), ("total", "0.001412")],
        Some("0.001412"),
    ),
    (
        "I-44",
        "total",
        &[("input", 100), ("output", 200), ("total", 300)],
        &[],
        &[("input", 100), ("output", 200), ("total", 300)],
        &[("input", "1"), ("output", "4"), ("total", "9")],
        Some("9"),
    ),
    (
        "I-45.a",
        "total",
        &[("input", 100)],
        &[("input", "2"), ("output", "3"), ("total", "5")],
        &[("input", 100), ("total", 100)],
        &[("input", "2"), ("output", "3"), ("total", "5")],
        Some("5"),
    ),
    (
        "I-45.b",
        "total",
        &[],
        &[("input", "1"), ("output", "2")],
        &[],
        &[("input", "1"), ("output", "2"), ("total", "3")],
        Some("3"),
    ),
    (
        "I-45.c",
        "total",
        &[],
        &[("total", "2")],
        &[],
        &[("total", "2")],
        Some("2"),
    ),
    (
        "I-45.d",
        "total",
        &[],
        &[("input", "1")],
        &[],
        &[("input", "1"), ("total", "1")],
        Some("1"),
    ),
    (
        "I-45.e",
        "total",
        &[],
        &[("output", "2"), ("total", "2")],
        &[],
        &[("output", "2"), ("total", "2")],
        Some("2"),
    ),
    (
        "I-46.a",
        "free",
        &[("input", 5)],
        &[],
        &[("input", 5), ("total", 5)],
        &[],
        None,
    ),
    (
        "I-46.b",
        "mini",
        &[("input", 0), ("output", 0), ("total", 0)],
        &[],
        &[("input", 0), ("output", 0), ("total", 0)],
        &[("input", "0"), ("output", "0"), ("total", "0")],
        Some("0"),
    ),
    ("I-46.c", "mini", &[], &[], &[], &[], None),
    (
        "I-47",
        "mini",
        &[("input", 7)],
        &[("input", "0"), ("output", "0"), ("total", "0")],
        &[("input", 7), ("total", 7)],
        &[("input", "0"), ("output", "0"), ("total", "0")],
        Some("0"),
    ),
    (
        "I-47.b",
        "mini",
        &[("input", 1), ("output", 2), ("total", 3)],
        &[("output", "1")],
        &[("input", 1), ("output", 2), ("total", 3)],
        &[("output", "1"), ("total", "1")],
        Some("1"),
    ),
    (
        "C1",
        "",
        &[],
        &[("input", "1"), ("cache", "2")],
        &[],
        &[("input", "1"), ("cache", "2")],
        None,
    ),
    (
        "I-52.a",
        "tiered",
        &[("input", 100_000), ("output", 2000)],
        &[],
        &[("input", 100_000), ("output", 2000), ("total", 102_000)],
        &[("input", "0.3"), ("output", "0.03"), ("total", "0.33")],
        Some("0.33"),
    ),
    (
        "I-52.b",
        "tiered",
        &[("input", 250_000), ("output", 2000)],
        &[],
        &[("input", 250_000), ("output", 2000), ("total", 252_000)],
        &[("input", "1.5"), ("output", "0.03"), ("total", "1.53")],
        Some("1.53"),
    ),
    (
        "I-52.c",
        "tiered",
        &[("input", 200_000)],
        &[],
        &[("input", 200_000), ("total", 200_000)],
        &[("input", "0.6"), ("total", "0.6")],
        Some("0.6"),
    ),
    (
        "5.5",
        "tiered",
        &[("input", 150_000), ("input_cached_tokens", 60_000), ("output", 2000)],
        &[],
        &[
            ("input", 150_000),
            ("input_cached_tokens", 60_000),
            ("output", 2000),
            ("total", 212_000),
        ],
        &[("input", "0.9"), ("output", "0.03"), ("total", "0.93")],
        Some("0.93"),
    ),
    // Not of the reference: the column cannot hold it, so the rest goes in without it.
    (
        "limit",
        "",
        &[],
        &[("input", "1000000"), ("output", "1.0000000000005")],
        &[],
        &[("output", "1"), ("total", "1")],
        Some("1"),
    ),
    (
        "half even",
        "",
        &[],
        &[("output", "0.0000000000015")],
        &[],
        &[("output", "0.000000000002"), ("total", "0.000000000002")],
        Some("0.000000000002"),
    ),
];

#[test]
fn numbered_cases() {
    let prices = prices();
    for (vector, model, used, cost, expected_usage, expected_cost, total) in CASES {
        let mut row = observation(model);
        row.provided_usage_details = usage(used);
        row.provided_cost_details = costs(cost);
        prices.price("p", &mut row);
        assert_eq!(row.usage_details, usage(expected_usage), "usage of {vector}");
        assert_eq!(row.cost_details, costs(expected_cost), "cost of {vector}");
        assert_eq!(row.total_cost, total.map(dec), "total of {vector}");
        let tier = row.usage_pricing_tier_name.as_deref();
        let expected = match (*model, *vector) {
            ("" | "free", _) => None,
            (_, "I-52.b" | "5.5") => Some("Large Context"),
            _ => Some("Standard"),
        };
        assert_eq!(tier, expected, "tier of {vector}");
        let once = row.clone();
        prices.price("p", &mut row);
        assert_eq!(row, once, "{vector} twice");
    }
}

#[test]
fn patterns_and_start_dates() {
    let prices = Prices::parse(
        r#"
        [[model]]
        id = "old"
        match = '(?i)^(gpt-)(35|3.5)(-turbo)?$'
        start = 2023-01-01
        [[model]]
        id = "new"
        match = '(?i)^(gpt-)(35|3.5)(-turbo)?$'
        start = 2999-01-01
        [[model]]
        id = "undated"
        match = '(?i)^(gpt-)(35|3.5)(-turbo)?$'
        [[project]]
        id = "own"
        [[project.model]]
        id = "theirs"
        match = '^gpt-3.5$'
        "#,
    )
    .unwrap();
    let id = |project, name| prices.model_id(project, name).map(ToString::to_string);
    assert_eq!(
        id("p", "gpt-3.5").as_deref(),
        Some("new"),
        "I-39: later than any observation, and still it wins"
    );
    assert_eq!(id("p", "GPT-3.5").as_deref(), Some("new"), "I-39");
    assert_eq!(id("p", "GPT-4"), None, "I-39");
    assert_eq!(id("own", "gpt-3.5").as_deref(), Some("theirs"));
    assert_eq!(id("own", "gpt-35").as_deref(), Some("new"));
    assert_eq!(
        id("p", "gpt-3.5").as_deref(),
        Some("new"),
        "remembered apart from the project that has its own"
    );
    let extended = prices
        .extended("[[model]]\nid = 'override'\nmatch = '^gpt-3.5$'")
        .unwrap();
    assert_eq!(extended.model_id("p", "gpt-3.5").map(|id| &**id), Some("override"));
    let fine_tuned = Prices::builtin();
    let name = "ft:gpt-3.5-turbo-1106:my-org:custom_suffix:id";
    assert_eq!(
        fine_tuned.model_id("p", name).map(|id| &**id),
        Some("ft-gpt-3.5-turbo"),
        "I-39"
    );
}

#[test]
fn tokens_where_usage_is_missing() {
    let prices = Prices::builtin();
    for (input, output, expected) in [
        (
            "This is a great prompt",
            "This is a great gpt output",
            [("input", 5), ("output", 7), ("total", 12)],
        ),
        (
            r#"{"key":"value"}"#,
            r#"{"key":"this is a great gpt output"}"#,
            [("input", 5), ("output", 11), ("total", 16)],
        ),
    ] {
        let mut row = observation("gpt-3.5");
        (row.input, row.output) = (Some(input.into()), Some(output.into()));
        prices.price("p", &mut row);
        assert_eq!(row.usage_details, usage(&expected), "I-40");
        assert!(row.provided_usage_details.is_empty());
        assert!(row.total_cost.is_some());
    }
    let mut row = observation("gpt-3.5");
    row.input = Some(r#"[{"role":"user","content":"This is a great prompt"}]"#.into());
    prices.price("p", &mut row);
    assert_eq!(
        row.usage_details,
        usage(&[("input", 3 + 3 + 1 + 5), ("total", 12)]),
        "U8, messages"
    );
}

#[test]
fn no_tokens_of_errors() {
    let mut row = observation("gpt-4o");
    (row.input, row.level) = (Some("some text".into()), Level::Error);
    Prices::builtin().price("p", &mut row);
    assert_eq!(row.internal_model_id.as_deref(), Some("gpt-4o"), "I-50");
    assert!(row.usage_details.is_empty() && row.cost_details.is_empty());
}

#[test]
fn long_and_strange_texts_are_counted_in_bounded_time() {
    let prices = Prices::builtin();
    let words = "some words of text, 123 and more. ".repeat(4000);
    for (text, is_counted) in [
        ("a".repeat(1 << 20), true),
        (" ".repeat(1 << 20), true),
        ("\u{301}".repeat(1 << 19), true),
        ("x".repeat((1 << 20) + 1), false),
    ] {
        let mut row = observation("gpt-4o");
        row.input = Some(text.into());
        prices.price("p", &mut row);
        assert_eq!(!row.usage_details.is_empty(), is_counted);
    }
    let mut row = observation("gpt-4o");
    row.input = Some(words.as_str().into());
    prices.price("p", &mut row);
    let whole = tiktoken_rs::o200k_base_singleton().count_ordinary(&words) as u64;
    assert_eq!(row.usage_details[0].1, whole, "parts count as the whole");
}

#[test]
fn tiers() {
    let file = |tiers: &str| format!("[[model]]\nid = 'm'\nmatch = '^m$'\n{tiers}");
    let tier = |text: &str, used: &[(&str, u64)]| {
        let prices = Prices::parse(&file(text)).unwrap();
        let mut row = observation("m");
        row.provided_usage_details = usage(used);
        prices.price("p", &mut row);
        row.usage_pricing_tier_name.map(|name| name.to_string())
    };
    assert_eq!(tier("", &[("input", 1)]), None, "I-53: no tiers");
    let high = "[[model.tier]]\nname = 'high'\nwhen = [{ usage = 'input', op = 'gt', value = 10 }]\n";
    assert_eq!(tier(high, &[("input", 1)]), None, "I-53: no default and no match");
    let two = format!(
        "{high}priority = 2\n[[model.tier]]\nname = 'first'\nwhen = [{{ usage = 'input', op = 'gte', value = 5 }}]\npriority = 1\n"
    );
    assert_eq!(
        tier(&two, &[("input", 11)]).as_deref(),
        Some("first"),
        "I-53: the lowest priority"
    );
    let both = "[[model.tier]]\nname = 'both'\nwhen = [{ usage = 'INPUT', op = 'gt', value = 1 }, { usage = 'out', op = 'lt', value = 5 }]\n";
    assert_eq!(tier(both, &[("input", 2), ("output", 4)]).as_deref(), Some("both"));
    assert_eq!(tier(both, &[("input", 2), ("output", 5)]), None, "I-53: all conditions");
    let none = "[[model.tier]]\nname = 'none'\nwhen = [{ usage = 'audio', op = 'eq', value = 0 }]\n";
    assert_eq!(
        tier(none, &[("input", 2)]).as_deref(),
        Some("none"),
        "I-53: no key sums to 0"
    );
    let exact =
        "[[model.tier]]\nname = 'exact'\nwhen = [{ usage = 'INPUT', op = 'neq', value = 0, case_sensitive = true }]\n";
    assert_eq!(tier(exact, &[("input", 2)]), None, "I-53: case where it is asked for");
    // The reference takes the default tier; a file that is read at the start can say so instead.
    let broken = "[[model.tier]]\nname = 'broken'\nwhen = [{ usage = '(', op = 'gt', value = 0 }]\n";
    let faults = Prices::parse(&file(broken)).unwrap_err();
    assert_eq!(faults[0].line, Some(6), "I-53: {faults:?}");
}

#[test]
fn all_faults_of_a_file_with_their_lines() {
    let faults = Prices::parse(
        "[[model]]\nid = 'a'\nmatch = '(?=x)'\nper_unit = { input = -1 }\ncolour = 'red'\n[[model]]\nmatch = 'b'\n\
         [[model.tier]]\nname = 't'\nwhen = [{ usage = 'x', op = 'above', value = 1 }]\n[[model]]\nid = 'c'\nmatch = 'c'\nstart = 'soon'\ntokenizer = 'magic'\n",
    )
    .unwrap_err();
    let lines: Vec<_> = faults.iter().filter_map(|fault| fault.line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 14, 15], "{faults:?}");
    assert!(
        faults[2].to_string().starts_with("line 5: `colour` is not known here"),
        "{}",
        faults[2]
    );
    assert!(!Prices::parse("[[model]\nid=").unwrap_err().is_empty());
}

#[test]
fn builtin_models_by_the_names_that_clients_send() {
    let prices = Prices::builtin();
    for (name, id) in [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("openai/gpt-4.1", "gpt-4.1"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("o3-mini", "o3-mini"),
        ("text-embedding-3-small", "text-embedding-3-small"),
        ("claude-3-haiku-20240307", "claude-3-haiku"),
        ("claude-3-5-sonnet-20241022", "claude-3.5-sonnet"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "claude-3.7-sonnet"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4"),
        ("claude-opus-4-1-20250805", "claude-opus-4.1"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4.5"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("mistral-large-latest", "mistral-large"),
        ("deepseek-chat", "deepseek-chat"),
        ("grok-4", "grok-4"),
        ("us.amazon.nova-pro-v1:0", "nova-pro"),
    ] {
        assert_eq!(prices.model_id("p", name).map(|id| &**id), Some(id), "{name}");
    }
    assert_eq!(prices.model_id("p", "my-own-model"), None);
    let mut row = observation("claude-sonnet-4-20250514");
    row.provided_usage_details = usage(&[("input", 1000), ("cache_read_input_tokens", 10_000), ("output", 100)]);
    prices.price("p", &mut row);
    assert_eq!(row.total_cost, Some(dec("0.0075")));
}
