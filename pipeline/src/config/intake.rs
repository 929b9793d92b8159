//! `[intake]` and `[prices]`: what the HTTP face takes, and what models cost.

use tracemill_model::{ByteSize, Secret};

use super::checked::{Intake, Prices};
use super::defaults;
use super::reader::{Bounds, Section};
use super::stores::address;

/// Reads `[intake]`.
pub(super) fn read(root: &Section<'_>) -> Option<Intake> {
    let section = root.section("intake", "[intake]")?;
    let size = |key, default| {
        let range = defaults::MIN_BODY..=defaults::MAX_BODY;
        section.size(key, &Bounds { range, why: "" }).unwrap_or(default)
    };
    let count = |key, range, default| section.integer(key, &Bounds { range, why: "" }).unwrap_or(default);
    let requests = Bounds {
        range: 0..=defaults::MAX_REQUESTS,
        why: " (0 is without a limit)",
    };
    let intake = Intake {
        listen: address(&section, "listen", "127.0.0.1:3000").unwrap_or(defaults::LISTEN),
        body: size("body", defaults::BODY),
        otlp_body: size("otlp_body", defaults::OTLP_BODY),
        decompressed: size("decompressed", defaults::DECOMPRESSED),
        events: count("events", 1..=defaults::MAX_EVENTS, defaults::EVENTS),
        nesting: count(
            "nesting",
            defaults::MIN_NESTING..=defaults::MAX_NESTING,
            defaults::NESTING,
        ),
        requests_per_second: section
            .integer("requests_per_second", &requests)
            .filter(|requests| *requests > 0),
        in_flight: count("in_flight", 1..=defaults::MAX_IN_FLIGHT, defaults::IN_FLIGHT),
        memory: size("memory", defaults::INTAKE_MEMORY),
        salt: salt(&section),
    };
    check_sizes(&section, &intake);
    section.finish();
    Some(intake)
}

fn salt(section: &Section<'_>) -> Option<Secret> {
    if !section.has("salt") {
        return section.context.variable("SALT").map(Secret::new);
    }
    section.name("salt").map(|salt| Secret::new(salt.value))
}

/// A body within its own limit must be within the others as well. A fault stands at the key that the file has.
fn check_sizes(section: &Section<'_>, intake: &Intake) {
    let check = |(small, value): (&str, ByteSize), (large, limit): (&str, ByteSize)| {
        if value <= limit {
            return;
        }
        let key = if section.has(large) { large } else { small };
        let message = format!(
            "{small} = {value} in {} is more than {large} = {limit}: such a body would never be taken",
            section.path
        );
        let remedy = format!("make {small} smaller, or {large} larger");
        section.report(section.at_of(key), key, None, message, remedy);
    };
    let decompressed = ("decompressed", intake.decompressed);
    check(("body", intake.body), decompressed);
    check(("otlp_body", intake.otlp_body), decompressed);
    check(decompressed, ("memory", intake.memory));
}

/// Reads `[prices]`.
pub(super) fn prices(root: &Section<'_>) -> Prices {
    let mut prices = Prices {
        file: None,
        builtin: true,
    };
    let Some(section) = root.section("prices", "[prices]") else {
        return prices;
    };
    prices.builtin = section.boolean("builtin").unwrap_or(true);
    if let Some(text) = section.name("file") {
        if !text.value.ends_with(".toml") && !text.value.ends_with(".json") {
            let message = format!(
                "file = {:?} in {} ends neither in .toml nor in .json",
                text.raw, section.path
            );
            let remedy = "name a price file: file = \"prices.toml\"";
            section.report(text.at, "file", Some(&text.raw), message, remedy);
        }
        prices.file = Some(text.value.into());
    }
    section.finish();
    prices
}
