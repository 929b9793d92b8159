//! Which type of observation a span is. The first rule that gives one counts.

use tracemill_model::ingest::ObservationType;

use super::keys::{Attrs, Key};
use super::value::Value;

const MODEL_KEYS: [Key; 5] = [
    Key::ObsModel,
    Key::GenAiRequestModel,
    Key::GenAiResponseModel,
    Key::LlmModel,
    Key::Model,
];

/// The type.
pub(super) fn observation_type(attrs: &Attrs<'_>, old_python: bool) -> ObservationType {
    use ObservationType::{Generation, Span, Tool};
    let named = attrs.get(Key::ObsType).and_then(Value::as_str);
    if named == Some("span") && old_python && has_generation_fields(attrs) {
        return Generation;
    }
    let text = |key| attrs.get(key).and_then(Value::as_str);
    let filled = |keys: &[Key]| (keys.iter()).any(|key| attrs.get(*key).is_some_and(Value::is_filled));
    named
        .and_then(langfuse)
        .or_else(|| text(Key::OpenInferenceKind).and_then(open_inference))
        .or_else(|| text(Key::GenAiOperation).and_then(gen_ai))
        .or_else(|| {
            vercel(text(Key::OperationName), text(Key::AiOperationId), || {
                filled(&[
                    Key::ObsModel,
                    Key::AiModelId,
                    Key::GenAiRequestModel,
                    Key::GenAiResponseModel,
                ])
            })
        })
        .or_else(|| filled(&[Key::GenAiToolName, Key::GenAiToolCallId]).then_some(Tool))
        .or_else(|| filled(&MODEL_KEYS).then_some(Generation))
        .unwrap_or(Span)
}

fn has_generation_fields(attrs: &Attrs<'_>) -> bool {
    let keys = [
        Key::ObsModel,
        Key::ObsCost,
        Key::ObsUsage,
        Key::ObsCompletionStart,
        Key::ObsModelParameters,
        Key::ObsPromptName,
        Key::ObsPromptVersion,
    ];
    attrs.first_present(&keys).is_some()
}

fn langfuse(name: &str) -> Option<ObservationType> {
    ObservationType::ALL.into_iter().find(|ty| ty.lower() == name)
}

fn open_inference(kind: &str) -> Option<ObservationType> {
    use ObservationType::{Agent, Chain, Embedding, Evaluator, Generation, Guardrail, Retriever, Tool};
    Some(match kind {
        "CHAIN" => Chain,
        "RETRIEVER" => Retriever,
        "LLM" => Generation,
        "EMBEDDING" => Embedding,
        "AGENT" => Agent,
        "TOOL" => Tool,
        "GUARDRAIL" => Guardrail,
        "EVALUATOR" => Evaluator,
        _ => return None,
    })
}

fn gen_ai(operation: &str) -> Option<ObservationType> {
    use ObservationType::{Agent, Embedding, Generation, Tool};
    Some(match operation {
        "chat" | "completion" | "text_completion" | "generate_content" | "generate" => Generation,
        "embeddings" => Embedding,
        "invoke_agent" | "create_agent" => Agent,
        "execute_tool" => Tool,
        _ => return None,
    })
}

fn vercel(name: Option<&str>, id: Option<&str>, has_model: impl Fn() -> bool) -> Option<ObservationType> {
    const GENERATIONS: [&str; 4] = [
        "ai.generateText.doGenerate",
        "ai.streamText.doStream",
        "ai.generateObject.doGenerate",
        "ai.streamObject.doStream",
    ];
    const EMBEDDINGS: [&str; 2] = ["ai.embedMany.doEmbed", "ai.embed.doEmbed"];
    if name.is_none() && id.is_none() {
        return None;
    }
    let is = |op: &&str| name.is_some_and(|name| name.starts_with(op)) || id == Some(op);
    if GENERATIONS.iter().any(&is) && has_model() {
        Some(ObservationType::Generation)
    } else if EMBEDDINGS.iter().any(&is) && has_model() {
        Some(ObservationType::Embedding)
    } else {
        is(&"ai.toolCall").then_some(ObservationType::Tool)
    }
}
