//! The number of timely workers and the byte budget change nothing of what leaves, and the budget holds to the byte.

use tracemill_tests::Check;

use crate::common::{Stage, TABLES, assert_consistent, record};

#[test]
fn workers_and_budgets_change_nothing() {
    let stage = Stage::new(&[
        "--seed",
        "11",
        "--projects",
        "2",
        "--days",
        "2",
        "--traces",
        "1500",
        "--payload",
        "1 KiB",
    ]);
    for (workers, memory, bytes) in [
        (1, "64 MiB", 64 << 20),
        (4, "64 MiB", 64 << 20),
        (1, "1 GiB", 1 << 30),
        (4, "1 GiB", 1 << 30),
    ] {
        let name = format!("lake-{workers}-{bytes}");
        let graph = stage.graph(&name).limit("workers", workers).limit("memory", memory);
        let output = stage.export(&graph);
        let budget = record(&output, "memory_budget");
        let number = |name: &str| budget[name].as_u64().expect("bytes");
        println!(
            "{workers} workers, {memory}: peak {} of {} bytes",
            number("peak"),
            number("limit")
        );
        assert_eq!(number("limit"), bytes);
        assert!(number("peak") <= bytes, "{budget}");
        // A budget that nothing asks would never be exceeded: what is read at once needs so much at least.
        assert!(number("peak") > 16 << 20, "{budget}");
        assert_consistent(graph.store());
        for table in TABLES {
            let report = Check::new(table, &stage.truth, graph.store()).right();
            println!("  {table}: {} rows", report.count("rows"));
        }
    }
}
