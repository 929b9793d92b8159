//! The task beside the `letters` operator: each refusal becomes a letter, with patience.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tracemill_model::ingest::Refusal;
use tracemill_operators::Clock;
use tracemill_operators::bridge::{Command, Commands, Replies};
use tracemill_operators::clock::backoff;

use super::{Letter, LetterState, Letters, Subject};
use crate::SinkError;

/// What writing letters needs.
#[derive(Debug, Clone)]
pub struct LettersTask {
    /// Where they go.
    pub letters: Letters,
    /// Now.
    pub clock: Clock,
    /// How many were written.
    pub written: Arc<AtomicU64>,
}

/// How many letters are written at once.
const AT_ONCE: usize = 16;

/// Runs until its commands end.
///
/// # Errors
/// None: a store that is away is waited for.
pub async fn letters(
    mut commands: Commands<Refusal>,
    replies: Replies<()>,
    config: LettersTask,
) -> Result<(), SinkError> {
    let mut running = FuturesUnordered::new();
    let mut is_open = true;
    while is_open || !running.is_empty() {
        tokio::select! {
            biased;
            Some(ticket) = running.next(), if !running.is_empty() => replies.done(ticket),
            command = commands.recv(), if is_open && running.len() < AT_ONCE => match command {
                Some(Command::Item { ticket, item, .. }) => {
                    let config = &config;
                    running.push(async move {
                        put(item, config).await;
                        ticket
                    });
                }
                Some(Command::Frontier(_)) => {}
                None => is_open = false,
            },
        }
    }
    Ok(())
}

async fn put(refusal: Refusal, config: &LettersTask) {
    let letter = letter(refusal, config);
    tracing::error!(
        projectId = letter.about.project,
        kind = letter.about.kind,
        id = letter.about.id,
        object = letter.about.object,
        index = letter.about.index,
        reason = letter.reason,
        "ingestion_letter"
    );
    let mut tries = 0;
    while let Err(error) = config.letters.put(&letter).await {
        tries += 1;
        let wait = backoff(tries);
        tracing::warn!(tries, wait_ms = wait.as_millis(), error = %error, "letter_store_away");
        tokio::time::sleep(wait).await;
    }
    config.written.fetch_add(1, Ordering::Relaxed);
}

fn letter(refusal: Refusal, config: &LettersTask) -> Letter {
    let Refusal {
        project,
        object,
        received,
        index,
        entity,
        id,
        reason,
    } = refusal;
    let (kind, code) = match (&entity, index) {
        (Some(entity), _) => (entity.kind.name(), "refused"),
        (None, Some(_)) => ("event", "invalid"),
        (None, None) => ("object", "unreadable"),
    };
    let now = config.clock.now();
    Letter {
        about: Subject {
            project: project.to_string(),
            kind: kind.to_owned(),
            id: Some(id.to_string()).filter(|id| !id.is_empty()),
            object: object.to_string(),
            index,
            received,
        },
        code: code.to_owned(),
        reason,
        attempts: 1,
        first: now,
        last: now,
        state: LetterState::Open,
    }
}
