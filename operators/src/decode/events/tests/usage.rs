//! Usage and cost of one event. Totals over details, and costs from prices, are made later, where models are known.

use super::{observation, reason};

fn provided(body: &str) -> (String, String) {
    let body = observation("generation-update", &format!(r#"{{"id":"o",{body}}}"#));
    let usage: Vec<String> = body
        .usage
        .iter()
        .map(|(name, amount)| format!("{name} {amount}"))
        .collect();
    let cost: Vec<String> = body.cost.iter().map(|(name, cost)| format!("{name} {cost}")).collect();
    (usage.join(", "), cost.join(", "))
}

#[test]
fn numbered_usage() {
    for (number, body, expected) in [
        ("I-7", r#""usageDetails":{"key":0.1}"#, ""),
        (
            "I-33",
            r#""usage":{"input":100,"output":200,"total":100,"unit":"CHARACTERS"}"#,
            "input 100, output 200, total 100",
        ),
        (
            "I-34",
            r#""usage":{"input":1,"output":2,"unit":"IMAGES"}"#,
            "input 1, output 2, total 3",
        ),
        ("I-34", r#""usage":{"total":100}"#, "total 100"),
        ("I-34", r#""usage":null"#, ""),
        ("I-34", r#""usage":{}"#, ""),
        ("I-34", r#""usage":{"other":1}"#, ""),
        (
            "I-35",
            r#""usage":{"input":1,"output":2,"total":3},"usageDetails":{"input":2,"output":3,"total":5,"cached":1}"#,
            "input 2, output 3, total 5, cached 1",
        ),
        // The totals 6 and 1 of these are sums over the merged map.
        (
            "I-36",
            r#""usage":{"input":1},"usageDetails":{"input":1,"cached":2,"reasoning":3}"#,
            "input 1, cached 2, reasoning 3",
        ),
        ("I-37", r#""usageDetails":{"input":1,"output":null}"#, "input 1"),
        (
            "I-38",
            r#""usageDetails":{"prompt_tokens":5,"completion_tokens":11,"total_tokens":16,
              "prompt_tokens_details":{"cached_tokens":2,"audio_tokens":3},
              "completion_tokens_details":{"text_tokens":3,"audio_tokens":4,"reasoning_tokens":4}}"#,
            "input 0, output 0, total 16, input_cached_tokens 2, input_audio_tokens 3, output_text_tokens 3, \
             output_audio_tokens 4, output_reasoning_tokens 4",
        ),
        (
            "I-38",
            r#""usageDetails":{"input_tokens":5,"output_tokens":11,"total_tokens":16,
              "input_tokens_details":{"cached_tokens":2,"audio_tokens":null},
              "output_tokens_details":{"text_tokens":3,"audio_tokens":null,"reasoning_tokens":4}}"#,
            "input 3, output 4, total 16, input_cached_tokens 2, output_text_tokens 3, output_reasoning_tokens 4",
        ),
        ("I-41", r#""usage":{"input":4,"output":-7,"total":-3}"#, "input 4"),
        (
            "I-51",
            r#""usageDetails":{"input":"100","output":"200","bad":"x"}"#,
            "input 100, output 200",
        ),
    ] {
        assert_eq!(provided(body).0, expected, "{number}: {body}");
    }
}

#[test]
fn numbered_costs() {
    for (number, body, expected) in [
        ("I-37", r#""costDetails":{"input":123,"output":null}"#, "input 123"),
        (
            "I-43",
            r#""usage":{"inputCost":0.0006425,"outputCost":0.0007695,"totalCost":0.001412}"#,
            "input 0.0006425, output 0.0007695, total 0.001412",
        ),
        (
            "I-45",
            r#""usage":{"inputCost":2,"outputCost":3,"totalCost":5}"#,
            "input 2, output 3, total 5",
        ),
        (
            "I-45",
            r#""usage":{"totalCost":2},"costDetails":{"total":3,"cached":1}"#,
            "total 3, cached 1",
        ),
        (
            "I-47",
            r#""usage":{"inputCost":0,"outputCost":0,"totalCost":0}"#,
            "input 0, output 0, total 0",
        ),
        ("I-47", r#""usage":{"outputCost":1}"#, "output 1"),
        ("I-48", r#""usage":{"input":1}"#, ""),
        ("I-50", r#""level":"ERROR","model":"m""#, ""),
    ] {
        assert_eq!(provided(body).1, expected, "{number}: {body}");
    }
}

#[test]
fn amounts_as_texts_and_in_other_forms() {
    for (body, expected) in [
        (
            r#"{"a":"7abc","b":"1.9","c":" 8","d":"-1","e":"","f":"+2","g":true,"h":[1],"i":5.0,"j":1e3,"k":-1}"#,
            "a 7, b 1, c 8, f 2, i 5, j 1000",
        ),
        (
            r#"{"a":18446744073709551615,"b":18446744073709551616,"c":1e999}"#,
            "a 18446744073709551615",
        ),
        (r#"{"a":1,"\u0061":2}"#, "a 2"),
        // One name too many: any map, whose nested details go.
        (
            r#"{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6,"prompt_tokens_details":{"x":1},"more":1}"#,
            "prompt_tokens 5, completion_tokens 1, total_tokens 6, more 1",
        ),
        (
            r#"{"prompt_tokens":5,"completion_tokens":1}"#,
            "prompt_tokens 5, completion_tokens 1",
        ),
        (
            r#"{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6,"prompt_tokens_details":null}"#,
            "input 5, output 1, total 6",
        ),
    ] {
        assert_eq!(provided(&format!(r#""usageDetails":{body}"#)).0, expected, "{body}");
    }
}

#[test]
fn defect_d_20_usage() {
    for (body, usage, cost) in [
        (r#"{"input":0,"output":5}"#, "input 0, output 5, total 5", ""),
        (r#"{"input":0,"output":0}"#, "input 0, output 0, total 0", ""),
        (r#"{"input":1,"output":2,"total":0}"#, "input 1, output 2, total 3", ""),
        (
            r#"{"promptTokens":3,"completionTokens":4,"totalTokens":7,"totalCost":0.5}"#,
            "input 3, output 4, total 7",
            "total 0.5",
        ),
        (r#"{"promptTokens":3}"#, "input 3, total 3", ""),
    ] {
        assert_eq!(
            provided(&format!(r#""usage":{body}"#)),
            (usage.to_owned(), cost.to_owned()),
            "{body}"
        );
    }
}

#[test]
fn defect_d_21_costs_keep_their_digits() {
    for (sent, expected) in [
        ("0.1234567890123456789012345678", "0.1234567890123456789012345678"),
        ("1.5e-7", "0.00000015"),
        ("2E+3", "2000"),
        ("1e-400", "0"),
        ("0e999999999999", "0"),
    ] {
        let cost = provided(&format!(r#""costDetails":{{"a":{sent},"b":"1","c":-1,"d":-0.5}}"#)).1;
        let (name, cost) = cost.split_once(' ').unwrap();
        let (cost, expected): (rust_decimal::Decimal, rust_decimal::Decimal) =
            (cost.parse().unwrap(), expected.parse().unwrap());
        assert_eq!((name, cost), ("a", expected), "{sent}");
    }
    assert_eq!(
        reason("generation-create", r#"{"id":"o","costDetails":{"a":1e99}}"#),
        "body.costDetails: must be less than 7.9e28"
    );
}

#[test]
fn usage_that_is_not_valid() {
    for usage in [
        r#"{"input":1.5}"#,
        r#"{"output":"1"}"#,
        r#"{"total":true}"#,
        r#"{"promptTokens":1e99}"#,
        r#"{"inputCost":"1"}"#,
        "[]",
    ] {
        let reason = reason("generation-create", &format!(r#"{{"id":"o","usage":{usage}}}"#));
        assert!(reason.starts_with("body.usage"), "{reason}");
    }
}
