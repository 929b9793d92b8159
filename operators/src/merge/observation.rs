//! The row of an observation, but for what prices decide.
//!
//! Its start, where nothing is stored: the first that a client named, else the first event's time. Its trace: the first
//! that was named; until then the column is empty. Tools are taken from input and output as they are in the row, so they go
//! with them.

use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKey, EventKind, Level, ObservationBody, ObservationRow, ObservationType, Text};

use super::fold::{Sent, environment, filled, first, first_received, given, last, no_text, said};
use super::{metadata, tools};

/// A prompt as it was sent, or as it is stored.
type Prompt<'a> = (Option<&'a Text>, Option<u16>);

pub(super) fn row(
    key: &EntityKey,
    stored: Option<&ObservationRow>,
    sent: &[Sent<'_, ObservationBody>],
    now: Millis,
) -> Option<ObservationRow> {
    if stored.is_none() && sent.is_empty() {
        return None;
    }
    let old = |get: fn(&ObservationRow) -> Option<&Text>| stored.and_then(get);
    let named = |id: &Text| !id.is_empty();
    let environment = environment(old(|row| Some(&row.environment)), sent, |body| {
        body.environment.as_ref()
    });
    let trace_id = first(stored.map(|row| &row.trace_id).filter(|id| named(id)), sent, |body| {
        body.trace_id.as_ref().filter(|id| named(id))
    });
    let name = last(
        old(|row| Some(&row.name).filter(|name| !name.is_empty())),
        sent,
        |body| said(&body.name),
    );
    let level = last(stored.map(|row| &row.level), sent, |body| said(&body.level));
    let end_time = last(stored.and_then(|row| row.end_time.as_ref()), sent, |body| {
        given(body.end_time.as_ref())
    });
    let completion_start = last(
        stored.and_then(|row| row.completion_start_time.as_ref()),
        sent,
        |body| given(body.completion_start_time.as_ref()),
    );
    let usage = last(stored.map(|row| &row.provided_usage_details), sent, |body| {
        unless_empty(&body.usage)
    });
    let cost = last(stored.map(|row| &row.provided_cost_details), sent, |body| {
        unless_empty(&body.cost)
    });
    let parent = last(old(|row| row.parent_observation_id.as_ref()), sent, |body| {
        filled(body.parent_observation_id.as_ref())
    });
    let start_time = start(stored, sent, now);
    let prompt = prompt(stored, sent);
    let mut row = ObservationRow {
        id: key.id.clone(),
        project_id: key.project.clone(),
        trace_id: trace_id.cloned().unwrap_or_else(no_text),
        environment,
        ty: ty(stored, sent),
        parent_observation_id: parent.cloned(),
        start_time,
        end_time: end_time.map(|end| start_time.max(*end)),
        completion_start_time: completion_start.copied(),
        name: name.cloned().unwrap_or_else(no_text),
        metadata: metadata::fold(
            stored.map_or(&[], |row| &row.metadata),
            sent.iter().map(|sent| &sent.body.metadata),
        ),
        level: level.copied().unwrap_or(Level::Default),
        status_message: last(old(|row| row.status_message.as_ref()), sent, |body| {
            filled(body.status_message.as_ref())
        })
        .cloned(),
        version: last(old(|row| row.version.as_ref()), sent, |body| {
            filled(body.version.as_ref())
        })
        .cloned(),
        input: last(old(|row| row.input.as_ref()), sent, |body| given(body.input.as_ref())).cloned(),
        output: last(old(|row| row.output.as_ref()), sent, |body| given(body.output.as_ref())).cloned(),
        provided_model_name: last(old(|row| row.provided_model_name.as_ref()), sent, |body| {
            said(&body.model)
        })
        .cloned(),
        internal_model_id: None,
        model_parameters: last(old(|row| row.model_parameters.as_ref()), sent, |body| {
            filled(body.model_parameters.as_ref())
        })
        .cloned(),
        provided_usage_details: usage.cloned().unwrap_or_default(),
        usage_details: Vec::new(),
        provided_cost_details: cost.cloned().unwrap_or_default(),
        cost_details: Vec::new(),
        total_cost: None,
        prompt_id: prompt_id(stored, prompt),
        prompt_name: prompt.0.cloned(),
        prompt_version: prompt.1,
        created_at: stored.map_or_else(|| first_received(sent, now), |row| row.created_at),
        updated_at: now,
        event_ts: now,
        is_deleted: false,
        usage_pricing_tier_id: None,
        usage_pricing_tier_name: None,
        tool_definitions: Vec::new(),
        tool_calls: Vec::new(),
        tool_call_names: Vec::new(),
    };
    set_tools(&mut row, stored, sent);
    Some(row)
}

fn unless_empty<T>(list: &Vec<T>) -> Option<Option<&Vec<T>>> {
    given(Some(list).filter(|list| !list.is_empty()))
}

fn start(stored: Option<&ObservationRow>, sent: &[Sent<'_, ObservationBody>], now: Millis) -> Millis {
    // The time of an event stands in for a start that none has named yet.
    let stands_in = |stored: &Millis| sent.iter().any(|sent| sent.at() == *stored);
    let stored = stored.map(|row| &row.start_time).filter(|start| !stands_in(start));
    first(stored, sent, |body| body.start_time.as_ref())
        .copied()
        .or_else(|| sent.iter().map(Sent::at).min())
        .unwrap_or(now)
}

fn ty(stored: Option<&ObservationRow>, sent: &[Sent<'_, ObservationBody>]) -> ObservationType {
    let sent = sent.iter().rev().find_map(|sent| match sent.patch.event.kind {
        EventKind::ObservationCreate(ty) | EventKind::ObservationUpdate(ty) => Some(ty),
        EventKind::TraceCreate | EventKind::ScoreCreate => None,
    });
    sent.or_else(|| stored.map(|row| row.ty))
        .unwrap_or(ObservationType::Span)
}

/// Name and version of the last event that names a prompt.
fn prompt<'a>(stored: Option<&'a ObservationRow>, sent: &[Sent<'a, ObservationBody>]) -> Prompt<'a> {
    let stored: Prompt<'a> = stored.map_or((None, None), |row| (row.prompt_name.as_ref(), row.prompt_version));
    sent.iter()
        .rev()
        .find_map(|sent| {
            let name = sent.body.prompt_name.as_ref().filter(|name| !name.is_empty())?;
            Some((Some(name), sent.body.prompt_version))
        })
        .unwrap_or(stored)
}

/// The stored id, for as long as it is of the same prompt.
fn prompt_id(stored: Option<&ObservationRow>, prompt: Prompt<'_>) -> Option<Text> {
    let stored = stored?;
    let is_same = (stored.prompt_name.as_ref(), stored.prompt_version) == prompt;
    stored.prompt_id.clone().filter(|_| is_same)
}

fn set_tools(row: &mut ObservationRow, stored: Option<&ObservationRow>, sent: &[Sent<'_, ObservationBody>]) {
    if sent.iter().any(|sent| sent.body.input.is_some()) {
        row.tool_definitions = row.input.as_deref().map(tools::definitions).unwrap_or_default();
    } else if let Some(stored) = stored {
        row.tool_definitions.clone_from(&stored.tool_definitions);
    }
    if sent.iter().any(|sent| sent.body.output.is_some()) {
        (row.tool_calls, row.tool_call_names) = row.output.as_deref().map(tools::calls).unwrap_or_default();
    } else if let Some(stored) = stored {
        row.tool_calls.clone_from(&stored.tool_calls);
        row.tool_call_names.clone_from(&stored.tool_call_names);
    }
}
