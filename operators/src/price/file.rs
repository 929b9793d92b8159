//! The price file: TOML to models, all faults at once, each with its line.

use std::collections::{HashMap, HashSet};

use rust_decimal::Decimal;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tracemill_model::Millis;
use tracemill_model::ingest::Text;

use super::PriceFault;
use super::model::{Comparison, Condition, Model, Tier};
use super::tokens::Tokenizer;

/// What a file says.
#[derive(Debug)]
pub(super) struct File {
    pub(super) models: Vec<Model>,
    pub(super) aliases: HashMap<Text, Vec<Text>>,
}

type Table<'a> = DeTable<'a>;
type Value<'a> = Spanned<DeValue<'a>>;

/// Reads a file. `aliases`: those that hold beside the file's own.
pub(super) fn parse(text: &str, layer: usize, aliases: &HashMap<Text, Vec<Text>>) -> Result<File, Vec<PriceFault>> {
    let mut reader = Reader {
        text,
        layer,
        aliases: aliases.clone(),
        faults: Vec::new(),
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(text.len(), |span| span.start);
        reader.fault(at, format!("not TOML: {}", error.message().trim().replace('\n', " ")));
    }
    let file = reader.file(document.get_ref());
    if reader.faults.is_empty() {
        return Ok(file);
    }
    reader.faults.sort_by_key(|fault| fault.line);
    Err(reader.faults)
}

struct Reader<'t> {
    text: &'t str,
    layer: usize,
    aliases: HashMap<Text, Vec<Text>>,
    faults: Vec<PriceFault>,
}

