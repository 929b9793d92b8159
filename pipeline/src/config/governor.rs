//! `[governor]`: what holds the export back while people and programs read, and ingestion's inserts while parts pile up.

use tracemill_operators::governor::{Bounds, Settings};

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
        ceiling: Settings::OPEN,
        stretch: defaults::INSERT_STRETCH,
        give_way: None,
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
    let leaves = reader::Bounds {
        range: 1..=defaults::MAX_PARALLEL as u64,
        why: "",
    };
    if let Some(leaves) = section.integer("max_leaves", &leaves) {
        governor.ceiling.leaves = leaves;
    }
    let rate = reader::Bounds {
        range: defaults::MIN_EXPORT_RATE..=defaults::MAX_EXPORT_RATE,
        why: " (a second)",
    };
    let rate = section.size("max_bytes_per_second", &rate);
    governor.ceiling.bytes_per_second = rate.map(|rate| rate.0);
    if let Some(rate) = rate {
        // Each reader must get its turn before ClickHouse gives up on one that takes nothing.
        let most = rate.0 / defaults::EXPORT_RATE_PER_LEAF.0;
        governor.ceiling.leaves = governor.ceiling.leaves.min(most);
    }
    let stretch = reader::Bounds {
        range: 1..=defaults::MAX_STRETCH,
        why: "",
    };
    governor.stretch = section.integer("max_stretch", &stretch).unwrap_or(governor.stretch);
    governor.give_way = section.boolean("give_way");
    section.finish();
    governor
}
