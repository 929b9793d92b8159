use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use tracemill_model::Millis;
use tracemill_model::ingest::{Access, Encoding, Holds, Job, RawForm, Sdk};

use super::*;

const SOON: Duration = Duration::from_secs(10);
const NOW: Duration = Duration::ZERO;

fn job(object: impl std::fmt::Display) -> Job {
    Job {
        project: "project".into(),
        object: format!("raw/project/2026/02/25/{object}.json").into(),
        form: RawForm::Events,
        encoding: Encoding::Identity,
        bytes: 0,
        holds: Holds::default(),
        received: Millis(1_772_021_700_000),
        sdk: Sdk::default(),
        access: Access::Project,
    }
}

fn jobs(range: std::ops::Range<usize>) -> Vec<Job> {
    range.map(job).collect()
}

fn objects(pulled: &[Pulled]) -> Vec<String> {
    let object = |pulled: &Pulled| match &pulled.job {
        Work::Take(job) => job.object.to_string(),
        other => panic!("{other:?}"),
    };
    pulled.iter().map(object).collect()
}

/// A clock that stands until it is moved.
fn clock() -> (Clock, Arc<AtomicI64>) {
    let ms = Arc::new(AtomicI64::new(1_772_021_700_000));
    let shared = Arc::clone(&ms);
    (Clock::of(move || Millis(shared.load(Ordering::SeqCst))), ms)
}

fn open(folder: &Path, clock: &Clock) -> LocalQueue {
    let config = LocalConfig {
        policy: Policy {
            attempts: 3,
            backoff: Backoff::Exponential {
                delay: Duration::from_secs(5),
                jitter: 0.0,
            },
            ..Policy::default()
        },
        keep_failed: 3,
        ..LocalConfig::new(folder.join("deep/queue.redb"))
    };
    LocalQueue::open(&config, clock.clone()).unwrap()
}

fn ids(pulled: &[Pulled]) -> Vec<JobHandle> {
    pulled.iter().map(|pulled| pulled.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn first_in_first_out_and_what_is_not_done_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _) = clock();
    let queue = open(folder.path(), &clock);
    assert!(queue.pull(10, NOW).await.unwrap().is_empty());
    queue.add(&jobs(0..10)).await.unwrap();
    let first = queue.pull(4, SOON).await.unwrap();
    assert_eq!(objects(&first), objects_of(0..4));
    let second = queue.pull(100, SOON).await.unwrap();
    assert_eq!(objects(&second), objects_of(4..10));
    let depth = queue.depth().await.unwrap();
    assert_eq!(
        (depth.waiting, depth.active, depth.delayed, depth.failed),
        (0, 10, 0, 0)
    );
    assert_eq!(depth.oldest, Some(clock.now()));
    let done = queue.done(&ids(&second)).await.unwrap();
    assert_eq!((done.done, done.lost.len()), (6, 0));
    // Twice is not done twice.
    let again = queue.done(&ids(&second)).await.unwrap();
    assert_eq!((again.done, again.lost), (0, ids(&second)));
    queue.close().await.unwrap();
    assert_eq!(queue.state(), State::Closed);
    assert!(queue.pull(1, SOON).await.unwrap().is_empty());
    assert_eq!(queue.add(&jobs(0..1)).await, Err(QueueError::Closed));
    drop(queue);

    let queue = open(folder.path(), &clock);
    let pulled = queue.pull(100, SOON).await.unwrap();
    assert_eq!(objects(&pulled), objects_of(0..4));
    assert!(pulled.iter().all(|pulled| pulled.attempts == 0));
}

fn objects_of(range: std::ops::Range<usize>) -> Vec<String> {
    jobs(range).iter().map(|job| job.object.to_string()).collect()
}

fn of_project(project: &str, range: std::ops::Range<usize>) -> Vec<Job> {
    let one = |n| Job {
        project: project.into(),
        bytes: 1_000,
        ..job(format!("{project}-{n}"))
    };
    range.map(one).collect()
}

fn projects_of(pulled: &[Pulled]) -> Vec<String> {
    let project = |pulled: &Pulled| pulled.job.project().map(ToString::to_string).unwrap_or_default();
    pulled.iter().map(project).collect()
}

