//! Interface: `cargo xtask fuzz midi`: hostile MIDI files through the reader, the score writer and back.

use earworm_abc::{self as abc, PerformOptions, Severity};
use earworm_midi as midi;
use rand::Rng;
use rand::rngs::SmallRng;

/// The longest score that is read back, in ticks, and the most notes of one.
const READ_BACK: (u32, usize) = (1 << 20, 2_000);

/// The files of tunes: whole ones of this project, to be mutated.
pub fn files(tunes: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let books = tunes.iter().map(|tune| abc::read(&abc::decode(tune)));
    let tunes = books.flat_map(|book| book.tunes);
    tunes.map(|tune| midi::write(&abc::perform(&tune, &PerformOptions::default()))).collect()
}

/// One input: a file that is mutated, or tracks of events that come as they like.
pub fn input(corpus: &[Vec<u8>], random: &mut SmallRng) -> Vec<u8> {
    let mut bytes = if random.random_bool(0.5) {
        corpus[random.random_range(0..corpus.len())].clone()
    } else {
        made(random)
    };
    let times = if random.random_bool(0.3) { 0 } else { random.random_range(1..8) };
    for _ in 0..times {
        let at = random.random_range(0..=bytes.len());
        match random.random_range(0..6) {
            0 | 1 if at < bytes.len() => bytes[at] = random.random(),
            2 if at < bytes.len() => {
                bytes.remove(at);
            }
            3 => bytes.insert(at, random.random()),
            4 => bytes.truncate(at.max(20)),
            _ => {
                let end = (at + random.random_range(0usize..30)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    bytes
}

/// A file whose chunks are in order and whose events need not be.
fn made(random: &mut SmallRng) -> Vec<u8> {
    let tracks = random.random_range(1u8..4);
    let ppq: u16 = match random.random_range(0..4) {
        0 => 480,
        1 => 96,
        2 => random.random_range(1..1_000),
        _ => random.random(),
    };
    let mut bytes = b"MThd\0\0\0\x06\0".to_vec();
    bytes.extend([random.random_range(0..3), 0, tracks]);
    bytes.extend(ppq.to_be_bytes());
    for _ in 0..tracks {
        let mut track = Vec::new();
        for _ in 0..random.random_range(0..80) {
            match random.random_range(0..4) {
                0 => track.push(0),
                1 => track.push(random.random_range(0..128)),
                2 => track.extend([0x81 + random.random_range(0..8), random.random_range(0..128)]),
                _ => track.extend([0x83, 0x60]),
            }
            let key = random.random_range(0..128);
            match random.random_range(0..12) {
                0..=3 => track.extend([0x90 | random.random_range(0..2), key, 90]),
                4..=6 => track.extend([0x80, key, 64]),
                7 => track.extend([60 + random.random_range(0..4), 0]),
                8 => track.extend([0xb0, 64, random.random()]),
                9 => {
                    let kind = [1, 3, 5, 0x51, 0x58, 0x59, 0x7f][random.random_range(0..7)];
                    let length = random.random_range(0..6u8);
                    track.extend([0xff, kind, length]);
                    track.extend((0..length).map(|_| random.random::<u8>()));
                }
                10 => track.extend([0xe0, random.random(), random.random()]),
                _ => track.push(random.random()),
            }
        }
        track.extend([0, 0xff, 0x2f, 0]);
        bytes.extend(b"MTrk");
        bytes.extend((track.len() as u32).to_be_bytes());
        bytes.extend(track);
    }
    bytes
}

/// Takes a file the whole way; says what is wrong with what came of it.
pub fn check(input: &[u8]) -> Result<(), String> {
    let Ok(performance) = midi::read(input) else { return Ok(()) };
    if let Some(note) = performance.notes.iter().find(|note| {
        note.key > 127
            || !(1..=127).contains(&note.velocity)
            || note.channel > 15
            || note.duration == 0
    }) {
        return Err(format!("a note {note:?}"));
    }
    if performance.notes.windows(2).any(|notes| notes[0].start > notes[1].start) {
        return Err("notes out of order".to_owned());
    }
    // What is written is read again as it was.
    let again = midi::read(&midi::write(&performance)).map_err(|error| error.to_string())?;
    let notes = |performance: &abc::Performance| {
        let mut notes: Vec<(u32, u32, u8)> =
            performance.notes.iter().map(|note| (note.start, note.duration, note.key)).collect();
        notes.sort_unstable();
        notes
    };
    // Where one key sounds twice at once no file can say which of the two ends first.
    if notes(&again).len() != notes(&performance).len() {
        return Err("another number of notes once written as MIDI".to_owned());
    }
    let (end, most) = READ_BACK;
    if performance.end > end || performance.notes.len() > most {
        return Ok(());
    }
    let text = midi::to_abc(&performance);
    let book = abc::read(&text);
    if book.tunes.len() != 1 {
        return Err(format!("as ABC it is {} tunes:\n{text}", book.tunes.len()));
    }
    let fault = book.findings.iter().find(|finding| finding.severity == Severity::Error);
    if let Some(fault) = fault {
        return Err(format!("as ABC it can't be read: {}:\n{text}", fault.text));
    }
    let played = abc::perform(&book.tunes[0], &PerformOptions::default());
    // An accompaniment alone is its chord symbols, whose metre may be one in which none is struck.
    let has_melody = performance.notes.iter().any(|note| !note.accompaniment);
    let is_kept = !played.notes.is_empty() || (!has_melody && !played.chords.is_empty());
    if !performance.notes.is_empty() && !is_kept {
        return Err(format!("as ABC it has no notes:\n{text}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn hostile_files_are_read_and_written_without_a_panic() {
        let corpus = files(&[b"X:1\nT:One\nM:4/4\nL:1/8\nK:Gmix\n|:\"G\"G>A Bc d2-d2|(3efg e2 d2 c2|1 [GBd]4 z4:|2 [G2B2]3 x2||\n".to_vec()]);
        let mut random = SmallRng::seed_from_u64(7);
        for number in 0..5_000 {
            let input = input(&corpus, &mut random);
            if let Err(fault) = check(&input) {
                panic!("input {number}: {fault}\n{input:x?}");
            }
        }
    }
}
