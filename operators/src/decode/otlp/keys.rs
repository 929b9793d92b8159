//! The attributes that mean something to us, and where they are in a span.
//!
//! A span has some tens of attributes and we ask for more than a hundred names: so each attribute is classified once, and
//! every question is then an index.

use std::borrow::Cow;
use std::collections::HashMap;

use super::value::{Pairs, Value};

macro_rules! keys {
    ($($key:ident = $name:literal,)*) => {
        /// An attribute that is asked for by its whole name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Key { $($key,)* }

        const KEYS: &[(Key, &str)] = &[$((Key::$key, $name),)*];
    };
}

keys! {
    AsRoot = "langfuse.internal.as_root",
    LfEnvironment = "langfuse.environment",
    LfVersion = "langfuse.version",
    LfRelease = "langfuse.release",
    LfMetadata = "langfuse.metadata",
    LfTags = "langfuse.tags",
    LfPublic = "langfuse.public",
    LfUserId = "langfuse.user.id",
    LfSessionId = "langfuse.session.id",
    LfPromptName = "langfuse.prompt.name",
    LfPromptVersion = "langfuse.prompt.version",
    LfTraceId = "langfuse.trace.id",
    TraceName = "langfuse.trace.name",
    TraceInput = "langfuse.trace.input",
    TraceOutput = "langfuse.trace.output",
    TraceMetadata = "langfuse.trace.metadata",
    TracePublic = "langfuse.trace.public",
    TraceTags = "langfuse.trace.tags",
    TraceUserId = "langfuse.trace.metadata.langfuse_user_id",
    TraceSessionId = "langfuse.trace.metadata.langfuse_session_id",
    TraceMetadataTags = "langfuse.trace.metadata.langfuse_tags",
    ObsType = "langfuse.observation.type",
    ObsInput = "langfuse.observation.input",
    ObsOutput = "langfuse.observation.output",
    ObsMetadata = "langfuse.observation.metadata",
    ObsLevel = "langfuse.observation.level",
    ObsStatusMessage = "langfuse.observation.status_message",
    ObsCompletionStart = "langfuse.observation.completion_start_time",
    ObsModel = "langfuse.observation.model.name",
    ObsModelParameters = "langfuse.observation.model.parameters",
    ObsUsage = "langfuse.observation.usage_details",
    ObsCost = "langfuse.observation.cost_details",
    ObsPromptName = "langfuse.observation.prompt.name",
    ObsPromptVersion = "langfuse.observation.prompt.version",
    ObsUserId = "langfuse.observation.metadata.langfuse_user_id",
    ObsSessionId = "langfuse.observation.metadata.langfuse_session_id",
    ObsMetadataTags = "langfuse.observation.metadata.langfuse_tags",
    UserId = "user.id",
    SessionId = "session.id",
    TagTags = "tag.tags",
    DeploymentName = "deployment.environment.name",
    Deployment = "deployment.environment",
    ServiceVersion = "service.version",
    SdkLanguage = "telemetry.sdk.language",
    LogfireMsg = "logfire.msg",
    OperationName = "operation.name",
    OpenInferenceKind = "openinference.span.kind",
    AiOperationId = "ai.operationId",
    AiFunctionId = "ai.telemetry.functionId",
    AiUserId = "ai.telemetry.metadata.userId",
    AiSessionId = "ai.telemetry.metadata.sessionId",
    AiTags = "ai.telemetry.metadata.tags",
    AiLangfusePrompt = "ai.telemetry.metadata.langfusePrompt",
    AiToolName = "ai.toolCall.name",
    AiToolArgs = "ai.toolCall.args",
    AiToolResult = "ai.toolCall.result",
    AiMessages = "ai.prompt.messages",
    AiPrompt = "ai.prompt",
    AiTools = "ai.prompt.tools",
    AiToolChoice = "ai.prompt.toolChoice",
    AiResponseText = "ai.response.text",
    AiResponseObject = "ai.response.object",
    AiResponseToolCalls = "ai.response.toolCalls",
    AiResultText = "ai.result.text",
    AiResultObject = "ai.result.object",
    AiResultToolCalls = "ai.result.toolCalls",
    AiFirstChunk = "ai.response.msToFirstChunk",
    AiStreamFirstChunk = "ai.stream.msToFirstChunk",
    AiProviderMetadata = "ai.response.providerMetadata",
    AiModelId = "ai.model.id",
    AiModelProvider = "ai.model.provider",
    AiMaxSteps = "ai.settings.maxSteps",
    AiMaxRetries = "ai.settings.maxRetries",
    AiMode = "ai.settings.mode",
    AiTokens = "ai.usage.tokens",
    AiCachedTokens = "ai.usage.cachedInputTokens",
    AiReasoningTokens = "ai.usage.reasoningTokens",
    GenAiOperation = "gen_ai.operation.name",
    GenAiSystem = "gen_ai.system",
    GenAiConversation = "gen_ai.conversation.id",
    GenAiToolName = "gen_ai.tool.name",
    GenAiToolCallId = "gen_ai.tool.call.id",
    GenAiToolArguments = "gen_ai.tool.call.arguments",
    GenAiToolResult = "gen_ai.tool.call.result",
    GenAiInput = "gen_ai.input.messages",
    GenAiOutput = "gen_ai.output.messages",
    GenAiPrompt = "gen_ai.prompt",
    GenAiCompletion = "gen_ai.completion",
    GenAiRequestModel = "gen_ai.request.model",
    GenAiResponseModel = "gen_ai.response.model",
    GenAiMaxTokens = "gen_ai.request.max_tokens",
    GenAiTemperature = "gen_ai.request.temperature",
    GenAiFinishReasons = "gen_ai.response.finish_reasons",
    GenAiFinishReason = "gen_ai.finishReason",
    UsagePrompt = "gen_ai.usage.prompt_tokens",
    UsageInput = "gen_ai.usage.input_tokens",
    UsageCompletion = "gen_ai.usage.completion_tokens",
    UsageOutput = "gen_ai.usage.output_tokens",
    UsageCacheRead = "gen_ai.usage.cache_read_tokens",
    UsageCacheReadDetail = "gen_ai.usage.details.cache_read_input_tokens",
    UsageCacheWrite = "gen_ai.usage.cache_write_tokens",
    UsageCacheWriteDetail = "gen_ai.usage.details.cache_creation_input_tokens",
    UsageCost = "gen_ai.usage.cost",
    LlmResponseModel = "llm.response.model",
    LlmModel = "llm.model_name",
    LlmParameters = "llm.invocation_parameters",
    LlmInput = "llm.input_messages",
    LlmOutput = "llm.output_messages",
    Model = "model",
    ModelConfig = "model_config",
    AdkRequest = "gcp.vertex.agent.llm_request",
    AdkResponse = "gcp.vertex.agent.llm_response",
    AdkToolArgs = "gcp.vertex.agent.tool_call_args",
    AdkToolResponse = "gcp.vertex.agent.tool_response",
    Prompt = "prompt",
    AllMessages = "all_messages_events",
    Events = "events",
    LkInput = "lk.input_text",
    LkToolOutput = "lk.function_tool.output",
    LkResponse = "lk.response.text",
    MlflowInputs = "mlflow.spanInputs",
    MlflowOutputs = "mlflow.spanOutputs",
    TraceloopInput = "traceloop.entity.input",
    TraceloopOutput = "traceloop.entity.output",
    InputValue = "input.value",
    OutputValue = "output.value",
    Input = "input",
    Output = "output",
    ToolArguments = "tool_arguments",
    ToolResponse = "tool_response",
}

