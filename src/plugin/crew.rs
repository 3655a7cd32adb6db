//! Worker: one thread a kind of plug-in, shared by all its instances in the process.
//!
//! The thread starts with the first [`Seat`] and is joined when the last is dropped. It sleeps
//! between rounds, so that the audio thread never has to wake it (waking costs a system call). It is
//! the only thread of a pool of its own: what the networks would spread over a process-wide pool
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

/// What one instance has its crew do.
pub trait Job: Send + 'static {
    /// Does what has gathered since the last call. Long work looks at `dismissed` now and then and
    /// returns early when it is set: the instance waits for this call to end.
    fn work(&mut self, dismissed: &AtomicBool);

    /// Called once after [`work`](Self::work) panicked, with what the panic said.
    fn failed(&mut self, why: &str);
}

/// A crew: a static of this type serves all instances of one kind of plug-in.
pub struct Crew {
    name: &'static str,
    shift: Mutex<Option<Shift>>,
}

/// A crew at work: there is one from the first seat taken to the last left.
struct Shift {
    roster: Arc<Roster>,
    handle: JoinHandle<()>,
}

#[derive(Default)]
struct Roster {
    posts: Mutex<Vec<Arc<Post>>>,
    closing: AtomicBool,
}

struct Post {
    job: Mutex<Option<Box<dyn Job>>>,
    dismissed: AtomicBool,
}

/// An instance's place in a crew. Dropping it waits until the job is at rest, and joins the thread
/// when it was the last.
pub struct Seat {
    crew: &'static Crew,
    post: Arc<Post>,
    thread: Thread,
}

impl Crew {
    /// A crew that does not work yet; `name` is what the system shows for its thread (15 bytes).
    pub const fn new(name: &'static str) -> Self {
        Self { name, shift: Mutex::new(None) }
    }

    /// Gives the crew one more job and starts its thread if it has none.
    pub fn hire(&'static self, job: impl Job) -> Result<Seat, std::io::Error> {
        let post = Arc::new(Post {
            job: Mutex::new(Some(Box::new(job))),
            dismissed: AtomicBool::new(false),
        });
        let mut shift = lock(&self.shift);
        let shift = match &mut *shift {
            Some(shift) => shift,
            empty => empty.insert(Shift::start(self.name)?),
        };
        lock(&shift.roster.posts).push(post.clone());
        Ok(Seat { crew: self, post, thread: shift.handle.thread().clone() })
    }
}

impl Seat {
    /// Wakes the crew now instead of at its next round. A system call: not for the audio thread.
    pub fn nudge(&self) {
        self.thread.unpark();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.post.dismissed.store(true, Ordering::Release);
        // Waits for the call that may be running, and frees the job on this thread.
        drop(lock(&self.post.job).take());
        let mut shift = lock(&self.crew.shift);
        let last = shift.as_ref().is_some_and(|shift| {
            let mut posts = lock(&shift.roster.posts);
            posts.retain(|post| !Arc::ptr_eq(post, &self.post));
            posts.is_empty()
        });
        if last && let Some(shift) = shift.take() {
            shift.roster.closing.store(true, Ordering::Release);
            shift.handle.thread().unpark();
            // The thread catches its jobs' panics, so an error here has nothing left to tell.
            let _ = shift.handle.join();
        }
    }
}

impl Shift {
    /// Starts the crew's thread as the only one of a pool of its own.
    fn start(name: &str) -> Result<Self, std::io::Error> {
        let roster = Arc::new(Roster::default());
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
        let served = roster.clone();
        pool.spawn(move || serve(&served));
        // Without its pool the thread ends as soon as `serve` returns.
        drop(pool);
        Ok(Self { roster, handle })
    }
}

fn serve(roster: &Roster) {
    let mut round = Vec::new();
    while !roster.closing.load(Ordering::Acquire) {
        round.clear();
        round.extend(lock(&roster.posts).iter().cloned());
        for post in round.drain(..) {
            let mut place = lock(&post.job);
            let Some(job) = place.as_mut() else { continue };
            let outcome = catch_unwind(AssertUnwindSafe(|| job.work(&post.dismissed)));
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
        static CREW: Crew = Crew::new("test-panic");
        let (good, bad) = (Arc::new(Ledger::default()), Arc::new(Ledger::default()));
        let _bad = CREW.hire(Panicking(bad.clone())).unwrap();
        let _good = CREW.hire(Counting(good.clone())).unwrap();
        until(|| !lock(&bad.failures).is_empty());
        let so_far = good.worked.load(Ordering::Relaxed);
        until(|| good.worked.load(Ordering::Relaxed) > so_far + 3);
        assert_eq!(*lock(&bad.failures), ["no weights"]);
    }

    #[test]
    fn a_dismissed_job_is_at_rest_and_freed_when_its_seat_is_gone() {
        static CREW: Crew = Crew::new("test-dismiss");
        let ledger = Arc::new(Ledger::default());
        let stays = CREW.hire(Endless).unwrap();
        let seat = CREW.hire(Counting(ledger.clone())).unwrap();
        drop(stays);
        until(|| ledger.worked.load(Ordering::Relaxed) > 0);
        drop(seat);
        let at_rest = ledger.worked.load(Ordering::Relaxed);
        thread::sleep(NAP * 3);
        assert_eq!(ledger.worked.load(Ordering::Relaxed), at_rest);
        assert_eq!(Arc::strong_count(&ledger), 1);
    }

    #[test]
    fn a_crew_works_again_after_everybody_left() {
        static CREW: Crew = Crew::new("test-again");
        for _ in 0..20 {
            let ledger = Arc::new(Ledger::default());
            let seat = CREW.hire(Counting(ledger.clone())).unwrap();
            until(|| ledger.worked.load(Ordering::Relaxed) > 0);
            drop(seat);
            assert!(lock(&CREW.shift).is_none());
        }
    }
}
