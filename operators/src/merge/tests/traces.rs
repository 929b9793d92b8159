use tracemill_model::Millis;
use tracemill_model::ingest::*;

use super::build::*;

fn old() -> TraceRow {
    let mut row = trace_row(None, &[trace(0, 0, TraceBody::default())]);
    row.timestamp = Millis(7);
    row.name = "old".into();
    row.metadata = pairs(&[("a", r#"{"x":1}"#), ("z", "1")]);
    row.release = some("r0");
    row.environment = "prod".into();
    (row.public, row.bookmarked) = (true, true);
    row.tags = texts(&["z"]);
    (row.input, row.session_id) = (some("oldin"), some("s0"));
    row.created_at = Millis(3);
    row
}

#[test]
fn example_1_and_vectors_20_22_simple_trace() {
    let row = trace_row(
        None,
        &[trace(
            1,
            0,
            TraceBody {
                name: val("a"),
                input: some(r#"{"b":1}"#),
                output: some("x"),
                tags: texts(&["b", "a", "b"]),
                metadata: meta(r#"{"k":{"n":1},"s":"v","num":3,"nul":null}"#),
                user_id: val("u"),
                session_id: val("s"),
                public: Some(true),
                ..TraceBody::default()
            },
        )],
    );
    assert_eq!((&*row.name, row.public, row.bookmarked), ("a", true, false));
    assert_eq!((row.user_id, row.session_id), (some("u"), some("s")));
    assert_eq!(row.tags, texts(&["a", "b"]));
    assert_eq!((row.input, row.output), (some(r#"{"b":1}"#), some("x")));
    assert_eq!(
        row.metadata,
        pairs(&[("k", r#"{"n":1}"#), ("s", "v"), ("num", "3"), ("nul", "null")])
    );
    assert_eq!((row.timestamp, &*row.environment), (Millis(1000), "default"));
    assert_eq!(
        (row.created_at, row.updated_at, row.event_ts),
        (Millis(500_000), NOW, NOW)
    );

    let body = TraceBody {
        timestamp: Some(Millis(42)),
        ..TraceBody::default()
    };
    let row = trace_row(None, &[trace(1, 0, body)]);
    assert_eq!((row.timestamp, row.tags.len()), (Millis(42), 0), "vector 22");
    assert!(row.user_id.is_none() && row.release.is_none() && row.version.is_none() && row.session_id.is_none());
    assert!(!row.public && !row.bookmarked);
}

#[test]
fn example_2_and_vector_21_null_and_absent() {
    let first = TraceBody {
        public: Some(true),
        name: val("a"),
        release: val("r"),
        version: val("v"),
        ..TraceBody::default()
    };
    let second = TraceBody {
        name: Field::Null,
        release: Field::Null,
        ..TraceBody::default()
    };
    let row = trace_row(None, &[trace(1, 0, first), trace(2, 1, second)]);
    assert_eq!(
        (&*row.name, row.release.clone(), row.version.clone()),
        ("", None, some("v"))
    );
    // The reference resets `public` to false: D-13.
    assert!(row.public);
    let third = TraceBody {
        name: val("b"),
        public: Some(false),
        ..TraceBody::default()
    };
    let row = trace_row(Some(&row), &[trace(3, 2, third)]);
    assert_eq!((&*row.name, row.public), ("b", false), "vector 21");
}

#[test]
fn example_3_later_input_wins_among_equal_times() {
    let named = |index, name| {
        trace(
            1,
            index,
            TraceBody {
                name: val(name),
                ..TraceBody::default()
            },
        )
    };
    let row = trace_row(None, &[named(0, "first"), named(1, "second"), named(2, "third")]);
    // The reference says `first`: D-3.
    assert_eq!(&*row.name, "third");
}

#[test]
fn example_4_falsy_values_are_values() {
    let io = |at, input, output| {
        let body = TraceBody {
            input: some(input),
            output: some(output),
            ..TraceBody::default()
        };
        trace(at, u32::try_from(at).unwrap(), body)
    };
    let row = trace_row(None, &[io(1, "x", "0"), io(2, "", "false")]);
    // The reference keeps `x` and stores no output: D-17.
    assert_eq!((row.input, row.output), (some(""), some("false")));
    let row = trace_row(None, &[io(1, "x", "0"), trace(3, 3, TraceBody::default())]);
    assert_eq!((row.input, row.output), (some("x"), some("0")), "null and absent keep");
}

#[test]
fn example_5_6_and_vectors_11_19_23_27_metadata_and_a_stored_row() {
    let with = |at, raw| {
        trace(
            at,
            u32::try_from(at).unwrap(),
            TraceBody {
                metadata: meta(raw),
                ..TraceBody::default()
            },
        )
    };
    for (vector, raws, expected) in [
        (
            "5",
            &[
                r#"{"a":{"x":1,"arr":[1,2,3]},"k":"v"}"#,
                r#"{"a":{"y":2,"arr":[9]},"k":null}"#,
            ][..],
            &[("a", r#"{"x":1,"arr":[9,2,3],"y":2}"#), ("k", "null")][..],
        ),
        (
            "11",
            &[r#"{"step":1,"status":"started"}"#, r#"{"step":2,"error":""}"#],
            &[("step", "2"), ("status", "started"), ("error", "")],
        ),
        (
            "19",
            &[r#"{"key1":"1","key2":"2"}"#, r#"{"key2":"2'","key3":"3"}"#],
            &[("key1", "1"), ("key2", "2'"), ("key3", "3")],
        ),
        ("19b", &["null", "null"], &[]),
        ("27a", &[r#"{"a":"1"}"#, "null"], &[("a", "1")]),
        ("27b", &["null", r#"{"b":"1"}"#], &[("b", "1")]),
        (
            "27c",
            &[r#"{"foo":{"bar":"baz"}}"#, r#"{"hello":"world"}"#],
            &[("foo", r#"{"bar":"baz"}"#), ("hello", "world")],
        ),
        (
            "10",
            &[r#"{"s":"1983516295378495150","n":1983516295378495150,"i":5,"f":5.50}"#],
            &[
                ("s", "1983516295378495150"),
                ("n", "1983516295378495150"),
                ("i", "5"),
                ("f", "5.50"),
            ],
        ),
        ("D-17", &["true"], &[("metadata", "true")]),
    ] {
        let patches: Vec<_> = raws.iter().zip(1..).map(|(raw, at)| with(at, raw)).collect();
        assert_eq!(trace_row(None, &patches).metadata, pairs(expected), "vector {vector}");
        // One after the other over the stored row, whose values are texts: the same.
        let mut row = None;
        for patch in &patches {
            row = Some(trace_row(row.as_ref(), std::slice::from_ref(patch)));
        }
        let mut metadata = row.unwrap().metadata;
        let mut expected = pairs(expected);
        metadata.sort();
        expected.sort();
        if vector != "5" {
            assert_eq!(metadata, expected, "vector {vector}, stored in between");
        }
    }
    let body = TraceBody {
        metadata: meta(r#"{"a":{"y":2}}"#),
        tags: texts(&["a"]),
        output: some(r#"{"o":1}"#),
        ..TraceBody::default()
    };
    let row = trace_row(Some(&old()), &[trace(1, 0, body)]);
    // The reference replaces the stored value by {"y":2}: G6.
    assert_eq!(row.metadata, pairs(&[("a", r#"{"y":2,"x":1}"#), ("z", "1")]));
    assert_eq!(
        (row.timestamp, &*row.name, row.created_at),
        (Millis(7), "old", Millis(3))
    );
    assert_eq!((row.tags, &*row.environment), (texts(&["a", "z"]), "prod"));
    assert_eq!(
        (row.input, row.output, row.session_id),
        (some("oldin"), some(r#"{"o":1}"#), some("s0"))
    );
    // The reference resets both to false: D-13.
    assert!(row.public && row.bookmarked);

    let mut stored = old();
    stored.tags = texts(&["tag-1", "tag-2"]);
    let body = TraceBody {
        tags: texts(&["tag-1", "tag-4", "tag-3"]),
        user_id: val("new"),
        ..TraceBody::default()
    };
    let row = trace_row(Some(&stored), &[trace(1, 0, body)]);
    assert_eq!(
        (row.tags.len(), row.user_id, row.release),
        (4, some("new"), some("r0")),
        "vector 23"
    );
}

#[test]
fn vectors_18_24_order_and_immutable_columns() {
    let by = |at, index, user, environment| {
        let body = TraceBody {
            user_id: val(user),
            environment: some(environment),
            ..TraceBody::default()
        };
        trace(at, index, body)
    };
    let row = trace_row(None, &[by(5, 0, "newer", "b"), by(4, 1, "older", "a")]);
    assert_eq!(row.user_id, some("newer"), "vector 24");
    assert_eq!((&*row.environment, row.timestamp), ("a", Millis(4000)), "vector 18");
}

fn ranked(rank: Rank, at: i64, index: u32, body: TraceBody) -> super::super::Patch {
    let body = TraceBody {
        timestamp: Some(Millis(at * 1000)),
        ..body
    };
    let mut patch = trace(at, index, body);
    patch.event.rank = rank;
    patch
}

#[test]
fn example_12_late_spans_take_nothing_away() {
    let root = TraceBody {
        name: val("root"),
        input: some("in"),
        user_id: val("u"),
        version: val("1"),
        environment: some("prod"),
        ..TraceBody::default()
    };
    let root = ranked(Rank::Whole, 100, 0, root);
    let stored = trace_row(None, std::slice::from_ref(&root));
    let stub = ranked(
        Rank::Stub,
        130,
        1,
        TraceBody {
            environment: some("stub"),
            ..TraceBody::default()
        },
    );
    let part = ranked(
        Rank::Part,
        140,
        2,
        TraceBody {
            user_id: val("child"),
            session_id: val("s"),
            ..TraceBody::default()
        },
    );
    // The reference replaces the row by an empty one: D-1. A child does not overrule the root either.
    let late = trace_row(Some(&stored), &[stub.clone(), part.clone()]);
    assert_eq!(
        (&*late.name, late.input.clone(), late.user_id.clone()),
        ("root", some("in"), some("u"))
    );
    assert_eq!(
        (late.timestamp, &*late.environment, late.session_id.clone()),
        (Millis(100_000), "prod", some("s"))
    );
    assert_eq!(trace_row(None, &[part.clone(), stub.clone(), root.clone()]), late);
    // Children that start, or arrive, earlier: the time is the minimum, the root's word still holds.
    let early = ranked(
        Rank::Part,
        90,
        3,
        TraceBody {
            user_id: val("early"),
            ..TraceBody::default()
        },
    );
    let row = trace_row(None, &[early.clone(), part, stub, root.clone()]);
    assert_eq!(
        (row.timestamp, row.user_id, &*row.environment),
        (Millis(90_000), some("u"), "prod")
    );
    let first = trace_row(None, std::slice::from_ref(&early));
    assert_eq!(trace_row(Some(&first), &[early, root]).user_id, some("u"));
}

#[test]
fn a_root_that_comes_after_its_children_were_stored_and_forgotten_begins_the_trace() {
    let empty = TraceBody::default;
    let stored = trace_row(None, &[ranked(Rank::Stub, 522, 0, empty())]);
    let at_hand = [ranked(Rank::Stub, 663, 1, empty()), ranked(Rank::Whole, 65, 2, empty())];
    assert_eq!(trace_row(Some(&stored), &at_hand).timestamp, Millis(65_000));
    // One that is later changes nothing.
    let later = [ranked(Rank::Whole, 600, 2, empty())];
    assert_eq!(trace_row(Some(&stored), &later).timestamp, Millis(522_000));
}
