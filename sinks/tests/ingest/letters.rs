//! Letters in a folder: written twice they are one, and are found by project and time.

use tracemill_model::Millis;
use tracemill_sinks::SinkError;
use tracemill_sinks::letters::{Filed, Filter, Letter, LetterState, Letters, Subject};
use tracemill_sinks::store::{Store, StoreConfig};

const DAY: i64 = 86_400_000;

fn letter(project: &str, index: u32, day: i64) -> Letter {
    Letter {
        about: Subject {
            project: project.to_owned(),
            kind: "trace".to_owned(),
            id: Some("t/1".to_owned()),
            object: "raw/1.json".to_owned(),
            index: Some(index),
            received: Millis(day * DAY + 5),
        },
        code: "violated_constraint 469".to_owned(),
        reason: "no".to_owned(),
        attempts: 2,
        first: Millis(100),
        last: Millis(200),
        state: LetterState::Open,
    }
}

async fn found(letters: &Letters, filter: Filter) -> Vec<(String, Option<u32>)> {
    let mut walk = letters.walk(filter);
    let mut found = Vec::new();
    while let Some(filed) = walk.next().await.expect("a letter") {
        found.push((filed.letter.about.project, filed.letter.about.index));
    }
    found
}

#[tokio::test]
async fn letters_are_kept_listed_and_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&StoreConfig::new(folder.path().to_string_lossy())).expect("a store");
    let letters = Letters::new(store.clone(), "in/");
    for one in [
        letter("p/1", 1, 20_000),
        letter("p/1", 2, 20_031),
        letter("q", 3, 20_001),
        letter("..", 4, 20_001),
    ] {
        letters.put(&one).await.expect("written");
    }
    let path = letters.put(&letter("p/1", 1, 20_000)).await.expect("written again");
    let kept = letters.get(&path).await.expect("kept");
    assert_eq!((kept.attempts, kept.first, kept.last), (4, Millis(100), Millis(200)));
    let filed = Filed {
        path: path.clone(),
        letter: kept.clone(),
    };
    assert!(letters.replayed(&filed).await.expect("marked"));
    assert_eq!(letters.get(&path).await.expect("kept").state, LetterState::Replayed);
    letters.put(&letter("p/1", 1, 20_000)).await.expect("written again");
    assert!(!letters.replayed(&filed).await.expect("it failed again"));
    assert_eq!(letters.get(&path).await.expect("kept").state, LetterState::Open);
    let all = Filter::default();
    assert_eq!(found(&letters, all.clone()).await.len(), 4);
    let of = |project: &str| Filter {
        project: Some(project.to_owned()),
        ..all.clone()
    };
    let (one, two) = (("p/1".to_owned(), Some(1)), ("p/1".to_owned(), Some(2)));
    assert_eq!(found(&letters, of("p/1")).await, [one.clone(), two.clone()]);
    let since = Filter {
        since: Some(Millis(20_000 * DAY + 6)),
        ..of("p/1")
    };
    assert_eq!(found(&letters, since).await, [two]);
    let until = Filter {
        until: Some(Millis(20_000 * DAY + 6)),
        ..all.clone()
    };
    assert_eq!(found(&letters, until).await, [one]);
    assert_eq!(
        found(
            &letters,
            Filter {
                object_prefix: "other".to_owned(),
                ..all.clone()
            }
        )
        .await,
        []
    );
    assert_eq!(found(&letters, of("nobody")).await, []);

    letters.drop(&[path.clone(), path.clone()]).await.expect("dropped");
    assert!(matches!(letters.get(&path).await, Err(SinkError::NotFound { .. })));
    let spoiled = letters.path(&letter("q", 3, 20_001).about);
    store.put(&spoiled, "{".into()).await.expect("spoiled");
    let mut walk = letters.walk(all);
    let (mut good, mut bad) = (0, 0);
    loop {
        match walk.next().await {
            Ok(Some(_)) => good += 1,
            Ok(None) => break,
            Err(SinkError::Letter { .. }) => bad += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((good, bad), (2, 1));
}
