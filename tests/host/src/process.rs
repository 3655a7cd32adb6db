//! Interface: what this process takes up.

use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// glibc keeps what was freed apart for each of a dozen threads: with this there is one store.
pub const ONE_ARENA: &str = "glibc.malloc.arena_max=1";
/// glibc counts what a thread keeps for its next use as allocated: with this no thread keeps anything.
pub const EXACT: &str = "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0";

/// Has the calling test run again in a process of its own, under these of glibc's tunables. False where it is that run
/// already.
///
/// # Panics
/// Where the test fails in that run.
pub fn ran_under(tunables: &str, test: &str) -> bool {
    const VARIABLE: &str = "GLIBC_TUNABLES";
    if std::env::var(VARIABLE).is_ok_and(|set| set == tunables) {
        return false;
    }
    let program = std::env::current_exe().expect("a test knows its program");
    let output = std::process::Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(VARIABLE, tunables)
        .output()
        .expect("a test can be run again");
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "there is no test {test}");
    true
}

/// One test of a program at a time, as they count what the process has.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
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
