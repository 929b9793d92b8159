use ObservationType::{Event as EventType, Generation, Span};
use tracemill_model::Millis;
use tracemill_model::ingest::*;

use super::build::*;

#[test]
fn example_7_clamp() {
    let body = ObservationBody {
        start_time: Some(Millis(10_000)),
        end_time: Some(Millis(5_000)),
        ..ObservationBody::default()
    };
    let row = observation_row(None, &[create(Span, 1, 0, body)]);
    assert_eq!((row.start_time, row.end_time), (Millis(10_000), Some(Millis(10_000))));
}

#[test]
fn example_8_level_and_null() {
    let first = ObservationBody {
        level: Field::Value(Level::Error),
        status_message: some("s"),
        version: some("v"),
        parent_observation_id: some("p"),
        ..ObservationBody::default()
    };
    let second = ObservationBody {
        level: Field::Null,
        status_message: some(""),
        ..ObservationBody::default()
    };
    let row = observation_row(None, &[create(Span, 1, 0, first), update(Span, 2, 1, second)]);
    assert_eq!(row.level, Level::Default);
    assert_eq!(
        (row.status_message, row.version, row.parent_observation_id),
        (some("s"), some("v"), some("p"))
    );
}

#[test]
fn example_9_the_type_is_the_last_events() {
    let row = observation_row(
        None,
        &[
            create(Generation, 1, 0, ObservationBody::default()),
            update(Span, 2, 1, ObservationBody::default()),
        ],
    );
    // The place of a row that was stored as GENERATION is the dataflow's to clear: D-18.
    assert_eq!(row.ty, Span);
    assert_eq!(Row::Observation(Box::new(row)).place().1, "SPAN");
}

#[test]
fn example_10_no_trace_id_is_made_up() {
    let named = ObservationBody {
        trace_id: some("t"),
        environment: some("late"),
        ..ObservationBody::default()
    };
    let early = ObservationBody {
        environment: some("early"),
        ..ObservationBody::default()
    };
    let early = update(Generation, 1, 0, early);
    let row = observation_row(None, &[early.clone(), create(Generation, 2, 1, named.clone())]);
    // The reference makes one up, for good: D-4.
    assert_eq!(
        (&*row.trace_id, row.start_time, &*row.environment),
        ("t", Millis(1000), "early")
    );
    let alone = observation_row(None, std::slice::from_ref(&early));
    assert_eq!(&*alone.trace_id, "");
    assert_eq!(
        &*observation_row(Some(&alone), &[create(Generation, 2, 1, named.clone())]).trace_id,
        "t"
    );
    let named = ObservationBody {
        start_time: Some(Millis(1500)),
        ..named
    };
    // The reference takes the update's envelope time; a start that a client names is better.
    assert_eq!(
        observation_row(None, &[early, create(Generation, 2, 1, named)]).start_time,
        Millis(1500)
    );
}

#[test]
fn update_over_a_stored_create() {
    let output = |text| ObservationBody {
        output: some(text),
        ..ObservationBody::default()
    };
    let stored = observation_row(None, &[create(Generation, 1, 0, output("A"))]);
    let body = ObservationBody {
        name: val("n"),
        ..output("B")
    };
    let row = observation_row(Some(&stored), &[update(Generation, 2, 1, body)]);
    assert_eq!((&*row.name, row.output), ("n", some("B")), "I-25");
}

#[test]
fn creates_before_updates_of_the_same_time() {
    let first = ObservationBody {
        output: some("update"),
        ..ObservationBody::default()
    };
    let second = ObservationBody {
        output: some("create"),
        input: some("in"),
        model: val("m"),
        ..ObservationBody::default()
    };
    let row = observation_row(
        None,
        &[update(Generation, 1, 0, first), create(Generation, 1, 1, second)],
    );
    assert_eq!(
        (row.output, row.input, row.provided_model_name),
        (some("update"), some("in"), some("m")),
        "I-26"
    );
    let mut patches = [
        update(Span, 3, 0, <_>::default()),
        update(Span, 1, 1, <_>::default()),
        create(Span, 1, 2, <_>::default()),
    ];
    patches.sort();
    let order: Vec<u32> = patches.iter().map(|patch| patch.origin.index).collect();
    assert_eq!(order, [2, 1, 0], "I-16");
}

#[test]
fn maps_and_model() {
    let used = |list: &[(&str, u64)]| {
        list.iter()
            .map(|(name, units)| ((*name).into(), *units))
            .collect::<Vec<_>>()
    };
    let one = rust_decimal::Decimal::ONE;
    let first = ObservationBody {
        model: val("m"),
        model_parameters: some(r#"{"someKey":["user-1","user-2"]}"#),
        usage: used(&[("input", 1), ("output", 2)]),
        cost: vec![("output".into(), one)],
        ..ObservationBody::default()
    };
    let second = ObservationBody {
        usage: used(&[("output", 9)]),
        ..ObservationBody::default()
    };
    let row = observation_row(
        None,
        &[create(EventType, 1, 0, first), update(Generation, 2, 1, second)],
    );
    assert_eq!(row.model_parameters, some(r#"{"someKey":["user-1","user-2"]}"#), "I-28");
    assert_eq!(
        row.provided_usage_details,
        used(&[("output", 9)]),
        "I-35: the whole map is replaced"
    );
    assert_eq!(row.provided_cost_details, [("output".into(), one)], "I-47, I-48");
    assert_eq!(row.provided_model_name, some("m"), "I-49");
}

#[test]
fn prompts_as_they_are_sent() {
    let body = ObservationBody {
        prompt_name: some("greet"),
        prompt_version: Some(3),
        ..ObservationBody::default()
    };
    let mut row = observation_row(None, &[create(Generation, 1, 0, body.clone())]);
    // The reference stores nothing where its own database does not know the prompt: O8.
    assert_eq!(
        (row.prompt_name.clone(), row.prompt_version, row.prompt_id.clone()),
        (some("greet"), Some(3), None)
    );
    row.prompt_id = some("id");
    assert_eq!(
        observation_row(Some(&row), &[create(Generation, 1, 0, body.clone())]).prompt_id,
        some("id")
    );
    let other = ObservationBody {
        prompt_version: Some(4),
        ..body
    };
    assert_eq!(
        observation_row(Some(&row), &[update(Generation, 2, 1, other)]).prompt_id,
        None
    );
}
