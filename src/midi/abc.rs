//! Core: a performance as ABC: quantised, with metre, key, spelling, beams, bars, ties and repeats.

use super::find;
use super::read::bar_ticks;
use super::{repeats, tempos};
use earworm_abc::performance::{KeyStart, Lyric, Metre, Note, Tempo};
use earworm_abc::{Finding, Key, Length, PPQ, Performance, Severity};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The most bytes of ABC that are written; the rest is cut and the text says so.
const MOST_BYTES: usize = 64 << 20;
/// The most rows of notes that one voice is parted into where its notes overlap.
const MOST_LAYERS: usize = 16;
/// Bars in a line of the score.
const BARS_IN_LINE: i32 = 4;
/// Ticks of a 32nd note, the grid that played (and not written) music is brought to.
const THIRTY_SECOND: u32 = PPQ / 8;
/// Ticks of the shortest note that is written, a 128th.
const SHORTEST: u32 = PPQ / 32;
/// Ticks of the longest note or rest that is written as one: 16,384 sixteenths, the largest number that is read.
const LONGEST: u32 = 4_096 * PPQ;
/// The same of one that no halves make up, whose number may count single ticks.
const LONGEST_ODD: u32 = 16_384 / 5;

/// A performance, of a MIDI file say, as one ABC tune.
///
/// Music that lies on a grid of 32nd notes and their triplets is written tick for tick as it is; other music is
/// first brought to that grid. The metre and the key signature are the performance's own, or found where it
/// has none; the mode is found either way, for MIDI knows but major and minor. Notes that overlap in one
/// voice are parted into several. What comes twice in a row, or twice but for its end, is written once, with a
/// repeat and first and second endings. Notes shorter than any that is written (drum triggers, say) last to the next,
/// a 16th at most; rests go on after the last note to the end of its bar, and further only where the performance knows
/// its bars.
pub fn to_abc(performance: &Performance) -> String {
    let notes = on_the_grid(performance);
    let is_written = !performance.bars.is_empty() || lies_on_grid(&performance.notes);
    // Chords that accompany nobody stand over rests.
    let sounding = if notes.is_empty() { &performance.notes } else { &notes };
    let last = sounding.iter().map(|note| note.start + note.duration).max().unwrap_or(0);
    // A rest at the end counts where the file is exact and it is one.
    let rests_on = is_written && performance.end >= last + PPQ / 16;
    let end = if rests_on { settled(performance.end) } else { last };

    let mut metres = performance.metres.clone();
    if metres.is_empty() {
        metres.push(find::metre(&notes));
    } else if metres[0].start > 0 {
        metres.insert(0, Metre { start: 0, numerator: 4, denominator: 4 });
    }
    let (bars, end) = if performance.bars.is_empty() {
        let pickup = match written_pickup(&mut metres) {
            0 if metres.len() == 1 => find::pickup(&notes, &metres[0]),
            pickup => pickup,
        };
        let mut bars = bars(&metres, pickup, end);
        // Sequencers pad tracks with bars of nothing.
        let sounding = bars.partition_point(|bar| bar.start < last);
        bars.truncate(sounding);
        let end = bars.last().map_or(end, |bar| end.min(bar.start + bar.length));
        (bars, end)
    } else {
        (known_bars(performance, &metres, end), end)
    };
    let given = performance.keys.first().map(|start| &start.key);
    let key = find::key(&notes, given, !performance.bars.is_empty());

    let mut layers = layers(&notes);
    if layers.is_empty() && last > 0 {
        layers.push(Layer { voice: 0, is_first: true, channel: 0, chords: Vec::new() });
    }
    let edges: BTreeSet<u32> = layers
        .first()
        .map(|layer| layer.chords.iter().flat_map(|sound| [sound.start, sound.end]).collect())
        .unwrap_or_default();
    let mut sheet = Sheet {
        text: String::new(),
        unit: unit(&notes),
        bars,
        metres,
        keys: performance.keys.iter().skip(1).cloned().collect(),
        key,
        tempos: tempos::in_score(performance, &edges, end),
        end,
    };
    sheet.head(performance);
    let many = layers.len() > 1;
    let mut room = MOST_BYTES;
    let written: Vec<Vec<WrittenBar>> = layers
        .iter()
        .enumerate()
        .map(|(index, layer)| sheet.bars_of(performance, layer, index == 0, &mut room))
        .collect();
    let order = repeats::fold(&written);
    for (index, (layer, bars)) in layers.iter().zip(&written).enumerate() {
        let name = performance.voice_names.get(usize::from(layer.voice));
        let name = name.filter(|name| layer.is_first && !name.is_empty());
        if many || name.is_some() {
            let clef = if many && layer.is_low() { " clef=bass" } else { "" };
            let _ = write!(sheet.text, "V:{}{clef}", index + 1);
            if let Some(name) = name {
                let _ = write!(sheet.text, " name=\"{}\"", field_text(&name.replace('"', "'")));
            }
            sheet.text.push('\n');
        }
        sheet.sound(performance, layer);
        sheet.music(bars, &order);
    }
    if layers.is_empty() {
        sheet.text.push_str("z8|]\n");
    }
    if room == 0 {
        sheet.text.push_str("% cut here: the music is too long\n");
    }
    sheet.text
}