/// How many of the first `of` jobs are of a project.
fn count(pulled: &[Pulled], of: usize, project: &str) -> usize {
    projects_of(&pulled[..of])
        .iter()
        .filter(|name| *name == project)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_delays_others_by_no_more_than_its_share() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _) = clock();
    let queue = open(folder.path(), &clock);
    queue.add(&of_project("flood", 0..5_000)).await.unwrap();
    let first = queue.pull(1_000, SOON).await.unwrap();
    assert_eq!(count(&first, 1_000, "flood"), 1_000, "who is alone gets everything");
    queue.add(&of_project("late", 0..100)).await.unwrap();
    queue.add(&of_project("later", 0..10)).await.unwrap();
    let pulled = queue.pull(1_000, SOON).await.unwrap();
    assert_eq!(
        count(&pulled, 30, "later"),
        10,
        "by turns: {:?}",
        projects_of(&pulled[..30])
    );
    assert_eq!(count(&pulled, 212, "late"), 100);
    for project in ["flood", "late", "later"] {
        let of = |pulled: &&Pulled| pulled.job.project().is_some_and(|name| &**name == project);
        let numbers: Vec<JobHandle> = pulled.iter().filter(of).map(|pulled| pulled.id).collect();
        assert!(numbers.is_sorted(), "{project} comes in the order of its adding");
    }
    queue.done(&ids(&pulled)).await.unwrap();
    let depth = queue.depth().await.unwrap();
    let told = |project: &ProjectDepth| (project.project.to_string(), project.waiting, project.active);
    assert_eq!(
        depth.projects.iter().map(told).collect::<Vec<_>>(),
        [("flood".to_owned(), 3_110, 1_000)],
        "what is done is forgotten"
    );
    drop(queue);
    // The first thousand was not acknowledged: the project's own order is kept over a restart, and nothing is lost.
    let queue = open(folder.path(), &clock);
    let pulled = queue.pull(10_000, SOON).await.unwrap();
    assert_eq!(pulled.len(), 4_110);
    assert_eq!(ids(&pulled[..1_000]), ids(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weight_is_a_share() {
    let folder = tempfile::tempdir().unwrap();
    let config = LocalConfig {
        weights: Weights::new([("heavy", 3)]),
        ..LocalConfig::new(folder.path().join("queue.redb"))
    };
    let queue = LocalQueue::open(&config, Clock::system()).unwrap();
    queue.add(&of_project("light", 0..400)).await.unwrap();
    queue.add(&of_project("heavy", 0..400)).await.unwrap();
    let pulled = queue.pull(400, SOON).await.unwrap();
    let heavy = count(&pulled, 400, "heavy");
    assert!((299..=301).contains(&heavy), "{heavy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_come_back_stay_with_their_project() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, ms) = clock();
    let queue = open(folder.path(), &clock);
    queue.add(&of_project("flood", 0..100)).await.unwrap();
    queue.add(&of_project("small", 0..1)).await.unwrap();
    let pulled = queue.pull(10, SOON).await.unwrap();
    let small = pulled
        .iter()
        .find(|pulled| pulled.job.project().is_some_and(|name| &**name == "small"));
    assert!(matches!(
        queue.retry(small.unwrap().id, "no").await.unwrap(),
        Retried::After(_)
    ));
    ms.fetch_add(5_000, Ordering::SeqCst);
    let pulled = queue.pull(3, SOON).await.unwrap();
    assert_eq!(count(&pulled, 3, "small"), 1, "{:?}", projects_of(&pulled));
    assert_eq!(pulled.iter().map(|pulled| pulled.attempts).max(), Some(1));
}

/// As versions before lanes wrote it: one table by number.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_an_older_version_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/queue.redb");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let (clock, _) = clock();
    let older = redb::Database::create(&path).unwrap();
    let write = older.begin_write().unwrap();
    {
        let mut waiting = write
            .open_table(redb::TableDefinition::<u64, &[u8]>::new("waiting"))
            .unwrap();
        for number in 0..25_000u64 {
            let project = if number % 2 == 0 { "even" } else { "odd" };
            let job = of_project(project, number as usize..number as usize + 1).remove(0);
            let record = record::new(&Work::Take(job), clock.now());
            waiting.insert(number + 7, &*record).unwrap();
        }
    }
    write.commit().unwrap();
    drop(older);
    for _ in 0..2 {
        let queue = open(folder.path(), &clock);
        queue.add(&of_project("new", 0..1)).await.unwrap();
        let pulled = queue.pull(30_000, SOON).await.unwrap();
        let odd = |pulled: &&Pulled| pulled.job.project().is_some_and(|name| &**name == "odd");
        let odd: Vec<u64> = pulled.iter().filter(odd).map(|pulled| pulled.id.0).collect();
        assert_eq!(odd, (0..12_500).map(|n| n * 2 + 8).collect::<Vec<u64>>());
        let new = |pulled: &&Pulled| pulled.job.project().is_some_and(|name| &**name == "new");
        let new = pulled.iter().filter(new).map(|pulled| pulled.id.0);
        assert_eq!(new.min(), Some(25_007), "numbers go on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_wait_longer_each_time_and_end_as_failed() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, ms) = clock();
    let queue = open(folder.path(), &clock);
    queue.add(&jobs(0..1)).await.unwrap();
    for (made, wait) in [(0, 5_000), (1, 10_000)] {
        let pulled = queue.pull(1, SOON).await.unwrap();
        assert_eq!(pulled[0].attempts, made);
        let retried = queue.retry(pulled[0].id, "no").await.unwrap();
        assert_eq!(retried, Retried::After(Duration::from_millis(wait)));
        assert_eq!(queue.retry(pulled[0].id, "no").await.unwrap(), Retried::Lost);
        let wait = i64::try_from(wait).unwrap();
        ms.fetch_add(wait - 1, Ordering::SeqCst);
        assert!(queue.pull(1, NOW).await.unwrap().is_empty());
        assert_eq!(queue.depth().await.unwrap().delayed, 1);
        ms.fetch_add(1, Ordering::SeqCst);
    }
    let pulled = queue.pull(1, SOON).await.unwrap();
    assert_eq!(queue.retry(pulled[0].id, "no more").await.unwrap(), Retried::Exhausted);
    let failed = queue.failed(10).await.unwrap();
    assert_eq!(
        (failed.len(), failed[0].attempts, &*failed[0].reason),
        (1, 3, "no more")
    );
    assert_eq!(failed[0].job, Work::Take(job(0)));
    let depth = queue.depth().await.unwrap();
    assert_eq!((depth.waiting, depth.active, depth.delayed, depth.failed), (0, 0, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_jobs_are_kept_up_to_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _) = clock();
    let queue = open(folder.path(), &clock);
    queue.add(&jobs(0..5)).await.unwrap();
    for (at, pulled) in queue.pull(5, SOON).await.unwrap().iter().enumerate() {
        assert!(queue.fail(pulled.id, &format!("reason {at}")).await.unwrap());
        assert!(!queue.fail(pulled.id, "again").await.unwrap());
    }
    let failed = queue.failed(10).await.unwrap();
    let reasons: Vec<&str> = failed.iter().map(|failed| &*failed.reason).collect();
    assert_eq!(reasons, ["reason 4", "reason 3", "reason 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn delayed_jobs_come_when_due_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, ms) = clock();
    let queue = open(folder.path(), &clock);
    let later = [Work::Take(job("later"))];
    queue.add_work(&later, Duration::from_secs(60)).await.unwrap();
    queue.add_work(&later, Duration::from_secs(60)).await.unwrap();
    drop(queue);
    let queue = open(folder.path(), &clock);
    queue.add_work(&later, Duration::from_secs(60)).await.unwrap();
    assert!(queue.pull(9, NOW).await.unwrap().is_empty());
    ms.fetch_add(60_000, Ordering::SeqCst);
    assert_eq!(queue.pull(9, SOON).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_waits_for_an_add_and_for_what_becomes_due() {
    let folder = tempfile::tempdir().unwrap();
    let queue = Arc::new(open(folder.path(), &Clock::system()));
    let waiting = tracemill_operators::bridge::spawn("pull", {
        let queue = Arc::clone(&queue);
        async move { queue.pull(1, SOON).await }
    });
    queue.add(&jobs(0..1)).await.unwrap();
    let pulled = waiting.join().await.unwrap().unwrap();
    assert_eq!(pulled.len(), 1);
    let soon = Duration::from_millis(50);
    queue.add_work(&[Work::Take(job(1))], soon).await.unwrap();
    assert_eq!(queue.pull(1, SOON).await.unwrap().len(), 1);
    // Closing ends a pull that waits.
    let waiting = tracemill_operators::bridge::spawn("pull", {
        let queue = Arc::clone(&queue);
        async move { queue.pull(1, Duration::from_secs(3_600)).await }
    });
    queue.close().await.unwrap();
    assert!(waiting.join().await.unwrap().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_one_queue() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _) = clock();
    let _queue = open(folder.path(), &clock);
    let path = folder.path().join("deep/queue.redb");
    let second = LocalQueue::open(&LocalConfig::new(&path), clock.clone()).unwrap_err();
    assert_eq!(second, QueueError::InUse { path });
    let other = folder.path().join("text");
    std::fs::write(
        &other,
        "this is no queue, and long enough to be taken for one".repeat(100),
    )
    .unwrap();
    let wrong = LocalQueue::open(&LocalConfig::new(&other), clock).unwrap_err();
    assert!(matches!(wrong, QueueError::Open { .. }), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _) = clock();
    let queue = open(folder.path(), &clock);
    for round in 0..200 {
        queue.add(&jobs(round * 1_000..(round + 1) * 1_000)).await.unwrap();
        let pulled = queue.pull(1_000, SOON).await.unwrap();
        assert_eq!(queue.done(&ids(&pulled)).await.unwrap().done, 1_000);
    }
    let bytes = std::fs::metadata(folder.path().join("deep/queue.redb")).unwrap().len();
    assert!(bytes < 16 << 20, "{bytes} bytes after 200,000 jobs");
    assert_eq!(queue.depth().await.unwrap(), Depth::default());
}

/// Adds, pulls and acknowledges until it is killed; says what is durable, line by line.
async fn victim(path: &Path, round: usize) {
    use std::io::Write as _;
    let queue = Arc::new(LocalQueue::open(&LocalConfig::new(path), Clock::system()).unwrap());
    let say = |what: &str, object: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{what} {object}").unwrap();
        out.flush().unwrap();
    };
    let adders: Vec<_> = (0..8)
        .map(|adder| {
            let queue = Arc::clone(&queue);
            tracemill_operators::bridge::spawn("adder", async move {
                for n in 0.. {
                    let job = job(format!("{round}-{adder}-{n}"));
                    queue.add(std::slice::from_ref(&job)).await.unwrap();
                    say("added", &job.object);
                }
            })
        })
        .collect();
    loop {
        let pulled = queue.pull(16, SOON).await.unwrap();
        let (done, _) = pulled.split_at(pulled.len() / 2);
        for object in objects(done) {
            say("doing", &object);
        }
        queue.done(&ids(done)).await.unwrap();
        for object in objects(done) {
            say("done", &object);
        }
        assert!(adders.iter().all(|adder| !adder.is_finished()));
    }
}

/// Kills a process that works on the queue, twenty times.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_nothing_is_lost() {
    use std::io::BufRead as _;
    const VARIABLE: &str = "TRACEMILL_TEST_QUEUE_VICTIM";
    if let Ok(text) = std::env::var(VARIABLE) {
        let (round, path) = text.split_once(' ').unwrap();
        victim(Path::new(path), round.parse().unwrap()).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.redb");
    let (mut added, mut doing, mut done) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for round in 0..20 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "queue::local::tests::killed_at_any_moment_nothing_is_lost",
            ])
            .env(VARIABLE, format!("{round} {}", path.display()))
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        // What it said before it was killed is read to the end: all of that is durable.
        for line in lines {
            let Ok(line) = line else { break };
            match line.split_once(' ') {
                Some(("added", object)) => added.insert(object.to_owned()),
                Some(("doing", object)) => doing.insert(object.to_owned()),
                Some(("done", object)) => done.insert(object.to_owned()),
                _ => continue,
            };
            seen += 1;
            if seen == 20 + round * 13 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= 20 + round * 13, "the child ended by itself after {seen} lines");
    }
    let queue = LocalQueue::open(&LocalConfig::new(&path), Clock::system()).unwrap();
    let mut there = BTreeSet::new();
    loop {
        let pulled = queue.pull(1_000, NOW).await.unwrap();
        if pulled.is_empty() {
            break;
        }
        for object in objects(&pulled) {
            assert!(there.insert(object.clone()), "{object} twice");
        }
    }
    let lost: Vec<_> = added
        .iter()
        .filter(|object| !doing.contains(*object) && !there.contains(*object))
        .collect();
    assert!(lost.is_empty(), "added, never acknowledged, and gone: {lost:?}");
    let back: Vec<_> = done.intersection(&there).collect();
    assert!(back.is_empty(), "done, and back: {back:?}");
    assert!(
        added.len() > 500 && done.len() > 50,
        "{} added, {} done",
        added.len(),
        done.len()
    );
}

/// Prints what the queue does in a second. Run by hand in release: `--run-ignored only speed`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn speed() {
    for (adders, batch) in [(1usize, 1usize), (64, 1), (64, 16), (1, 1_000)] {
        let folder = tempfile::tempdir().unwrap();
        let queue = Arc::new(open(folder.path(), &Clock::system()));
        let total = (20_000usize.max(adders * batch * 20)).min(if adders == 1 && batch == 1 { 2_000 } else { 200_000 });
        let each = total / adders / batch;
        let began = std::time::Instant::now();
        let tasks: Vec<_> = (0..adders)
            .map(|adder| {
                let queue = Arc::clone(&queue);
                tracemill_operators::bridge::spawn("adder", async move {
                    for n in 0..each {
                        let at = (adder * each + n) * batch;
                        queue.add(&jobs(at..at + batch)).await.unwrap();
                    }
                })
            })
            .collect();
        let mut done = 0;
        while done < each * adders * batch {
            let pulled = queue.pull(4_000, SOON).await.unwrap();
            done += queue.done(&ids(&pulled)).await.unwrap().done;
        }
        for task in tasks {
            task.join().await.unwrap();
        }
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "{adders} adders of {batch}: {:.0} jobs/s added, pulled and done",
            done as f64 / seconds
        );
    }
}
