//! The words, phrases and names that texts are made of. Those for JSON strings are escaped already.

/// Words, frequent ones first.
pub(super) const WORDS: &str = "the of and to a in is for that we it with as on this are be by from or you can not \
which was an at if have will has when then your our each all more one but also into no only new other they so any \
should must may use used data value result error user request response file line time name list type number first \
next before after while same order total count price query table column index field key map string text page model \
tool call agent task plan step check test build run start stop read write send receive open close find search match \
replace update delete create change set get load save parse print return follow keep move copy split join merge sort \
group filter limit offset window batch stream queue topic event message reply thread session trace span score label \
customer account invoice payment refund delivery address product catalogue stock warehouse carrier parcel tracking \
discount voucher contract policy claim ticket case agent supervisor shift region country city currency balance \
transfer deposit interest rate risk limit audit report summary section chapter paragraph sentence word phrase source \
document passage citation evidence figure chart average median maximum minimum share ratio growth trend forecast \
baseline estimate sample cluster feature vector embedding token prompt context memory attention layer weight gradient \
learning training inference accuracy recall precision latency throughput memory storage network server client proxy \
cache database replica shard partition schema migration backup snapshot restore deploy release branch commit merge \
review pipeline runner container image volume secret certificate domain route gateway header cookie session timeout \
retry backoff circuit breaker alert metric dashboard incident outage severity owner status pending active blocked \
failed passed skipped cancelled scheduled expired valid invalid missing unknown empty partial complete correct wrong \
because however therefore although instead otherwise besides meanwhile already still again always never often rarely \
usually probably certainly likely unlikely possible impossible necessary optional available required allowed denied \
small large long short early late quick slow simple complex cheap expensive clean dirty safe dangerous local remote \
public private internal external current previous original final primary secondary single double multiple several \
monday tuesday wednesday thursday friday january february march april june july august september october november \
december morning afternoon evening yesterday today tomorrow week month quarter year hour minute second moment period \
function method class object instance module package library framework interface protocol endpoint parameter argument \
variable constant integer float boolean array pointer reference exception handler listener callback promise future \
hotel flight train ticket booking passenger luggage airport station terminal platform seat window aisle upgrade visa \
patient doctor symptom diagnosis therapy dosage allergy insurance hospital laboratory specimen protocol appointment \
recipe ingredient oven temperature flour butter sugar salt pepper garlic onion tomato basil lemon vinegar mustard \
engine battery sensor motor wheel brake steering camera antenna cable connector voltage current resistor capacitor \
planet orbit satellite telescope galaxy gravity radiation particle molecule reaction catalyst solvent polymer crystal \
lawyer court judge verdict clause liability warranty damages witness settlement appeal statute regulation compliance \
student teacher lesson exercise solution proof theorem lemma equation polynomial matrix integral derivative constant \
painter canvas gallery museum sculpture melody rhythm harmony orchestra violin trumpet stage curtain audience novel \
village river mountain forest valley meadow harbour island coast storm thunder drought harvest orchard vineyard";

/// Pieces that make a text of words look like sentences; for JSON strings.
pub(super) const MARKS: [&str; 24] = [
    ". The ",
    ". We ",
    ". If ",
    ". It ",
    ", and ",
    ", which ",
    ": ",
    "? ",
    ". ",
    "; ",
    " (",
    ") ",
    ".\\n",
    "\\n- ",
    "\\n\\n",
    " \\\"",
    "\\\" ",
    " — ",
    " 42 ",
    " 1,299.00 ",
    " 2026-02-27 ",
    " id=",
    " 👍 ",
    " 数据 ",
];

