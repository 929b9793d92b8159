//! Rows out of RowBinary, in the order of the tables' columns.

use bytes::{Buf, BytesMut};
use tracemill_model::Table;
use tracemill_model::ingest::{Level, ObservationRow, ObservationType, Row, ScoreRow, TraceRow};
use tracemill_warehouse::{Service, Statement};

use super::binary::{Reader, Stop};
use crate::SourceError;

/// Runs a query whose answer is rows of RowBinary, and hands each to `read`, which takes one row from the front.
pub(super) async fn each<T>(
    service: &Service,
    statement: &Statement,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, Stop>,
    mut each: impl FnMut(T),
) -> Result<(), SourceError> {
    let mut stream = service.stream(statement, "RowBinary")?;
    let mut buffer = BytesMut::new();
    let mut wanted = 1;
    while let Some(chunk) = stream.next().await? {
        buffer.extend_from_slice(&chunk);
        while buffer.len() >= wanted {
            let mut reader = Reader::new(&buffer);
            match read(&mut reader) {
                Ok(row) => {
                    let used = buffer.len() - reader.left();
                    buffer.advance(used);
                    wanted = 1;
                    each(row);
                }
                Err(Stop::More(bytes)) => wanted = buffer.len() + bytes,
                Err(stop) => return Err(stop.into()),
            }
        }
    }
    if buffer.is_empty() {
        Ok(())
    } else {
        Err(Stop::More(wanted - buffer.len()).into())
    }
}

/// One row of a table, all columns. A type that we do not know reads as a span, a level as the default.
pub(super) fn row(table: Table, from: &mut Reader<'_>) -> Result<Row, Stop> {
    Ok(match table {
        Table::Traces => Row::Trace(Box::new(trace(from)?)),
        Table::Observations => Row::Observation(Box::new(observation(from)?)),
        Table::Scores => Row::Score(Box::new(score(from)?)),
    })
}

fn trace(from: &mut Reader<'_>) -> Result<TraceRow, Stop> {
    Ok(TraceRow {
        id: from.text()?,
        timestamp: from.time()?,
        name: from.text()?,
        user_id: from.nullable_text()?,
        metadata: from.map(Reader::text)?,
        release: from.nullable_text()?,
        version: from.nullable_text()?,
        project_id: from.text()?,
        environment: from.text()?,
        public: from.flag()?,
        bookmarked: from.flag()?,
        tags: from.list(Reader::text)?,
        input: from.nullable_text()?,
        output: from.nullable_text()?,
        session_id: from.nullable_text()?,
        created_at: from.time()?,
        updated_at: from.time()?,
        event_ts: from.time()?,
        is_deleted: from.flag()?,
    })
}

fn observation(from: &mut Reader<'_>) -> Result<ObservationRow, Stop> {
    Ok(ObservationRow {
        id: from.text()?,
        trace_id: from.text()?,
        project_id: from.text()?,
        environment: from.text()?,
        ty: ObservationType::parse(&from.text()?).unwrap_or(ObservationType::Span),
        parent_observation_id: from.nullable_text()?,
        start_time: from.time()?,
        end_time: from.nullable(Reader::time)?,
        name: from.text()?,
        metadata: from.map(Reader::text)?,
        level: Level::parse(&from.text()?).unwrap_or_default(),
        status_message: from.nullable_text()?,
        version: from.nullable_text()?,
        input: from.nullable_text()?,
        output: from.nullable_text()?,
        provided_model_name: from.nullable_text()?,
        internal_model_id: from.nullable_text()?,
        model_parameters: from.nullable_text()?,
        provided_usage_details: from.map(Reader::unsigned)?,
        usage_details: from.map(Reader::unsigned)?,
        provided_cost_details: from.map(Reader::decimal)?,
        cost_details: from.map(Reader::decimal)?,
        total_cost: from.nullable(Reader::decimal)?,
        completion_start_time: from.nullable(Reader::time)?,
        prompt_id: from.nullable_text()?,
        prompt_name: from.nullable_text()?,
        prompt_version: from.nullable(Reader::short)?,
        created_at: from.time()?,
        updated_at: from.time()?,
        event_ts: from.time()?,
        is_deleted: from.flag()?,
        usage_pricing_tier_id: from.nullable_text()?,
        usage_pricing_tier_name: from.nullable_text()?,
        tool_definitions: from.map(Reader::text)?,
        tool_calls: from.list(Reader::text)?,
        tool_call_names: from.list(Reader::text)?,
    })
}

fn score(from: &mut Reader<'_>) -> Result<ScoreRow, Stop> {
    Ok(ScoreRow {
        id: from.text()?,
        timestamp: from.time()?,
        project_id: from.text()?,
        environment: from.text()?,
        trace_id: from.nullable_text()?,
        session_id: from.nullable_text()?,
        dataset_run_id: from.nullable_text()?,
        observation_id: from.nullable_text()?,
        name: from.text()?,
        value: from.float()?,
        source: from.text()?,
        comment: from.nullable_text()?,
        metadata: from.map(Reader::text)?,
        author_user_id: from.nullable_text()?,
        config_id: from.nullable_text()?,
        data_type: from.text()?,
        string_value: from.nullable_text()?,
        queue_id: from.nullable_text()?,
        created_at: from.time()?,
        updated_at: from.time()?,
        event_ts: from.time()?,
        is_deleted: from.flag()?,
        execution_trace_id: from.nullable_text()?,
        long_string_value: from.text()?,
    })
}
