//! What a process costs: wall time, CPU time, peak memory.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::Failure;

/// What a child cost from its start to its end.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// From start to end.
    pub wall: Duration,
    /// User and system time, with that of the children it waited for.
    pub cpu: Duration,
    /// Peak resident memory in bytes.
    pub peak: u64,
}

/// Makes the child end when this process does, however it does.
pub fn bound_to_parent(command: &mut Command) -> &mut Command {
    // SAFETY: prctl is async-signal-safe, and the closure touches no memory of ours.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        })
    }
}

/// Runs a command to its end and measures it.
///
/// # Errors
/// It does not start, ends with another code than 0, or is not done in time; then it is killed.
pub fn measure(command: &mut Command, within: Duration) -> Result<Used, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let began = Instant::now();
    let child = bound_to_parent(command)
        .spawn()
        .map_err(|error| format!("{name} does not start: {error}"))?;
    let (done, watched) = mpsc::channel::<()>();
    let pid = libc::pid_t::try_from(child.id())?;
    let watchdog = std::thread::spawn(move || {
        let late = watched.recv_timeout(within) == Err(mpsc::RecvTimeoutError::Timeout);
        if late {
            // SAFETY: kill takes no pointers; the child was not waited for yet, so its id is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        late
    });
    let ended = wait4(&child);
    let wall = began.elapsed();
    drop(done);
    if watchdog.join().unwrap_or(false) {
        return Err(format!("{name} was not done within {within:?}, and was killed").into());
    }
    let (status, usage) = ended?;
    if status != 0 {
        let how = if libc::WIFEXITED(status) {
            format!("code {}", libc::WEXITSTATUS(status))
        } else {
            format!("signal {}", libc::WTERMSIG(status))
        };
        return Err(format!("{name} ended with {how}").into());
    }
    Ok(Used {
        wall,
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        peak: u64::try_from(usage.ru_maxrss)? * 1024,
    })
}

fn wait4(child: &Child) -> Result<(i32, libc::rusage), Failure> {
    let pid = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live variables of the right type.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if waited == pid {
            return Ok((status, usage));
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error.into());
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    let micros = time.tv_sec * 1_000_000 + time.tv_usec;
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Lets time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is what others do in that time"
)]
pub fn pause(during: Duration) {
    std::thread::sleep(during);
}

/// User and system time of a running process so far.
///
/// # Errors
/// There is no such process.
pub fn cpu_of(pid: u32) -> Result<Duration, Failure> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // The name of the program, in parentheses, may hold anything.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    // SAFETY: sysconf takes no pointers.
    let rate = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) })?.max(1);
    Ok(Duration::from_micros(ticks * 1_000_000 / rate))
}

/// Peak resident memory of a running process in bytes.
///
/// # Errors
/// There is no such process.
pub fn peak_of(pid: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib.ok_or_else(|| format!("{path} has no VmHWM"))?.parse()?;
    Ok(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_busy_child_is_measured() {
        let used = measure(
            &mut shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"),
            Duration::from_secs(60),
        )
        .expect("it ends");
        assert!(
            used.cpu > Duration::from_millis(10) && used.wall >= used.cpu / 2,
            "{used:?}"
        );
        assert!(used.peak > 100 << 10, "{used:?}");
    }

    #[test]
    fn failure_and_lateness_are_errors() {
        let error = measure(&mut shell("exit 3"), Duration::from_secs(60)).expect_err("a code");
        assert!(error.to_string().contains("code 3"), "{error}");
        let error = measure(&mut shell("exec sleep 600"), Duration::from_millis(50)).expect_err("too late");
        assert!(error.to_string().contains("killed"), "{error}");
    }

    #[test]
    fn this_process_has_used_cpu() {
        let before = cpu_of(std::process::id()).expect("there is such a process");
        let mut sum = 0_u64;
        while cpu_of(std::process::id()).expect("still there") <= before {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(1));
        }
    }
}
