//! Worker: one thread a kind of plug-in, shared by all its instances in the process.
//!
//! The thread starts with the first [`WorkerHandle`] and is joined when the last is dropped. It sleeps
//! between rounds, so that the audio thread never has to wake it (waking costs a system call). It is
//! the only thread of a rayon pool of its own: what the networks would spread over a process-wide pool
//! runs on it, no thread outlives the plug-ins, and 64 instances use one core at most.
//!
//! A job that panics is told so through [`Job::failed`] and is not called again; the others go on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// How long the thread sleeps when no job has anything to do. A tenth of the time between two
/// frames of the Meter, and too short to notice on a click.
const NAP: Duration = Duration::from_millis(8);

/// What one instance has its pool do.
pub trait Job: Send + 'static {
    /// Does what has gathered since the last call. Long work looks at `dismissed` now and then and
    /// returns early when it is set: the instance waits for this call to end.
    fn work(&mut self, dismissed: &AtomicBool);

    /// Called once after [`work`](Self::work) panicked, with what the panic said.
    fn failed(&mut self, why: &str);
}

/// A pool of one worker: a static of this type serves all instances of one kind of plug-in.
pub struct WorkerPool {
    name: &'static str,
    running: Mutex<Option<Running>>,
}

/// The worker's thread: there is one from the first handle to the last.
struct Running {
    jobs: Arc<Jobs>,
    handle: JoinHandle<()>,
}

#[derive(Default)]
struct Jobs {
    slots: Mutex<Vec<Arc<Slot>>>,
    closing: AtomicBool,
}

struct Slot {
    job: Mutex<Option<Box<dyn Job>>>,
    dismissed: AtomicBool,
}

/// An instance's hold on its worker. Dropping it waits until the job is at rest, and joins the thread
/// when it was the last.
pub struct WorkerHandle {
    pool: &'static WorkerPool,
    slot: Arc<Slot>,
    thread: Thread,
}

impl WorkerPool {
    /// A pool without a thread; `name` is what the system shows for its thread (15 bytes).
    pub const fn new(name: &'static str) -> Self {
        Self { name, running: Mutex::new(None) }
    }

    /// Gives the pool one more job and starts its thread if it has none.
    pub fn add(&'static self, job: impl Job) -> Result<WorkerHandle, std::io::Error> {
        let slot = Arc::new(Slot {
            job: Mutex::new(Some(Box::new(job))),
            dismissed: AtomicBool::new(false),
        });
        let mut running = lock(&self.running);
        let running = match &mut *running {
            Some(running) => running,
            empty => empty.insert(Running::start(self.name)?),
        };
        lock(&running.jobs.slots).push(slot.clone());
        Ok(WorkerHandle { pool: self, slot, thread: running.handle.thread().clone() })
    }
}

impl WorkerHandle {
    /// Wakes the worker now instead of at its next round. A system call: not for the audio thread.
    pub fn nudge(&self) {
        self.thread.unpark();
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.slot.dismissed.store(true, Ordering::Release);
        // Waits for the call that may be running, and frees the job on this thread.
        drop(lock(&self.slot.job).take());
        let mut running = lock(&self.pool.running);
        let last = running.as_ref().is_some_and(|running| {
            let mut slots = lock(&running.jobs.slots);
            slots.retain(|slot| !Arc::ptr_eq(slot, &self.slot));
            slots.is_empty()
        });
        if last && let Some(running) = running.take() {
            running.jobs.closing.store(true, Ordering::Release);
            running.handle.thread().unpark();
            // The thread catches its jobs' panics, so an error here has nothing left to tell.
            let _ = running.handle.join();
        }
    }
}

impl Running {
    /// Starts the thread as the only one of a rayon pool of its own.
    fn start(name: &str) -> Result<Self, std::io::Error> {
        let jobs = Arc::new(Jobs::default());
        let mut handle = None;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .spawn_handler(|worker| {
                handle =
                    Some(thread::Builder::new().name(name.to_owned()).spawn(move || worker.run())?);
                Ok(())
            })
            .build()
            .map_err(std::io::Error::other)?;
        let handle = handle.ok_or_else(|| std::io::Error::other("the pool started no thread"))?;
        let served = jobs.clone();
        pool.spawn(move || serve(&served));
        // Without its pool the thread ends as soon as `serve` returns.
        drop(pool);
        Ok(Self { jobs, handle })
    }
}

