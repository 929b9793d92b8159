//! What `--help` teaches.

use crate::error::EXIT_CODES;

/// Of the program.
pub(super) const ABOUT: &str = "\
The data backbone of a Langfuse installation: traces leave ClickHouse as files, every row accounted for.

A graph file says where ClickHouse is, where files go, and what happens on the way. Time is cut into windows; the files \
of a window count from the moment its manifest is in the store, and a window that fails is split until what can leave \
has left. The store is the only state there is, so a run may be killed at any time and started again.";

/// Below the short help.
pub(super) const SHORT: &str = "\
Begin with `tracemill demo`, then `tracemill check GRAPH.toml`, `plan`, `run --once`, `verify`.
`tracemill COMMAND --help` explains a command with an example; `tracemill --help` lists the exit codes.";

/// Below the long help.
pub(super) fn after() -> String {
    format!(
        "\
A first session with a graph file of your own:
  tracemill check GRAPH.toml --connect     are the file, the servers and the stores right?
  tracemill plan GRAPH.toml                what would be exported, at what cost?
  tracemill run GRAPH.toml --once          export everything up to now
  tracemill verify GRAPH.toml --connect    is every row there?
  tracemill run GRAPH.toml                 and from now on, until it is stopped

{EXIT_CODES}"
    )
}

pub(super) const DEMO: &str = "\
See it work: synthetic agent runs into a ClickHouse of its own, and out as Parquet.

Starts the embedded ClickHouse in a folder, makes the tables, writes two days of agent runs of three projects, exports \
them through the real graph, reads every file back, compares it with ClickHouse, and says where the files are. A second \
run on the same folder goes on with the next two days.

Example:
  tracemill demo --dir /tmp/tracemill-demo

Exit codes: 0 done, 5 a difference was found, 19 the folder is in use or there is no ClickHouse library.";

pub(super) const RUN: &str = "\
Run the graphs of a file until they are told to stop.

Exports what is missing up to the horizon, then every new window as it becomes due. SIGTERM and Ctrl-C stop it in order: \
no new window is begun, and those under way are committed, for at most --stop-within. Killing it loses nothing either. \
Shows bars on a terminal, and writes a progress record every few seconds elsewhere; at its end the histograms.

Examples:
  tracemill run GRAPH.toml
  tracemill run GRAPH.toml --once          # up to now, then end: for a scheduler

Exit codes: 0 done or stopped in order, 4 stopped with windows under way, 7 another exporter owns an export; see \
`tracemill --help` for those of ClickHouse and the stores.";

pub(super) const CHECK: &str = "\
Say whether a graph file is right, and with --connect whether its servers and stores are.

Tells every fault of the file at once, each with its line and what to write instead. With --connect each ClickHouse user \
is let in, clocks and tables are compared, and each store is tried with a small object; every result is told.

Example:
  tracemill check GRAPH.toml --connect

Exit codes: 0 right, 2 the file is not; with --connect that of the first check that failed: 3 cannot be reached, 10 user \
or password, 11 and 12 tables and columns, 13 access, 15 bucket, 16 a store that cannot create conditionally.";

pub(super) const DOCTOR: &str = "\
Try every limit of every ClickHouse service, and say which layer between the workloads holds and which does not.

For each service: who the server takes it for; whether its queries arrive with their limits; what a query without limits \
has; whether a client can lift a limit (each is tried, and must be refused); whether a query that needs too much memory or \
time is ended; whether readers can write; which tables it may read, and what more it was granted. Then: is each service a \
user of its own, does the export wait for the others, and of the server its version, clock, memory, disks, parts, \
mutations, query log and columns. One line each, with the remedy. Nothing is changed, and each try is small.

Examples:
  tracemill doctor GRAPH.toml
  tracemill doctor GRAPH.toml --json | jq -r '.lines[] | select(.level != \"ok\") | .remedy'

Exit codes: 0 nothing failed (warnings may be there), 2 the file has faults, else that of the first failure: 9 a layer does \
not hold, 3 cannot be reached, 6 clock, 10 user or password, 11 and 12 tables and columns, 13 access, 14 disk, 19 version, \
21 parts or mutations.";

pub(super) const GRAPH: &str = "\
Draw the graphs of a file: sources, operators, sinks, what flows along each edge, and the feedback of failed pieces.

Examples:
  tracemill graph GRAPH.toml
  tracemill graph GRAPH.toml --format dot | dot -Tsvg > graph.svg

Exit codes: 0 done, 2 the file has faults.";

pub(super) const PLAN: &str = "\
Say what a run would do now and what that would cost, and write nothing.

For each export: the windows that are missing, their row versions and bytes, the files that they become, and what \
ClickHouse has to read. These are estimates: rows are counted, bytes are rows times the table's average row, and a window \
of a part of a day is taken to read the whole day, since within a day rows are sorted by id.

Example:
  tracemill plan GRAPH.toml --project my-project --windows

Exit codes: 0 done, 2 the file has faults, 3 ClickHouse or a store cannot be reached.";

