//! Threads that take what others leave of the processors: those of exports, where a ClickHouse that answers people may run on
//! the same machine.

/// How much less a thread gets than others, as `nice` counts it: from 0, like all others, to 19.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nice(i32);

impl Nice {
    /// Of what waits for nobody.
    pub const NONE: Self = Self(0);
    /// Of what moves an export's batches.
    pub const EXPORT: Self = Self(5);
    /// Of what encodes and compresses, for long stretches at once: a tenth of what a thread of others gets that never rests.
    pub const ENCODE: Self = Self(10);

    /// From now on, for the calling thread and the threads that it begins. Where the system has no such thing, or refuses it, the
    /// thread runs as any other.
    pub fn apply(self) {
        if self == Self::NONE {
            return;
        }
        #[cfg(target_os = "linux")]
        // SAFETY: setpriority takes no pointers; on Linux 0 is the calling thread alone.
        unsafe {
            libc::setpriority(libc::PRIO_PROCESS, 0, self.0);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn nice() -> i32 {
        // SAFETY: getpriority takes no pointers.
        unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
    }

    #[test]
    fn a_thread_and_those_that_it_begins_give_way_and_no_other() {
        let before = nice();
        let (own, child) = std::thread::spawn(|| {
            Nice::ENCODE.apply();
            (nice(), std::thread::spawn(nice).join().expect("a thread"))
        })
        .join()
        .expect("a thread");
        assert_eq!((own, child), (10, 10));
        assert_eq!(nice(), before, "the thread that began it is as it was");
    }
}