/// What of a performance [`to_abc`] does not write.
pub fn left_out_of_abc(performance: &Performance) -> Vec<Finding> {
    let mut left_out = Vec::new();
    if performance.bends.iter().any(|bend| bend.cents != 0) {
        left_out.push(Finding {
            severity: Severity::Warning,
            span: 0..0,
            text: "pitch bends are left out".to_owned(),
            hint: "each note is written as its key".to_owned(),
        });
    }
    left_out
}

/// Whether nearly all notes start where written notes do: on the grid of 64th notes or of triplets of 32nds, give
/// or take the tick by which some programs shift them. Of played notes about a third does by chance.
fn lies_on_grid(notes: &[Note]) -> bool {
    let is_on = |start: u32| written(settled(start)) || start.is_multiple_of(SHORTEST);
    let on = notes.iter().filter(|note| is_on(note.start)).count();
    on * 10 >= notes.len() * 7
}

/// A time that is a tick off one that written music has, put right; others as they are.
fn settled(ticks: u32) -> u32 {
    if written(ticks) {
        return ticks;
    }
    let near = [ticks + 1, ticks.saturating_sub(1)];
    near.into_iter().find(|&near| written(near)).unwrap_or(ticks)
}

/// Whether a time is one that written music has: whole 64ths or thirds of a 16th's half.
fn written(ticks: u32) -> bool {
    ticks.is_multiple_of(PPQ / 16)
        || ticks.is_multiple_of(PPQ / 24)
        || ticks.is_multiple_of(PPQ / 20)
}

/// The notes without the accompaniment, quantised unless they lie on the grid already. An accompaniment without chord
/// symbols to be made from again is notes like any other where there is nothing else.
fn on_the_grid(performance: &Performance) -> Vec<Note> {
    let is_all =
        performance.chords.is_empty() && performance.notes.iter().all(|note| note.accompaniment);
    let mut notes: Vec<Note> =
        performance.notes.iter().filter(|note| is_all || !note.accompaniment).cloned().collect();
    // Whoever says where bars start wrote the music down.
    if !performance.bars.is_empty() {
        return notes;
    }
    lengthen_blips(&mut notes);
    if lies_on_grid(&notes) {
        for note in &mut notes {
            let end = settled(note.start + note.duration);
            note.start = settled(note.start);
            note.duration = end.saturating_sub(note.start).max(1);
        }
        mend_ends(&mut notes);
        return notes;
    }
    // Beat by beat, for all voices together: the binary grid or that of triplets, whichever moves less.
    let mut beats: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let nearest = |tick: u32, grid: u32| (tick + grid / 2) / grid * grid;
    let (binary, triplet) = (THIRTY_SECOND * 2, PPQ / 6);
    for note in &notes {
        let moved = |grid: u32| u64::from(nearest(note.start, grid).abs_diff(note.start));
        let (two, three) = beats.entry(note.start / PPQ).or_default();
        *two += moved(binary);
        *three += moved(triplet);
    }
    let snapped = |tick: u32| {
        let grid = match beats.get(&(tick / PPQ)) {
            // Triplets only where they are clearly meant.
            Some(&(two, three)) if three * 2 < two => triplet,
            _ => binary,
        };
        nearest(tick, grid)
    };
    for note in &mut notes {
        let end = snapped(note.start + note.duration);
        note.start = snapped(note.start);
        note.duration = end.saturating_sub(note.start).max(THIRTY_SECOND);
    }
    notes.sort_by_key(|note| (note.start, note.channel, note.key));
    close_gaps(&mut notes, |gap, length| gap * 2 <= length);
    notes
}

/// Gives notes that are shorter than any that is written the length that they have on paper: that of another note of
/// their voice that starts with them, else up to the next, a 16th at most. Those for which there is no room, or whose
/// key starts with another note anyway, are left out.
fn lengthen_blips(notes: &mut Vec<Note>) {
    let is_blip = |note: &Note| note.duration < SHORTEST;
    if !notes.iter().any(is_blip) {
        return;
    }
    // By voice, what starts when: the longest note and its key.
    let mut onsets: BTreeMap<(u16, u32), (u32, u8)> = BTreeMap::new();
    for note in notes.iter() {
        let longest = onsets.entry((note.voice, note.start)).or_insert((0, note.key));
        *longest = (*longest).max((note.duration, note.key));
    }
    let mut taken: BTreeSet<(u16, u32, u8)> = notes
        .iter()
        .filter(|note| !is_blip(note))
        .map(|note| (note.voice, note.start, note.key))
        .collect();
    notes.retain_mut(|note| {
        if !is_blip(note) {
            return true;
        }
        let (longest, _) = onsets[&(note.voice, note.start)];
        note.duration = if longest >= SHORTEST {
            longest
        } else {
            let next = onsets.range((note.voice, note.start + 1)..=(note.voice, u32::MAX)).next();
            next.map_or(PPQ / 4, |(&(_, next), _)| (next - note.start).min(PPQ / 4))
        };
        !is_blip(note) && taken.insert((note.voice, note.start, note.key))
    });
}