pub(super) const STATUS: &str = "\
Say how far the exports are: cursor, newest window, rows, bytes, letters and generations from the manifests; the owner; \
and where a run is, or was, on this machine, what it does at the moment and its histograms. For ingestion: what waits in \
the queue and for how long, what is held in memory, rows written, letters, and what each insert does.

Asks the store and the status folder alone, never ClickHouse, so it works beside a running exporter.

Example:
  tracemill status GRAPH.toml --json | jq '.exports[] | {projectId, table, lastExportStatus, catchupLagMinutes}'

Exit codes: 0 done, 2 the file has faults, 3 a store cannot be reached.";

pub(super) const VERIFY: &str = "\
Read manifests and files back and compare them, with --connect also with ClickHouse.

Every file must exist with the size and the CRC-32C of its manifest, and its footer must count the manifest's rows; counts \
must add up; times must lie within the window; windows must not overlap or leave gaps; no object may be there that no \
manifest names. --deep decodes ids and times of Parquet files. --connect reads the key columns of the same windows and \
names those whose live rows are others now. Each difference is told.

Example:
  tracemill verify GRAPH.toml --connect --from 2026-02-01 --to 2026-03-01

Exit codes: 0 no difference, 5 differences, 3 ClickHouse or a store cannot be reached.";

pub(super) const EXPORT: &str = "\
Export a range of time again, as the next generation, and end.

Windows that were written and are touched by the range are written again whole; stretches that were never written become \
windows. Who reads manifests sees the old files of a window until the new manifest is there; who lists *.parquet
sees both generations for a moment.

Example:
  tracemill export GRAPH.toml --from 2026-02-25 --to 2026-02-26 --project my-project --table traces

Exit codes: as run.";

pub(super) const RECONCILE: &str = "\
Write again the windows whose rows changed since they were exported, and end.

Reads the key columns of the windows within the configured lookback (of all of them without one), compares counts and \
digests with the manifests, and exports those that differ, as the next generation. An unchanged table costs no more.

Example:
  tracemill reconcile GRAPH.toml

Exit codes: as run.";

pub(super) const GC: &str = "\
Remove what no manifest names: files of windows that were never committed, generations that were replaced, and uploads \
that a killed process left in a local folder.

An exporter does this for its own exports when it starts, so this is for exports that no longer run. Takes each export \
over for the time, and leaves those alone that another exporter owns.

Example:
  tracemill gc GRAPH.toml --dry-run

Exit codes: 0 done, 7 another exporter owns an export, 3 a store cannot be reached.";

pub(super) const LETTERS: &str = "\
Look at what could not be taken in: each event that cannot be read and each row that ClickHouse refuses is a letter, with \
the reason, beside the raw object, which stays.

Examples:
  tracemill letters list GRAPH.toml --project my-project
  tracemill letters replay GRAPH.toml --project my-project     # after the cause was mended

Exit codes: 0 done, 2 the file or the arguments are wrong, 3 a store or ClickHouse cannot be reached.";

pub(super) const LETTERS_LIST: &str = "\
List letters that are open, by project and day: when it failed last, what it is about, how often it was tried, why, and \
its path.

Example:
  tracemill letters list GRAPH.toml --since 2026-02-01 --json | jq -r .reason | sort | uniq -c

Exit codes: 0 done, 2 the file has faults, 3 the store cannot be reached.";

pub(super) const LETTERS_SHOW: &str = "\
Show a letter, and the text of the event that it is about, where its raw object is still there.

A row that ClickHouse refused is of all events of its entity; their objects are asked of ClickHouse.

Example:
  tracemill letters show GRAPH.toml letters/my-project/2026/02/25/01234567-89ab-cdef-0123-456789abcdef.json

Exit codes: 0 done, 2 the file has faults, 3 the store cannot be reached, 19 there is no such letter.";

pub(super) const LETTERS_REPLAY: &str = "\
Run the raw objects of letters through the graph once more. Letters that came in are marked as replayed, or removed with \
--remove; those that fail again stay open.

Events of the same objects that are stored already stay as they are. While `tracemill run` writes the same entities, stop \
it, or replay another project: two writers of one entity do not see each other's changes. An embedded ClickHouse is of \
one process, so stop `run` there in any case.

Examples:
  tracemill letters replay GRAPH.toml --project my-project --since 2026-02-25
  tracemill letters replay GRAPH.toml letters/my-project/2026/02/25/01234567-89ab-cdef-0123-456789abcdef.json

Exit codes: 0 done (also where letters stay open: the report counts them), 2 the file or the arguments are wrong, 3 \
ClickHouse or a store cannot be reached, 19 another process has the embedded ClickHouse.";

pub(super) const LETTERS_DROP: &str = "\
Remove letters, by path or by project and time. The raw objects stay.

Examples:
  tracemill letters drop GRAPH.toml --project my-project --until 2026-01-01          # says how many
  tracemill letters drop GRAPH.toml --project my-project --until 2026-01-01 --yes

Exit codes: 0 done, 2 the file or the arguments are wrong, 3 the store cannot be reached, 19 there is no such letter.";

