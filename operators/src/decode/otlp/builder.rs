//! From spans to events: what a request's spans share, and which events a span becomes.

use std::borrow::Cow;
use std::collections::HashMap;

use tracemill_model::Millis;
use tracemill_model::ingest::{
    Body, Event, EventKind, Field, MetadataValue, ObservationBody, Rank, Sdk, Text, TraceBody,
};

use super::super::{Decoded, Rejected, Why};
use super::keys::{Attrs, Key};
use super::metadata::{self, Domain, Entries, NAMES};
use super::payload::{self, Payload};
use super::span::{Scope, Span, Unreadable, Visitor};
use super::value::{Pairs, Value, write_object, write_string};
use super::{observation, trace};

/// What the spans of a resource share.
pub(super) struct Resource<'a> {
    pub attrs: Attrs<'a>,
    /// As JSON.
    pub text: MetadataValue,
    /// What it says of its traces.
    pub metadata: Entries,
    is_python: bool,
}

/// What the spans of a scope share.
pub(super) struct ScopeContext {
    pub name: String,
    /// As JSON.
    pub text: MetadataValue,
    /// A Langfuse SDK: its attributes are all known, and not kept as such.
    pub is_langfuse: bool,
    /// A Python SDK that called generations spans.
    pub is_old_python: bool,
    /// Values of metadata are encoded as JSON, texts too.
    encodes: bool,
}

/// A span with all that is known of it.
pub(super) struct Subject<'s, 'a> {
    pub span: &'s Span<'a>,
    pub attrs: &'s Attrs<'a>,
    pub resource: &'s Resource<'a>,
    pub scope: &'s ScopeContext,
    pub trace_id: Text,
    pub id: Text,
    pub start: Millis,
    pub end: Millis,
    pub environment: Text,
    pub payload: Payload,
    /// The rest of its attributes, where they are kept.
    pub attributes: Option<Text>,
    pub received: Millis,
}

impl Subject<'_, '_> {
    /// An attribute of the span, else of the resource.
    pub(super) fn inherited(&self, own: Key, shared: Key) -> Option<Text> {
        let value = self.attrs.truthy(own).or_else(|| self.resource.attrs.truthy(shared));
        value.map(Value::to_text)
    }
}

/// Turns the spans of a request into events.
pub(super) struct Builder<'a> {
    context: Context<'a>,
    collected: Collected,
}

/// What is known where a span comes.
struct Context<'a> {
    received: Millis,
    /// Whether the headers say that metadata is encoded; the scope says it where they are silent.
    encodes: Option<bool>,
    resource: Resource<'a>,
    scope: ScopeContext,
}

/// What the spans so far have become.
#[derive(Default)]
struct Collected {
    spans: u32,
    /// Where a trace is among `stubs`.
    traces: HashMap<Text, usize>,
    /// Per trace in the order of their first spans.
    stubs: Vec<Mention>,
    out: Decoded,
}

/// What is heard of a trace from spans that say nothing of it.
#[derive(Default)]
struct Mention {
    /// The first of them, what its observation tells, and the earliest start of them all.
    stub: Option<(Text, TraceBody)>,
    /// The earliest start of the spans that say more.
    known: Option<Millis>,
}

/// The latest time that the tables hold: the end of 2299, in milliseconds.
const LATEST: i64 = 10_413_791_999_999;

impl Builder<'_> {
    pub(super) fn new(received: Millis, sdk: &Sdk) -> Self {
        let version = sdk.version.as_deref().map(|version| major_minor(version).0);
        let encodes = match (sdk.name.as_deref(), version) {
            (Some("python"), Some(major)) => Some(major >= 5),
            (Some("python") | None, _) => None,
            (Some(_), _) => Some(false),
        };
        let resource = resource(Pairs::new());
        let context = Context {
            received,
            encodes,
            scope: scope(Scope::default(), &resource, encodes),
            resource,
        };
        Self {
            context,
            collected: Collected::default(),
        }
    }

    /// The events so far; those of traces that have only been named come at the end.
    pub(super) fn events(&self) -> &[Event] {
        &self.collected.out.events
    }

    pub(super) fn finish(self) -> Decoded {
        let Collected { stubs, mut out, .. } = self.collected;
        for Mention { stub, known } in stubs {
            let Some((id, mut body)) = stub else { continue };
            if let Some(known) = known {
                // All that it adds is an earlier beginning.
                if body.timestamp.is_none_or(|start| start >= known) {
                    continue;
                }
                let TraceBody { id, timestamp, .. } = body;
                body = TraceBody {
                    id,
                    timestamp,
                    ..TraceBody::default()
                };
            }
            let at = body.timestamp.unwrap_or(self.context.received);
            out.events.push(trace_event(id, at, Rank::Stub, body));
        }
        out
    }
}

