//! The C library's allocator, set up for large buffers that come and go on a few threads.

/// Two arenas instead of eight a core: buffers that are filled on one thread and freed on another otherwise leave free
/// memory behind in each (191 MB resident instead of 260 MB for the day of the benchmarks). Buffers of a few MiB are kept
/// for the next batch instead of being given back to the system and faulted in again.
///
/// Does nothing where the C library is not glibc.
pub fn tune() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in [
        (libc::M_ARENA_MAX, 2),
        (libc::M_MMAP_THRESHOLD, 32 << 20),
        (libc::M_TRIM_THRESHOLD, 64 << 20),
    ] {
        // SAFETY: mallopt only sets parameters of the allocator; it is called before any other thread exists. A parameter
        // that is refused leaves the default.
        unsafe {
            libc::mallopt(parameter, value);
        }
    }
}
