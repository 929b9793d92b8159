//! Usage, tiers and costs, from what is sent to what is stored.

use serde_json::json;

use super::*;

fn prices() -> Prices {
    let file = r#"
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
        per_unit = { input = 3e-6, output = 15e-6, input_regular = 3e-6 }
        [[model.tier]]
        name = "Large Context"
        when = [{ usage = '^input', op = "gt", value = 200000 }]
        per_unit = { input = 6e-6, output = 15e-6, input_regular = 6e-6 }
    "#;
    Prices::parse(file).expect("prices")
}

/// One generation, and these columns of it.
fn one(number: &'static str, body: Json, columns: Json) -> Case {
    case(
        number,
        vec![json!([create(1, body)])],
        json!({ "observation o": columns }),
    )
}

/// A generation and an update, and these columns.
fn two(number: &'static str, first: Json, second: Json, columns: Json) -> Case {
    let requests = vec![json!([create(1, first)]), json!([update(2, second)])];
    case(number, requests, json!({ "observation o": columns }))
}

#[test]
fn usage() {
    let of = |number, body: Json, usage: Json| one(number, body, json!({ "usage_details": usage }));
    let chat = |details: &str| {
        json!({"usageDetails": {
            format!("{}_tokens", ["prompt", "input"][usize::from(details == "input")]): 5,
            format!("{}_tokens", ["completion", "output"][usize::from(details == "input")]): 11,
            "total_tokens": 16,
            format!("{details}_tokens_details"): {"cached_tokens": 2, "audio_tokens": 3},
            format!("{}_tokens_details", ["completion", "output"][usize::from(details == "input")]):
                {"text_tokens": 3, "audio_tokens": 4, "reasoning_tokens": 4},
        }})
    };
    let detailed = json!({"input": 0, "output": 0, "total": 16, "input_cached_tokens": 2, "input_audio_tokens": 3,
        "output_text_tokens": 3, "output_audio_tokens": 4, "output_reasoning_tokens": 4});
    let nulls = json!({"usageDetails": {"prompt_tokens": 5, "completion_tokens": 11, "total_tokens": 16,
        "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": null},
        "completion_tokens_details": {"text_tokens": 3, "audio_tokens": null, "reasoning_tokens": 4}}});
    check(
        &prices(),
        &[
            of("I-7", json!({"usageDetails": {"key": 0.1}}), json!({})),
            of(
                "I-33",
                json!({"usage": {"input": 100, "output": 200, "total": 100, "unit": "CHARACTERS"}}),
                json!({"input": 100, "output": 200, "total": 100}),
            ),
            of(
                "I-34",
                json!({"usage": {"input": 1, "output": 2, "unit": "IMAGES"}}),
                json!({"input": 1, "output": 2, "total": 3}),
            ),
            of(
                "I-34",
                json!({"usage": {"input": 1, "output": 2}}),
                json!({"input": 1, "output": 2, "total": 3}),
            ),
            of("I-34", json!({"usage": {"total": 100}}), json!({"total": 100})),
            of("I-34", json!({"usage": null}), json!({})),
            of("I-34", json!({}), json!({})),
            of("I-34", json!({"usage": {}}), json!({})),
            of(
                "I-35",
                json!({"usage": {"input": 1, "output": 2, "total": 3}, "usageDetails": {"input": 2, "output": 3, "total": 5, "cached": 1}}),
                json!({"input": 2, "output": 3, "total": 5, "cached": 1}),
            ),
            of(
                "I-36",
                json!({"usage": {"input": 1}, "usageDetails": {"input": 1, "cached": 2, "reasoning": 3}}),
                json!({"input": 1, "cached": 2, "reasoning": 3, "total": 6}),
            ),
            of(
                "I-37",
                json!({"usageDetails": {"input": 1, "output": null}}),
                json!({"input": 1, "total": 1}),
            ),
            one(
                "I-37",
                json!({"costDetails": {"input": 123, "output": null}}),
                json!({"cost_details": {"input": "123", "total": "123"}}),
            ),
            of("I-38", chat("prompt"), detailed.clone()),
            of("I-38", chat("input"), detailed),
            of(
                "I-38",
                nulls,
                json!({"input": 3, "output": 4, "total": 16, "input_cached_tokens": 2, "output_text_tokens": 3,
                    "output_reasoning_tokens": 4}),
            ),
            one(
                "I-41",
                json!({"model": "mini", "usage": {"input": 4, "output": -7, "total": -3}}),
                json!({"provided_usage_details": {"input": 4}, "usage_details": {"input": 4, "total": 4},
                    "cost_details": {"input": "0.0000006", "total": "0.0000006"}, "total_cost": "0.0000006"}),
            ),
            of(
                "I-51",
                json!({"usageDetails": {"input": "100", "output": "200", "other": "many"}}),
                json!({"input": 100, "output": 200, "total": 300}),
            ),
        ],
    );
}

