//! Conditions as JSON (`filter`, and `filters` of a metrics query): by the names of the public API, every fault at once.
//!
//! A condition takes the place of the plain parameter about the same thing.

use serde::Deserialize;
use serde_json::Value;
use tracemill_model::{Millis, Table};

use super::columns::{self, Column, Kind, Of};
use super::params::{self, Params};
use crate::query::filter::{Part, Related};
use crate::query::{Filter, Span};

/// The most conditions of a request.
const MOST: usize = 50;

/// One condition of a request.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Condition {
    r#type: String,
    column: String,
    operator: String,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    key: Option<String>,
}

/// Filters, and the span of the table's own time that they leave.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) filters: Vec<Filter>,
    pub(crate) span: Span,
    names: Vec<String>,
}

/// The conditions of `filter`. The plain parameters that they are about are taken out of the request.
pub(crate) fn read(params: &mut Params, columns: &[Column], table: Table, from: &str) -> Conditions {
    let Some(text) = params.text("filter") else {
        return Conditions::default();
    };
    let found: Result<Vec<Condition>, _> = serde_json::from_str(text);
    let Ok(found) = found else {
        params.fault("filter: must be a JSON array of {type, column, operator, value, key} objects");
        return Conditions::default();
    };
    // The plain parameter's begin bounds what is read of other tables, too.
    let from = params.time(from);
    let mut conditions = Conditions::default();
    let mut faults = Vec::new();
    conditions.add(&found, columns, table, from, &mut faults);
    params.without(&conditions.names);
    for fault in faults {
        params.fault(format!("filter: {fault}"));
    }
    conditions
}

impl Conditions {
    /// What a metrics query says.
    pub(crate) fn of(found: &[Condition], columns: &[Column], table: Table, faults: &mut Vec<String>) -> Self {
        let mut conditions = Self::default();
        conditions.add(found, columns, table, None, faults);
        conditions
    }

    fn add(
        &mut self,
        found: &[Condition],
        columns: &[Column],
        table: Table,
        from: Option<Millis>,
        faults: &mut Vec<String>,
    ) {
        if found.len() > MOST {
            faults.push(format!("more than {MOST} conditions"));
            return;
        }
        for condition in found {
            let column = columns.iter().find(|column| column.names.contains(&&*condition.column));
            let Some(column) = column else {
                let names: Vec<&str> = columns.iter().map(|column| column.names[0]).collect();
                faults.push(format!("column {:?} is none of {}", condition.column, names.join(", ")));
                continue;
            };
            self.names.extend(column.names.iter().map(|name| (*name).to_owned()));
            match condition.filter(column, from) {
                Ok(Filter::Time {
                    column,
                    operator,
                    value,
                }) if column == table.time_column() => {
                    self.span = narrowed(self.span, operator, value);
                }
                Ok(filter) => self.filters.push(filter),
                Err(fault) => faults.push(format!("{}: {fault}", condition.column)),
            }
        }
        let is_payload = |found: &&Condition| matches!(&*found.column, "input" | "output");
        let finds = |found: &Condition| matches!(&*found.operator, "=" | "matches");
        if found.iter().any(|one| is_payload(&one)) && !found.iter().filter(is_payload).any(finds) {
            faults.push("input, output: at least one condition must be = or matches".to_owned());
        }
    }

    /// The span of plain parameters and conditions.
    pub(crate) fn within(&self, span: Span) -> Span {
        let narrowed = self.span.from.map_or(span, |from| narrowed(span, ">=", from));
        self.span.to.map_or(narrowed, |to| self::narrowed(narrowed, "<", to))
    }
}

fn narrowed(span: Span, operator: &str, value: Millis) -> Span {
    let after = value.plus(i64::from(matches!(operator, ">" | "<=")));
    match operator {
        ">" | ">=" => Span {
            from: Some(span.from.map_or(after, |own| own.max(after))),
            ..span
        },
        _ => Span {
            to: Some(span.to.map_or(after, |own| own.min(after))),
            ..span
        },
    }
}