/// Programs that export with a gap of a tick or a few between notes mean none.
fn mend_ends(notes: &mut [Note]) {
    close_gaps(notes, |gap, length| gap * 8 <= length);
}

/// Draws notes out to the next of their voice where `small` says that the gap is no rest. Ends that written
/// music has are left.
fn close_gaps(notes: &mut [Note], small: impl Fn(u32, u32) -> bool) {
    // By voice, from the end: the onset that was met last, and the one after it.
    let mut later: BTreeMap<u16, (u32, u32)> = BTreeMap::new();
    let mut following = vec![u32::MAX; notes.len()];
    for (index, note) in notes.iter().enumerate().rev() {
        let (onset, after) = later.entry(note.voice).or_insert((u32::MAX, u32::MAX));
        // Notes of one chord all look to the onset after theirs.
        if *onset > note.start {
            (*onset, *after) = (note.start, *onset);
        }
        following[index] = *after;
    }
    for (note, following) in notes.iter_mut().zip(following) {
        let end = note.start + note.duration;
        if written(end) || end == following {
            continue;
        }
        if following > end && following != u32::MAX && small(following - end, note.duration) {
            note.duration = following - note.start;
        } else {
            // A tick too long or too short of a time that written music has.
            let near = (end + PPQ / 48) / (PPQ / 24) * (PPQ / 24);
            if near.abs_diff(end) <= 2 && near > note.start {
                note.duration = near - note.start;
            }
        }
    }
}

/// The unit note length that most notes are written in most shortly.
fn unit(notes: &[Note]) -> Length {
    let share = |longest: u32| {
        notes.iter().filter(|note| note.duration <= longest).count() as f64
            / notes.len().max(1) as f64
    };
    if share(PPQ / 4) > 0.5 {
        Length::new(1, 16)
    } else if share(PPQ - 1) < 0.1 {
        Length::new(1, 4)
    } else {
        Length::new(1, 8)
    }
}

/// A bar's start and length in ticks, and the metre it is of.
#[derive(Clone, Copy)]
struct BarSpan {
    start: u32,
    length: u32,
    metre: usize,
}

/// The length of a pickup that is written as a bar of a short metre of its own before the tune's, which is then the
/// first; 0 where there is none.
fn written_pickup(metres: &mut Vec<Metre>) -> u32 {
    let [first, second, ..] = &metres[..] else { return 0 };
    let pickup = bar_ticks(first);
    if second.start != pickup || pickup >= bar_ticks(second) {
        return 0;
    }
    metres.remove(0);
    metres[0].start = 0;
    pickup
}

fn bars(metres: &[Metre], pickup: u32, end: u32) -> Vec<BarSpan> {
    let mut bars = Vec::new();
    let mut start = 0;
    if pickup > 0 {
        bars.push(BarSpan { start: 0, length: pickup, metre: 0 });
        start = pickup;
    }
    let mut metre = 0;
    while start < end {
        while metres.get(metre + 1).is_some_and(|next| next.start <= start) {
            metre += 1;
        }
        let mut length = bar_ticks(&metres[metre]);
        if let Some(next) = metres.get(metre + 1) {
            length = length.min(next.start - start);
        }
        bars.push(BarSpan { start, length, metre });
        start += length;
    }
    bars
}

/// The bars that the performance itself knows.
fn known_bars(performance: &Performance, metres: &[Metre], end: u32) -> Vec<BarSpan> {
    let mut starts: Vec<u32> =
        performance.bars.iter().map(|bar| bar.start).filter(|&start| start < end).collect();
    if starts.first().is_none_or(|&first| first > 0) {
        starts.insert(0, 0);
    }
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain([end]);
    let spans = starts.iter().zip(ends).map(|(&start, end)| {
        let metre = metres.partition_point(|metre| metre.start <= start).max(1) - 1;
        BarSpan { start, length: end - start, metre }
    });
    spans.filter(|bar| bar.length > 0).collect()
}

/// Notes that start and end together, one after the other.
struct Layer {
    voice: u16,
    /// Whether it is the first of its voice.
    is_first: bool,
    channel: u8,
    chords: Vec<Sound>,
}

/// A note or chord: keys that sound from start to end.
struct Sound {
    start: u32,
    end: u32,
    keys: Vec<u8>,
}

impl Layer {
    fn is_low(&self) -> bool {
        let mut keys: Vec<u8> = self.chords.iter().flat_map(|c| c.keys.clone()).collect();
        keys.sort_unstable();
        keys.get(keys.len() / 2).is_some_and(|&key| key < 57)
    }
}

