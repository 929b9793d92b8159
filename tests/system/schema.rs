//! Our Parquet has the columns that ClickHouse's own Parquet writer gives for the same table.

use tracemill_tests::ledger::{run_python, test_file};
use tracemill_tests::scratch::files_ending;

use crate::common::{Stage, TABLES};

/// Prints what a reader sees of a file: each column as Arrow, with the names within nested ones, and each leaf as Parquet
/// has it: path, physical type, logical type, and the levels that say what may be NULL or repeated.
const SHOW: &str = "import sys, pyarrow.parquet as pq\n\
    file = pq.ParquetFile(sys.argv[1]); schema = file.schema\n\
    for f in file.schema_arrow: print(f.name, f.type, 'NULL' if f.nullable else 'NOT NULL')\n\
    for c in map(schema.column, range(len(schema.names))):\n    \
        print(c.path, c.physical_type, c.logical_type, c.max_definition_level, c.max_repetition_level)";

#[test]
fn columns_are_those_of_clickhouses_own_writer() {
    let stage = Stage::new(&["--projects", "1", "--traces", "60", "--payload", "200 B"]);
    let graph = stage.graph("lake");
    stage.export(&graph);
    for table in TABLES {
        let ours = files_ending(&graph.store().join("synth-1").join(table), ".parquet").remove(0);
        // The order comes from the checker, which has it from the format's description and not from the code under test.
        let columns = stage.columns(table);
        let sql = format!("SELECT {} FROM {table} FORMAT Parquet", columns.join(", "));
        let theirs = stage.scratch.join(&format!("{table}.parquet"));
        std::fs::write(&theirs, stage.engine.bytes(&sql)).expect("a file");
        let [ours, theirs] = [ours, theirs].map(|path| {
            let (stdout, stderr, code) = run_python(["-c".as_ref(), SHOW.as_ref(), path.as_os_str()]);
            assert_eq!(code, Some(0), "{stderr}");
            stdout
        });
        assert_eq!(
            ours.lines().filter(|line| line.ends_with("NULL")).count(),
            columns.len()
        );
        println!("{table}:\n{theirs}");
        assert_eq!(ours, theirs, "{table}: ours and ClickHouse's");
    }
}

impl Stage {
    /// The columns of a table's files, as `tests/python/ledger.py` lists them.
    fn columns(&self, table: &str) -> Vec<String> {
        let script = format!("import ledger; print(ledger.COLUMNS['{table}'])");
        let folder = test_file("python").to_string_lossy().into_owned();
        let code = format!("import sys; sys.path.insert(0, {folder:?}); {script}");
        let (stdout, stderr, code) = run_python(["-c", &code]);
        assert_eq!(code, Some(0), "{stderr}");
        stdout.split_whitespace().map(ToOwned::to_owned).collect()
    }
}
