//! Real-time: hand-over of owned objects to the audio thread and back, without a lock.
//!
//! A [`Mailbox`] holds at most one object. Putting one in and taking it out are single atomic swaps:
//! wait-free on both sides, no allocation, no system call. The audio thread only ever takes from one
//! mailbox and puts used objects into another, so that they are freed elsewhere.

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A place for one object on its way between threads.
///
/// ```
/// use earworm_plugin::handover::Mailbox;
///
/// let mailbox = Mailbox::empty();
/// assert!(mailbox.put(Box::new(1)).is_none());
/// // A newer object takes the place of one that nobody fetched; the old one comes back.
/// assert_eq!(mailbox.put(Box::new(2)).as_deref(), Some(&1));
/// assert_eq!(mailbox.take().as_deref(), Some(&2));
/// assert!(mailbox.take().is_none());
/// ```
#[derive(Debug)]
pub struct Mailbox<T> {
    content: AtomicPtr<T>,
    owns: PhantomData<Box<T>>,
}

// SAFETY: the mailbox owns what it holds and only ever gives it away whole, so sharing it between
// threads moves a `T` from one to the other and never shares it.
unsafe impl<T: Send> Sync for Mailbox<T> {}
// SAFETY: as above; sending the mailbox sends the `T` in it.
unsafe impl<T: Send> Send for Mailbox<T> {}

impl<T> Mailbox<T> {
    /// A mailbox with nothing in it.
    pub const fn empty() -> Self {
        Self { content: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// Puts `object` in and returns what lay there unfetched. The caller frees that, so the audio
    /// thread must look with [`is_empty`](Self::is_empty) first.
    pub fn put(&self, object: Box<T>) -> Option<Box<T>> {
        let old = self.content.swap(Box::into_raw(object), Ordering::AcqRel);
        // SAFETY: a non-null pointer in `content` came from `Box::into_raw` in this function, and the
        // swap made us its only holder.
        (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
    }

    /// Takes out what lies in the mailbox.
    pub fn take(&self) -> Option<Box<T>> {
        if self.is_empty() {
            return None;
        }
        let old = self.content.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: as in `put`.
        (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
    }

    /// Whether nothing lies in it at this moment.
    pub fn is_empty(&self) -> bool {
        self.content.load(Ordering::Relaxed).is_null()
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out_once_and_nothing_is_lost_between_two_threads() {
        const OBJECTS: usize = 20_000;
        let mailbox = Mailbox::empty();
        let (mut replaced, mut last_put) = (0, 0);
        let fetched = std::thread::scope(|threads| {
            let reader = threads.spawn(|| {
                let (mut count, mut newest) = (0, 0);
                while newest < OBJECTS {
                    if let Some(object) = mailbox.take() {
                        assert!(*object > newest, "an older object came after a newer one");
                        newest = *object;
                        count += 1;
                    }
                }
                count
            });
            for number in 1..=OBJECTS {
                replaced += usize::from(mailbox.put(Box::new(number)).is_some());
                last_put = number;
            }
            reader.join().unwrap()
        });
        assert_eq!(fetched + replaced, last_put);
    }

    #[test]
    fn an_unfetched_object_is_freed_with_its_mailbox() {
        let witness = std::sync::Arc::new(());
        let mailbox = Mailbox::empty();
        drop(mailbox.put(Box::new(witness.clone())));
        drop(mailbox);
        assert_eq!(std::sync::Arc::strong_count(&witness), 1);
    }
}