/// Each voice's notes as chords, overlapping ones parted into further layers.
fn layers(notes: &[Note]) -> Vec<Layer> {
    let mut voices: BTreeMap<u16, Vec<&Note>> = BTreeMap::new();
    for note in notes {
        voices.entry(note.voice).or_default().push(note);
    }
    let mut all = Vec::new();
    for mut voice in voices.into_values() {
        voice.sort_by_key(|note| (note.start, note.duration, note.key));
        let mut chords: Vec<Sound> = Vec::new();
        for note in &voice {
            let end = note.start + note.duration;
            match chords.last_mut() {
                Some(last) if (last.start, last.end) == (note.start, end) => {
                    last.keys.push(note.key)
                }
                _ => chords.push(Sound { start: note.start, end, keys: vec![note.key] }),
            }
        }
        // Of sounds that start together the higher stays in the first layer, as the melody mostly is.
        chords.sort_by_key(|chord| (chord.start, std::cmp::Reverse(chord.keys.last().copied())));
        let first = all.len();
        for chord in chords {
            let free = all[first..].iter().position(|layer: &Layer| {
                layer.chords.last().is_none_or(|last| last.end <= chord.start)
            });
            if let Some(free) = free {
                all[first + free].chords.push(chord);
            } else if all.len() - first < MOST_LAYERS {
                all.push(Layer {
                    voice: voice[0].voice,
                    is_first: all.len() == first,
                    channel: voice[0].channel,
                    chords: vec![chord],
                });
            } else if let Some(layer) = all[first..]
                .iter_mut()
                .filter(|layer| layer.chords.last().is_some_and(|l| l.start < chord.start))
                .min_by_key(|layer| layer.chords.last().map(|last| last.end))
            {
                // No row is left: the sound that ends first makes room.
                if let Some(last) = layer.chords.last_mut() {
                    last.end = chord.start;
                }
                layer.chords.push(chord);
            }
        }
    }
    all
}

/// A stretch of one bar: keys, or none for a rest.
#[derive(Clone, Copy)]
struct Piece<'a> {
    start: u32,
    ticks: u32,
    keys: &'a [u8],
    tied: bool,
    /// A note starts here, and none goes on.
    begins: bool,
}

/// A bar as it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct WrittenBar {
    /// The fields before its music, where metre or key change.
    changes: String,
    /// Its music; `Z` for a whole bar of rest.
    pub(super) text: String,
    /// A syllable, or a sign that there is none, for each note or chord of it.
    pub(super) words: Vec<String>,
    /// Metre, key signature and tempo in force at its end, as numbers that differ where those do.
    pub(super) state: (usize, i8, usize),
    /// Whether nothing sounds in it.
    pub(super) is_silent: bool,
    /// Whether it is incomplete and the first.
    pickup: bool,
}

struct Sheet {
    text: String,
    unit: Length,
    bars: Vec<BarSpan>,
    metres: Vec<Metre>,
    /// Key changes after the start.
    keys: Vec<KeyStart>,
    key: Key,
    /// Where the score tells tempos, the first in its head.
    tempos: Vec<Tempo>,
    end: u32,
}

impl Sheet {
    fn head(&mut self, performance: &Performance) {
        let title = field_text(&performance.title);
        let title = if title.is_empty() { "Untitled" } else { &title };
        let metre = self.metres[0];
        let _ = writeln!(self.text, "X:1\nT:{title}");
        let _ = writeln!(self.text, "M:{}/{}", metre.numerator, metre.denominator);
        let _ = writeln!(self.text, "L:{}", self.unit);
        if let Some(tempo) = self.tempos.first() {
            let _ = writeln!(self.text, "Q:{}", tempo_text(tempo.microseconds_per_quarter, &metre));
        }
        let _ = writeln!(self.text, "K:{}", self.key);
    }

    fn sound(&mut self, performance: &Performance, layer: &Layer) {
        if layer.channel == 9 {
            self.text.push_str("%%MIDI channel 10\n");
        }
        let program = performance.programs.iter().find(|program| program.channel == layer.channel);
        if let Some(program) = program.filter(|program| program.program != 0) {
            let _ = writeln!(self.text, "%%MIDI program {}", program.program);
        }
    }

