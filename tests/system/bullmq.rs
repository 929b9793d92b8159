//! Our queues on Redis beside Node with BullMQ 5 (as Langfuse has it) and 6: each sees what the other did.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracemill_model::ingest::{Access, Encoding, EntityKind, Holds, Job, RawForm, Sdk};
use tracemill_model::{Blame, Millis, Secret};
use tracemill_operators::Clock;
use tracemill_sources::queue::bullmq::{
    BullConfig, BullProducer, BullQueue, OWN_QUEUE, ProducerConfig, lane_of, lanes,
};
use tracemill_sources::queue::{Deletion, JobHandle, Producer, Pulled, Queue, Retried, State, Work};
use tracemill_tests::{Redis, Scratch};

const MAJORS: [u32; 2] = [5, 6];
const SOON: Duration = Duration::from_secs(15);
const INGESTION: &str = "ingestion-queue";

fn consumer(redis: &Redis, queues: &[&str]) -> BullQueue {
    let config = BullConfig {
        lock: Duration::from_secs(1),
        stalled_interval: Duration::from_millis(500),
        poll: Duration::from_secs(1),
        ..BullConfig::new(
            Secret::new(redis.url()),
            queues.iter().map(|name| Arc::from(*name)).collect(),
        )
    };
    BullQueue::open(config, Clock::system()).expect("a queue")
}

/// Langfuse's options of ingestion jobs, with a wait that a test can see.
fn opts(more: &Value) -> Value {
    let mut opts = json!({
        "attempts": 3, "backoff": {"type": "exponential", "delay": 200}, "delay": 0,
        "removeOnComplete": true, "removeOnFail": 100_000,
    });
    for (name, value) in more.as_object().expect("options") {
        opts[name] = value.clone();
    }
    opts
}

fn ingestion(id: &str, more: &Value) -> Value {
    json!({
        "name": "ingestion-job",
        "data": {
            "id": "5f0c", "timestamp": "2026-02-25T12:15:00.250Z", "name": "ingestion-job",
            "payload": {
                "data": {"type": "trace-create", "eventBodyId": id, "fileKey": "f", "skipS3List": false},
                "authCheck": {"validKey": true, "scope": {"projectId": "p", "accessLevel": "project"}},
            },
        },
        "opts": opts(more),
    })
}

fn add(redis: &Redis, major: u32, queue: &str, jobs: &[Value]) -> Vec<String> {
    let ids = redis.bull(major, "add", queue, &json!({ "jobs": jobs }));
    serde_json::from_value(ids).expect("ids")
}

fn states(redis: &Redis, major: u32, queue: &str, ids: &[String]) -> Vec<Value> {
    let states = redis.bull(major, "states", queue, &json!({ "ids": ids }));
    serde_json::from_value(states).expect("states")
}

/// Pulls until there are so many.
async fn pull(queue: &BullQueue, count: usize) -> Vec<Pulled> {
    let (mut pulled, began) = (Vec::new(), Instant::now());
    while pulled.len() < count {
        assert!(
            began.elapsed() < SOON,
            "{} of {count} jobs came: {:?}",
            pulled.len(),
            queue.state()
        );
        pulled.extend(queue.pull(count - pulled.len(), SOON).await.expect("pulled"));
    }
    pulled
}

fn handles(pulled: &[Pulled]) -> Vec<JobHandle> {
    pulled.iter().map(|job| job.id).collect()
}

