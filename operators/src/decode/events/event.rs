//! One event: the envelope, and which body its type asks for.

use tracemill_model::ingest::{Access, Body, Event, EventKind, ObservationType, Rank, Text};

use super::fields::{self, Fault, Fields, Raw, fault, is_null, with_name};
use super::observation::{self, Schema};
use super::{Reading, Rules, score, trace};
use crate::decode::walk::Cursor;
use crate::decode::{Why, json};

/// The parts of an event, as text.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    is_object: bool,
    depth: usize,
    id: Raw<'a>,
    ty: Raw<'a>,
    timestamp: Raw<'a>,
    body: Option<Box<Fields<'a>>>,
    /// The whole of it.
    pub(super) text: &'a str,
}

/// What an event is.
#[derive(Debug)]
pub(super) enum Content {
    /// A change of an entity.
    Event(Event),
    /// A line of a client's own log: its event's id. Nothing is stored of it.
    Log(Text),
}

impl<'a> Envelope<'a> {
    /// The event that comes next; of anything but an object only its text.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Self {
        let mut envelope = Self::default();
        cursor.peek();
        let from = cursor.place();
        cursor.measure();
        if cursor.enter(b'{') {
            envelope.is_object = true;
            while let Some(key) = cursor.key() {
                envelope.part(key, cursor);
            }
        } else {
            cursor.value();
        }
        envelope.depth = cursor.deepest();
        envelope.text = cursor.since(from);
        envelope
    }

    fn part(&mut self, key: &str, cursor: &mut Cursor<'a>) {
        with_name(key, |name| match name {
            "id" => self.id = Some(cursor.value()),
            "type" => self.ty = Some(cursor.value()),
            "timestamp" => self.timestamp = Some(cursor.value()),
            "body" => self.body = Fields::read(cursor),
            _ => {
                cursor.value();
            }
        });
    }

    /// Its id for an answer; `unknown` where it has none that is a text.
    pub(super) fn id(&self) -> Text {
        self.id.and_then(json::string).unwrap_or_else(|| "unknown".into())
    }

    /// The change that it says.
    ///
    /// # Errors
    /// It is not valid, or the key may not write it; and what to tell the sender.
    pub(super) fn content(&self, access: Access, reading: Reading<'_>) -> Result<Content, (Why, Fault)> {
        let content = self.valid(reading).map_err(|fault| (Why::Invalid, fault))?;
        let is_allowed = match (&content, access) {
            (_, Access::Project) | (Content::Log(_), Access::Scores) => true,
            (Content::Event(event), Access::Scores) => event.kind == EventKind::ScoreCreate,
        };
        if is_allowed {
            Ok(content)
        } else {
            Err((Why::Scope, "Access Scope Denied".to_owned()))
        }
    }

    fn valid(&self, reading: Reading<'_>) -> Result<Content, Fault> {
        if !self.is_object {
            return fault("event", "must be an object");
        }
        let limit = reading.limits.depth;
        if self.depth > limit {
            return fault(
                "event",
                &format!("must not be nested more than {limit} deep, is {}", self.depth),
            );
        }
        let Some(id) = fields::id("id", self.id, reading)? else {
            return fault("id", "must be there");
        };
        let Some(at) = fields::time("timestamp", self.timestamp)? else {
            return fault("timestamp", "must be there");
        };
        let Some(ty) = self.ty.and_then(json::string) else {
            return fault("type", "must be a string");
        };
        let Some(body) = &self.body else {
            return fault("body", "must be an object");
        };
        let (kind, body) = match &*ty {
            "sdk-log" => return log(body, id),
            "trace-create" => (EventKind::TraceCreate, trace(body, &id, reading)?),
            "score-create" => (EventKind::ScoreCreate, score(body, &id, reading)?),
            name => {
                let (kind, schema) = observation_kind(name, body, reading.rules)?;
                let body = observation::body(body, &id, schema, reading)?;
                (kind, Body::Observation(Box::new(body)))
            }
        };
        Ok(Content::Event(Event {
            id,
            kind,
            at,
            rank: Rank::Whole,
            body,
        }))
    }
}

fn trace(body: &Fields<'_>, id: &Text, reading: Reading<'_>) -> Result<Body, Fault> {
    Ok(Body::Trace(Box::new(trace::body(body, id, reading)?)))
}

fn score(body: &Fields<'_>, id: &Text, reading: Reading<'_>) -> Result<Body, Fault> {
    Ok(Body::Score(Box::new(score::body(body, id, reading)?)))
}

fn log(body: &Fields<'_>, id: Text) -> Result<Content, Fault> {
    if body.log.is_none_or(is_null) {
        return fault("body.log", "must be there and not null");
    }
    fields::text("body.id", body.id)?;
    Ok(Content::Log(id))
}

fn observation_kind(name: &str, body: &Fields<'_>, rules: Rules) -> Result<(EventKind, Schema), Fault> {
    match name {
        "observation-create" => {
            let ty = observation::legacy_type(body.ty)?;
            return Ok((EventKind::ObservationCreate(ty), Schema::Legacy));
        }
        "observation-update" => {
            let ty = observation::legacy_type(body.ty)?;
            return Ok((EventKind::ObservationUpdate(ty), Schema::Legacy));
        }
        "span-update" => return Ok((EventKind::ObservationUpdate(ObservationType::Span), Schema::Span)),
        "generation-update" => {
            let ty = ObservationType::Generation;
            return Ok((EventKind::ObservationUpdate(ty), Schema::Generation));
        }
        "dataset-run-item-create" if rules == Rules::Internal => {
            return fault("type", "dataset-run-item-create is not supported");
        }
        _ => {}
    }
    let ty = name
        .strip_suffix("-create")
        .and_then(|word| ObservationType::ALL.into_iter().find(|ty| ty.lower() == word));
    match ty {
        Some(ty @ ObservationType::Event) => Ok((EventKind::ObservationCreate(ty), Schema::Point)),
        Some(ty @ ObservationType::Span) => Ok((EventKind::ObservationCreate(ty), Schema::Span)),
        Some(ty) => Ok((EventKind::ObservationCreate(ty), Schema::Generation)),
        None => fault("type", "must be a type of event that clients may send"),
    }
}