/// Whole phrases as agents repeat them; for JSON strings.
pub(super) const PHRASES: [&str; 40] = [
    "I will look up the relevant documents first, then compare them with what the customer reported. ",
    "Let me check the current state of the repository before I make any change. ",
    "Based on the search results, the most likely cause is a configuration that was changed last week. ",
    "Here is a summary of what I found:\\n\\n1. ",
    "The tests pass locally, but the build on the server fails with a timeout. ",
    "Could you please confirm that the order number is correct? ",
    "The function returns early when the list is empty, so the counter is never increased. ",
    "According to the policy, refunds are possible within thirty days of delivery. ",
    "I have updated the record and sent a confirmation by e-mail. ",
    "No further action is needed at this point. ",
    "As a next step, I will call the tool with a narrower query. ",
    "The previous attempt failed because the argument \\\"limit\\\" was missing. ",
    "This means that the total is higher than the sum of its parts, which cannot be right. ",
    "Please note that prices do not include taxes unless stated otherwise. ",
    "The answer is supported by the second passage, and contradicted by none. ",
    "Thank you for your patience! Is there anything else that I can help you with? ",
    "Step 1: collect the inputs. Step 2: validate them. Step 3: write the result. ",
    "The document was last changed by the operations team. ",
    "```python\\n",
    "\\n```\\n",
    "On the other hand, the second approach needs less memory and is easier to test. ",
    "It is not possible to answer this from the given context alone. ",
    "The user asked for a short answer, so I will leave out the details. ",
    "I noticed that the same request was sent twice within a second. ",
    "Das Paket wurde am Freitag zugestellt, die Rechnung folgt per E-Mail. ",
    "La commande a été expédiée hier; le délai de livraison est de trois jours. ",
    "ご注文ありがとうございます。発送は明日の予定です。 ",
    "您的订单已经发货，预计两天内送达。 ",
    "El cliente quiere cambiar la dirección de envío antes del lunes. ",
    "Спасибо за обращение, мы проверим это сегодня. ",
    "| name | value | change |\\n|---|---|---|\\n",
    "Traceback (most recent call last):\\n  File \\\"app/main.py\\\", line 128, in handle\\n",
    "Assumption: all times are given in UTC and rounded to the next full minute. ",
    "Therefore the plan is to migrate the table in three steps, with a check after each. ",
    "Confidence is high, as three independent sources agree. ",
    "For reference, the schema of the table is given below. ",
    "I am going to retry with exponential backoff, at most five times. ",
    "The embedding of the query was compared with all passages of the index. ",
    "If the balance is negative, the transfer must be refused with a clear message. ",
    "👋 Hello! How can I help you today? ",
];

/// Code as it stands in a JSON string.
pub(super) const CODE: [&str; 8] = [
    "def total(items: list[dict]) -> float:\\n    \\\"\\\"\\\"The sum of all prices, taxes included.\\\"\\\"\\\"\\n    return sum(item[\\\"price\\\"] * item.get(\\\"quantity\\\", 1) for item in items)\\n",
    "async function load(id) {\\n  const reply = await fetch(`/api/orders/${id}`);\\n  if (!reply.ok) throw new Error(`status ${reply.status}`);\\n  return reply.json();\\n}\\n",
    "SELECT customer_id, count() AS orders, sum(total) AS revenue\\nFROM orders\\nWHERE created_at >= today() - 30\\nGROUP BY customer_id\\nORDER BY revenue DESC\\nLIMIT 20;\\n",
    "fn parse(line: &str) -> Option<(u32, &str)> {\\n    let (number, rest) = line.split_once('\\\\t')?;\\n    Some((number.parse().ok()?, rest))\\n}\\n",
    "for path in sorted(root.glob(\\\"**/*.json\\\")):\\n    with path.open() as file:\\n        record = json.load(file)\\n    if record.get(\\\"status\\\") != \\\"done\\\":\\n        pending.append(record[\\\"id\\\"])\\n",
    "@dataclass\\nclass Passage:\\n    source: str\\n    text: str\\n    score: float = 0.0\\n\\n    def short(self, n: int = 80) -> str:\\n        return self.text[:n]\\n",
    "kubectl get pods -n agents --field-selector=status.phase!=Running -o wide | awk '{print $1, $3, $4}'\\n",
    "interface Step {\\n  name: string;\\n  input?: Record<string, unknown>;\\n  startedAt: Date;\\n}\\n\\nconst open = steps.filter((s) => !s.endedAt);\\n",
];

/// What agents are told at the start; for JSON strings.
pub(super) const SYSTEMS: [&str; 4] = [
    "You are a helpful support agent of an online shop. Answer politely and briefly. Use the tools to look up orders, deliveries and policies; never invent an order number. If you are not sure, hand over to a person. Always answer in the language of the customer. Prices are in euros unless the customer asks for another currency.",
    "You are a careful software engineer. You work in a repository through the tools read_file, search_code, apply_patch and run_tests. Make the smallest change that solves the task, run the tests after each change, and explain what you did in two sentences. Do not touch generated files.",
    "You are a research assistant. Break the question into parts, search for sources on each, and weigh them against each other. Every claim in your answer carries the number of its source in brackets. Say openly where the sources disagree or where there is no evidence.",
    "You extract structured data from documents. Answer with a single JSON object that follows the given schema, without any text around it. Leave out fields that the document does not mention. Dates are written as YYYY-MM-DD, amounts as numbers with a point.",
];