    /// Every bar of a layer as text, as far as there is room for it, in bytes.
    fn bars_of(
        &self,
        performance: &Performance,
        layer: &Layer,
        first: bool,
        room: &mut usize,
    ) -> Vec<WrittenBar> {
        let mut speller = find::Speller::new(&self.key);
        let mut sounds = layer.chords.iter().peekable();
        let mut keys = self.keys.iter().peekable();
        let mut tempos = self.tempos.iter().skip(1).peekable();
        let mut chords = performance.chords.iter().peekable();
        let sung = |lyric: &&Lyric| layer.is_first && lyric.voice == layer.voice;
        let mut lyrics = performance.lyrics.iter().filter(sung).peekable();
        let mut written = Vec::with_capacity(self.bars.len());
        let mut metre = 0;
        let mut key = self.key.clone();
        // Changes of tempo so far.
        let mut changes = 0;
        for &span in &self.bars {
            let mut bar = WrittenBar::default();
            if span.metre != metre {
                metre = span.metre;
                let now = self.metres[metre];
                let _ = write!(bar.changes, "[M:{}/{}]", now.numerator, now.denominator);
            }
            let mut changed = None;
            while let Some(change) = keys.next_if(|change| change.start <= span.start) {
                changed = Some(&change.key);
            }
            if let Some(changed) = changed.filter(|changed| changed.fifths() != key.fifths()) {
                key = changed.clone();
                speller = find::Speller::new(&key);
                let _ = write!(bar.changes, "[K:{key}]");
            }
            let until = span.start + span.length;
            let mut marks = Marks::default();
            if first {
                while let Some(chord) = chords.next_if(|chord| chord.start < until) {
                    marks.chords.push((chord.start, chord.symbol.clone()));
                }
                while let Some(tempo) = tempos.next_if(|tempo| tempo.start < until) {
                    let text = tempo_text(tempo.microseconds_per_quarter, &self.metres[metre]);
                    marks.tempos.push((tempo.start, text));
                    changes += 1;
                }
            }
            while let Some(lyric) = lyrics.next_if(|lyric| lyric.start < until) {
                marks.lyrics.push((lyric.start, earworm_abc::lyric(&lyric.text)));
            }
            let whole = span.length == bar_ticks(&self.metres[metre]);
            let silent = sounds.peek().is_none_or(|sound| sound.start >= until);
            bar.pickup = span.start == 0 && !whole;
            bar.is_silent = silent;
            bar.state = (metre, key.fifths(), changes);
            if silent && whole && until <= self.end && marks.is_empty() {
                bar.text.push('Z');
            } else {
                let mut cuts: Vec<u32> =
                    marks.chords.iter().chain(&marks.tempos).map(|&(start, _)| start).collect();
                cuts.sort_unstable();
                let pieces = self.pieces(span, &mut sounds, &cuts);
                speller.start_bar();
                self.bar(&mut bar, span, &pieces, &mut speller, marks);
            }
            let words: usize = bar.words.iter().map(|word| word.len() + 1).sum();
            *room = room.saturating_sub(bar.changes.len() + bar.text.len() + words + 2);
            written.push(bar);
            if *room == 0 {
                break;
            }
        }
        written
    }

    /// Writes bars in an order, with the bar lines, repeats and endings that it asks for.
    fn music(&mut self, bars: &[WrittenBar], order: &[repeats::Step]) {
        let mut steps = order.iter().filter(|step| step.bar < bars.len()).peekable();
        let mut in_line = 0;
        let mut rests = 0;
        let mut words: Vec<&str> = Vec::new();
        if steps.peek().is_some_and(|step| step.starts) {
            self.text.push_str("|:");
        }
        while let Some(step) = steps.next() {
            let bar = &bars[step.bar];
            let next = steps.peek();
            let (ends, next_starts) = (step.ends, next.is_some_and(|next| next.starts));
            let ending = next.and_then(|next| next.ending);
            let last = next.is_none();
            let line = match (ends, next_starts, ending) {
                (true, true, _) => "::".to_owned(),
                (true, _, Some(number)) => format!(":|{number} "),
                (true, ..) => ":|".to_owned(),
                (_, _, Some(number)) => format!("|{number} "),
                (_, true, _) => "|:".to_owned(),
                _ if last => "|]".to_owned(),
                _ if step.closes => "||".to_owned(),
                _ => "|".to_owned(),
            };
            // Whole bars of rest in a row are one sign.
            let goes_on = line == "|"
                && bar.text == "Z"
                && next.is_some_and(|next| {
                    bars[next.bar].text == "Z" && bars[next.bar].changes.is_empty()
                });
            self.text.push_str(&bar.changes);
            words.extend(bar.words.iter().map(String::as_str));
            if bar.text == "Z" {
                rests += 1;
                if goes_on {
                    continue;
                }
                self.text.push('Z');
                if rests > 1 {
                    let _ = write!(self.text, "{rests}");
                }
                rests = 0;
            } else {
                self.text.push_str(&bar.text);
            }
            // An incomplete first bar is none of the line's four.
            in_line += i32::from(!bar.pickup);
            self.text.push_str(&line);
            if last || ((ends || step.closes || in_line >= BARS_IN_LINE) && ending.is_none()) {
                self.text.push('\n');
                self.words(&std::mem::take(&mut words));
                in_line = 0;
            } else if line == "|" || line == "||" {
                self.text.push(' ');
            }
        }
    }

