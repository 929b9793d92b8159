//! The row of a score.
//!
//! Each event is checked alone: type and value must agree, and one that contradicts itself is passed over. Score configs
//! are not known here: `configId` is stored as it was sent, and neither renames nor restricts the score.

use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKey, ScoreBody, ScoreRow, ScoreType, ScoreValue, Text};

use super::fold::{Sent, environment, first, first_received, last, no_text, said};
use super::metadata;

/// What a valid event says of the value.
#[derive(Debug)]
struct Value {
    ty: ScoreType,
    number: f64,
    text: Option<Text>,
    long_text: Text,
}

pub(super) fn row(
    key: &EntityKey,
    stored: Option<&ScoreRow>,
    sent: &[Sent<'_, ScoreBody>],
    now: Millis,
) -> Option<ScoreRow> {
    let sent: Vec<Sent<'_, ScoreBody>> = sent
        .iter()
        .filter(|sent| value(sent.body).is_some())
        .map(|sent| Sent {
            patch: sent.patch,
            body: sent.body,
        })
        .collect();
    let Some(newest) = sent.last() else {
        return stored.map(|row| ScoreRow {
            updated_at: now,
            event_ts: now,
            ..row.clone()
        });
    };
    let sent = sent.as_slice();
    let body = newest.body;
    let value = value(body)?;
    let old = |get: fn(&ScoreRow) -> Option<&Text>| stored.and_then(get);
    let environment = environment(old(|row| Some(&row.environment)), sent, |body| {
        body.environment.as_ref()
    });
    let trace_id = first(
        old(|row| row.trace_id.as_ref().filter(|id| !id.is_empty())),
        sent,
        |body| body.trace_id.as_ref().filter(|id| !id.is_empty()),
    );
    Some(ScoreRow {
        id: key.id.clone(),
        project_id: key.project.clone(),
        timestamp: time(stored.map(|row| row.timestamp), sent).unwrap_or(now),
        environment,
        trace_id: trace_id.cloned(),
        session_id: last(old(|row| row.session_id.as_ref()), sent, |body| said(&body.session_id)).cloned(),
        dataset_run_id: last(old(|row| row.dataset_run_id.as_ref()), sent, |body| {
            said(&body.dataset_run_id)
        })
        .cloned(),
        observation_id: last(old(|row| row.observation_id.as_ref()), sent, |body| {
            said(&body.observation_id)
        })
        .cloned(),
        name: match value.ty {
            ScoreType::Correction => "output".into(),
            _ => body.name.clone(),
        },
        value: value.number,
        source: body.source.name().into(),
        comment: last(old(|row| row.comment.as_ref()), sent, |body| said(&body.comment)).cloned(),
        metadata: metadata::fold(
            stored.map_or(&[], |row| &row.metadata),
            sent.iter().map(|sent| &sent.body.metadata),
        ),
        author_user_id: stored.and_then(|row| row.author_user_id.clone()),
        config_id: last(old(|row| row.config_id.as_ref()), sent, |body| said(&body.config_id)).cloned(),
        data_type: value.ty.name().into(),
        string_value: value.text,
        queue_id: body.queue_id.value().cloned(),
        created_at: stored.map_or_else(|| first_received(sent, now), |row| row.created_at),
        updated_at: now,
        event_ts: now,
        is_deleted: false,
        execution_trace_id: last(old(|row| row.execution_trace_id.as_ref()), sent, |body| {
            said(&body.execution_trace_id)
        })
        .cloned(),
        long_string_value: value.long_text,
    })
}

/// When the first was sent; what is stored, where it is of none of these.
fn time(stored: Option<Millis>, sent: &[Sent<'_, ScoreBody>]) -> Option<Millis> {
    let stays = stored.filter(|stored| sent.iter().all(|sent| sent.at() != *stored));
    stays.or_else(|| sent.first().map(Sent::at))
}

/// The columns of an event's value. `None`: the event contradicts itself.
fn value(body: &ScoreBody) -> Option<Value> {
    let ty = body.data_type.unwrap_or(match body.value {
        ScoreValue::Number(_) => ScoreType::Numeric,
        ScoreValue::Text(_) => ScoreType::Categorical,
    });
    let columns = |number, text: Option<Text>, long_text| Value {
        ty,
        number,
        text,
        long_text,
    };
    match (ty, &body.value) {
        (ScoreType::Numeric, ScoreValue::Number(number)) if number.is_finite() => {
            Some(columns(*number, None, no_text()))
        }
        (ScoreType::Boolean, ScoreValue::Number(number)) if *number == 1.0 => {
            Some(columns(1.0, Some("True".into()), no_text()))
        }
        (ScoreType::Boolean, ScoreValue::Number(number)) if *number == 0.0 => {
            Some(columns(0.0, Some("False".into()), no_text()))
        }
        (ScoreType::Categorical, ScoreValue::Text(text)) => Some(columns(0.0, Some(text.clone()), no_text())),
        (ScoreType::Correction, ScoreValue::Text(text)) if is_of_a_trace(body) => {
            Some(columns(0.0, None, text.clone()))
        }
        _ => None,
    }
}

/// A correction is of a trace or of an observation in it, and has no config.
fn is_of_a_trace(body: &ScoreBody) -> bool {
    let is_empty = |value: Option<&Text>| value.is_none_or(|text| text.is_empty());
    is_empty(body.session_id.value()) && is_empty(body.dataset_run_id.value()) && is_empty(body.config_id.value())
}
