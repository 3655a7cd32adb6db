//! Core: the events of a MIDI track, one after the other, also where its writer did not keep to the book.
//!
//! What other readers forgive is forgiven here: running status goes on after meta events and system exclusive ones,
//! bytes of real time between events are passed over, a data byte over 127 counts as 127, a length may be written in
//! more bytes than it needs. What can't be an event ends the track, and [`Events::left`] says how much of it is then
//! unread.

/// What is kept of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// A note starts; velocity 0 is told as [`Event::NoteOff`].
    NoteOn {
        channel: u8,
        key: u8,
        velocity: u8,
    },
    NoteOff {
        channel: u8,
        key: u8,
    },
    Controller {
        channel: u8,
        number: u8,
        value: u8,
    },
    Program {
        channel: u8,
        program: u8,
    },
    /// -8192 to 8191, 0 for none.
    Bend {
        channel: u8,
        value: i16,
    },
    Meta {
        kind: u8,
        data: &'a [u8],
    },
}

/// Kinds of meta events.
pub(super) mod meta {
    pub(crate) const TEXT: u8 = 0x01;
    pub(crate) const TRACK_NAME: u8 = 0x03;
    pub(crate) const LYRIC: u8 = 0x05;
    pub(crate) const END: u8 = 0x2f;
    pub(crate) const TEMPO: u8 = 0x51;
    pub(crate) const METRE: u8 = 0x58;
    pub(crate) const KEY: u8 = 0x59;
    pub(crate) const SEQUENCER_SPECIFIC: u8 = 0x7f;
}

/// A cursor over a track's bytes.
pub(super) struct Events<'a> {
    bytes: &'a [u8],
    /// Where the next event starts.
    at: usize,
    running: Option<u8>,
    /// Data bytes over 127.
    pub(super) clipped: usize,
}

/// Why no event follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes are over; the last event was whole.
    Over,
    /// The bytes are over amid an event.
    Cut,
    /// A data byte stands where a status must.
    NoStatus,
}

impl<'a> Events<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, running: None, clipped: 0 }
    }

    /// How many bytes no event was read from.
    pub(super) const fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next event that is kept, and the ticks since the one before.
    pub(super) fn next(&mut self) -> Result<(u64, Event<'a>), Stop> {
        let mut ticks = 0u64;
        loop {
            if self.at == self.bytes.len() {
                return Err(Stop::Over);
            }
            let mut cursor = Cursor { bytes: self.bytes, at: self.at, clipped: 0 };
            let (delta, event) = cursor.event(&mut self.running)?;
            self.at = cursor.at;
            self.clipped += cursor.clipped;
            ticks = ticks.saturating_add(delta);
            if let Some(event) = event {
                return Ok((ticks, event));
            }
        }
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    clipped: usize,
}

impl<'a> Cursor<'a> {
    /// An event, `None` for one that nothing is kept of, and the ticks before it.
    fn event(&mut self, running: &mut Option<u8>) -> Result<(u64, Option<Event<'a>>), Stop> {
        let delta = self.length()?;
        let first = self.byte()?;
        let event = match first {
            0x80..=0xef => {
                *running = Some(first);
                self.message(first)?
            }
            0xf0 | 0xf7 => {
                let length = self.length()?;
                self.take(length)?;
                None
            }
            0xff => {
                let kind = self.byte()?;
                let length = self.length()?;
                Some(Event::Meta { kind, data: self.take(length)? })
            }
            // System messages have no place in a file: these with their data, and those of real time.
            0xf2 => self.take(2).map(|_| None)?,
            0xf1 | 0xf3 => self.take(1).map(|_| None)?,
            0xf4..=0xfe => None,
            data => {
                let status = running.ok_or(Stop::NoStatus)?;
                self.at -= 1;
                debug_assert!(data < 0x80);
                self.message(status)?
            }
        };
        Ok((delta, event))
    }

    fn message(&mut self, status: u8) -> Result<Option<Event<'a>>, Stop> {
        let channel = status & 15;
        let one = self.data()?;
        Ok(match status >> 4 {
            0xc => Some(Event::Program { channel, program: one }),
            0xd => None,
            kind => {
                let two = self.data()?;
                match kind {
                    0x9 if two > 0 => Some(Event::NoteOn { channel, key: one, velocity: two }),
                    0x8 | 0x9 => Some(Event::NoteOff { channel, key: one }),
                    0xb => Some(Event::Controller { channel, number: one, value: two }),
                    0xe => {
                        let value = (i16::from(two) << 7 | i16::from(one)) - 8192;
                        Some(Event::Bend { channel, value })
                    }
                    _ => None,
                }
            }
        })
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.bytes.get(self.at).ok_or(Stop::Cut)?;
        self.at += 1;
        Ok(byte)
    }

    fn data(&mut self) -> Result<u8, Stop> {
        let byte = self.byte()?;
        self.clipped += usize::from(byte > 127);
        Ok(byte.min(127))
    }

    /// A number of seven bits a byte, the most significant first.
    fn length(&mut self) -> Result<u64, Stop> {
        let mut length = 0u64;
        loop {
            let byte = self.byte()?;
            length = length.saturating_mul(128).saturating_add(u64::from(byte & 127));
            if byte < 128 {
                return Ok(length);
            }
        }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        let length = usize::try_from(length).ok().filter(|&length| length <= rest.len());
        let taken = &rest[..length.ok_or(Stop::Cut)?];
        self.at += taken.len();
        Ok(taken)
    }
}