#[test]
fn costs() {
    let (input, output) = (
        json!({"usage": {"input": 100, "output": 200, "total": 300}}),
        json!({"model": "total"}),
    );
    let nine = json!({"cost_details": {"input": "1", "output": "4", "total": "9"}, "total_cost": "9"});
    let sent = json!({"inputCost": 0.000_642_5, "outputCost": 0.000_769_5, "totalCost": 0.001_412});
    let stored = json!({"input": "0.0006425", "output": "0.0007695", "total": "0.001412"});
    let provided = |usage: Json, cost: Json| {
        one(
            "I-45",
            json!({"model": "total", "usage": usage}),
            json!({ "cost_details": cost }),
        )
    };
    check(
        &prices(),
        &[
            one(
                "I-42",
                json!({"model": "mini", "usage": {"input": 1295, "output": 18, "total": 1313}}),
                json!({"cost_details": {"input": "0.00019425", "output": "0.0000108", "total": "0.00020505"},
                    "total_cost": "0.00020505"}),
            ),
            two(
                "I-43",
                json!({}),
                json!({ "usage": sent }),
                json!({"cost_details": stored, "provided_cost_details": stored, "total_cost": "0.001412"}),
            ),
            two("I-44", input.clone(), output.clone(), nine.clone()),
            provided(
                json!({"inputCost": 2, "outputCost": 3, "totalCost": 5}),
                json!({"input": "2", "output": "3", "total": "5"}),
            ),
            provided(
                json!({"inputCost": 1, "outputCost": 2}),
                json!({"input": "1", "output": "2", "total": "3"}),
            ),
            provided(json!({"totalCost": 2}), json!({"total": "2"})),
            provided(json!({"inputCost": 1}), json!({"input": "1", "total": "1"})),
            provided(
                json!({"outputCost": 2, "totalCost": 2}),
                json!({"output": "2", "total": "2"}),
            ),
            one(
                "I-46",
                json!({"model": "free", "usage": {"input": 5}}),
                json!({"cost_details": {}, "total_cost": null}),
            ),
            one(
                "I-46",
                json!({"model": "mini", "usage": {"input": 0, "output": 0, "total": 0}}),
                json!({"cost_details": {"input": "0", "output": "0", "total": "0"}, "total_cost": "0"}),
            ),
            one(
                "I-46",
                json!({"model": "mini"}),
                json!({"usage_details": {}, "cost_details": {}, "total_cost": null}),
            ),
            // 150.5 units are no number of units: the value is dropped where it is read (I-7), and 150 are priced.
            one(
                "I-46",
                json!({"model": "total", "usageDetails": {"input": 150, "other": 150.5}}),
                json!({"usage_details": {"input": 150, "total": 150}, "cost_details": {"input": "1.5", "total": "4.5"}}),
            ),
            two(
                "I-47",
                json!({"model": "mini", "usage": {"input": 7, "inputCost": 0, "outputCost": 0, "totalCost": 0}}),
                json!({}),
                json!({"cost_details": {"input": "0", "output": "0", "total": "0"}, "total_cost": "0"}),
            ),
            two(
                "I-47",
                json!({"model": "mini", "usage": {"input": 1, "output": 2, "total": 3}}),
                json!({"usage": {"outputCost": 1}}),
                json!({"usage_details": {"input": 1, "output": 2, "total": 3}, "cost_details": {"output": "1", "total": "1"}}),
            ),
            two(
                "I-48",
                json!({"model": "mini", "usage": {"inputCost": 1, "outputCost": 2, "totalCost": 3}}),
                json!({"usage": {"input": 10, "output": 20}}),
                json!({"cost_details": {"input": "1", "output": "2", "total": "3"},
                    "usage_details": {"input": 10, "output": 20, "total": 30}}),
            ),
            two("I-49", input.clone(), output.clone(), nine.clone()),
            two("I-49", output, input, nine),
            one(
                "I-50",
                json!({"model": "mini", "level": "ERROR", "input": "text"}),
                json!({"internal_model_id": "mini", "usage_details": {}, "cost_details": {}, "total_cost": null}),
            ),
        ],
    );
}

#[test]
fn tiers() {
    let tier = |usage: Json, name: &str, cost: Json| {
        let columns = json!({"usage_pricing_tier_name": name, "cost_details": cost});
        one("I-52", json!({"model": "tiered", "usageDetails": usage}), columns)
    };
    check(
        &prices(),
        &[
            tier(
                json!({"input": 100_000, "output": 2000}),
                "Standard",
                json!({"input": "0.3", "output": "0.03", "total": "0.33"}),
            ),
            tier(
                json!({"input": 250_000, "output": 2000}),
                "Large Context",
                json!({"input": "1.5", "output": "0.03", "total": "1.53"}),
            ),
            tier(
                json!({"input": 200_000}),
                "Standard",
                json!({"input": "0.6", "total": "0.6"}),
            ),
            tier(
                json!({"input_cached": 150_000, "input_regular": 60_000}),
                "Large Context",
                json!({"input_regular": "0.36", "total": "0.36"}),
            ),
        ],
    );
}

#[test]
fn tokens_that_are_counted() {
    let of = |number, requests, usage: Json| case(number, requests, json!({"observation o": {"usage_details": usage}}));
    let (text, json) = (
        json!({"input": 5, "output": 7, "total": 12}),
        json!({"input": 5, "output": 11, "total": 16}),
    );
    let keyed = json!({"model": "gpt-3.5", "input": {"key": "value"}});
    let answer = json!({"output": {"key": "this is a great gpt output"}});
    check(
        &Prices::builtin(),
        &[
            of(
                "I-40",
                vec![json!([create(
                    1,
                    json!({"model": "gpt-3.5", "input": "This is a great prompt", "output": "This is a great gpt output"})
                )])],
                text,
            ),
            of(
                "I-40",
                vec![json!([create(1, keyed.clone()), update(2, answer.clone())])],
                json.clone(),
            ),
            // The update comes first in the list.
            of("I-40", vec![json!([update(2, answer), create(1, keyed)])], json),
        ],
    );
}