impl Condition {
    fn filter(&self, column: &Column, from: Option<Millis>) -> Result<Filter, String> {
        let name = match column.of {
            Of::Own(name) | Of::Trace(name) | Of::Observation(name) => name,
            // What the related rows come to has the place of the column.
            Of::Sums(_) | Of::Scores(_) => "",
        };
        let key = || {
            self.key
                .clone()
                .filter(|key| params::is_text(key))
                .ok_or("key: required, a text")
        };
        match column.of {
            Of::Own(_) => self.test(column.kind, name),
            Of::Trace(_) => Ok(Filter::OfTraces {
                filters: vec![self.test(column.kind, name)?],
            }),
            Of::Observation(_) => Ok(Filter::Related(Box::new(Related {
                column: "observation_id",
                table: Table::Observations,
                by: "id",
                from,
                columns: columns::OBSERVED,
                name: None,
                measure: name,
                test: self.test(column.kind, "")?,
                negated: false,
            }))),
            Of::Sums(measure) => Ok(Filter::Related(Box::new(Related {
                column: "id",
                table: Table::Observations,
                by: "trace_id",
                from: from.map(|from| from.plus(-2 * tracemill_model::time::DAY_MS)),
                columns: columns::SUMMED,
                name: None,
                measure,
                test: self.test(column.kind, "")?,
                negated: false,
            }))),
            Of::Scores(measure) => {
                let (mut test, negated) = (self.clone(), self.r#type == "booleanObject" && self.operator == "<>");
                if negated {
                    "=".clone_into(&mut test.operator);
                }
                let test = test.test(column.kind, "")?;
                Ok(Filter::Related(Box::new(Related {
                    column: "id",
                    table: Table::Scores,
                    by: "trace_id",
                    from: from.map(|from| from.plus(-2 * tracemill_model::time::DAY_MS)),
                    columns: columns::SCORED,
                    name: match (column.kind, &*self.r#type) {
                        (Kind::Number, "number") => None,
                        _ => Some(key()?),
                    },
                    measure,
                    test,
                    negated,
                })))
            }
        }
    }

    /// The condition on one column, or on one key of it.
    fn test(&self, kind: Kind, column: &'static str) -> Result<Filter, String> {
        let wrong = || {
            let Self { r#type, operator, .. } = self;
            Err(format!(
                "type {type:?} with operator {operator:?} is not for this column"
            ))
        };
        match (kind, &*self.r#type) {
            (Kind::Text | Kind::Number | Kind::Time, "null") => match &*self.operator {
                "is null" => Ok(Filter::Absent { column }),
                "is not null" => Ok(Filter::Present { column }),
                _ => wrong(),
            },
            (Kind::Text, "string") => self.text(column, kind).map_or_else(wrong, Ok),
            (Kind::Text, "stringOptions" | "categoryOptions") => self.options(column)?.map_or_else(wrong, Ok),
            (Kind::Number, "number" | "numberObject") => self.number(column)?.map_or_else(wrong, Ok),
            (Kind::Time, "datetime") => self.time(column)?.map_or_else(wrong, Ok),
            (Kind::Flag, "boolean") | (Kind::Truth, "booleanObject") => self.flag(column).map_or_else(wrong, Ok),
            (Kind::Array, "arrayOptions" | "stringOptions") => self.array(column)?.map_or_else(wrong, Ok),
            (Kind::Categories, "categoryOptions") => self.array(column)?.map_or_else(wrong, Ok),
            (Kind::Map, "stringObject" | "numberObject" | "categoryOptions") => {
                let key = self.key.clone().filter(|key| params::is_text(key));
                let key = key.ok_or("key: required, a text")?;
                self.of_key(column, key)?.map_or_else(wrong, Ok)
            }
            _ => wrong(),
        }
    }

    fn of_key(&self, column: &'static str, key: String) -> Result<Option<Filter>, String> {
        let is_empty = self.value.as_str() == Some("");
        let test = match &*self.r#type {
            "numberObject" => self.number(column)?,
            "categoryOptions" => self.options(column)?,
            _ => match &*self.operator {
                "is set" | "is not set" => {
                    let negated = self.operator == "is not set";
                    return Ok(Some(Filter::HasKey { column, key, negated }));
                }
                "contains" | "starts with" | "ends with" if is_empty => {
                    let negated = false;
                    return Ok(Some(Filter::HasKey { column, key, negated }));
                }
                _ => self.text(column, Kind::Map),
            },
        };
        Ok(test.map(|test| Filter::Key {
            key,
            is_number: self.r#type == "numberObject",
            test: Box::new(test),
        }))
    }

    fn text(&self, column: &'static str, kind: Kind) -> Option<Filter> {
        let value = self.value.as_str().filter(|text| params::is_text(text))?.to_owned();
        let part = match (&*self.operator, column) {
            ("=", _) => return Some(Filter::Is { column, value }),
            ("contains", _) => Part::Within,
            ("does not contain", _) => Part::Nowhere,
            ("starts with", _) => Part::Begin,
            ("ends with", _) => Part::End,
            ("matches", "input" | "output") => Part::InAnyCase,
            ("matches", _) if kind == Kind::Map => Part::Within,
            _ => return None,
        };
        Some(Filter::Text { column, part, value })
    }

    fn number(&self, column: &'static str) -> Result<Option<Filter>, String> {
        let operators = ["=", ">", "<", ">=", "<="];
        let operator = operators.into_iter().find(|own| *own == self.operator);
        let value = self.value.as_f64().filter(|value| value.is_finite());
        let value = value.ok_or("value: must be a number")?;
        Ok(operator.map(|operator| Filter::Number {
            column,
            operator,
            value,
        }))
    }

    fn time(&self, column: &'static str) -> Result<Option<Filter>, String> {
        let operator = [">", "<", ">=", "<="].into_iter().find(|own| *own == self.operator);
        let value = self.value.as_str().and_then(params::moment);
        let value = value.ok_or("value: must be an ISO 8601 time, such as 2026-02-25T12:00:00Z")?;
        Ok(operator.map(|operator| Filter::Time {
            column,
            operator,
            value,
        }))
    }

    fn flag(&self, column: &'static str) -> Option<Filter> {
        let value = self.value.as_bool()?;
        match &*self.operator {
            "=" => Some(Filter::Flag { column, value }),
            "<>" => Some(Filter::Flag { column, value: !value }),
            _ => None,
        }
    }

    fn values(&self) -> Result<Vec<String>, String> {
        let values = self.value.as_array().filter(|values| values.len() <= params::MANY);
        let text = |value: &Value| {
            value
                .as_str()
                .filter(|text| params::is_short_text(text))
                .map(str::to_owned)
        };
        let texts = values.and_then(|values| values.iter().map(text).collect());
        texts.ok_or_else(|| format!("value: must be an array of at most {} texts", params::MANY))
    }

    fn options(&self, column: &'static str) -> Result<Option<Filter>, String> {
        let values = self.values()?;
        Ok(match &*self.operator {
            "any of" => Some(Filter::OneOf { column, values }),
            "none of" => Some(Filter::NoneOf { column, values }),
            _ => None,
        })
    }

    fn array(&self, column: &'static str) -> Result<Option<Filter>, String> {
        let values = self.values()?;
        let negated = self.operator == "none of";
        Ok(match &*self.operator {
            "any of" | "none of" => Some(Filter::HasAny {
                column,
                values,
                negated,
            }),
            "all of" => Some(Filter::HasAll { column, values }),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(json: &str) -> (Conditions, Vec<String>) {
        let found: Vec<Condition> = serde_json::from_str(json).unwrap();
        let mut faults = Vec::new();
        let conditions = Conditions::of(&found, columns::OBSERVATIONS, Table::Observations, &mut faults);
        (conditions, faults)
    }

    #[test]
    fn conditions_on_the_own_time_narrow_the_span() {
        let (conditions, faults) = conditions(
            r#"[{"type":"datetime","column":"startTime","operator":">","value":"1970-01-01T00:00:01Z"},
                {"type":"datetime","column":"startTime","operator":"<=","value":"1970-01-01T00:00:05Z"},
                {"type":"datetime","column":"endTime","operator":"<","value":"1970-01-01T00:00:06Z"}]"#,
        );
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(conditions.span.from, Some(Millis(1_001)));
        assert_eq!(conditions.span.to, Some(Millis(5_001)));
        assert_eq!(conditions.filters.len(), 1);
        let plain = Span {
            from: Some(Millis(3_000)),
            to: Some(Millis(9_000)),
        };
        let both = conditions.within(plain);
        assert_eq!((both.from, both.to), (Some(Millis(3_000)), Some(Millis(5_001))));
    }

    #[test]
    fn each_kind_has_its_operators() {
        for (json, is_right) in [
            (
                r#"{"type":"string","column":"name","operator":"contains","value":"x"}"#,
                true,
            ),
            (r#"{"type":"string","column":"name","operator":">","value":"x"}"#, false),
            (r#"{"type":"string","column":"name","operator":"=","value":5}"#, false),
            (r#"{"type":"number","column":"name","operator":"=","value":5}"#, false),
            (
                r#"{"type":"number","column":"latency","operator":">=","value":2.5}"#,
                true,
            ),
            (
                r#"{"type":"stringOptions","column":"level","operator":"none of","value":["ERROR"]}"#,
                true,
            ),
            (
                r#"{"type":"arrayOptions","column":"tags","operator":"all of","value":["a"]}"#,
                true,
            ),
            (
                r#"{"type":"stringObject","column":"metadata","key":"k","operator":"is set"}"#,
                true,
            ),
            (
                r#"{"type":"stringObject","column":"metadata","operator":"=","value":"v"}"#,
                false,
            ),
            (
                r#"{"type":"numberObject","column":"metadata","key":"k","operator":"<","value":1}"#,
                true,
            ),
            (
                r#"{"type":"boolean","column":"isRootObservation","operator":"<>","value":true}"#,
                true,
            ),
            (r#"{"type":"null","column":"statusMessage","operator":"is null"}"#, true),
            (
                r#"{"type":"string","column":"output","operator":"matches","value":"x"}"#,
                true,
            ),
            (
                r#"{"type":"string","column":"output","operator":"contains","value":"x"}"#,
                false,
            ),
            (
                r#"{"type":"string","column":"secret","operator":"=","value":"x"}"#,
                false,
            ),
            (
                r#"{"type":"datetime","column":"startTime","operator":">","value":"soon"}"#,
                false,
            ),
        ] {
            let (_, faults) = conditions(&format!("[{json}]"));
            assert_eq!(faults.is_empty(), is_right, "{json}: {faults:?}");
        }
    }
}
