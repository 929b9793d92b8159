//! The child process that is the server: it loads the library and calls its one entry point, which returns when the
//! server ends.
//!
//! It must end with its parent however that ends. Its standard input is a pipe that only the parent holds open: when the
//! system closes it, a thread here sends SIGTERM to the process and, if that was not enough, SIGKILL. (A death signal set
//! by `prctl` would follow the parent's *thread* that made the child, and threads of a pool come and go.)

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::find::Engine;

/// The first argument of a process that is to be a server.
pub const CHILD_ARGUMENT: &str = "__clickhouse-child";
/// Carries the child's orders, so that its arguments stay free for a test harness.
pub(super) const ORDERS_VARIABLE: &str = "TRACEMILL_CLICKHOUSE_CHILD";
/// How long a server may take to end in order.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(8);

/// What the parent tells the child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    pub(super) engine: Engine,
    pub(super) folder: PathBuf,
    pub(super) tcp: bool,
}

/// Becomes the server if the parent asked for it, and never returns then; otherwise returns at once. For test harnesses, whose
/// arguments are not ours: a test that calls this is the child's entry point.
pub fn run_if_child() {
    if std::env::var_os(ORDERS_VARIABLE).is_some() {
        let code = child_main();
        // The library's threads still run: leave without destructors.
        std::process::exit(if code == ExitCode::SUCCESS { 0 } else { 1 });
    }
}

/// The body of the hidden subcommand [`CHILD_ARGUMENT`]: runs the server until it is told to stop. Errors go to standard error,
/// which the parent keeps in the folder's log.
#[must_use]
pub fn child_main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let orders =
        std::env::var(ORDERS_VARIABLE).map_err(|_| format!("{CHILD_ARGUMENT} is started by tracemill itself"))?;
    let orders: Orders = serde_json::from_str(&orders).map_err(|error| format!("unreadable orders: {error}"))?;
    // SAFETY: no thread of ours reads or writes the environment here, and the library is not loaded yet.
    unsafe { std::env::remove_var(ORDERS_VARIABLE) };
    watch_parent(std::process::id())?;
    match &orders.engine {
        Engine::Library(library) => run_library(library, &orders),
        Engine::Binary(binary) => run_binary(binary, &orders.folder),
    }
}

/// Ends `pid` when standard input ends. The pipe is moved away from descriptor 0, which the engine may read.
fn watch_parent(pid: u32) -> Result<(), String> {
    let pipe = std::io::stdin();
    let pipe = std::os::fd::AsFd::as_fd(&pipe)
        .try_clone_to_owned()
        .map_err(|error| format!("no pipe to the parent: {error}"))?;
    // SAFETY: descriptors 0 and `null` are open; dup2 onto 0 keeps 0 valid.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if null < 0 || libc::dup2(null, 0) < 0 {
            return Err(format!("cannot open /dev/null: {}", std::io::Error::last_os_error()));
        }
        libc::close(null);
    }
    std::thread::Builder::new()
        .name("parent-watch".to_owned())
        .spawn(move || {
            let mut pipe = std::fs::File::from(pipe);
            let mut byte = [0u8; 1];
            while matches!(pipe.read(&mut byte), Ok(1..)) {}
            end(pid);
        })
        .map(|_| ())
        .map_err(|error| format!("no thread to watch the parent: {error}"))
}

fn end(pid: u32) {
    let pid = pid.cast_signed();
    // SAFETY: plain signals to a process that is us, or a child that we have not waited for.
    unsafe { libc::kill(pid, libc::SIGTERM) };
    // A receive that never succeeds: waits without sleeping.
    let (_keep, never) = mpsc::channel::<()>();
    let _ = never.recv_timeout(STOP_WITHIN);
    // SAFETY: as above.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// What the entry point returns.
#[repr(C)]
struct LocalResult {
    buf: *mut c_char,
    len: usize,
    vec: *mut c_void,
    elapsed: f64,
    rows_read: u64,
    bytes_read: u64,
    error_message: *mut c_char,
}

type EntryPoint = unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut LocalResult;

fn run_library(library: &Path, orders: &Orders) -> Result<(), String> {
    let entry = load(library)?;
    let arguments = arguments(&orders.folder, orders.tcp)
        .into_iter()
        .map(CString::new)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("a path with a zero byte: {error}"))?;
    let mut argv: Vec<*mut c_char> = arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
    let argc = c_int::try_from(argv.len()).map_err(|error| error.to_string())?;
    argv.push(std::ptr::null_mut());
    // SAFETY: `entry` is the library's documented function of this signature; argv holds argc strings and a null, and outlives
    // the call. The library does not write to them.
    let result = unsafe { entry(argc, argv.as_mut_ptr()) };
    if result.is_null() {
        return Err("the engine ended without a result".to_owned());
    }
    // SAFETY: a non-null result points to an initialised struct of this layout; its message is a C string or null.
    let message = unsafe { (*result).error_message };
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: as above.
    Err(unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned())
}

fn load(library: &Path) -> Result<EntryPoint, String> {
    use std::os::unix::ffi::OsStrExt;
    let path = CString::new(library.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    // SAFETY: the library was checked by its digest when it was fetched; its initialisers run here, before any thread of the
    // engine exists.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        return Err(format!("cannot load {}: {}", library.display(), dl_error()));
    }
    // SAFETY: `handle` is a loaded library.
    let symbol = unsafe { libc::dlsym(handle, c"query_stable_v2".as_ptr()) };
    if symbol.is_null() {
        return Err(format!("{} has no query_stable_v2: {}", library.display(), dl_error()));
    }
    // SAFETY: the symbol is a function of this signature in every version of the library that we fetch.
    Ok(unsafe { std::mem::transmute::<*mut c_void, EntryPoint>(symbol) })
}

fn dl_error() -> String {
    // SAFETY: dlerror returns null or a string that is valid until the next call of the family in this thread.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "unknown error".to_owned();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// The command line of `clickhouse local`. The last query keeps the call, and so the server, alive: about 95 years.
fn arguments(folder: &Path, tcp: bool) -> Vec<String> {
    let listen_tcp = if tcp { "SYSTEM START LISTEN TCP; " } else { "" };
    vec![
        "clickhouse".to_owned(),
        "--multiquery".to_owned(),
        format!("--config-file={}", folder.join("config.xml").display()),
        format!("--path={}", folder.join("data").display()),
        format!(
            "--query=SYSTEM START LISTEN HTTP; {listen_tcp}SELECT sleepEachRow(3) FROM numbers(1000000000) \
             SETTINGS function_sleep_max_microseconds_per_block = 0, max_block_size = 1, max_execution_time = 0 FORMAT Null"
        ),
    ]
}

/// Runs `clickhouse server` below this process and ends with it.
fn run_binary(binary: &Path, folder: &Path) -> Result<(), String> {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new(binary);
    command
        .arg("server")
        .arg(format!("--config-file={}", folder.join("config.xml").display()));
    #[cfg(target_os = "linux")]
    // SAFETY: prctl is a plain system call. The thread that makes the server is the one that waits for it below, so the
    // signal comes when this process ends and not before.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
    #[cfg(not(target_os = "linux"))]
    let _ = CommandExt::uid;
    let mut server = command
        .spawn()
        .map_err(|error| format!("cannot run {}: {error}", binary.display()))?;
    std::fs::write(folder.join(super::folder::SERVER_PID), server.id().to_string())
        .map_err(|error| format!("cannot write the server's pid: {error}"))?;
    let status = server.wait().map_err(|error| error.to_string())?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("clickhouse server ended with {status}"))
    }
}
