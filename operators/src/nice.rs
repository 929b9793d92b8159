//! Threads that take what others leave of the processors: those of exports, where a ClickHouse that answers people may run on
//! the same machine.

/// How much less a thread gets than others, as `nice` counts it: from 0, like all others, to 19; and 20, what others leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nice(i32);

impl Nice {
    /// Of what waits for nobody.
    pub const NONE: Self = Self(0);
    /// Of what moves an export's batches.
    pub const EXPORT: Self = Self(10);
    /// Of what encodes and compresses, for long stretches at once: a tenth of what a thread of others gets that never rests.
    pub const ENCODE: Self = Self(10);
    /// Of what runs only where nobody else would (`SCHED_IDLE`), and gives its processor to whoever wakes up. It may starve, and no thread
    /// comes back from it without privileges.
    pub const IDLE: Self = Self(20);

    /// From now on, for the calling thread and the threads that it begins. Where the system has no such thing, or refuses it, the
    /// thread runs as any other.
    pub fn apply(self) {
        if self == Self::NONE {
            return;
        }
        #[cfg(target_os = "linux")]
        {
            // One of a batch that wakes up waits until the thread that runs has had its turn.
            let class = if self == Self::IDLE {
                libc::SCHED_IDLE
            } else {
                libc::SCHED_BATCH
            };
            // SAFETY: both set the calling thread alone, as 0 means on Linux; the parameters outlive the call.
            unsafe {
                let parameters: libc::sched_param = std::mem::zeroed();
                libc::sched_setscheduler(0, class, &raw const parameters);
                if self != Self::IDLE {
                    libc::setpriority(libc::PRIO_PROCESS, 0, self.0);
                }
            }
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

    #[test]
    fn an_idle_thread_is_of_its_own_class() {
        // SAFETY: it takes no pointers; 0 is the calling thread.
        let class = || unsafe { libc::sched_getscheduler(0) };
        let idle = std::thread::spawn(move || {
            Nice::IDLE.apply();
            class()
        });
        assert_eq!(idle.join().expect("a thread"), libc::SCHED_IDLE);
        assert_eq!(class(), libc::SCHED_OTHER);
    }
}
