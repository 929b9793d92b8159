//! The ingestion protocol: requests as intake reads them, objects as they were stored, both by both rules.
//!
//! `chooser[0]`: bits 0 to 3 the way in. `chooser[1]`: bits 0 to 2 when it was received, 3 the key's access, 4 narrow limits.

use tracemill_model::Millis;
use tracemill_model::ingest::{Access, Text};
use tracemill_operators::decode::events::{Batch, Limits, Rules, Single, batch, object, scores, single};

use crate::{check, received, split};

const SINGLES: [Single; 6] = [
    Single::Trace,
    Single::SpanCreate,
    Single::SpanUpdate,
    Single::GenerationCreate,
    Single::GenerationUpdate,
    Single::Event,
];

/// Reads the input.
///
/// # Panics
/// What was read is not as it must be.
pub fn run(data: &[u8]) {
    let Some(([how, more], body)) = split::<2>(data) else {
        return;
    };
    let at = received(more);
    let access = if more & 8 == 0 { Access::Project } else { Access::Scores };
    let limits = if more & 16 == 0 {
        Limits::default()
    } else {
        Limits {
            events: 2,
            depth: 4,
            id: 5,
        }
    };
    match how & 15 {
        0..=3 => taken(body, at, access, &limits, || batch(body, access, &limits).ok()),
        4 | 5 => stored(body, at, access, Rules::Public, &limits),
        6 | 7 => stored(body, at, access, Rules::Internal, &limits),
        8 | 9 => taken(body, at, access, &limits, || {
            let mut next = 0;
            let ids = || {
                next += 1;
                Text::from(format!("s{next}"))
            };
            scores(body, access, at, ids, &limits).ok()
        }),
        other => {
            let kind = SINGLES[usize::from(other - 10)];
            taken(body, at, access, &limits, || {
                single(kind, body, "u-1", at, access, &limits).ok()
            });
        }
    }
}

/// What intake takes is stored and read again, event for event.
fn taken<'a>(body: &[u8], at: Millis, access: Access, limits: &Limits, read: impl Fn() -> Option<Batch<'a>>) {
    let first = read();
    assert_eq!(first, read(), "read twice");
    let Some(batch) = first else { return };
    let events = batch.accepted.len() + batch.logs.len() + batch.rejected.len();
    assert!(events <= limits.events);
    assert_eq!(batch.successes.len(), batch.accepted.len() + batch.logs.len());
    assert!(batch.rejected.iter().all(|rejected| !rejected.reason.is_empty()));
    let Some(raw) = batch.raw_object() else {
        assert!(batch.accepted.is_empty());
        return;
    };
    assert!(
        raw.len() <= body.len() + 2 + batch.accepted.len() * 400,
        "{} of {}",
        raw.len(),
        body.len()
    );
    let decoded = object(&raw, access, Rules::Public, limits).expect("what is stored can be read");
    assert_eq!(decoded.rejected, [], "what intake took is refused later");
    assert_eq!(decoded.events.len(), batch.accepted.len());
    for (event, accepted) in decoded.events.iter().zip(&batch.accepted) {
        assert_eq!(
            (&event.id, event.kind, event.at, event.body.id()),
            (&accepted.id, accepted.kind, accepted.at, &accepted.entity)
        );
    }
    check(&decoded, at);
}

fn stored(body: &[u8], at: Millis, access: Access, rules: Rules, limits: &Limits) {
    let decoded = object(body, access, rules, limits);
    assert_eq!(decoded, object(body, access, rules, limits), "read twice");
    if let Ok(decoded) = decoded {
        check(&decoded, at);
    }
}