/// Longer names are none of ours.
const LONGEST: usize = 56;
/// At most so many of our names are of one length.
const PER_LENGTH: usize = 16;
const NONE: u8 = u8::MAX;

/// Per length of name, the places in `KEYS`.
static BY_LENGTH: [[u8; PER_LENGTH]; LONGEST] = {
    let mut table = [[NONE; PER_LENGTH]; LONGEST];
    let mut key = 0;
    while key < KEYS.len() {
        let length = KEYS[key].1.len();
        let mut place = 0;
        while table[length][place] != NONE {
            place += 1;
        }
        table[length][place] = key as u8;
        key += 1;
    }
    table
};

impl Key {
    fn of(name: &str) -> Option<Self> {
        for &place in BY_LENGTH.get(name.len())? {
            let (key, known) = KEYS.get(usize::from(place))?;
            if *known == name {
                return Some(*key);
            }
        }
        None
    }
}

/// Families of names that share a beginning: a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Family(u16);

impl Family {
    pub(super) const OBS_METADATA: Self = Self(1);
    pub(super) const TRACE_METADATA: Self = Self(1 << 1);
    pub(super) const METADATA: Self = Self(1 << 2);
    pub(super) const AI_METADATA: Self = Self(1 << 3);
    pub(super) const REQUEST: Self = Self(1 << 4);
    pub(super) const USAGE: Self = Self(1 << 5);
    pub(super) const TOKEN_COUNT: Self = Self(1 << 6);
    pub(super) const PROMPT: Self = Self(1 << 7);
    pub(super) const COMPLETION: Self = Self(1 << 8);
    pub(super) const LLM_INPUT: Self = Self(1 << 9);
    pub(super) const LLM_OUTPUT: Self = Self(1 << 10);