fn serve(jobs: &Jobs) {
    let mut round = Vec::new();
    while !jobs.closing.load(Ordering::Acquire) {
        round.clear();
        round.extend(lock(&jobs.slots).iter().cloned());
        for slot in round.drain(..) {
            let mut place = lock(&slot.job);
            let Some(job) = place.as_mut() else { continue };
            let outcome = catch_unwind(AssertUnwindSafe(|| job.work(&slot.dismissed)));
            if let Err(panic) = outcome {
                let why = said(panic.as_ref());
                let _ = catch_unwind(AssertUnwindSafe(|| job.failed(&why)));
                *place = None;
            }
        }
        thread::park_timeout(NAP);
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it gave no reason".to_owned())
}

/// Locks even where a panic left the mutex poisoned: all that is kept under these locks stays whole.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Ledger {
        worked: AtomicUsize,
        failures: Mutex<Vec<String>>,
    }

    struct Counting(Arc<Ledger>);

    impl Job for Counting {
        fn work(&mut self, _: &AtomicBool) {
            self.0.worked.fetch_add(1, Ordering::Relaxed);
        }
        fn failed(&mut self, _: &str) {}
    }

    struct Panicking(Arc<Ledger>);

    impl Job for Panicking {
        fn work(&mut self, _: &AtomicBool) {
            panic!("no weights");
        }
        fn failed(&mut self, why: &str) {
            lock(&self.0.failures).push(why.to_owned());
        }
    }

    struct Endless;

    impl Job for Endless {
        fn work(&mut self, dismissed: &AtomicBool) {
            while !dismissed.load(Ordering::Acquire) {
                thread::yield_now();
            }
        }
        fn failed(&mut self, _: &str) {}
    }

    /// Waits until it is so. A minute and it is not: something is wrong, and no reason to wait for ever.
    fn until(condition: impl Fn() -> bool) {
        for _ in 0..60_000 {
            if condition() {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("the thread does not work");
    }

    #[test]
    fn a_job_that_panics_is_told_once_and_the_others_go_on() {
        static POOL: WorkerPool = WorkerPool::new("test-panic");
        let (good, bad) = (Arc::new(Ledger::default()), Arc::new(Ledger::default()));
        let _bad = POOL.add(Panicking(bad.clone())).unwrap();
        let _good = POOL.add(Counting(good.clone())).unwrap();
        until(|| !lock(&bad.failures).is_empty());
        let so_far = good.worked.load(Ordering::Relaxed);
        until(|| good.worked.load(Ordering::Relaxed) > so_far + 3);
        assert_eq!(*lock(&bad.failures), ["no weights"]);
    }

    #[test]
    fn a_dismissed_job_is_at_rest_and_freed_when_its_handle_is_gone() {
        static POOL: WorkerPool = WorkerPool::new("test-dismiss");
        let ledger = Arc::new(Ledger::default());
        let stays = POOL.add(Endless).unwrap();
        let held = POOL.add(Counting(ledger.clone())).unwrap();
        drop(stays);
        until(|| ledger.worked.load(Ordering::Relaxed) > 0);
        drop(held);
        let at_rest = ledger.worked.load(Ordering::Relaxed);
        thread::sleep(NAP * 3);
        assert_eq!(ledger.worked.load(Ordering::Relaxed), at_rest);
        assert_eq!(Arc::strong_count(&ledger), 1);
    }

    #[test]
    fn a_pool_works_again_after_everybody_left() {
        static POOL: WorkerPool = WorkerPool::new("test-again");
        for _ in 0..20 {
            let ledger = Arc::new(Ledger::default());
            let held = POOL.add(Counting(ledger.clone())).unwrap();
            until(|| ledger.worked.load(Ordering::Relaxed) > 0);
            drop(held);
            assert!(lock(&POOL.running).is_none());
        }
    }
}