impl<'a> Visitor<'a> for Builder<'a> {
    fn resource(&mut self, attributes: Pairs<'a>) {
        self.context.resource = resource(attributes);
    }

    fn scope(&mut self, scope: Scope<'a>) {
        self.context.scope = self::scope(scope, &self.context.resource, self.context.encodes);
    }

    fn span(&mut self, span: Result<Span<'a>, Unreadable>) {
        match span {
            Ok(mut span) => {
                let attrs = Attrs::new(std::mem::take(&mut span.attributes), self.context.scope.encodes);
                let added = self
                    .context
                    .subject(&span, &attrs, &self.collected)
                    .and_then(|subject| self.collected.add(&subject));
                if let Err(reason) = added {
                    let id = Some(&*span.span_id).filter(|id| !id.is_empty());
                    self.collected.reject(id.map(Text::from), reason);
                }
            }
            Err(Unreadable { id, reason }) => self.collected.reject(id, reason),
        }
        self.collected.spans = self.collected.spans.saturating_add(1);
    }
}

impl<'a> Context<'a> {
    fn subject<'s>(
        &'s self,
        span: &'s Span<'a>,
        attrs: &'s Attrs<'a>,
        collected: &Collected,
    ) -> Result<Subject<'s, 'a>, String> {
        let own = attrs.truthy(Key::LfTraceId).filter(|_| self.scope.name == "litellm");
        let trace_id = own.map_or(Cow::Borrowed(&*span.trace_id), Value::text);
        checked_id("trace id", &trace_id)?;
        checked_id("span id", &span.span_id)?;
        let (start, end) = times(span, self.received)?;
        Ok(Subject {
            span,
            attrs,
            resource: &self.resource,
            scope: &self.scope,
            trace_id: collected.trace_id(&trace_id),
            id: (&*span.span_id).into(),
            start,
            end,
            environment: environment(attrs, &self.resource.attrs)?,
            payload: payload::of_observation(attrs, &span.events, &self.scope.name),
            attributes: (!self.scope.is_langfuse).then(|| metadata::attributes(attrs)),
            received: self.received,
        })
    }
}

impl Collected {
    fn reject(&mut self, id: Option<Text>, reason: String) {
        self.out.rejected.push(Rejected {
            index: self.spans,
            id: id.unwrap_or_else(|| "unknown".into()),
            why: Why::Invalid,
            reason,
        });
    }

    /// Spans of a trace come together: its id is shared with the event before.
    fn trace_id(&self, id: &str) -> Text {
        match self.out.events.last().map(|event| &event.body) {
            Some(Body::Observation(body)) => body.trace_id.clone().filter(|known| &**known == id),
            _ => None,
        }
        .unwrap_or_else(|| id.into())
    }

    /// Adds a span's events. What is wrong with the observation alone leaves what the span says of its trace.
    fn add(&mut self, subject: &Subject<'_, '_>) -> Result<(), String> {
        let rank = trace::rank(&subject.span.parent_id, subject.attrs);
        let observation = observation::body(subject);
        if rank > Rank::Stub {
            self.know(&subject.trace_id, subject.start);
            let body = trace_body(subject, rank);
            let event = trace_event(subject.id.clone(), subject.start, rank, body);
            self.out.events.push(event);
        }
        let (ty, body) = observation?;
        if rank == Rank::Stub {
            self.mention(subject, &body);
        }
        self.out.events.push(Event {
            id: subject.id.clone(),
            kind: EventKind::ObservationCreate(ty),
            at: subject.received,
            rank: Rank::Whole,
            body: Body::Observation(Box::new(body)),
        });
        Ok(())
    }

    /// An event says something of the trace.
    fn know(&mut self, trace: &Text, start: Millis) {
        let known = &mut self.mentions(trace).known;
        *known = Some(known.map_or(start, |known| known.min(start)));
    }

    fn mentions(&mut self, trace: &Text) -> &mut Mention {
        let place = match self.traces.get(trace) {
            Some(&place) => place,
            None => {
                self.traces.insert(trace.clone(), self.stubs.len());
                self.stubs.push(Mention::default());
                self.stubs.len() - 1
            }
        };
        &mut self.stubs[place]
    }

    /// An observation names the trace.
    fn mention(&mut self, subject: &Subject<'_, '_>, body: &ObservationBody) {
        let mention = self.mentions(&subject.trace_id);
        if let Some((_, stub)) = &mut mention.stub {
            stub.timestamp = stub.timestamp.map(|known| known.min(subject.start));
            return;
        }
        let environment = Some(subject.environment.clone());
        let stub = trace::stub(subject.trace_id.clone(), subject.start, environment, &body.metadata);
        mention.stub = Some((subject.id.clone(), stub));
    }
}

fn trace_event(id: Text, at: Millis, rank: Rank, body: TraceBody) -> Event {
    Event {
        id,
        kind: EventKind::TraceCreate,
        at,
        rank,
        body: Body::Trace(Box::new(body)),
    }
}