    /// Writes the syllables under a line of music, if there are any.
    fn words(&mut self, words: &[&str]) {
        let is_sung = |word: &str| !matches!(word, "*" | "_");
        let Some(last) = words.iter().rposition(|word| is_sung(word)) else { return };
        self.text.push_str("w:");
        let mut joined = false;
        for word in &words[..=last] {
            if !joined {
                self.text.push(' ');
            }
            self.text.push_str(word);
            joined = word.ends_with('-');
        }
        self.text.push('\n');
    }

    /// What sounds in a bar and the rests between; what is not over at its end stays in `sounds`.
    fn pieces<'a>(
        &self,
        bar: BarSpan,
        sounds: &mut std::iter::Peekable<std::slice::Iter<'a, Sound>>,
        cuts: &[u32],
    ) -> Vec<Piece<'a>> {
        let bar_end = (bar.start + bar.length).min(self.end.max(bar.start));
        let mut pieces = Vec::new();
        let mut now = bar.start;
        let rest = |from: u32, to: u32| Piece {
            start: from,
            ticks: to - from,
            keys: &[],
            tied: false,
            begins: false,
        };
        while let Some(&sound) = sounds.peek() {
            if sound.start >= bar_end {
                break;
            }
            if sound.start > now {
                pieces.push(rest(now, sound.start));
                now = sound.start;
            }
            let until = sound.end.min(bar_end);
            pieces.push(Piece {
                start: now,
                ticks: until - now,
                keys: &sound.keys,
                tied: sound.end > bar_end,
                begins: now == sound.start,
            });
            now = until;
            if sound.end > bar_end {
                break;
            }
            sounds.next();
        }
        if now < bar_end {
            pieces.push(rest(now, bar_end));
        }
        // A chord symbol or a tempo needs a note or rest that starts where it does.
        let mut cut = Vec::with_capacity(pieces.len());
        let mut cuts = cuts.iter().copied().peekable();
        for mut piece in pieces {
            let end = piece.start + piece.ticks;
            while let Some(at) = cuts.next_if(|&at| at < end) {
                if at > piece.start {
                    let tied = !piece.keys.is_empty();
                    cut.push(Piece { ticks: at - piece.start, tied, ..piece });
                    piece = Piece { start: at, ticks: end - at, begins: false, ..piece };
                }
            }
            cut.push(piece);
        }
        cut
    }

    fn bar(
        &self,
        written: &mut WrittenBar,
        bar: BarSpan,
        pieces: &[Piece<'_>],
        speller: &mut find::Speller,
        mut marks: Marks,
    ) {
        let text = &mut written.text;
        let metre = self.metres[bar.metre];
        // A pickup's beats count from the bar line after it.
        let origin = if bar.start == 0 && bar.length < bar_ticks(&metre) {
            bar_ticks(&metre) - bar.length
        } else {
            0
        };
        let group = beam_group(&metre);
        let at = |tick: u32| tick - bar.start + origin;
        let mut index = 0;
        while index < pieces.len() {
            let piece = &pieces[index];
            if index > 0 {
                let long = piece.ticks >= PPQ || pieces[index - 1].ticks >= PPQ;
                if at(piece.start).is_multiple_of(group) || long {
                    text.push(' ');
                }
            }
            if let Some((p, q, count)) = tuplet(&pieces[index..]) {
                // Only (3 means the same in every metre.
                if (p, q, count) == (3, 2, 3) {
                    text.push_str("(3");
                } else {
                    let _ = write!(text, "({p}:{q}:{count}");
                }
                for piece in &pieces[index..index + count] {
                    let written = Length::new(piece.ticks * p, 4 * PPQ * q);
                    self.piece(text, piece, written, piece.tied, speller, &mut marks);
                }
                index += count;
                continue;
            }
            if let Some(odd) = odd_tuplet(&pieces[index..]) {
                let _ = write!(text, "({}:{}:{}", odd.p, odd.q, odd.notes.len());
                for (piece, written) in &odd.notes {
                    self.piece(text, piece, *written, piece.tied, speller, &mut marks);
                }
                index += odd.pieces;
                continue;
            }
            if let Some(next) = pieces.get(index + 1) {
                // A tempo's field would part the two.
                let parted = marks.tempos.first().is_some_and(|&(at, _)| at <= next.start);
                let apart = parted || at(next.start).is_multiple_of(group);
                if let Some((mark, value)) = broken(piece, next, self.unit).filter(|_| !apart) {
                    self.piece(text, piece, value, false, speller, &mut marks);
                    text.push(mark);
                    self.piece(text, next, value, next.tied, speller, &mut marks);
                    index += 2;
                    continue;
                }
            }
            let parts = notatable(at(piece.start), piece.ticks, group);
            let last = parts.len() - 1;
            for (part, ticks) in parts.into_iter().enumerate() {
                let tied = !piece.keys.is_empty() && (piece.tied || part < last);
                let piece = Piece { begins: piece.begins && part == 0, ..*piece };
                self.piece(text, &piece, Length::new(ticks, 4 * PPQ), tied, speller, &mut marks);
            }
            index += 1;
        }
        written.words = marks.words;
    }

    /// One note, chord or rest of a written length in whole notes.
    fn piece(
        &self,
        text: &mut String,
        piece: &Piece<'_>,
        length: Length,
        tied: bool,
        speller: &mut find::Speller,
        marks: &mut Marks,
    ) {
        let due = |list: &mut Vec<(u32, String)>| {
            let count = list.iter().take_while(|(at, _)| *at < piece.start + piece.ticks).count();
            list.drain(..count).next_back().map(|(_, text)| text)
        };
        if let Some(tempo) = due(&mut marks.tempos) {
            let _ = write!(text, "[Q:{tempo}]");
        }
        if let Some(symbol) = due(&mut marks.chords) {
            let _ = write!(text, "\"{symbol}\"");
        }
        if piece.begins {
            // A syllable may come a little late.
            let soon = piece.start + piece.ticks / 2;
            let count = marks.lyrics.iter().take_while(|(at, _)| *at <= soon).count();
            let syllables: Vec<String> =
                marks.lyrics.drain(..count).map(|(_, text)| text).collect();
            marks.words.push(if syllables.is_empty() { "*".into() } else { syllables.join("~") });
        } else if !piece.keys.is_empty() {
            marks.words.push("_".into());
        }
        match piece.keys {
            [] => text.push('z'),
            [key] => speller.note(*key, text),
            keys => {
                text.push('[');
                for key in keys {
                    speller.note(*key, text);
                }
                text.push(']');
            }
        }
        let length = length / self.unit;
        match (length.numerator(), length.denominator()) {
            (1, 1) => {}
            (n, 1) => {
                let _ = write!(text, "{n}");
            }
            (1, 2) => text.push('/'),
            (1, d) => {
                let _ = write!(text, "/{d}");
            }
            (n, d) => {
                let _ = write!(text, "{n}/{d}");
            }
        }
        if tied {
            text.push('-');
        }
    }
}

