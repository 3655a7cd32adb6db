//! Worker: the bytes of a sound file, wherever they come from.
//!
//! Readers of sound go back and forth in a file. What can't be gone back in (pipes, standard input, `<(…)`) is therefore
//! copied into an unnamed temporary file first.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

/// The most that is kept of a stream, bytes: over six hours of CD sound. A device that never ends must not fill the disk.
const LONGEST_STREAM: u64 = 4 << 30;
/// Bytes at a stream's beginning that are looked at before the rest is kept.
const BEGINNING: u64 = 1 << 16;

/// Opens `path` for reading back and forth.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if metadata.is_file() { Ok(file) } else { kept(file) }
}

/// A stream as a file.
fn kept(mut stream: impl Read) -> io::Result<File> {
    let mut beginning = Vec::new();
    (&mut stream).take(BEGINNING).read_to_end(&mut beginning)?;
    let mut file = tempfile::tempfile()?;
    io::Write::write_all(&mut file, &beginning)?;
    // Sound has a header. What begins with this many zeros is a device that gives zeros for ever.
    if beginning.iter().any(|&byte| byte != 0) {
        let copied = io::copy(&mut (&mut stream).take(LONGEST_STREAM), &mut file)?;
        if copied == LONGEST_STREAM {
            return Err(io::Error::other("a stream of over 4 GiB; write it to a file first"));
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// The bytes at `place`, as many of `count` as there are.
pub(super) fn bytes_at(file: &mut File, place: u64, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(place))?;
    file.take(count as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Bytes of a file as one stream.
pub(super) struct Extent {
    file: File,
    /// Where the bytes lie in the file, and where of them the next one is.
    bytes: Range<u64>,
    position: u64,
    /// Whether going back and forth is offered; some readers then look for a whole file's end and refuse one without.
    seekable: bool,
    /// Bytes that were reached, for whoever wants to know how far it is.
    reached: Arc<AtomicU64>,
}

impl Extent {
    /// The bytes of `file` in `bytes`.
    pub(super) fn new(file: File, bytes: Range<u64>) -> io::Result<Self> {
        let mut extent = Self { file, bytes, position: 0, seekable: true, reached: Arc::default() };
        extent.seek(SeekFrom::Start(0))?;
        Ok(extent)
    }

    /// Is read from beginning to end only.
    pub(super) fn forwards(mut self) -> Self {
        self.seekable = false;
        self
    }

    /// Counts the bytes that were reached, up to the number of them all.
    pub(super) fn reached(&self) -> (Arc<AtomicU64>, u64) {
        (self.reached.clone(), self.length())
    }

    fn length(&self) -> u64 {
        self.bytes.end.saturating_sub(self.bytes.start)
    }
}

impl Read for Extent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length().saturating_sub(self.position);
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..wanted])?;
        self.position += count as u64;
        self.reached.store(self.position, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for Extent {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(distance) => self.length().checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        let place = place.ok_or(io::ErrorKind::InvalidInput)?;
        let there = self.bytes.start.checked_add(place).ok_or(io::ErrorKind::InvalidInput)?;
        self.file.seek(SeekFrom::Start(there))?;
        self.position = place;
        Ok(place)
    }
}

impl MediaSource for Extent {
    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn byte_len(&self) -> Option<u64> {
        self.seekable.then(|| self.length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_kept_whole_and_one_of_zeros_is_not_waited_for() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let mut file = kept(bytes.as_slice()).unwrap();
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes);
        let mut file = kept(io::repeat(0)).unwrap();
        read.clear();
        file.read_to_end(&mut read).unwrap();
        assert_eq!(read.len() as u64, BEGINNING);
    }
}
