//! `[governor]`: what holds the export back while people and programs read.

use tracemill_operators::governor::Bounds;

use super::checked::Governor;
use super::defaults;
use super::reader::{self, Section, Span};

/// Reads `[governor]`; without it, the defaults.
pub(super) fn read(root: &Section<'_>) -> Governor {
    let mut governor = Governor {
        enabled: true,
        bounds: Bounds {
            target: None,
            floor: f64::from(defaults::GOVERNOR_FLOOR) / 100.0,
        },
    };
    let Some(section) = root.section("governor", "[governor]") else {
        return governor;
    };
    governor.enabled = section.boolean("enabled").unwrap_or(true);
    let target = reader::Bounds {
        range: Span(defaults::MIN_TARGET)..=Span(defaults::MAX_TARGET),
        why: "",
    };
    governor.bounds.target = section.duration("target_p95", &target);
    let percent = reader::Bounds {
        range: 1..=100_u32,
        why: " (percent)",
    };
    if let Some(floor) = section.integer("floor", &percent) {
        governor.bounds.floor = f64::from(floor) / 100.0;
    }
    section.finish();
    governor
}