/// What is written over a bar's notes, and when, in ticks.
#[derive(Clone, Default)]
struct Marks {
    chords: Vec<(u32, String)>,
    tempos: Vec<(u32, String)>,
    /// Syllables that are to come.
    lyrics: Vec<(u32, String)>,
    /// A syllable, or a sign that there is none, for each note or chord that is written.
    words: Vec<String>,
}

impl Marks {
    fn is_empty(&self) -> bool {
        self.chords.is_empty() && self.tempos.is_empty()
    }
}

/// A text as a field has it, in one line.
fn field_text(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    earworm_abc::escaped(plain.trim()).into_owned()
}

/// Q: for a tempo, counted in dotted quarters where the metre is.
fn tempo_text(microseconds_per_quarter: u32, metre: &Metre) -> String {
    let micros = microseconds_per_quarter.max(1);
    let compound =
        metre.denominator == 8 && metre.numerator > 3 && metre.numerator.is_multiple_of(3);
    let (mut beat, mut quarters) =
        if compound { (String::from("3/8"), 1.5) } else { ("1/4".into(), 1.0) };
    let a_minute = |quarters: f64| 60e6 / f64::from(micros) / quarters;
    // As many beats a minute as are read; more are told in longer ones.
    let mut whole_notes = 1;
    while a_minute(quarters) >= 99_999.0 {
        (beat, quarters) = (format!("{whole_notes}/1"), f64::from(whole_notes) * 4.0);
        whole_notes *= 2;
    }
    // So few decimals that the same tempo is read again, give or take the microsecond that writers of MIDI round by.
    for decimals in 0..6 {
        let told = format!("{:.decimals$}", a_minute(quarters));
        let read = told.parse().map_or(0.0, |told: f64| 60e6 / (told * quarters));
        if (read - f64::from(micros)).abs() <= f64::from(micros).max(1e6) * 1e-6 {
            return format!("{beat}={told}");
        }
    }
    format!("{beat}={}", a_minute(quarters))
}

/// How long notes under one beam may be together, in ticks.
fn beam_group(metre: &Metre) -> u32 {
    let unit = (4 * PPQ / u32::from(metre.denominator).max(1)).max(1);
    match (metre.numerator, metre.denominator) {
        (3 | 6 | 9 | 12, 8 | 16) => 3 * unit,
        (4, 4) | (2, 2) => 2 * PPQ,
        (_, 4) => PPQ,
        (numerator, 2) if numerator.is_multiple_of(2) => 2 * PPQ,
        (_, 2) => PPQ,
        (numerator, _) => unit * u32::from(numerator),
    }
}

/// Whether a length is made of halves: a whole number of 128ths.
fn dyadic(ticks: u32) -> bool {
    ticks.is_multiple_of(PPQ / 32)
}