/// Tools with the name of their first argument.
pub(super) const TOOLS: [(&str, &str); 12] = [
    ("search_documents", "query"),
    ("read_file", "path"),
    ("run_tests", "target"),
    ("lookup_order", "order_id"),
    ("apply_patch", "patch"),
    ("query_database", "sql"),
    ("send_email", "body"),
    ("get_weather", "city"),
    ("web_search", "query"),
    ("calculate", "expression"),
    ("list_files", "folder"),
    ("create_ticket", "title"),
];

/// Models with the price of a million tokens of input and output, in millionths of a cent.
pub(super) const MODELS: [(&str, i64, i64); 8] = [
    ("gpt-4o-2024-08-06", 250, 1000),
    ("gpt-4o-mini", 15, 60),
    ("claude-sonnet-4-20250514", 300, 1500),
    ("claude-3-5-haiku-latest", 80, 400),
    ("gemini-2.5-pro", 125, 1000),
    ("mistral-large-latest", 200, 600),
    ("llama-3.3-70b-instruct", 59, 79),
    ("text-embedding-3-small", 2, 0),
];

/// Names of traces by topic.
pub(super) const TRACES: [&str; 8] = [
    "support-chat",
    "code-review",
    "research-question",
    "invoice-extraction",
    "nightly-evaluation",
    "onboarding-flow",
    "rag-answer",
    "",
];

/// Names of prompts.
pub(super) const PROMPTS: [&str; 6] = [
    "support/system",
    "support/escalate",
    "coding/plan",
    "research/split-question",
    "extract/invoice",
    "judge/helpfulness",
];

/// Names of observations by the index of their type.
pub(super) const NAMES: [[&str; 4]; 10] = [
    ["handle-request", "prepare-context", "POST /api/chat", "post-process"],
    ["answer", "plan", "summarize", "ChatCompletion"],
    ["user-message", "cache-hit", "token-limit-near", "handover"],
    ["support-agent", "coding-agent", "research-agent", "planner"],
    ["search_documents", "run_tests", "lookup_order", "query_database"],
    ["rag-chain", "map-reduce", "extract-then-check", "router"],
    ["vector-search", "hybrid-search", "rerank", "load-passages"],
    ["helpfulness", "groundedness", "toxicity", "exact-match"],
    ["embed-query", "embed-passages", "embed-batch", "embed-image"],
    ["pii-filter", "jailbreak-check", "schema-check", "budget-check"],
];

/// Tags of traces.
pub(super) const TAGS: [&str; 10] = [
    "vip",
    "beta",
    "eu",
    "us",
    "regression",
    "long context",
    "größe:xl",
    "重要",
    "a,b;c",
    "\"quoted\"",
];

/// Environments.
pub(super) const ENVIRONMENTS: [&str; 3] = ["default", "production", "staging"];

/// Messages of failed and doubtful steps, raw: with line ends, tabs, quotes and control characters.
pub(super) const STATUS: [&str; 6] = [
    "timeout after 30000 ms\n\tat fetch (client.ts:118)\n\tat retry (client.ts:64)",
    "RateLimitError: 429 — {\"error\":{\"type\":\"rate_limit\",\"param\":null}}",
    "",
    "connection reset by peer\r\n(os error 104)",
    "\u{1b}[31mFAILED\u{1b}[0m tests/test_api.py::test_orders - assert 3 == '3'\u{7}",
    "quota exceeded: 配额已用完 🚫 \\ 'retry' later\u{85}\u{2028}",
];

/// Comments of scores, raw.
pub(super) const COMMENTS: [&str; 6] = [
    "Correct and complete.",
    "The second claim has no source;\nthe third contradicts it.",
    "",
    "Réponse correcte, mais trop longue 🙂",
    "\"right\" answer, wrong reason\t(see run 17)",
    "答案不完整",
];

/// Scores: name, and the categories of those that have some.
pub(super) const SCORES: [(&str, [&str; 3]); 5] = [
    ("helpfulness", ["good", "fair", "poor"]),
    ("correctness", ["correct", "partly correct", "wrong"]),
    ("user-feedback", ["👍", "👎", ""]),
    ("toxicity", ["none", "some", "severe"]),
    ("latency \"budget\"", ["within", "above", "far above"]),
];
