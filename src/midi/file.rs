//! Core: where the tracks of a MIDI file lie, also where its header or the length of a track is wrong.

use super::MidiError;
use super::events::{Event, Events, meta};

/// What a MIDI file is made of.
pub(super) struct File<'a> {
    /// Its tracks are patterns to be played one after the other (format 2).
    pub(super) is_sequential: bool,
    /// Ticks in a quarter note.
    pub(super) ppq: u32,
    /// How many tracks its header says there are.
    pub(super) announced: usize,
    pub(super) tracks: Vec<Track<'a>>,
}

/// The bytes of a track's events.
#[derive(Clone, Copy)]
pub(super) struct Track<'a> {
    pub(super) bytes: &'a [u8],
    /// How many bytes its header says there are, where the file ends before them and before the track's end mark.
    pub(super) cut_from: Option<usize>,
}

const TRACK: &[u8] = b"MTrk";
/// The length of a MacBinary header, which old programs put before a file.
const MAC_BINARY: usize = 128;

impl<'a> File<'a> {
    /// Finds the tracks of a file.
    ///
    /// # Errors
    ///
    /// [`MidiError`] where the file is none or has no ticks, and where a wrapped one (RMID) is cut short.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, MidiError> {
        let unwrapped = match bytes.get(..4) {
            Some(b"RIFF") => unwrapped(bytes)?,
            Some(b"MThd") => bytes,
            _ => match bytes.get(MAC_BINARY..) {
                Some(rest) if bytes[0] == 0 && rest.starts_with(b"MThd") => rest,
                _ => return Err(MidiError::NotMidi),
            },
        };
        let header_is_cut = || MidiError::Truncated("its header is not whole".into());
        let (head, rest) = unwrapped.split_at_checked(8).ok_or_else(header_is_cut)?;
        let length = number(&head[4..]);
        // The six bytes are there whatever the length says.
        let header = rest.get(..6).ok_or_else(header_is_cut)?;
        let [format, announced] = [0, 2].map(|at| u16::from_be_bytes([header[at], header[at + 1]]));
        let ppq = match (header[4], header[5]) {
            (0x80.., _) => return Err(MidiError::Smpte),
            (0, 0) => return Err(MidiError::NoTicks),
            (high, low) => u32::from(u16::from_be_bytes([high, low])),
        };
        let mut tracks = Vec::new();
        let mut rest = match rest.get(length.max(6)..) {
            Some(rest) => rest,
            None => from_track(&rest[6..]),
        };
        while let Some((head, after)) = rest.split_at_checked(8) {
            let length = number(&head[4..]);
            rest = if head.starts_with(TRACK) {
                let (track, rest) = extent(after, length);
                tracks.push(track);
                rest
            } else if is_name(head) && length <= after.len() {
                &after[length..]
            } else {
                from_track(rest)
            };
        }
        // Whoever wraps a file tells its length twice, so that none has to guess what is missing.
        if bytes.starts_with(b"RIFF") {
            let cut = tracks.iter().find_map(|track| Some((track.bytes.len(), track.cut_from?)));
            let announced = usize::from(announced);
            if let Some((there, of)) = cut {
                let what = format!("{there} of a track's {of} bytes are there");
                return Err(MidiError::Truncated(what));
            } else if tracks.len() < announced {
                let what = format!("{} of {announced} tracks are there", tracks.len());
                return Err(MidiError::Truncated(what));
            }
        }
        Ok(Self { is_sequential: format == 2, ppq, announced: usize::from(announced), tracks })
    }
}

/// A number of four bytes.
fn number(bytes: &[u8]) -> usize {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
}

/// The MIDI file in a RIFF file of form RMID: its chunk `data`.
fn unwrapped(bytes: &[u8]) -> Result<&[u8], MidiError> {
    if bytes.get(8..12) != Some(b"RMID") {
        return Err(MidiError::NotMidi);
    }
    let mut rest = &bytes[12..];
    while let Some((head, after)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if head.starts_with(b"data") {
            // Some writers leave the length at nothing, and the file tells its own.
            return if after.starts_with(b"MThd") { Ok(after) } else { Err(MidiError::NotMidi) };
        }
        // Chunks start at even places.
        let next = length.saturating_add(length % 2);
        rest = after.get(next..).unwrap_or_default();
    }
    Err(MidiError::Truncated("its MIDI data is missing".into()))
}

/// From the next track's header on.
fn from_track(bytes: &[u8]) -> &[u8] {
    let at = bytes.windows(TRACK.len()).position(|name| name == TRACK);
    at.map_or(&[], |at| &bytes[at..])
}

/// Whether a chunk's name stands here: four letters or the like.
fn is_name(bytes: &[u8]) -> bool {
    bytes.get(..4).is_some_and(|name| name.iter().all(|byte| (b' '..=b'~').contains(byte)))
}

/// A track and what follows it: by the length that its header gives where a chunk or nothing follows, else up to the
/// event that ends it, or to the next track.
fn extent(after: &[u8], length: usize) -> (Track<'_>, &[u8]) {
    if let Some((bytes, rest)) = after.split_at_checked(length)
        && (rest.is_empty() || (rest.len() >= 8 && is_name(rest)))
    {
        return (Track { bytes, cut_from: None }, rest);
    }
    let within = &after[..after.len() - from_track(after).len()];
    let mut events = Events::new(within);
    let (end, ended) = loop {
        match events.next() {
            Ok((_, Event::Meta { kind: meta::END, .. })) => {
                break (within.len() - events.left(), true);
            }
            Ok(_) => {}
            // No more than the header says: what follows may be anything.
            Err(_) if (1..within.len()).contains(&length) => break (length, false),
            Err(_) => break (within.len(), false),
        }
    };
    let (bytes, rest) = after.split_at(end);
    let cut = !ended && length > bytes.len();
    (Track { bytes, cut_from: cut.then_some(length) }, from_track(rest))
}
