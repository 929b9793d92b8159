//! The transitions of a queue, each one script: all its checks and writes happen at once.

use redis::Script;

macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(
            include_str!("lua/common.lua"),
            include_str!(concat!("lua/", $name, ".lua"))
        ))
    };
}

/// All of them.
pub(super) struct Scripts {
    pub(super) add: Script,
    pub(super) fetch: Script,
    pub(super) complete: Script,
    pub(super) fail: Script,
    pub(super) retry: Script,
    pub(super) release: Script,
    pub(super) extend: Script,
    pub(super) stalled: Script,
    pub(super) depth: Script,
    pub(super) failed: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            add: script!("add"),
            fetch: script!("fetch"),
            complete: script!("complete"),
            fail: script!("fail"),
            retry: script!("retry"),
            release: script!("release"),
            extend: script!("extend"),
            stalled: script!("stalled"),
            depth: script!("depth"),
            failed: script!("failed"),
        }
    }
}

impl std::fmt::Debug for Scripts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripts")
    }
}
