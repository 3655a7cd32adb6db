//! Worker: files made of chunks (RIFF and what came of it, IFF): a name, a size and that many bytes, again and again.
//!
//! The sizes in such files are often wrong: programs that write into a pipe can't know them, others count them by their
//! own rules. So a size is believed where what comes after it looks like a chunk's beginning, or the file's end.

use std::fs::File;
use std::io;
use std::ops::Range;

use super::plain::Order;
use super::source::bytes_at;

/// How a file writes its chunks' heads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Four letters and four bytes of size (RIFF, IFF).
    Short(Order),
    /// A GUID that begins with the four letters, and eight bytes of size that count the head (Sony Wave64).
    Wave64,
}

/// Most GUIDs of Wave64 end with this, after four letters.
const GUID: [u8; 12] = [0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0x00, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a];

/// A chunk as its head has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub name: [u8; 4],
    /// Where its body starts.
    pub start: u64,
    /// How long it says that the body is.
    pub size: u64,
}

impl Chunk {
    /// Where the body ends by its own word.
    fn end(&self) -> u64 {
        self.start.saturating_add(self.size)
    }
}

/// A file's chunks, as well as they can be made out.
pub(super) struct Chunks<'a> {
    file: &'a mut File,
    dialect: Dialect,
    length: u64,
    /// Where the next head should be.
    next: u64,
    /// Where the chunks begin, for a search that begins anew.
    first: u64,
    searched: bool,
}

/// How far a search for a lost chunk goes, bytes.
const SEARCH: u64 = 16 << 20;

impl<'a> Chunks<'a> {
    pub(super) fn new(file: &'a mut File, dialect: Dialect, first: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, dialect, length, next: first, first, searched: false })
    }

    /// Bytes of the whole file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes at a chunk's beginning, as many of `count` as it and the file have.
    pub(super) fn body(&mut self, chunk: &Chunk, count: usize) -> io::Result<Vec<u8>> {
        let count = count.min(usize::try_from(chunk.size).unwrap_or(usize::MAX));
        bytes_at(self.file, chunk.start, count)
    }

    /// The next chunk. `sought` are the names that matter: where there is no chunk's head, they are searched for.
    pub(super) fn next(&mut self, sought: &[[u8; 4]]) -> io::Result<Option<Chunk>> {
        if let Some(chunk) = self.head(self.next)? {
            self.next = self.after(&chunk)?;
            return Ok(Some(chunk));
        }
        if self.searched {
            return Ok(None);
        }
        self.searched = true;
        // Lost by a wrong size: from the beginning, look for the names themselves.
        let bytes = bytes_at(
            self.file,
            self.first,
            usize::try_from(SEARCH.min(self.length)).unwrap_or(usize::MAX),
        )?;
        for place in 0..bytes.len() {
            let found = sought.iter().any(|name| bytes[place..].starts_with(name));
            if found && let Some(chunk) = self.head(self.first + place as u64)? {
                self.next = self.after(&chunk)?;
                self.searched = false;
                // A second search would find the same.
                self.first = chunk.start;
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// The chunk whose head is at `place`, if that looks like one.
    fn head(&mut self, place: u64) -> io::Result<Option<Chunk>> {
        let (length, start) = match self.dialect {
            Dialect::Short(_) => (8, 8),
            Dialect::Wave64 => (24, 24),
        };
        let head = bytes_at(self.file, place, length)?;
        let (Some(&name), Some(size)) =
            (head.first_chunk::<4>(), head.get(length - self.size_bytes()..))
        else {
            return Ok(None);
        };
        let is_name = name.iter().all(|byte| (b' '..=b'~').contains(byte));
        let size = match self.dialect {
            Dialect::Short(Order::Little) => size.try_into().map(u32::from_le_bytes).map(u64::from),
            Dialect::Short(Order::Big) => size.try_into().map(u32::from_be_bytes).map(u64::from),
            Dialect::Wave64 => {
                size.try_into().map(|size| u64::from_le_bytes(size).saturating_sub(24))
            }
        };
        let Ok(size) = size else { return Ok(None) };
        let chunk = Chunk { name, start: place + start, size };
        let is_chunk = match self.dialect {
            Dialect::Short(_) => is_name,
            Dialect::Wave64 => (is_name && head[4..16] == GUID) || chunk.end() <= self.length,
        };
        Ok((is_chunk && head.len() == length).then_some(chunk))
    }

    fn size_bytes(&self) -> usize {
        match self.dialect {
            Dialect::Short(_) => 4,
            Dialect::Wave64 => 8,
        }
    }

    /// Where the chunk after this one begins: padded to an even length by the rule, and without where only that fits.
    fn after(&mut self, chunk: &Chunk) -> io::Result<u64> {
        let end = chunk.end();
        let padded = match self.dialect {
            Dialect::Short(_) => end.saturating_add(chunk.size % 2),
            Dialect::Wave64 => end.saturating_add((8 - chunk.size % 8) % 8),
        };
        if padded != end && self.head(padded)?.is_none() && self.head(end)?.is_some() {
            return Ok(end);
        }
        Ok(padded)
    }

    /// The bytes that belong to a chunk of samples, and whether some of them are missing. `size` is how long it is said to
    /// be, and `whole` how long the file is said to be, if it is said.
    pub(super) fn samples(
        &mut self,
        chunk: &Chunk,
        size: u64,
        whole: Option<u64>,
        frame: u64,
    ) -> io::Result<(Range<u64>, bool)> {
        let there = self.length.saturating_sub(chunk.start);
        let bytes = chunk.start..self.length.max(chunk.start);
        if is_unknown(size) && size > there {
            return Ok((bytes, false));
        }
        if size > there {
            // A file that is as long as it says is whole, and the size of its samples is wrong.
            let is_whole = whole.is_some_and(|whole| whole > 0 && whole <= self.length);
            return Ok((bytes, !is_whole && size - there >= frame.max(1)));
        }
        let said = Chunk { size, ..chunk.clone() };
        let after = self.after(&said)?;
        let rest = self.length.saturating_sub(said.end());
        if rest <= 8 + size % 2 || self.head(after)?.is_some() || self.is_no_sound(said.end())? {
            return Ok((chunk.start..said.end(), false));
        }
        // What comes after is no chunk, so it is more of the same.
        Ok((bytes, false))
    }

    /// Whether what is at `place` is something that programs hang on behind the last chunk.
    fn is_no_sound(&mut self, place: u64) -> io::Result<bool> {
        let bytes = bytes_at(self.file, place, 10)?;
        let tagged = |at: usize| {
            bytes.get(at..).is_some_and(|rest| {
                rest.starts_with(b"TAG")
                    || rest.starts_with(b"ID3")
                    || rest.starts_with(b"APETAGEX")
            })
        };
        Ok(tagged(0) || tagged(1))
    }
}

/// Whether a size is one that programs write who don't know it, because they can't go back to it: the largest numbers,
/// signed or not, less a header.
pub(super) fn is_unknown(size: u64) -> bool {
    const HEADER: u64 = 1 << 16;
    let near = |number: u64| size.abs_diff(number) < HEADER;
    size == 0
        || near(u64::from(u32::MAX))
        || near(1 << 31)
        || near(1 << 63)
        || size > u64::MAX - HEADER
}
