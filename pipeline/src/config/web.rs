//! `[web]`: what people and programs read with.

use tracemill_model::Secret;

use super::checked::{Intake, Pages, Reads, Role, Web};
use super::defaults;
use super::reader::{Bounds, Section, Span};
use super::stores::address;
use super::url;

/// Reads `[web]`. Where there is an intake, or the role is `web`, it is there without a section as well.
pub(super) fn read(root: &Section<'_>, intake: Option<&Intake>, role: Role) -> Option<Web> {
    let mut web = Web {
        listen: intake.map_or(defaults::LISTEN, |intake| intake.listen),
        reads: Reads {
            at_once: defaults::READS_AT_ONCE,
            waiting: defaults::READS_WAITING,
            wait: defaults::READ_WAIT,
            max_rows: None,
            max_bytes: None,
        },
        pages: Some(Pages {
            password: None,
            session_secret: None,
            session: defaults::PAGE_SESSION,
            url: None,
        }),
    };
    let Some(section) = root.section("web", "[web]") else {
        return (intake.is_some() || role == Role::Web).then_some(web);
    };
    let is_enabled = section.boolean("enabled").unwrap_or(true);
    web.listen = address(&section, "listen", "127.0.0.1:3000").unwrap_or(web.listen);
    let reads = &mut web.reads;
    let count = |key, range, default| section.integer(key, &Bounds { range, why: "" }).unwrap_or(default);
    reads.at_once = count("at_once", 1..=10_000_usize, reads.at_once);
    reads.waiting = count("waiting", 0..=100_000_usize, reads.waiting);
    let wait = Bounds {
        range: Span(defaults::MIN_DEADLINE)..=Span(defaults::MAX_DEADLINE),
        why: "",
    };
    reads.wait = section.duration("wait", &wait).unwrap_or(reads.wait);
    let rows = Bounds {
        range: 1..=u64::MAX >> 1,
        why: "",
    };
    reads.max_rows = section.integer("max_rows_to_read", &rows);
    let bytes = Bounds {
        range: defaults::MIN_QUERY_MEMORY..=defaults::MAX_QUERY_MEMORY,
        why: "",
    };
    reads.max_bytes = section.size("max_bytes_to_read", &bytes);
    web.pages = pages(&section);
    section.finish();
    is_enabled.then_some(web)
}

/// The pages, unless they are switched off.
fn pages(section: &Section<'_>) -> Option<Pages> {
    let session = Bounds {
        range: Span(defaults::MIN_PAGE_SESSION)..=Span(defaults::MAX_PAGE_SESSION),
        why: "",
    };
    let pages = Pages {
        password: secret(section, "password", "PAGES_PASSWORD"),
        session_secret: secret(section, "session_secret", "PAGES_SECRET"),
        session: section.duration("session", &session).unwrap_or(defaults::PAGE_SESSION),
        url: public_url(section),
    };
    section.boolean("pages").unwrap_or(true).then_some(pages)
}

/// A text that must not be guessed.
fn secret(section: &Section<'_>, key: &str, variable: &str) -> Option<Secret> {
    let text = section.name(key)?;
    if text.value.chars().count() < defaults::MIN_PASSWORD {
        let least = defaults::MIN_PASSWORD;
        let message = format!("{key} in [web] is shorter than {least} letters");
        let remedy = format!("write a longer one, and keep it out of the file: {key} = \"${{{variable}}}\"");
        section.report(text.at, key, None, message, remedy);
        return None;
    }
    Some(Secret::new(text.value))
}

/// Where people reach the pages.
fn public_url(section: &Section<'_>) -> Option<String> {
    let text = section.url("url")?;
    match url::server(&text.value) {
        Ok(parts) => Some(parts.url),
        Err(error) => {
            let message = format!("the URL {:?} in [web] {}", url::redacted(&text.raw), error.message);
            let remedy = "write the address that people see: url = \"https://traces.example.com\"";
            section.report(text.at, "url", None, message, remedy);
            None
        }
    }
}
