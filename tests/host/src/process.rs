//! Interface: what this process takes up.

/// Bytes of memory that are resident.
///
/// # Panics
/// Where the system does not say.
pub fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux says so");
    let pages: u64 = pages.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    // SAFETY: asks for a number.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}

/// Bytes that were allocated and are not freed, after what is free was given back to the system.
pub fn allocated() -> u64 {
    // SAFETY: both only look into the allocator's own books.
    let books = unsafe {
        libc::malloc_trim(0);
        libc::mallinfo2()
    };
    (books.uordblks + books.hblkhd) as u64
}

/// Processor time spent so far.
pub fn processor_time() -> std::time::Duration {
    // SAFETY: fills in the structure that it is given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let time = |part: libc::timeval| {
        std::time::Duration::new(part.tv_sec as u64, part.tv_usec as u32 * 1_000)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Gives the calling thread the priority of an audio thread; false where the system does not let it.
pub fn be_real_time() -> bool {
    let wanted = libc::sched_param { sched_priority: 20 };
    // SAFETY: changes the calling thread's scheduling and nothing else.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &wanted) == 0 }
}

/// Threads whose name starts with `name`.
///
/// # Panics
/// Where the system does not list them.
pub fn threads(name: &str) -> usize {
    std::fs::read_dir("/proc/self/task")
        .expect("Linux lists them")
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|comm| comm.starts_with(name))
        .count()
}