/// The tuplet that starts here, if one does: p notes in the time of q, for so many pieces.
fn tuplet(pieces: &[Piece<'_>]) -> Option<(u32, u32, usize)> {
    if dyadic(pieces[0].ticks) {
        return None;
    }
    for (p, q) in [(3, 2), (5, 4), (5, 2), (5, 3)] {
        let mut total = 0;
        for (index, piece) in pieces.iter().enumerate().take(12) {
            if piece.ticks > LONGEST_ODD {
                break;
            }
            let written = piece.ticks * p;
            if !written.is_multiple_of(q) || !dyadic(written / q) {
                break;
            }
            total += piece.ticks;
            if dyadic(total) && index > 0 {
                return Some((p, q, index + 1));
            }
        }
    }
    None
}

/// A tuplet of 7, 9, 11 or 13, whose notes last no whole number of ticks.
struct OddTuplet<'a> {
    p: u32,
    q: u32,
    /// Its notes and rests with the lengths they are written in, in whole notes.
    notes: Vec<(Piece<'a>, Length)>,
    /// How many pieces it takes up, those that are but a tick of rounding included.
    pieces: usize,
}

/// The tuplet of 7, 9, 11 or 13 that starts here, if every piece lies on its grid, give or take the tick that rounding
/// takes.
fn odd_tuplet<'a>(pieces: &[Piece<'a>]) -> Option<OddTuplet<'a>> {
    let first = &pieces[0];
    if dyadic(first.ticks) || !dyadic(first.start) || first.keys.is_empty() {
        return None;
    }
    // From the shortest whole on, so that no two tuplets are taken for one.
    for (p, q, total) in [
        (7, 4, PPQ / 2),
        (7, 4, PPQ),
        (9, 8, PPQ),
        (11, 8, PPQ),
        (13, 8, PPQ),
        (7, 6, 3 * PPQ / 2),
        (7, 4, 2 * PPQ),
        (9, 8, 2 * PPQ),
        (11, 8, 2 * PPQ),
        (13, 8, 2 * PPQ),
        (7, 4, 4 * PPQ),
        (9, 8, 4 * PPQ),
    ] {
        // The step of the grid at a time, where one is within a tick.
        let step = |time: u32| {
            let near = (time * p + total / 2) / total;
            (time.abs_diff(near * total / p) <= 1).then_some(near)
        };
        let mut notes: Vec<(Piece<'a>, Length)> = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            let (from, to) = (piece.start - first.start, piece.start + piece.ticks - first.start);
            let (Some(begin), Some(end)) = (step(from), step(to)) else { break };
            if end > p || (begin == end && (!piece.keys.is_empty() || piece.ticks > 1)) {
                break;
            }
            if end > begin {
                notes.push((*piece, Length::new((end - begin) * total, q * 4 * PPQ)));
            }
            // Whole only where the next piece starts on time.
            if end == p && to == total {
                let written =
                    notes.iter().all(|(_, length)| length.denominator().is_power_of_two());
                if written && notes.len() > 1 {
                    return Some(OddTuplet { p, q, notes, pieces: index + 1 });
                }
                break;
            }
        }
    }
    None
}

/// Whether two pieces are written as broken rhythm: its mark, and the length both are written in.
fn broken(one: &Piece<'_>, two: &Piece<'_>, unit: Length) -> Option<(char, Length)> {
    if one.keys.is_empty() || two.keys.is_empty() || one.tied {
        return None;
    }
    let sum = one.ticks + two.ticks;
    let value = Length::new(sum, 8 * PPQ);
    if value != unit {
        return None;
    }
    if one.ticks * 4 == sum * 3 {
        Some(('>', value))
    } else if one.ticks * 4 == sum {
        Some(('<', value))
    } else {
        None
    }
}

/// A length in ticks as lengths that one note can have each: with up to two dots. `at` is its place in the
/// bar, where a beam's group ends is a good place to part.
fn notatable(at: u32, ticks: u32, group: u32) -> Vec<u32> {
    let single = |ticks: u32| {
        let numerator = Length::new(ticks, 4 * PPQ).numerator();
        let is_dotted = matches!(numerator >> numerator.trailing_zeros(), 1 | 3 | 7);
        if dyadic(ticks) { is_dotted && ticks <= LONGEST } else { ticks <= LONGEST_ODD }
    };
    if single(ticks) {
        return vec![ticks];
    }
    let to_group = group - at % group;
    if to_group < ticks && dyadic(to_group) && single(to_group) && single(ticks - to_group) {
        return vec![to_group, ticks - to_group];
    }
    let mut parts = Vec::new();
    // What is left of a length that no halves make up comes last, and can be written as it is.
    let odd = if dyadic(ticks) { 0 } else { ticks % PPQ };
    let mut rest = ticks - odd;
    while rest > 0 {
        let mut part = PPQ / 32;
        while part * 2 <= rest.min(LONGEST) {
            part *= 2;
        }
        if rest - part >= part / 2 && part > PPQ / 32 && part < LONGEST / 2 {
            part += part / 2;
        }
        if part > rest {
            part = rest;
        }
        parts.push(part);
        rest -= part;
    }
    parts.extend((odd > 0).then_some(odd));
    parts
}