pub(super) const REPLAY: &str = "\
Run raw objects through the ingestion graph once more, and end: after rows were lost, or prices or rules changed.

Lists the raw objects of the store (ours, and those of Langfuse in both of its layouts), reads them, merges their events \
with what is stored, and writes what differs. May be repeated: the second time nothing is written. What was deleted stays \
deleted. The queue is not touched.

While `tracemill run` writes the same entities, stop it, or replay another project: two writers of one entity do not see \
each other's changes. An embedded ClickHouse is of one process, so stop `run` there in any case.

Examples:
  tracemill replay GRAPH.toml --project my-project --since 2026-02-25 --until 2026-02-26 --dry-run
  tracemill replay GRAPH.toml --project my-project --since 2026-02-25 --until 2026-02-26
  tracemill replay GRAPH.toml --prefix events/otel/my-project/2026/02/

Exit codes: 0 done or stopped in order, 2 the file or the arguments are wrong, 3 ClickHouse or a store cannot be reached, \
11 and 12 tables and columns, 19 another process has the embedded ClickHouse.";

pub(super) const MIGRATE: &str = "\
Make the tables, or adopt those that Langfuse made.

On an empty server the tables of the final shape are made. Where Langfuse migrated already, they are taken as they are, \
and each column that is missing or of another type is named. May be repeated.

Examples:
  tracemill migrate GRAPH.toml --dry-run
  tracemill migrate --url http://user:password@clickhouse:8123/?database=default --cluster default

Exit codes: 0 done, 12 what is there cannot be used, 3 ClickHouse cannot be reached, 10 user or password.";

pub(super) const PROFILES: &str = "\
Write the users of ClickHouse, one for each service, with limits that they cannot lift: a file for users.d/ of the server.

Each user has a profile (what a query begins with, and constraints beyond which it is refused with error 452), a quota that \
counts, and grants on just the tables that it needs. Users, database and limits are those of the graph file; how far they \
may go is a share of the server, whose users together stay below max_server_memory_usage. The text holds hashes of \
passwords, never a password. After a change of limits or of a version, write it again; the server reads it by itself.

Examples:
  tracemill profiles GRAPH.toml --memory '64 GB' --threads 32 > tracemill.xml
  tracemill profiles GRAPH.toml --generate --secrets clickhouse.env --output tracemill.xml
  tracemill profiles                                   # with placeholders for the hashes

Exit codes: 0 done, 2 the file has faults, two services share a user, or a limit is above its share, 20 a local file.";

pub(super) const SYNTH: &str = "\
Write synthetic agent runs into ClickHouse, and the ledger of what is true of them.

Nested observations of all types, chat messages and tool calls, usage and cost, scores; with updates, repeated and equal \
versions, deletions, rows on window boundaries and late rows. Equal seeds give equal rows. Makes the tables first.

With --through-sdk the same runs are sent over HTTP as Langfuse's SDKs send them, one live state an entity; what is not \
accepted is sent again with the same ids. Ends with one line of JSON: events, bytes, requests, seconds, rate, retries, \
refused events, and the rows to be expected.

Examples:
  tracemill synth GRAPH.toml --projects 4 --days 3 --ledger ledger
  tracemill synth --url http://user:password@clickhouse:8123 --traces 100
  tracemill synth --through-sdk http://127.0.0.1:3000 --key demo:pk-lf-demo:sk-lf-demo --rate 1000

Exit codes: 0 done, 2 the arguments are wrong, 3 ClickHouse cannot be reached.";

pub(super) const PROFILE_QUERIES: &str = "\
Run the queries of pages and of the API against ClickHouse, with ids of the largest projects, and say what each costs: \
time of the first and of a second run, rows and bytes read, granules, rows returned, memory.

Uses the read_only service with its limits. Where a query reads much to return little, and an index or a projection would \
change that, it says so, with its cost on disk and for writes, and prints the statements. Changes nothing. Granules need \
SELECT on system.query_log; --cold needs SYSTEM DROP MARK CACHE and SYSTEM DROP UNCOMPRESSED CACHE, and says where it has \
them not.

Examples:
  tracemill profile-queries GRAPH.toml
  tracemill profile-queries GRAPH.toml --project my-project --json | jq '.projects[].patterns[].steps[] | select(.advice)'

Exit codes: 0 done, 2 the file has faults, 3 ClickHouse cannot be reached, 10 user or password, 11 and 12 tables and columns.";

pub(super) const CLICKHOUSE: &str = "\
Run the embedded ClickHouse by itself, on the data folder of a demo or of an [embedded] section, until Ctrl-C.

Example:
  tracemill clickhouse --dir tracemill-demo/clickhouse --http-port 8123
  curl 'http://127.0.0.1:8123' --data-binary 'SELECT count() FROM observations'

Exit codes: 0 stopped, 19 the folder is in use or there is no ClickHouse library, 20 it ended by itself.";

pub(super) const COMPLETIONS: &str = "\
Write completions for a shell to standard output.

Example:
  tracemill completions bash > ~/.local/share/bash-completion/completions/tracemill

Exit codes: 0 done.";