fn entity(job: &Pulled) -> String {
    match &job.job {
        Work::Entity(entity) => entity.id.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_every_kind_are_read() {
    for major in MAJORS {
        let scratch = Scratch::new();
        let redis = Redis::start(&scratch.join("redis"));
        let ours = consumer(&redis, &[INGESTION, "otel-ingestion-queue-1", "trace-delete"]);
        let _ = add(&redis, major, INGESTION, &[ingestion("t/1", &json!({}))]);
        let pulled = pull(&ours, 1).await;
        let Work::Entity(job) = &pulled[0].job else {
            panic!("{pulled:?}");
        };
        assert_eq!((&*job.project, job.kind, &*job.id), ("p", EntityKind::Trace, "t/1"));
        assert_eq!(
            (job.file_key.as_deref(), job.received),
            (Some("f"), Millis(1_772_021_700_250))
        );
        assert_eq!((&*pulled[0].queue, pulled[0].attempts), (INGESTION, 0));
        assert_eq!(ours.done(&handles(&pulled)).await.expect("done").done, 1);

        let scope = json!({"scope": {"projectId": "p", "accessLevel": "project"}});
        let payload = json!({"data": {"fileKey": "otel/p/a.json"}, "authCheck": scope, "sdkName": "python"});
        let otel = json!({"name": "otel-ingestion-job", "data": {"payload": payload}, "opts": opts(&json!({}))});
        let _ = add(&redis, major, "otel-ingestion-queue-1", &[otel]);
        let pulled = pull(&ours, 1).await;
        assert!(
            matches!(&pulled[0].job, Work::Take(job) if job.form == RawForm::OtlpStored && &*job.object == "otel/p/a.json")
        );
        assert_eq!(ours.done(&handles(&pulled)).await.expect("done").done, 1);

        let payload = json!({"projectId": "p", "traceId": "a"});
        let delete =
            json!({"name": "trace-delete", "data": {"payload": payload}, "opts": {"delay": 50, "attempts": 2}});
        let broken = json!({"name": "trace-delete", "data": {"payload": {"projectId": "p"}}, "opts": {"attempts": 2}});
        let ids = add(&redis, major, "trace-delete", &[delete, broken]);
        for job in pull(&ours, 2).await {
            match &job.job {
                Work::Delete(Deletion::Traces { ids, .. }) => {
                    assert_eq!(&*ids[0], "a");
                    assert_eq!(ours.done(&[job.id]).await.expect("done").done, 1);
                }
                Work::Broken { reason } => assert!(ours.fail(job.id, reason).await.expect("failed")),
                other => panic!("{other:?}"),
            }
        }
        let after = states(&redis, major, "trace-delete", &ids);
        assert_eq!(
            (&after[0]["state"], &after[0]["attempts"]),
            (&json!("completed"), &json!(1))
        );
        assert_eq!(
            (&after[1]["state"], &after[1]["attempts"]),
            (&json!("failed"), &json!(1))
        );
        let reason = after[1]["reason"].as_str().expect("a reason");
        assert!(reason.contains("there is no `traceIds`"), "{reason}");
        assert_eq!(after[1]["traces"], json!([format!("Error: {reason}")]));
        let failed = ours.failed(10).await.expect("failed jobs");
        assert_eq!(
            (failed.len(), &*failed[0].id, &*failed[0].reason),
            (1, &*ids[1], reason)
        );
        ours.close().await.expect("closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn states_and_events_are_right_and_retries_run_when_due() {
    for major in MAJORS {
        let scratch = Scratch::new();
        let redis = Redis::start(&scratch.join("redis"));
        let ours = consumer(&redis, &[INGESTION]);
        let keep = json!({"removeOnComplete": false});
        let later = json!({"removeOnComplete": false, "delay": 700});
        let ids = add(
            &redis,
            major,
            INGESTION,
            &[ingestion("a", &keep), ingestion("b", &later), ingestion("c", &keep)],
        );
        let first = pull(&ours, 2).await;
        assert_eq!([entity(&first[0]), entity(&first[1])], ["a", "c"]);
        let seen = states(&redis, major, INGESTION, &ids);
        let seen: Vec<&Value> = seen.iter().map(|job| &job["state"]).collect();
        assert_eq!(seen, ["active", "delayed", "active"]);
        assert_eq!(ours.done(&[first[0].id]).await.expect("done").done, 1);

        // Three attempts: 200 ms, 400 ms, then no more.
        let began = Instant::now();
        let mut handle = first[1].id;
        for (made, wait) in [(1, 200), (2, 400)] {
            let retried = ours.retry(handle, &format!("attempt {made}")).await.expect("retried");
            assert_eq!(retried, Retried::After(Duration::from_millis(wait)));
            loop {
                let again = pull(&ours, 1).await.remove(0);
                if entity(&again) == "b" {
                    assert_eq!(ours.done(&[again.id]).await.expect("done").done, 1);
                    continue;
                }
                assert_eq!(again.attempts, made);
                handle = again.id;
                break;
            }
        }
        assert!(began.elapsed() >= Duration::from_millis(600));
        assert_eq!(
            ours.retry(handle, "attempt 3").await.expect("retried"),
            Retried::Exhausted
        );
        if ours.depth().await.expect("a depth").delayed == 1 {
            let last = pull(&ours, 1).await;
            assert_eq!(ours.done(&handles(&last)).await.expect("done").done, 1);
        }
        let after = states(&redis, major, INGESTION, &ids);
        for (at, state, attempts) in [(0, "completed", 1), (1, "completed", 1), (2, "failed", 3)] {
            assert_eq!(
                (&after[at]["state"], &after[at]["attempts"]),
                (&json!(state), &json!(attempts))
            );
            assert!(after[at]["finished"].is_number());
        }
        assert_eq!(
            after[2]["traces"],
            json!(["Error: attempt 1", "Error: attempt 2", "Error: attempt 3"])
        );
        let counts = redis.bull(major, "counts", INGESTION, &json!({}));
        assert_eq!(
            (&counts["completed"], &counts["failed"], &counts["active"]),
            (&json!(2), &json!(1), &json!(0))
        );

        // Tried again by Node: one more attempt, and it is gone where its options say so.
        let _ = redis.bull(major, "retry", INGESTION, &json!({}));
        let again = pull(&ours, 1).await;
        assert_eq!((&*entity(&again[0]), again[0].attempts), ("c", 3));
        assert_eq!(ours.done(&handles(&again)).await.expect("done").done, 1);
        ours.close().await.expect("closed");
        let events = redis.bull(major, "events", INGESTION, &json!({}));
        let of = |id: &str| -> Vec<&str> {
            let events = events.as_array().expect("events").iter();
            events
                .filter(|event| event["jobId"] == id)
                .filter_map(|event| event["kind"].as_str())
                .collect()
        };
        assert!(of(&ids[0]).ends_with(&["active", "completed"]), "{events}");
        let delayed = of(&ids[1]);
        assert_eq!(
            delayed,
            ["added", "delayed", "waiting", "active", "completed"],
            "{events}"
        );
        let retried = of(&ids[2]);
        let round = [
            "active", "delayed", "waiting", "active", "delayed", "waiting", "active", "failed",
        ];
        let end = ["retries-exhausted", "waiting", "active", "completed"];
        assert!(retried.ends_with(&[&round[..], &end[..]].concat()), "{retried:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_worker_and_ours_share_a_queue() {
    for major in MAJORS {
        let scratch = Scratch::new();
        let redis = Redis::start(&scratch.join("redis"));
        let ours = consumer(&redis, &[INGESTION]);
        let mut worker = redis.node(major, "work", INGESTION, &json!({"concurrency": 2}));
        assert_eq!(worker.line(), "ready");
        let jobs: Vec<Value> = (0..200)
            .map(|n| ingestion(&format!("e{n}"), &json!({"removeOnComplete": false})))
            .collect();
        let adding = std::thread::scope(|scope| {
            let adding = scope.spawn(|| add(&redis, major, INGESTION, &jobs));
            let runtime = tokio::runtime::Handle::current();
            let mut mine = 0;
            // Three at a time, so that there is something left for the other.
            tokio::task::block_in_place(|| {
                runtime.block_on(async {
                    loop {
                        let pulled = ours.pull(3, Duration::from_millis(1_500)).await.expect("pulled");
                        if pulled.is_empty() && adding.is_finished() {
                            break;
                        }
                        mine += ours.done(&handles(&pulled)).await.expect("done").done;
                    }
                });
            });
            (adding.join().expect("added"), mine)
        });
        let (ids, mine) = adding;
        worker.end();
        let mut theirs = 0;
        for job in states(&redis, major, INGESTION, &ids) {
            assert_eq!(
                (&job["state"], &job["attempts"]),
                (&json!("completed"), &json!(1)),
                "{job}"
            );
            theirs += usize::from(job["result"] == json!({"ok": true}));
        }
        assert_eq!(mine + theirs, 200);
        assert!(mine > 0 && theirs > 0, "{mine} ours, {theirs} of the worker");
        ours.close().await.expect("closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_consumers_jobs_are_picked_up() {
    for major in MAJORS {
        let scratch = Scratch::new();
        let redis = Redis::start(&scratch.join("redis"));
        // A Node worker dies with a job: ours takes it.
        let ids = add(
            &redis,
            major,
            INGESTION,
            &[ingestion("a", &json!({"removeOnComplete": false}))],
        );
        let mut worker = redis.node(major, "work", INGESTION, &json!({"hold": true}));
        // It may have the job before it says that it is ready.
        let said = [worker.line(), worker.line()];
        assert!(said.iter().any(|line| line == "ready"), "{said:?}");
        assert!(said.iter().any(|line| line["id"] == json!(ids[0])), "{said:?}");
        worker.kill();
        let ours = consumer(&redis, &[INGESTION]);
        let pulled = pull(&ours, 1).await;
        assert_eq!((&*entity(&pulled[0]), pulled[0].attempts), ("a", 0));
        // Held for longer than a lock lasts: it stays ours.
        let nothing = ours.pull(1, Duration::from_millis(2_500)).await.expect("pulled");
        assert!(nothing.is_empty() && ours.take_lost().is_empty());
        // Ours goes without a word: another one of ours takes it.
        drop(ours);
        let second = consumer(&redis, &[INGESTION]);
        let again = pull(&second, 1).await;
        assert_eq!(entity(&again[0]), "a");
        let _ = second.done(&handles(&again)).await.expect("done");
        let after = states(&redis, major, INGESTION, &ids);
        assert_eq!(
            (&after[0]["state"], &after[0]["attempts"]),
            (&json!("completed"), &json!(1))
        );

        // Ours closes with a job in hand: a Node worker has it at once, and no stall is counted.
        let ids = add(
            &redis,
            major,
            INGESTION,
            &[ingestion("b", &json!({"removeOnComplete": false}))],
        );
        assert_eq!(entity(&pull(&second, 1).await[0]), "b");
        second.close().await.expect("closed");
        assert_eq!(second.state(), State::Closed);
        let mut worker = redis.node(major, "work", INGESTION, &json!({"fail": "no"}));
        // As above: the two lines come in either order.
        let said = [worker.line(), worker.line()];
        assert!(said.iter().any(|line| line == "ready"), "{said:?}");
        assert!(said.iter().any(|line| line["id"] == json!(ids[0])), "{said:?}");
        worker.end();
        let after = states(&redis, major, INGESTION, &ids);
        assert_eq!(
            (&after[0]["state"], &after[0]["attempts"]),
            (&json!("delayed"), &json!(1))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_stalls_fail_a_job_beside_every_version() {
    for major in MAJORS {
        let scratch = Scratch::new();
        let redis = Redis::start(&scratch.join("redis"));
        let ids = add(&redis, major, INGESTION, &[ingestion("a", &json!({}))]);
        for _ in 0..4 {
            let ours = consumer(&redis, &[INGESTION]);
            assert_eq!(entity(&pull(&ours, 1).await[0]), "a");
            drop(ours);
        }
        let ours = consumer(&redis, &[INGESTION]);
        let began = Instant::now();
        while ours.depth().await.expect("a depth").failed == 0 {
            assert!(began.elapsed() < SOON, "the job has not failed");
            assert!(
                ours.pull(1, Duration::from_millis(200))
                    .await
                    .expect("pulled")
                    .is_empty()
            );
        }
        let after = states(&redis, major, INGESTION, &ids);
        assert_eq!(
            (&after[0]["state"], &after[0]["reason"]),
            (&json!("failed"), &json!("job stalled more than allowable limit"))
        );
        assert_eq!(after[0]["attempts"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_ours_that_stalls_too_often_is_given_up_not_failed() {
    let scratch = Scratch::new();
    let redis = Redis::start(&scratch.join("redis"));
    let producer =
        BullProducer::new(&ProducerConfig::new(Secret::new(redis.url())), Clock::system()).expect("a producer");
    let sent = Job {
        project: "p".into(),
        object: "events/p/raw/2026/02/25/12/1772021700250-a.events.json".into(),
        form: RawForm::Events,
        encoding: Encoding::Identity,
        bytes: 5,
        holds: Holds { bytes: 9, events: 2 },
        received: Millis(1_772_021_700_250),
        sdk: Sdk::default(),
        access: Access::Project,
    };
    producer.add(std::slice::from_ref(&sent)).await.expect("added");
    for _ in 0..4 {
        let ours = consumer(&redis, &[OWN_QUEUE]);
        assert_eq!(pull(&ours, 1).await[0].job, Work::Take(sent.clone()));
        drop(ours);
    }
    // Also where the one who is to make a letter of it ends.
    for _ in 0..2 {
        let ours = consumer(&redis, &[OWN_QUEUE]);
        let Work::GivenUp { job, reason } = &pull(&ours, 1).await[0].job else {
            panic!("it is not given up");
        };
        assert_eq!((job, &**reason), (&sent, "job stalled more than allowable limit"));
        drop(ours);
    }
    let ours = consumer(&redis, &[OWN_QUEUE]);
    assert_eq!(ours.done(&handles(&pull(&ours, 1).await)).await.expect("done").done, 1);
    let depth = ours.depth().await.expect("a depth");
    assert_eq!((depth.waiting, depth.active, depth.delayed, depth.failed), (0, 0, 0, 0));
    ours.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_and_concurrency_are_honoured_and_nothing_is_lost() {
    for major in MAJORS {
        let scratch = Scratch::new();
        let redis = Redis::start(&scratch.join("redis"));
        let ours = consumer(&redis, &[OWN_QUEUE]);
        let producer =
            BullProducer::new(&ProducerConfig::new(Secret::new(redis.url())), Clock::system()).expect("a producer");
        let work = |n: u32| {
            Work::Delete(Deletion::Project {
                project: n.to_string().into(),
            })
        };
        producer.add_work(&[work(0)], Duration::ZERO).await.expect("added");
        let _ = redis.bull(major, "pause", OWN_QUEUE, &json!({}));
        producer
            .add_work(&[work(1), work(2)], Duration::ZERO)
            .await
            .expect("added");
        producer
            .add_work(&[work(3)], Duration::from_millis(10))
            .await
            .expect("added");
        assert!(
            ours.pull(10, Duration::from_millis(500))
                .await
                .expect("pulled")
                .is_empty()
        );
        let depth = ours.depth().await.expect("a depth");
        assert_eq!((depth.waiting, depth.delayed, depth.active), (4, 0, 0));
        let _ = redis.bull(major, "concurrency", OWN_QUEUE, &json!({"most": 2}));
        let _ = redis.bull(major, "resume", OWN_QUEUE, &json!({}));
        let mut seen = Vec::new();
        while seen.len() < 4 {
            let pulled = pull(&ours, 2).await;
            assert!(
                ours.pull(1, Duration::from_millis(100))
                    .await
                    .expect("pulled")
                    .is_empty()
            );
            seen.extend(pulled.iter().map(|job| job.job.clone()));
            assert_eq!(ours.done(&handles(&pulled)).await.expect("done").done, 2);
        }
        seen.sort_by_key(|work| format!("{work:?}"));
        assert_eq!(seen, (0..4).map(work).collect::<Vec<_>>());
        ours.close().await.expect("closed");
    }
}

/// A consumer of our queue with so many lanes, and who adds to them.
fn in_lanes(redis: &Redis, count: usize) -> (BullQueue, BullProducer) {
    let names = lanes(OWN_QUEUE, count);
    let ours = consumer(redis, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let config = ProducerConfig {
        lanes: count,
        ..ProducerConfig::new(Secret::new(redis.url()))
    };
    let producer = BullProducer::new(&config, Clock::system()).expect("a producer");
    (ours, producer)
}

/// In lanes of their own, who comes after a backlog waits for its share of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_in_one_lane_does_not_delay_the_others() {
    const LANES: usize = 8;
    let scratch = Scratch::new();
    let redis = Redis::start(&scratch.join("redis"));
    let (ours, producer) = in_lanes(&redis, LANES);
    let late = (0..)
        .map(|n| format!("p{n}"))
        .find(|name| lane_of(name, LANES) != lane_of("flood", LANES));
    let late = late.expect("not all are in one lane");
    let jobs = |project: &str, count: usize| -> Vec<Work> {
        let job = |n| {
            Work::Take(Job {
                project: project.into(),
                object: format!("{project}-{n}").into(),
                form: RawForm::Events,
                encoding: Encoding::Identity,
                bytes: 1_000,
                holds: Holds::default(),
                received: Millis(1_772_021_700_250),
                sdk: Sdk::default(),
                access: Access::Project,
            })
        };
        (0..count).map(job).collect()
    };
    producer
        .add_work(&jobs("flood", 2_000), Duration::ZERO)
        .await
        .expect("added");
    producer
        .add_work(&jobs(&late, 100), Duration::ZERO)
        .await
        .expect("added");
    let pulled = pull(&ours, 300).await;
    let of_late: Vec<usize> = (0..pulled.len())
        .filter(|at| pulled[*at].job.project().is_some_and(|name| **name == *late))
        .collect();
    assert_eq!(of_late.len(), 100);
    assert!(of_late[99] < 270, "its last is the {}th", of_late[99]);
    let depth = ours.depth().await.expect("a depth");
    let told = depth.projects.iter().find(|project| *project.project == *late);
    assert_eq!(told.map(|project| project.active), Some(100));
    ours.close().await.expect("closed");
}

/// Lanes without jobs are not asked for each job of another one.
#[tokio::test(flavor = "multi_thread")]
async fn idle_lanes_cost_little() {
    const LANES: usize = 32;
    const JOBS: u32 = 300;
    let scratch = Scratch::new();
    let redis = Redis::start(&scratch.join("redis"));
    let (ours, producer) = in_lanes(&redis, LANES);
    let (before, began) = (redis.calls("evalsha"), Instant::now());
    for n in 0..JOBS {
        let work = Work::Delete(Deletion::Project {
            project: format!("p{}", n % 3).into(),
        });
        producer.add_work(&[work], Duration::ZERO).await.expect("added");
        assert_eq!(pull(&ours, 1).await.len(), 1);
    }
    let calls = redis.calls("evalsha") - before;
    // All are asked ten times a second. What runs in the background: one call a lane and half second at most, for stalled jobs.
    let looks =
        (began.elapsed().as_millis() as u64 / 100 + 1 + began.elapsed().as_millis() as u64 / 500 + 1) * LANES as u64;
    let most = 4 * u64::from(JOBS) + looks;
    assert!(calls <= most, "{calls} calls, {looks} of them looks at all lanes");
    ours.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_go_and_come_back() {
    let scratch = Scratch::new();
    let mut redis = Redis::start(&scratch.join("redis"));
    let ours = consumer(&redis, &[OWN_QUEUE]);
    let producer =
        BullProducer::new(&ProducerConfig::new(Secret::new(redis.url())), Clock::system()).expect("a producer");
    let work = |n: u32| {
        Work::Delete(Deletion::Project {
            project: n.to_string().into(),
        })
    };
    let all: Vec<Work> = (0..1_000).map(work).collect();
    producer.add_work(&all, Duration::ZERO).await.expect("added");
    let held = pull(&ours, 400).await;
    redis.kill();
    let began = Instant::now();
    let error = producer
        .add_work(&[work(0)], Duration::ZERO)
        .await
        .expect_err("redis is away");
    assert!(
        error.is_transient() && began.elapsed() < Duration::from_secs(5),
        "{error}"
    );
    assert!(ours.done(&handles(&held)).await.is_err());
    assert!(
        ours.pull(1, Duration::from_millis(300))
            .await
            .expect("waits")
            .is_empty()
    );
    assert!(matches!(ours.state(), State::Away { .. }));
    redis.restart();
    let rest = pull(&ours, 600).await;
    assert_eq!(ours.state(), State::Ready);
    // Locks that ran out meanwhile were taken again, or their jobs will come again: nothing is lost either way.
    let began = Instant::now();
    let mut done =
        ours.done(&handles(&held)).await.expect("done").done + ours.done(&handles(&rest)).await.expect("done").done;
    while done < 1_000 {
        assert!(began.elapsed() < SOON, "{done} of 1000 done");
        let again = ours.pull(1_000, Duration::from_millis(500)).await.expect("pulled");
        done += ours.done(&handles(&again)).await.expect("done").done;
    }
    let depth = ours.depth().await.expect("a depth");
    assert_eq!((depth.waiting, depth.active, depth.delayed, depth.failed), (0, 0, 0, 0));
    ours.close().await.expect("closed");
}
