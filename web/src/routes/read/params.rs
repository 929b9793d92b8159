//! Parameters of a query string: every fault at once.

use tracemill_model::Millis;
use url::form_urlencoded;

use crate::query::{Cursor, Filter, Page, Span};
use crate::reply::Refusal;

/// Entities of a page, where nobody says how many.
const LIMIT: u64 = 50;
/// The most entities of a page.
const MOST: u64 = 100;
/// The longest text in characters; the most texts of a list, and the longest of those.
const LONGEST: usize = 1024;
pub(crate) const MANY: usize = 100;
const LONGEST_OF_MANY: usize = 200;
/// Parameters that are JSON, and the longest of those.
const JSON: [&str; 2] = ["filter", "query"];
const LONGEST_JSON: usize = 32 << 10;

/// Whether it can be compared with what is stored.
pub(crate) fn is_text(text: &str) -> bool {
    text.chars().nth(LONGEST).is_none() && !text.contains('\0')
}

/// The same of a text among others.
pub(crate) fn is_short_text(text: &str) -> bool {
    text.chars().nth(LONGEST_OF_MANY).is_none() && is_text(text)
}

/// A time with its date, or a date. Of what is before or after all rows, the nearest that a row may have.
pub(crate) fn moment(text: &str) -> Option<Millis> {
    let has_date = text.as_bytes().get(4) == Some(&b'-');
    let time = Millis::parse(text).ok().filter(|_| has_date)?;
    Some(time.within_tables())
}

/// The parameters of a request, and what is wrong with them.
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    faults: Vec<String>,
}