    /// The beginnings.
    const PREFIXES: [(Self, &'static str); 11] = [
        (Self::OBS_METADATA, "langfuse.observation.metadata."),
        (Self::TRACE_METADATA, "langfuse.trace.metadata."),
        (Self::METADATA, "langfuse.metadata."),
        (Self::AI_METADATA, "ai.telemetry.metadata."),
        (Self::REQUEST, "gen_ai.request."),
        (Self::USAGE, "gen_ai.usage."),
        (Self::TOKEN_COUNT, "llm.token_count"),
        (Self::PROMPT, "gen_ai.prompt"),
        (Self::COMPLETION, "gen_ai.completion"),
        (Self::LLM_INPUT, "llm.input_messages"),
        (Self::LLM_OUTPUT, "llm.output_messages"),
    ];

    fn of(name: &str) -> Self {
        if !matches!(name.as_bytes().first(), Some(b'l' | b'a' | b'g')) {
            return Self::default();
        }
        Self::PREFIXES
            .iter()
            .find(|(_, prefix)| name.starts_with(prefix))
            .map_or(Self::default(), |(family, _)| *family)
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether they share a family.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What comes before the rest of a name of this family.
    pub(super) fn prefix(self) -> &'static str {
        Self::PREFIXES
            .iter()
            .find(|(family, _)| *family == self)
            .map_or("", |(_, prefix)| prefix)
    }
}

/// An attribute.
#[derive(Debug)]
pub(super) struct Attr<'a> {
    pub name: Cow<'a, str>,
    pub value: Value<'a>,
    pub key: Option<Key>,
    pub family: Family,
}

/// Attributes, each name once with its last value.
#[derive(Debug)]
pub(super) struct Attrs<'a> {
    list: Vec<Attr<'a>>,
    places: [u32; KEYS.len()],
    families: Family,
}

impl<'a> Attrs<'a> {
    /// Classifies them. With `decode`, the values of Langfuse metadata are texts of JSON to be read.
    pub(super) fn new(pairs: Pairs<'a>, decode: bool) -> Self {
        let mut attrs = Self {
            list: Vec::with_capacity(pairs.len()),
            places: [u32::MAX; KEYS.len()],
            families: Family::default(),
        };
        let mut others = Names::default();
        for (name, value) in pairs {
            let (key, family) = (Key::of(&name), Family::of(&name));
            let value = match decode && family.meets(Family::OBS_METADATA.or(Family::TRACE_METADATA)) {
                true => value.decoded(),
                false => value,
            };
            let next = attrs.list.len();
            let earlier = match key {
                Some(key) => attrs.place(key),
                None => others.place(&attrs.list, &name, next),
            };
            if let Some(earlier) = earlier {
                attrs.list[earlier].value = value;
                continue;
            }
            if let (Some(key), Ok(next)) = (key, u32::try_from(next)) {
                attrs.places[key as usize] = next;
            }
            attrs.families = attrs.families.or(family);
            attrs.list.push(Attr {
                name,
                value,
                key,
                family,
            });
        }
        attrs
    }

    fn place(&self, key: Key) -> Option<usize> {
        let place = self.places[key as usize];
        (place != u32::MAX).then_some(place as usize)
    }

    /// The value, if there is one that is not null.
    pub(super) fn get(&self, key: Key) -> Option<&Value<'a>> {
        let value = &self.list[self.place(key)?].value;
        (*value != Value::Null).then_some(value)
    }

    /// The value, if it counts as true.
    pub(super) fn truthy(&self, key: Key) -> Option<&Value<'a>> {
        self.get(key).filter(|value| value.is_truthy())
    }

    /// The first of these that counts as true.
    pub(super) fn first(&self, keys: &[Key]) -> Option<&Value<'a>> {
        keys.iter().find_map(|key| self.truthy(*key))
    }

    /// The first of these that is there.
    pub(super) fn first_present(&self, keys: &[Key]) -> Option<&Value<'a>> {
        keys.iter().find_map(|key| self.get(*key))
    }

    /// Whether any has a name of these families.
    pub(super) const fn has(&self, families: Family) -> bool {
        self.families.meets(families)
    }

    /// Those whose names are of these families.
    pub(super) fn of(&self, families: Family) -> impl Iterator<Item = &Attr<'a>> {
        let any = self.has(families);
        self.list.iter().filter(move |attr| any && attr.family.meets(families))
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Attr<'a>> {
        self.list.iter()
    }
}

/// Where names that are not ours are: looked through while they are few.
#[derive(Default)]
struct Names {
    places: Vec<usize>,
    index: HashMap<String, usize>,
}

impl Names {
    /// The place of that name; if it has none, it is now `next`.
    fn place(&mut self, list: &[Attr<'_>], name: &str, next: usize) -> Option<usize> {
        const FEW: usize = 32;
        if self.places.len() < FEW {
            let found = self.places.iter().copied().find(|place| list[*place].name == name);
            if found.is_none() {
                self.places.push(next);
            }
            return found;
        }
        if self.index.is_empty() {
            self.index = (self.places.iter())
                .map(|place| (list[*place].name.clone().into_owned(), *place))
                .collect();
        }
        if let Some(found) = self.index.get(name) {
            return Some(*found);
        }
        self.index.insert(name.to_owned(), next);
        None
    }
}
