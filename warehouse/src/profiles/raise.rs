//! How a client would try to lift the limits of its profile, for whoever wants to see that it cannot.

use crate::service::ServiceKind;

/// One attempt: a setting and the value that would lift a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raise {
    /// The setting.
    pub setting: &'static str,
    /// A value beyond any sensible limit; 0 is "none".
    pub value: &'static str,
    /// Whether it lifts one of the four limits that every query carries.
    pub is_core: bool,
}

const fn core(setting: &'static str, value: &'static str) -> Raise {
    Raise {
        setting,
        value,
        is_core: true,
    }
}

const fn aside(setting: &'static str, value: &'static str) -> Raise {
    Raise {
        setting,
        value,
        is_core: false,
    }
}

const ALL: [Raise; 10] = [
    core("max_memory_usage", "0"),
    core("max_memory_usage", "1000000000000000"),
    core("max_threads", "100000"),
    core("max_execution_time", "0"),
    core("max_execution_time", "100000000"),
    core("max_memory_usage_for_user", "0"),
    aside("max_concurrent_queries_for_user", "0"),
    aside("max_untracked_memory", "1000000000000"),
    aside("timeout_overflow_mode", "break"),
    aside("log_queries", "0"),
];

/// The attempts that the user of a service must not succeed with. `priority` is the service's own.
#[must_use]
pub fn raises(kind: ServiceKind, priority: Option<u32>) -> Vec<Raise> {
    let mut raises = ALL.to_vec();
    if priority.is_some_and(|priority| priority > 0) {
        raises.push(core("priority", "0"));
    }
    if kind != ServiceKind::ReadWrite {
        raises.push(core("readonly", "0"));
    }
    raises
}