impl Reader<'_> {
    fn fault(&mut self, at: usize, message: String) {
        let before = self.text.get(..at).unwrap_or(self.text);
        self.faults.push(PriceFault {
            line: Some(before.matches('\n').count() + 1),
            message,
        });
    }

    fn file(&mut self, table: &Table<'_>) -> File {
        self.known(table, &["alias", "model", "project", "source"]);
        let mut aliases = HashMap::new();
        if let Some((at, value)) = find(table, "alias") {
            self.aliases_of(at, value, &mut aliases);
        }
        self.aliases.extend(aliases.clone());
        let mut models = Vec::new();
        self.models_of(table, None, &mut models);
        for (at, project) in self.tables(table, "project") {
            self.known(project, &["id", "model"]);
            match self.text_of(project, "id") {
                Some(id) => self.models_of(project, Some(&id), &mut models),
                None => self.fault(at, "a [[project]] needs its `id`".to_owned()),
            }
        }
        File { models, aliases }
    }

    fn aliases_of(&mut self, at: usize, value: &Value<'_>, aliases: &mut HashMap<Text, Vec<Text>>) {
        let Some(table) = value.get_ref().as_table() else {
            return self.fault(
                at,
                "`alias` is a table: a name and the usage types that it stands for".to_owned(),
            );
        };
        for (name, value) in table {
            let types = value
                .get_ref()
                .as_array()
                .map(|list| list.iter().map(|item| item.get_ref().as_str()));
            match types.and_then(|types| types.map(|ty| ty.map(Text::from)).collect::<Option<Vec<_>>>()) {
                Some(types) => {
                    aliases.insert(name.get_ref().as_ref().into(), types);
                }
                None => self.fault(
                    name.span().start,
                    format!("alias `{}` is a list of usage types", name.get_ref()),
                ),
            }
        }
    }

    fn models_of(&mut self, table: &Table<'_>, project: Option<&Text>, models: &mut Vec<Model>) {
        let mut ids: HashSet<Text> = HashSet::new();
        for (at, table) in self.tables(table, "model") {
            if let Some(model) = self.model(at, table, project) {
                if !ids.insert(model.id.clone()) {
                    self.fault(at, format!("model `{}` is there twice", model.id));
                }
                models.push(model);
            }
        }
    }

    fn model(&mut self, at: usize, table: &Table<'_>, project: Option<&Text>) -> Option<Model> {
        self.known(
            table,
            &[
                "id",
                "match",
                "start",
                "as_of",
                "tokenizer",
                "tokenizer_model",
                "per_unit",
                "per_million",
                "tier",
            ],
        );
        let id = self.text_of(table, "id");
        if id.is_none() {
            self.fault(at, "a [[model]] needs its `id`".to_owned());
        }
        let pattern = self.regex(table, at, "match", false);
        let start = self.start(table);
        let tokenizer = self.tokenizer(table);
        let prices = self.prices(table);
        let id = id?;
        let mut tiers: Vec<Tier> = self
            .tables(table, "tier")
            .into_iter()
            .filter_map(|(at, table)| self.tier(at, table, &id))
            .collect();
        tiers.sort_by_key(|tier| tier.priority);
        let default = (!prices.is_empty()).then(|| Tier {
            id: format!("{id}_tier_default").into(),
            name: "Standard".into(),
            priority: 0,
            conditions: Vec::new(),
            prices,
        });
        Some(Model {
            id,
            project: project.cloned(),
            layer: self.layer,
            pattern: pattern?,
            start,
            tokenizer,
            tiers,
            default,
        })
    }

    fn tier(&mut self, at: usize, table: &Table<'_>, model: &str) -> Option<Tier> {
        self.known(table, &["id", "name", "priority", "when", "per_unit", "per_million"]);
        let Some(name) = self.text_of(table, "name") else {
            self.fault(at, format!("a tier of `{model}` needs its `name`"));
            return None;
        };
        let mut conditions = Vec::new();
        let tables = self.tables(table, "when");
        if tables.is_empty() {
            self.fault(
                at,
                format!("tier `{name}` of `{model}` has no condition in `when`: it would never hold"),
            );
        }
        for (at, table) in tables {
            conditions.extend(self.condition(at, table));
        }
        let priority = match find(table, "priority") {
            None => 1,
            Some((at, value)) => match value
                .get_ref()
                .as_integer()
                .and_then(|number| number.as_str().parse().ok())
            {
                Some(priority) => priority,
                None => {
                    self.fault(at, "`priority` is a whole number; the lowest comes first".to_owned());
                    return None;
                }
            },
        };
        let id = self.text_of(table, "id");
        Some(Tier {
            id: id.unwrap_or_else(|| format!("{model}_tier_{}", name.to_lowercase().replace(' ', "_")).into()),
            name,
            priority,
            conditions,
            prices: self.prices(table),
        })
    }

    fn condition(&mut self, at: usize, table: &Table<'_>) -> Option<Condition> {
        self.known(table, &["usage", "op", "value", "case_sensitive"]);
        let is_case_sensitive = match find(table, "case_sensitive") {
            None => false,
            Some((at, value)) => value.get_ref().as_bool().unwrap_or_else(|| {
                self.fault(at, "`case_sensitive` is true or false".to_owned());
                false
            }),
        };
        let pattern = self.regex(table, at, "usage", !is_case_sensitive);
        let comparison = self.text_of(table, "op").and_then(|op| {
            let found = Comparison::ALL.into_iter().find(|(name, _)| **name == *op);
            found.map(|(_, comparison)| comparison)
        });
        if comparison.is_none() {
            self.fault(at, "`op` is one of gt, gte, lt, lte, eq and neq".to_owned());
        }
        let value = find(table, "value").and_then(|(_, value)| number(value.get_ref()));
        if value.is_none() {
            self.fault(at, "`value` is the number to compare the sum of usage with".to_owned());
        }
        Some(Condition {
            pattern: pattern?,
            comparison: comparison?,
            value: value?,
        })
    }

    /// USD for one unit of each usage type; what an alias stands for yields to what is named itself.
    fn prices(&mut self, table: &Table<'_>) -> Vec<(Text, Decimal)> {
        let mut named: Vec<(Text, Decimal)> = Vec::new();
        let mut meant: Vec<(Text, Decimal)> = Vec::new();
        for (key, unit) in [("per_unit", Decimal::ONE), ("per_million", Decimal::new(1, 6))] {
            let Some((at, value)) = find(table, key) else { continue };
            let Some(prices) = value.get_ref().as_table() else {
                self.fault(at, format!("`{key}` is a table: usage types and their prices in USD"));
                continue;
            };
            for (name, value) in prices {
                let price = number(value.get_ref())
                    .filter(|price| !price.is_sign_negative())
                    .and_then(|price| price.checked_mul(unit));
                let Some(price) = price else {
                    self.fault(
                        name.span().start,
                        format!("the price of `{}` is not a number of USD, 0 or more", name.get_ref()),
                    );
                    continue;
                };
                match self.aliases.get(name.get_ref().as_ref()) {
                    Some(types) => meant.extend(types.iter().map(|ty| (ty.clone(), price))),
                    None => named.push((name.get_ref().as_ref().into(), price)),
                }
            }
        }
        for (ty, price) in meant {
            if !named.iter().any(|(name, _)| *name == ty) {
                named.push((ty, price));
            }
        }
        named
    }

    fn tokenizer(&mut self, table: &Table<'_>) -> Option<Tokenizer> {
        let (at, _) = find(table, "tokenizer")?;
        let kind = self.text_of(table, "tokenizer")?;
        match &*kind {
            "openai" => match self.text_of(table, "tokenizer_model") {
                Some(model) => Some(Tokenizer::openai(&model)),
                None => {
                    self.fault(
                        at,
                        "tokenizer `openai` needs `tokenizer_model`, for example \"gpt-4o\"".to_owned(),
                    );
                    None
                }
            },
            "none" | "claude" => None,
            other => {
                self.fault(at, format!("tokenizer `{other}` is not one of openai, claude and none"));
                None
            }
        }
    }

    fn start(&mut self, table: &Table<'_>) -> Option<Millis> {
        let (at, value) = find(table, "start")?;
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(date) => date.to_string(),
            _ => String::new(),
        };
        let start = Millis::parse(&text).ok();
        if start.is_none() {
            self.fault(at, "`start` is a date such as 2025-02-27".to_owned());
        }
        start
    }

    fn regex(&mut self, table: &Table<'_>, at: usize, key: &str, ignores_case: bool) -> Option<regex::Regex> {
        let Some(pattern) = self.text_of(table, key) else {
            self.fault(at, format!("`{key}` is missing: a regular expression"));
            return None;
        };
        match regex::RegexBuilder::new(&pattern)
            .case_insensitive(ignores_case)
            .build()
        {
            Ok(regex) => Some(regex),
            Err(error) => {
                let at = find(table, key).map_or(at, |(at, _)| at);
                let error = error.to_string().replace('\n', " ");
                self.fault(
                    at,
                    format!("`{pattern}` is not a regular expression that is understood: {error}"),
                );
                None
            }
        }
    }

    /// A text, if there is one; another kind of value is a fault.
    fn text_of(&mut self, table: &Table<'_>, key: &str) -> Option<Text> {
        let (at, value) = find(table, key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.fault(
                at,
                format!("`{key}` is {} where a text is due", value.get_ref().type_str()),
            );
        }
        text.map(Text::from)
    }

    /// The tables of a list, each with its place.
    fn tables<'a, 'i>(&mut self, table: &'a Table<'i>, key: &str) -> Vec<(usize, &'a Table<'i>)> {
        let Some((at, value)) = find(table, key) else {
            return Vec::new();
        };
        let items = value.get_ref().as_array().map(|list| list.iter());
        let tables: Option<Vec<_>> = items.and_then(|items| {
            items
                .map(|item| Some((item.span().start, item.get_ref().as_table()?)))
                .collect()
        });
        tables.unwrap_or_else(|| {
            self.fault(at, format!("`{key}` is a list of tables"));
            Vec::new()
        })
    }

    fn known(&mut self, table: &Table<'_>, names: &[&str]) {
        for name in table.keys() {
            if !names.contains(&name.get_ref().as_ref()) {
                let message = format!("`{}` is not known here; known are {}", name.get_ref(), names.join(", "));
                self.fault(name.span().start, message);
            }
        }
    }
}

fn find<'a, 'i>(table: &'a Table<'i>, key: &str) -> Option<(usize, &'a Value<'i>)> {
    let (name, value) = table.iter().find(|(name, _)| name.get_ref().as_ref() == key)?;
    Some((name.span().start, value))
}

/// Exactly the number that is written.
fn number(value: &DeValue<'_>) -> Option<Decimal> {
    let text = match value {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        DeValue::String(text) => text,
        _ => return None,
    };
    let text = text.replace('_', "");
    Decimal::from_str_exact(&text)
        .or_else(|_| Decimal::from_scientific(&text))
        .ok()
}
