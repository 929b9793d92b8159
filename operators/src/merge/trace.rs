//! The row of a trace.
//!
//! Its time: the first whole event's own (its explicit timestamp before the envelope's), or that of any span if that is
//! earlier. For a client that sends `trace-create` this is the earliest event's; for spans it is the minimum, in whichever
//! order they arrive. A stored time that comes from none of the patches stays, but for spans that are earlier, the root
//! among them.

use tracemill_model::Millis;
use tracemill_model::ingest::{EntityKey, Rank, Text, TraceBody, TraceRow};

use super::fold::{Sent, environment, first_received, given, last, no_text, said};
use super::metadata;

pub(super) fn row(
    key: &EntityKey,
    stored: Option<&TraceRow>,
    sent: &[Sent<'_, TraceBody>],
    now: Millis,
) -> Option<TraceRow> {
    if stored.is_none() && sent.is_empty() {
        return None;
    }
    let old = |get: fn(&TraceRow) -> Option<&Text>| stored.and_then(get);
    let name = last(
        old(|row| Some(&row.name).filter(|name| !name.is_empty())),
        sent,
        |body| said(&body.name),
    );
    let environment = environment(old(|row| Some(&row.environment)), sent, |body| {
        body.environment.as_ref()
    });
    let is_public = stored.map(|row| &row.public).filter(|public| **public);
    Some(TraceRow {
        id: key.id.clone(),
        project_id: key.project.clone(),
        timestamp: time(stored.map(|row| row.timestamp), sent, now),
        name: name.cloned().unwrap_or_else(no_text),
        user_id: last(old(|row| row.user_id.as_ref()), sent, |body| said(&body.user_id)).cloned(),
        metadata: metadata::fold(
            stored.map_or(&[], |row| &row.metadata),
            sent.iter().map(|sent| &sent.body.metadata),
        ),
        release: last(old(|row| row.release.as_ref()), sent, |body| said(&body.release)).cloned(),
        version: last(old(|row| row.version.as_ref()), sent, |body| said(&body.version)).cloned(),
        environment,
        public: last(is_public, sent, |body| given(body.public.as_ref())).is_some_and(|public| *public),
        bookmarked: stored.is_some_and(|row| row.bookmarked),
        tags: tags(stored.map_or(&[], |row| &row.tags), sent),
        input: last(old(|row| row.input.as_ref()), sent, |body| given(body.input.as_ref())).cloned(),
        output: last(old(|row| row.output.as_ref()), sent, |body| given(body.output.as_ref())).cloned(),
        session_id: last(old(|row| row.session_id.as_ref()), sent, |body| said(&body.session_id)).cloned(),
        created_at: stored.map_or_else(|| first_received(sent, now), |row| row.created_at),
        updated_at: now,
        event_ts: now,
        is_deleted: false,
    })
}

fn time(stored: Option<Millis>, sent: &[Sent<'_, TraceBody>], now: Millis) -> Millis {
    let own = |sent: &Sent<'_, TraceBody>| sent.body.timestamp.unwrap_or(sent.at());
    let (parts, whole): (&[_], &[_]) = sent.split_at(sent.partition_point(|sent| sent.rank() < Rank::Whole));
    let of_whole = whole
        .iter()
        .find_map(|sent| sent.body.timestamp)
        .or_else(|| whole.first().map(own));
    let stays = stored.filter(|stored| sent.iter().all(|sent| own(sent) != *stored));
    // The stored time may be that of a child whose events are not at hand.
    let roots = whole.iter().filter(|sent| sent.body.timestamp == Some(sent.at()));
    let roots = stays.and_then(|_| roots.map(own).min());
    let of_whole = stays.or(of_whole);
    parts.iter().map(own).chain(of_whole).chain(roots).min().unwrap_or(now)
}

/// All that were ever sent, each once, in the order of their UTF-16 code units.
fn tags(stored: &[Text], sent: &[Sent<'_, TraceBody>]) -> Vec<Text> {
    let mut tags: Vec<Text> = stored.to_vec();
    tags.extend(sent.iter().flat_map(|sent| sent.body.tags.iter().cloned()));
    tags.sort_unstable_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
    tags.dedup();
    tags
}