impl Params {
    pub(crate) fn new(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or("").as_bytes());
        let mut params = Self {
            pairs: pairs.into_owned().collect(),
            faults: Vec::new(),
        };
        let long = |(name, value): &&(String, String)| match JSON.contains(&&**name) {
            true => value.len() > LONGEST_JSON,
            false => !is_text(value),
        };
        if let Some((name, _)) = params.pairs.iter().find(long) {
            params.faults.push(format!("{name}: too long, or not a text"));
        }
        params
    }

    /// The first value of a name that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let mut own = self
            .pairs
            .iter()
            .filter(|(own, value)| own == name && !value.is_empty());
        own.next().map(|(_, value)| value.as_str())
    }

    /// Whether a name is there, be it empty.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(own, _)| own == name)
    }

    /// Takes parameters out.
    pub(crate) fn without(&mut self, names: &[String]) {
        let is_named = |own: &str| {
            names
                .iter()
                .any(|name| own == name || own.strip_suffix("[]") == Some(name))
        };
        self.pairs.retain(|(own, _)| !is_named(own));
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.choice(name, &[("true", true), ("false", false)])
    }

    /// A finite number.
    pub(crate) fn float(&mut self, name: &str) -> Option<f64> {
        let value = self.text(name)?.parse::<f64>().ok().filter(|value| value.is_finite());
        if value.is_none() {
            self.faults.push(format!("{name}: must be a number"));
        }
        value
    }

    /// How many entities a page has.
    pub(crate) fn limit(&mut self, most: u64) -> u64 {
        self.number("limit", LIMIT, most)
    }

    /// Where a page begins.
    pub(crate) fn cursor(&mut self) -> Option<Cursor> {
        let cursor = Cursor::parse(self.text("cursor")?);
        if cursor.is_none() {
            self.faults.push("cursor: must be one that an answer told".to_owned());
        }
        cursor
    }

    /// The parts that `fields` names, each one of `names`.
    pub(crate) fn fields(&mut self, names: &[&str]) -> Option<Vec<String>> {
        let found = self.listed("fields")?;
        if let Some(name) = found.iter().find(|name| !names.contains(&&***name)) {
            let fault = format!("fields: {name:?} is none of {}", names.join(", "));
            self.faults.push(fault);
        }
        Some(found)
    }

    /// All values of a name, `name` or `name[]`.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
        let is_own = |own: &str| own == name || own.strip_suffix("[]") == Some(name);
        let own = self
            .pairs
            .iter()
            .filter(|(own, value)| is_own(own) && !value.is_empty());
        let texts: Vec<String> = own.map(|(_, value)| value.clone()).collect();
        if texts.len() > MANY || !texts.iter().all(|text| is_short_text(text)) {
            let fault = format!("{name}: at most {MANY} values of {LONGEST_OF_MANY} characters");
            self.faults.push(fault);
        }
        texts
    }

    /// Values separated by commas.
    pub(crate) fn listed(&self, name: &str) -> Option<Vec<String>> {
        let text = self.text(name)?;
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Some(parts.map(str::to_owned).collect())
    }

    pub(crate) fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    fn number(&mut self, name: &str, default: u64, most: u64) -> u64 {
        let Some(text) = self.text(name) else { return default };
        match text.parse::<u64>() {
            Ok(number) if (1..=most).contains(&number) => number,
            _ => {
                self.faults
                    .push(format!("{name}: must be a whole number from 1 to {most}"));
                default
            }
        }
    }

    pub(crate) fn page(&mut self) -> Page {
        Page {
            page: self.number("page", 1, 1_000_000),
            limit: self.number("limit", LIMIT, MOST),
        }
    }

    pub(crate) fn time(&mut self, name: &str) -> Option<Millis> {
        let time = moment(self.text(name)?);
        if time.is_none() {
            self.faults.push(format!(
                "{name}: must be an ISO 8601 time, such as 2026-02-25T12:00:00Z"
            ));
        }
        time
    }

    pub(crate) fn span(&mut self, from: &str, to: &str) -> Span {
        Span {
            from: self.time(from),
            to: self.time(to),
        }
    }

    /// Equality with a parameter, where it is there.
    pub(crate) fn is(&self, name: &str, column: &'static str) -> Option<Filter> {
        let value = self.text(name)?.to_owned();
        Some(Filter::Is { column, value })
    }

    /// Equality with any of a parameter's values, where there are some.
    pub(crate) fn one_of(&mut self, name: &str, column: &'static str) -> Option<Filter> {
        let values = self.texts(name);
        (!values.is_empty()).then_some(Filter::OneOf { column, values })
    }

    /// All of a parameter's values are in the column's array.
    pub(crate) fn has_all(&mut self, name: &str, column: &'static str) -> Option<Filter> {
        let values = self.texts(name);
        (!values.is_empty()).then_some(Filter::HasAll { column, values })
    }

    /// One of the names, or a fault that lists them.
    pub(crate) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let chosen = choices.iter().find(|(own, _)| *own == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let names: Vec<&str> = choices.iter().map(|(own, _)| *own).collect();
            self.faults.push(format!("{name}: must be one of {}", names.join(", ")));
        }
        chosen
    }

    /// What is left to say: nothing, or every fault.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        match self.faults.is_empty() {
            true => Ok(()),
            false => Err(Refusal::Invalid(self.faults)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_at_once() {
        let mut params = Params::new(Some(
            "page=0&limit=101&fromTimestamp=yesterday&name=a%20b&tags=x&tags[]=y",
        ));
        let page = params.page();
        assert_eq!((page.page, page.limit), (1, LIMIT));
        assert_eq!(params.span("fromTimestamp", "toTimestamp"), Span::default());
        assert_eq!(params.text("name"), Some("a b"));
        assert_eq!(params.texts("tags"), ["x", "y"]);
        let Err(Refusal::Invalid(faults)) = params.finish() else {
            panic!("three faults")
        };
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn times_have_dates() {
        for (text, ms) in [
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("1970-01-02", Some(86_400_000)),
            ("0001-01-01T00:00:00Z", Some(-2_208_988_800_000)),
            ("5000", None),
            ("12:00", None),
            ("", None),
        ] {
            assert_eq!(moment(text).map(|time| time.0), ms, "{text}");
        }
    }

    #[test]
    fn what_is_empty_is_not_there() {
        let mut params = Params::new(Some("name=&page=&toTimestamp="));
        assert_eq!(params.text("name"), None);
        assert_eq!(params.page().page, 1);
        assert!(params.finish().is_ok());
    }
}