/// What a root, or a child that knows of its trace, says of it.
fn trace_body(subject: &Subject<'_, '_>, rank: Rank) -> TraceBody {
    let Subject {
        attrs, resource, scope, ..
    } = subject;
    let is_root = rank == Rank::Whole;
    let mut entries = resource.metadata.clone();
    metadata::collect(attrs, Domain::Trace, &mut entries);
    if is_root {
        metadata::collect(attrs, Domain::Observation, &mut entries);
        if let Some(attributes) = &subject.attributes {
            entries.set_shared(&NAMES.attributes, MetadataValue::Json(attributes.clone()));
        }
    }
    entries.set_shared(&NAMES.resource, resource.text.clone());
    entries.set_shared(&NAMES.scope, scope.text.clone());
    let own = |key| attrs.get(key).map(Value::to_text);
    let (input, output) = match is_root {
        true => payload::of_trace(attrs, &subject.payload),
        false => (own(Key::TraceInput), own(Key::TraceOutput)),
    };
    let name = own(Key::TraceName).or_else(|| is_root.then(|| observation::name(subject)));
    let mut body = TraceBody {
        id: subject.trace_id.clone(),
        timestamp: Some(subject.start),
        name: Field::or_absent(name),
        release: Field::or_absent(subject.inherited(Key::LfRelease, Key::LfRelease)),
        version: Field::or_absent(subject.inherited(Key::LfVersion, Key::ServiceVersion)),
        environment: Some(subject.environment.clone()),
        metadata: entries.into_list(),
        input,
        output,
        ..TraceBody::default()
    };
    trace::shared(attrs, &mut body);
    body
}

fn resource(attributes: Pairs<'_>) -> Resource<'_> {
    let attrs = Attrs::new(attributes, false);
    let mut text = String::new();
    write_object(attrs.iter().map(|attr| (&*attr.name, &attr.value)), &mut text);
    let mut metadata = Entries::default();
    metadata::collect(&attrs, Domain::Trace, &mut metadata);
    Resource {
        is_python: attrs.get(Key::SdkLanguage).and_then(Value::as_str) == Some("python"),
        text: MetadataValue::Json(text.into()),
        metadata,
        attrs,
    }
}

fn scope(scope: Scope<'_>, resource: &Resource<'_>, encodes: Option<bool>) -> ScopeContext {
    let mut text = "{".to_owned();
    for (name, value) in [("name", &scope.name), ("version", &scope.version)] {
        if !value.is_empty() {
            write_string(name, &mut text);
            text.push(':');
            write_string(value, &mut text);
            text.push(',');
        }
    }
    text.push_str(r#""attributes":"#);
    let attrs = Attrs::new(scope.attributes, false);
    write_object(attrs.iter().map(|attr| (&*attr.name, &attr.value)), &mut text);
    text.push('}');
    let is_python_sdk = scope.name == "langfuse-sdk" && resource.is_python;
    let version = major_minor(&scope.version);
    ScopeContext {
        is_langfuse: scope.name.starts_with("langfuse-sdk"),
        is_old_python: is_python_sdk && version <= (3, 3),
        encodes: encodes.unwrap_or(is_python_sdk && version.0 >= 5),
        name: scope.name.into_owned(),
        text: MetadataValue::Json(text.into()),
    }
}

/// The first two numbers of a version; zero where there is none.
fn major_minor(version: &str) -> (u32, u32) {
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut numbers = version
        .split(|char: char| !char.is_ascii_digit())
        .map(|number| number.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}

/// An id: 1 to 800 UTF-16 units without a carriage return, and not the zeros that mean none.
fn checked_id(name: &str, id: &str) -> Result<(), String> {
    const LONGEST: usize = 800;
    if id.is_empty() || id.bytes().all(|byte| byte == b'0') {
        return Err(format!("the span has no {name}"));
    }
    if id.contains('\r') || (id.len() > LONGEST && id.encode_utf16().count() > LONGEST) {
        return Err(format!(
            "the {name} is longer than {LONGEST} characters or has a carriage return"
        ));
    }
    Ok(())
}

/// Start and end, cut to milliseconds. Of two, one that is missing is the other; without both it is when it was received.
fn times(span: &Span<'_>, received: Millis) -> Result<(Millis, Millis), String> {
    let ms = |ns: u64| Millis(i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX));
    let (start, end) = match (span.start, span.end) {
        (0, 0) => (received, received),
        (0, end) => (ms(end), ms(end)),
        (start, 0) => (ms(start), ms(start)),
        (start, end) => (ms(start), ms(end)),
    };
    match start.max(end).0 > LATEST {
        true => Err(format!("its time is after 2299: {} ns to {} ns", span.start, span.end)),
        false => Ok((start, end)),
    }
}

/// The environment, in lower case: 1 to 40 of `a-z0-9-_`, not Langfuse's own.
fn environment(attrs: &Attrs<'_>, resource: &Attrs<'_>) -> Result<Text, String> {
    const LONGEST: usize = 40;
    let found = [Key::LfEnvironment, Key::DeploymentName, Key::Deployment]
        .into_iter()
        .find_map(|key| attrs.truthy(key).or_else(|| resource.truthy(key)));
    let Some(found) = found else {
        return Ok("default".into());
    };
    let lower = found.text().to_lowercase();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if lower.len() > LONGEST || !lower.bytes().all(allowed) || lower.starts_with("langfuse") {
        let shown: String = lower.chars().take(LONGEST + 1).collect();
        return Err(format!(
            "environment `{shown}`: must be 1 to {LONGEST} of a-z, 0-9, `-` and `_`, and not start with `langfuse`"
        ));
    }
    Ok(lower.into())
}
