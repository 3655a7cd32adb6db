//! Core: what the text so far says about the place where the next character goes.
//!
//! A [`Context`] reads the plain form character by character, in training and generating alike, and
//! keeps what a musician at this place would know: the dance and the key, how far the bar has gone, which bar of the
//! section it is, and what stood at the same place one, two, four and eight bars ago. Each of these facts is a row of
//! the network's input table. All of it follows from the characters before; nothing looks ahead.
//!
//! Besides, a composer knows what is asked for and what it means to do ([`Told`]): the tune's [`Form`], its [`Plan`], its
//! [`Outline`], and, where bars of a tune are written anew, the [`Score`] of those that stay, before and after. The network
//! is told how much of these is still to come, when composing and for half of the tunes it learns from; else, and
//! whenever a text's bits are counted, these facts say that nothing is known.

use std::sync::Arc;

use super::alphabet::{self, SYMBOLS, staff_letter};
use super::outline::{Frame, Kin, Outline, REGISTERS, Score};
use super::plain::{Bar, LENGTHS, Mode, PlainKey, UNIT, bar_ticks, beat_ticks};
use super::style::Style;

/// How many facts the network is told at each step: one row each.
pub const FACTS: usize = 32;

/// How many of them the first networks were told: they knew neither outline nor score, and fewer dances.
pub const FIRST_FACTS: usize = 19;

const STYLES: usize = Style::FIRST + 1;
/// Dances and kinds of song, with room for more; the last row for none that is known.
const DANCES: usize = 40;
/// Traditions, with room for more; the last row for none that is known.
const TRADITIONS: usize = 10;
/// Places in a bar: half units, then one row for any place off that grid.
const PLACES: usize = 34;
const SECTION_BARS: usize = 18;

/// Bars still to come, the last row for that many or more; then one row where the tune's form is not known.
const BARS_LEFT: usize = 34;

/// The planned last degree, apart for the bars before the last and, in that, for how much of it is left: more than four
/// units, four, three, two, or at most one. Then one row where nothing is planned.
const ENDINGS: usize = DEGREES * 6;

/// Planned bars still to come that came before, the last row for that many or more; then one row where nothing is
/// planned.
const REPEATS_LEFT: usize = 17;

/// Bars that the text is compared with, counted back, and in a known score counted ahead.
const LAGS: [i32; 4] = [1, 2, 4, 8];

const SIZES: [usize; FACTS] = [
    SYMBOLS,
    STYLES,
    METRES.len() * 2 + 1,
    8,
    Mode::ALL.len() + 1,
    16,
    PLACES,
    PLACES,
    SECTION_BARS,
    9,
    SYMBOLS + 1,
    SYMBOLS + 1,
    SYMBOLS + 1,
    SYMBOLS + 1,
    SYMBOLS + 1,
    BARS_LEFT + 1,
    3,
    ENDINGS + 1,
    REPEATS_LEFT + 1,
    DANCES,
    TRADITIONS,
    SECTION_BARS + 1,
    5,
    Kin::ROWS,
    SYMBOLS + 1,
    ENDINGS + 1,
    REGISTERS + 1,
    SYMBOLS + 1,
    SYMBOLS + 1,
    SYMBOLS + 1,
    SYMBOLS + 1,
    SYMBOLS + 1,
];

/// Degrees of a scale.
pub(super) const DEGREES: usize = 7;

const STARTS: [usize; FACTS] = {
    let mut starts = [0; FACTS];
    let mut at = 1;
    while at < FACTS {
        starts[at] = starts[at - 1] + SIZES[at - 1];
        at += 1;
    }
    starts
};

/// Rows of the table of a network that is told the first so many facts: every value that each of them can take.
pub fn fact_rows(facts: usize) -> usize {
    SIZES[..facts.min(FACTS)].iter().sum()
}

/// The metres of the plain form.
pub const METRES: [(u8, u8); 11] =
    [(4, 4), (2, 4), (3, 4), (6, 8), (9, 8), (12, 8), (3, 8), (6, 4), (3, 2), (5, 4), (7, 8)];

/// Where in a body's grammar the text has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the fields before the body.
    Header,
    /// Where a note may begin: the body's start, after a blank, a bar line, a chord symbol.
    Open,
    /// After an accidental.
    Accidental,
    /// After a note's letter, before any octave mark or length.
    Letter,
    /// After an octave mark.
    Mark,
    /// Within or after a note's length; the characters of it so far.
    Length([u8; 3]),
    /// After the letter of a rest.
    Rest,
    /// After `>` or `<`: the other note of the pair comes.
    Broken,
    /// After a tie.
    Tie,
    /// After the parenthesis of a triplet.
    Parenthesis,
    /// After a triplet's `(3`, before its first note.
    Triplet,
    /// In a chord symbol; the characters of it so far.
    Chord([u8; 4]),
    /// After `|`, which may grow into a longer bar line.
    Line,
    /// After `:`, which must grow.
    Colon,
    /// After `:|`, which may grow.
    End,
    /// After a whole bar line that can't grow.
    Closed,
    /// After the number of an ending: a blank comes.
    Ending,
    /// After the final `]`.
    Done,
}

/// What form a tune has been asked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// Bars as written, a pickup and the short bar that it completes counted as one.
    pub bars: u32,
    /// Whether chord symbols are written.
    pub chords: bool,
}

/// What a tune is meant to come to besides its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The degree of the last note above the tonic, 0 for the tonic itself, whatever its octave.
    pub ends_on: u8,
    /// How many bars are to be the same, note for note, as one before them.
    pub repeats: u32,
}

impl Plan {
    /// What a tune in plain form comes to; none where it has no note.
    pub fn of(text: &str) -> Option<Self> {
        let mut context = Context::new();
        text.bytes().for_each(|character| context.push(character));
        let ends_on = context.last_degree()?;
        Some(Self { ends_on, repeats: context.repeats })
    }
}

/// All that is known of a tune before it is written; nothing at first.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// What form it is to have.
    pub form: Option<Form>,
    /// What it is meant to come to.
    pub plan: Option<Plan>,
    /// Its strains and what returns in them.
    pub outline: Option<Arc<Outline>>,
    /// What stands in bars that stay as they are.
    pub score: Option<Arc<Score>>,
    /// Where bars end and in which lines. The network is told nothing of it: the mask holds it to that.
    pub frame: Option<Arc<Frame>>,
    /// The lowest and the highest note, in staff steps above middle C, that the mask lets pass; none for the plain form's.
    pub range: Option<(i8, i8)>,
}

/// The hash of a bar before its first note.
const NO_NOTES: u64 = 0xcbf2_9ce4_8422_2325;

/// The text so far and what it says.
#[derive(Debug, Clone)]
pub struct Context {
    text: Vec<u8>,
    told: Told,
    /// The field being read, and where its value starts.
    field: (u8, usize),
    pub(super) style: Option<Style>,
    pub(super) metre: Option<(u8, u8)>,
    pub(super) unit: u8,
    pub(super) key: Option<PlainKey>,
    pub(super) bar: i32,
    pub(super) beat: i32,
    pub(super) place: Place,
    /// Ticks since the tune began, bars at multiples of `bar` (after a pickup, counted as if it filled its bar).
    time: i32,
    /// Ticks since the last bar line, the note being written counted by what stands of its length.
    pub(super) position: i32,
    /// `position` where the note being written began.
    pub(super) note_start: i32,
    /// Written ticks of the last note so far.
    pub(super) written: i32,
    /// Notes of a triplet still to come (3 to 1), the one being written counted; 0 outside.
    pub(super) triplet: u8,
    /// Written length that the triplet's first note settled.
    pub(super) triplet_ticks: i32,
    /// What the note before did to this one by `>` (12 ticks) or `<` (36), else 0.
    pub(super) broken: i32,
    /// The pitch that a tie asks for: staff step.
    pub(super) tied: Option<i8>,
    pub(super) step: i8,
    pub(super) is_rest: bool,
    pub(super) has_accidental: bool,
    /// Letters (bit 0 for C) that an accidental has touched in this bar.
    pub(super) altered: u8,
    /// Whole or shortened bars before this one.
    pub(super) bars: u32,
    /// Bars since the section began.
    pub(super) section_bar: u32,
    pub(super) first_section: bool,
    /// Whether a repeat has begun that must end.
    pub(super) open: bool,
    pub(super) chords: bool,
    pub(super) notes: u32,
    /// Ticks of the pickup before the first bar line, none before that came.
    pub(super) pickup: Option<i32>,
    /// Whether a section's end has cut a bar short, so that the pickup of the next part fills it up.
    pub(super) in_pickup: bool,
    /// Bars written, a pickup and the bar it completes counted as one.
    pub(super) measures: u32,
    /// `position` at the last bar line, and whether a pickup ended there.
    pub(super) ended_at: i32,
    pub(super) ended_pickup: bool,
    /// The notes of the bar so far (FNV-1a of their characters), those of each whole bar before it, and how many of
    /// those stood before them.
    notes_of_bar: u64,
    whole_bars: Vec<u64>,
    repeats: u32,
    /// The last two pitches' symbols, by degree.
    pitches: [u8; 2],
    /// For each of [`LAGS`], where in the text the passage it follows goes on.
    hints: [Option<u32>; LAGS.len()],
    /// The same for the bar that is this one's model in the outline.
    model: Option<u32>,
    /// For each of [`LAGS`], where in the known score the passage so many bars on goes on.
    ahead: [Option<u32>; LAGS.len()],
    /// The same for this bar itself as it stands in the score, whether it is known or not.
    original: Option<u32>,
    /// For half the ticks since the tune began: where in the text the notes first reached that time.
    reached: Vec<u32>,
    tonic: u8,
    last_symbol: u8,
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Context {
    /// Before the first character of a tune that is to have this form and come to this. The network is told how
    /// much of both is left.
    pub fn planned(form: Form, plan: Plan) -> Self {
        Self::told(Told { form: Some(form), plan: Some(plan), ..Told::default() })
    }

    /// Before the first character of a tune of which so much is known.
    pub fn told(told: Told) -> Self {
        Self { told, ..Self::new() }
    }

    /// What is known of the tune.
    pub(super) fn knows(&self) -> &Told {
        &self.told
    }

    /// Before the first character of a tune of which nothing is known but its text.
    pub fn new() -> Self {
        Self {
            text: Vec::with_capacity(2048),
            told: Told::default(),
            field: (0, 0),
            style: None,
            metre: None,
            unit: 8,
            key: None,
            bar: 192,
            beat: 96,
            place: Place::Header,
            time: 0,
            position: 0,
            note_start: 0,
            written: 0,
            triplet: 0,
            triplet_ticks: 0,
            broken: 0,
            tied: None,
            step: 0,
            is_rest: false,
            has_accidental: false,
            altered: 0,
            bars: 0,
            section_bar: 0,
            first_section: true,
            open: false,
            chords: false,
            notes: 0,
            pickup: None,
            in_pickup: false,
            measures: 0,
            ended_at: 0,
            ended_pickup: false,
            notes_of_bar: NO_NOTES,
            whole_bars: Vec::with_capacity(64),
            repeats: 0,
            pitches: [SYMBOLS as u8; 2],
            hints: [None; LAGS.len()],
            model: None,
            ahead: [None; LAGS.len()],
            original: None,
            reached: Vec::with_capacity(8192),
            tonic: 0,
            last_symbol: 0,
        }
    }

    /// The text so far.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or("")
    }

    /// The last character, a line's end before the first.
    pub(super) fn last(&self) -> u8 {
        self.text.last().copied().unwrap_or(b'\n')
    }

    /// Whether the tune has ended.
    pub fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Whether this bar is the last of the form, and not the pickup before it.
    pub(super) fn is_last_bar(&self, form: Form) -> bool {
        !self.in_pickup && self.pickup.is_some() && self.measures + 1 >= form.bars
    }

    /// How far the bar may go, in ticks from its line: a pickup, or the bar less its complement at the end, or
    /// the whole metre.
    pub(super) fn bar_end(&self, form: Form) -> i32 {
        let pickup = self.pickup.unwrap_or(0);
        if self.in_pickup {
            pickup
        } else if self.is_last_bar(form) {
            self.bar - pickup
        } else {
            self.bar
        }
    }

    /// Whether nothing has been written since the last bar line.
    pub(super) fn bar_is_empty(&self) -> bool {
        self.position == 0
    }

    /// Bars written, a pickup and the bar that it completes counted as one.
    pub fn measures(&self) -> u32 {
        self.measures
    }

    /// Whether a bar begins here, and not a pickup.
    pub(super) fn begins_bar(&self) -> bool {
        let first = self.pickup.is_none() && !self.has_frame_pickup();
        self.position == 0
            && !self.in_pickup
            && match self.place {
                Place::Open => first,
                Place::Line | Place::Closed | Place::End => self.pickup.is_some(),
                _ => false,
            }
    }

    /// Whether a pickup is to stand before the first bar.
    pub(super) fn has_frame_pickup(&self) -> bool {
        self.told.frame.as_ref().is_some_and(|frame| frame.pickup > 0)
    }

    /// Whether the fields are over.
    pub fn in_body(&self) -> bool {
        self.place != Place::Header
    }

    /// Whether letters at this place are note names, which the network knows by their degree.
    fn letters_are_notes(&self) -> bool {
        match self.place {
            Place::Header => false,
            Place::Chord(so_far) => so_far[0] == 0,
            _ => true,
        }
    }

    /// The symbol by which the network knows `character` if it comes next; none for a character that the
    /// plain form does not have.
    pub fn symbol(&self, character: u8) -> Option<u8> {
        let named = if self.letters_are_notes() {
            alphabet::to_degree(character, self.tonic)
        } else {
            character
        };
        alphabet::symbol(named)
    }

    /// The character that a symbol means at this place.
    pub fn character(&self, symbol: u8) -> u8 {
        let named = alphabet::character(symbol);
        if self.letters_are_notes() { alphabet::from_degree(named, self.tonic) } else { named }
    }

    /// The rows of the input table for the next step.
    pub fn facts(&self) -> [u16; FACTS] {
        let (form, plan) = (self.told.form, self.told.plan);
        let end = form.map_or(self.bar, |form| self.bar_end(form));
        let rest = (end - self.position).max(0);
        let grid = |ticks: i32| {
            if ticks % (UNIT / 2) == 0 {
                ((ticks / (UNIT / 2)) as usize).min(PLACES - 2)
            } else {
                PLACES - 1
            }
        };
        let in_body = self.in_body();
        let sections = if self.open { 2 } else { usize::from(!self.first_section) };
        let chords = if self.chords { 2 } else { usize::from(self.notes > 8) };
        let follows = |at: Option<u32>, text: &[u8]| {
            at.and_then(|at| text.get(at as usize))
                .and_then(|&character| self.symbol(character))
                .map_or(SYMBOLS, usize::from)
        };
        let hint = |index: usize| follows(self.hints[index], &self.text);
        let score = self.told.score.as_deref();
        let ahead =
            |index: usize| score.map_or(SYMBOLS, |score| follows(self.ahead[index], &score.text));
        // How much of the bar is left, as far as its last note is planned.
        let left = || 5 - ((rest - 1).max(0) / UNIT).min(4) as usize;
        let here = self.measures as usize;
        let outline = self.told.outline.as_deref().filter(|outline| here < outline.bars.len());
        let values = [
            usize::from(self.last_symbol),
            self.style.map_or(STYLES - 1, |style| (style as usize).min(STYLES - 1)),
            match self.metre {
                Some(metre) => METRES
                    .iter()
                    .position(|&known| known == metre)
                    .map_or(METRES.len() * 2, |at| at * 2 + usize::from(self.unit == 16)),
                None => METRES.len() * 2,
            },
            self.key.map_or(7, |key| usize::from(key.letter)),
            self.key.map_or(Mode::ALL.len(), |key| key.mode as usize),
            self.key.map_or(15, |key| (key.fifths() + 7).clamp(0, 14) as usize),
            if in_body { grid(self.position) } else { 0 },
            if in_body { grid(rest) } else { 0 },
            (self.section_bar as usize).min(SECTION_BARS - 1),
            sections * 3 + chords,
            hint(0),
            hint(1),
            hint(2),
            hint(3),
            usize::from(self.pitches[1]),
            form.map_or(BARS_LEFT, |form| {
                (form.bars.saturating_sub(self.measures) as usize).min(BARS_LEFT - 1)
            }),
            form.map_or(0, |form| 1 + usize::from(form.chords)),
            plan.map_or(ENDINGS, |plan| {
                let in_last = form.is_some_and(|form| self.is_last_bar(form));
                let left = if in_last { left() } else { 0 };
                usize::from(plan.ends_on).min(DEGREES - 1) * 6 + left
            }),
            plan.map_or(REPEATS_LEFT, |plan| {
                (plan.repeats.saturating_sub(self.repeats) as usize).min(REPEATS_LEFT - 1)
            }),
            self.style.map_or(DANCES - 1, |style| style as usize),
            self.style.map_or(TRADITIONS - 1, |style| style.tradition() as usize),
            outline.map_or(SECTION_BARS, |outline| {
                (outline.section(here).1 - here).min(SECTION_BARS - 1)
            }),
            outline.map_or(0, |outline| match outline.bars[outline.section(here).1].line {
                Bar::End | Bar::EndStart => 2,
                Bar::Final => 3,
                Bar::EndFinal => 4,
                _ => 1,
            }),
            outline
                .filter(|_| !self.in_pickup)
                .map_or(0, |outline| outline.bars[here].kin as usize),
            follows(self.model, &self.text),
            outline.map_or(ENDINGS, |outline| {
                let end = outline.phrase_end(here);
                match usize::from(outline.bars[end].cadence) {
                    degree if degree < DEGREES => {
                        degree * 6 + if end == here && !self.in_pickup { left() } else { 0 }
                    }
                    _ => ENDINGS,
                }
            }),
            outline.map_or(REGISTERS, |outline| usize::from(outline.bars[here].register)),
            ahead(0),
            ahead(1),
            ahead(2),
            ahead(3),
            score
                .filter(|score| !self.in_pickup && score.knows(here + 1))
                .and_then(|score| score.firsts.get(here + 1).copied().flatten())
                .map_or(SYMBOLS, usize::from),
        ];
        std::array::from_fn(|fact| (STARTS[fact] + values[fact]) as u16)
    }

    /// Reads one more character. Text that is no plain form leaves the context somewhere in it; only what the
    /// mask allows, or the writer wrote, is sure to be understood.
    pub fn push(&mut self, character: u8) {
        let symbol = self.symbol(character).unwrap_or(0);
        for hint in &mut self.hints {
            *hint = hint.filter(|&at| self.text[at as usize] == character).map(|at| at + 1);
        }
        let goes_on = |at: &mut Option<u32>, text: &[u8]| {
            *at = at.filter(|&at| text.get(at as usize) == Some(&character)).map(|at| at + 1);
        };
        goes_on(&mut self.model, &self.text);
        if let Some(score) = &self.told.score {
            self.ahead.iter_mut().for_each(|at| goes_on(at, &score.text));
            goes_on(&mut self.original, &score.text);
        }
        let measures = self.measures;
        self.last_symbol = symbol;
        self.text.push(character);
        if self.place == Place::Header {
            self.push_header(character);
            return;
        }
        let before = self.time;
        self.push_body(character, symbol);
        if self.time != before {
            let at = (self.time.max(0) / 2) as usize;
            if at < 16_384 {
                if self.reached.len() <= at {
                    self.reached.resize(at + 1, 0);
                }
                if self.reached[at] == 0 {
                    self.reached[at] = self.text.len() as u32;
                }
            }
        }
        if self.measures != measures {
            (self.model, self.ahead) = (None, [None; LAGS.len()]);
        }
        for (hint, lag) in self.hints.iter_mut().zip(LAGS) {
            if hint.is_none() && self.time >= lag * self.bar {
                *hint = place_at(
                    &self.reached,
                    &self.text,
                    self.time - lag * self.bar,
                    self.position == 0,
                );
            }
        }
        let here = self.measures as usize;
        if let Some(outline) = &self.told.outline
            && self.model.is_none()
            && !self.in_pickup
            && let Some(bar) = outline.bars.get(here).filter(|bar| bar.back > 0)
            && self.time >= i32::from(bar.back) * self.bar
        {
            let time = self.time - i32::from(bar.back) * self.bar;
            self.model = place_at(&self.reached, &self.text, time, self.position == 0);
        }
        if let Some(score) = &self.told.score {
            for (ahead, lag) in self.ahead.iter_mut().zip(LAGS) {
                if ahead.is_none() && score.knows(here + lag as usize) {
                    let time = self.time + lag * self.bar;
                    *ahead = place_at(&score.reached, &score.text, time, self.position == 0);
                }
            }
            if self.original.is_none() {
                self.original =
                    place_at(&score.reached, &score.text, self.time, self.position == 0);
            }
        }
    }

    /// Where in the text the notes first reached each half tick.
    pub(super) fn reached(self) -> Vec<u32> {
        self.reached
    }

    /// The degree of the last note above the tonic.
    pub(super) fn last_degree(&self) -> Option<u8> {
        let last = usize::from(self.pitches[1]);
        (last < SYMBOLS).then(|| staff_letter(alphabet::character(last as u8)))?
    }

    /// What the score has at this place; none where it has another note or none that begins here.
    pub(super) fn original(&self) -> Option<u8> {
        let score = self.told.score.as_deref()?;
        self.original.and_then(|at| score.text.get(at as usize)).copied()
    }

    /// What the text that is the model of this bar goes on with; none where it has no model, or another was written.
    pub(super) fn model(&self) -> Option<u8> {
        self.model.and_then(|at| self.text.get(at as usize)).copied()
    }

    fn push_header(&mut self, character: u8) {
        if character == b':' && self.field.0 == 0 {
            let name = self.text.len().checked_sub(2).map_or(0, |at| self.text[at]);
            self.field = (name, self.text.len());
        }
        if character != b'\n' {
            return;
        }
        let (name, start) = std::mem::take(&mut self.field);
        let value = self.text.get(start..self.text.len() - 1).unwrap_or(b"");
        let value = std::str::from_utf8(value).unwrap_or("");
        match name {
            b'R' => self.style = Style::from_name(value),
            b'M' => {
                self.metre = value.split_once('/').and_then(|(over, under)| {
                    Some((over.parse().ok()?, under.parse().ok().filter(|&under: &u8| under > 0)?))
                });
            }
            b'L' => self.unit = if value == "1/16" { 16 } else { 8 },
            b'K' => {
                self.key = PlainKey::parse(value);
                self.tonic = self.key.map_or(0, |key| key.letter);
                let metre = self.metre.unwrap_or((4, 4));
                self.bar = bar_ticks(metre, self.unit).max(1);
                self.beat = beat_ticks(metre, self.unit).max(1);
                self.place = Place::Open;
                self.reached.clear();
                self.reached.push(self.text.len() as u32);
            }
            _ => {}
        }
    }

    fn set_written(&mut self, ticks: i32) {
        self.written = ticks;
        let sounding = if self.triplet > 0 { ticks * 2 / 3 } else { ticks };
        let moved = self.note_start + sounding - self.position;
        self.position += moved;
        self.time += moved;
    }

    /// What a note's end does: the triplet goes on.
    fn end_note(&mut self) {
        let ended =
            matches!(self.place, Place::Letter | Place::Mark | Place::Length(_) | Place::Rest);
        if ended {
            self.broken = 0;
            self.tied = None;
            if self.triplet > 0 {
                if self.triplet == 3 {
                    self.triplet_ticks = self.written;
                }
                self.triplet -= 1;
            }
        }
    }

    fn start_note(&mut self, ticks: i32) {
        self.note_start = self.position;
        self.notes += 1;
        self.set_written(if self.broken != 0 { self.broken } else { ticks });
    }

    fn end_bar(&mut self, boundary: bool) {
        // A bar that fills its metre, or nearly, counts; so does one that a section's end cut short. A pickup
        // after such a bar belongs to it.
        let whole = (self.time as f64 / f64::from(self.bar)).round() as i32;
        if !boundary && self.time != whole * self.bar {
            self.time = whole * self.bar;
            // A pickup is over: passages that follow this bar begin here and not with the pickup.
            let at = (self.time.max(0) / 2) as usize;
            if at < self.reached.len() {
                self.reached.truncate(at);
                self.reached.push(self.text.len() as u32);
            }
        }
        self.ended_at = self.position;
        self.ended_pickup = self.in_pickup;
        if self.pickup.is_none() {
            let pickup = if self.position < self.bar { self.position } else { 0 };
            self.pickup = Some(pickup);
            self.ended_pickup = pickup > 0;
        }
        if self.position == self.bar {
            self.repeats += u32::from(self.whole_bars.contains(&self.notes_of_bar));
            self.whole_bars.push(self.notes_of_bar);
        }
        self.notes_of_bar = NO_NOTES;
        self.in_pickup = false;
        self.measures += u32::from(!self.ended_pickup);
        if self.position * 2 > self.bar {
            self.bars += 1;
            self.section_bar += 1;
        }
        self.position = 0;
        self.note_start = 0;
        self.altered = 0;
    }

    fn push_body(&mut self, character: u8, symbol: u8) {
        let place = self.place;
        if let Place::Chord(mut so_far) = place {
            if character == b'"' {
                self.place = Place::Open;
            } else {
                let at = so_far.iter().position(|&c| c == 0).unwrap_or(3);
                so_far[at] = character;
                self.place = Place::Chord(so_far);
            }
            return;
        }
        let is_ending =
            matches!(character, b'1' | b'2') && matches!(place, Place::Line | Place::End);
        // A note held from the one before is the same note to whoever compares bars.
        if !is_ending && !b" \"|:]-".contains(&character) {
            self.notes_of_bar =
                (self.notes_of_bar ^ u64::from(character)).wrapping_mul(0x100_0000_01b3);
        }
        match character {
            b' ' => {
                self.end_note();
                self.place = Place::Open;
            }
            b'"' => {
                self.end_note();
                self.chords = true;
                self.place = Place::Chord([0; 4]);
            }
            b'(' => {
                self.end_note();
                self.place = Place::Parenthesis;
            }
            b'^' | b'_' | b'=' => {
                self.end_note();
                self.has_accidental = true;
                self.place = Place::Accidental;
            }
            b'A'..=b'G' | b'a'..=b'g' => {
                let accidental = place == Place::Accidental;
                self.end_note();
                self.has_accidental = accidental;
                let letter = staff_letter(character).unwrap_or(0);
                if accidental {
                    self.altered |= 1 << letter;
                }
                self.step = letter as i8 + if character.is_ascii_lowercase() { 7 } else { 0 };
                self.is_rest = false;
                self.start_note(UNIT);
                self.pitches = [self.pitches[1], symbol];
                self.place = Place::Letter;
            }
            b'z' => {
                self.end_note();
                self.is_rest = true;
                self.start_note(UNIT);
                self.place = Place::Rest;
            }
            b',' | b'\'' => {
                self.step += if character == b',' { -7 } else { 7 };
                self.place = Place::Mark;
            }
            _ if is_ending => {
                // What stands between the endings is no section's end: no pickup follows.
                self.in_pickup = false;
                self.place = Place::Ending;
            }
            b'3' if place == Place::Parenthesis => {
                self.triplet = 3;
                self.place = Place::Triplet;
            }
            b'0'..=b'9' | b'/' => {
                let mut so_far = match place {
                    Place::Length(so_far) => so_far,
                    _ => [0; 3],
                };
                if let Some(at) = so_far.iter().position(|&c| c == 0) {
                    so_far[at] = character;
                }
                self.place = Place::Length(so_far);
                if let Some(ticks) = length_ticks(so_far) {
                    self.set_written(ticks);
                }
            }
            b'>' | b'<' => {
                let (mine, other) = if character == b'>' { (36, 12) } else { (12, 36) };
                self.set_written(mine);
                self.end_note();
                self.broken = other;
                self.place = Place::Broken;
            }
            b'-' => {
                self.end_note();
                self.tied = Some(self.step);
                self.place = Place::Tie;
            }
            b'|' if place == Place::Line => {
                self.section_ends(false);
                self.place = Place::Closed;
            }
            b'|' if place == Place::Colon => {
                self.section_ends(false);
                self.place = Place::End;
            }
            b'|' => {
                self.end_note();
                self.end_bar(false);
                self.place = Place::Line;
            }
            b':' if place == Place::Line => {
                self.section_ends(true);
                self.place = Place::Closed;
            }
            b':' if place == Place::Colon => {
                self.section_ends(true);
                self.place = Place::Closed;
            }
            b':' => {
                self.end_note();
                self.end_bar(true);
                self.place = Place::Colon;
            }
            b']' => self.place = Place::Done,
            _ => {}
        }
    }

    fn section_ends(&mut self, opens: bool) {
        self.section_bar = 0;
        self.first_section = false;
        self.open = opens;
        self.in_pickup = self.pickup.is_some_and(|pickup| pickup > 0);
    }
}

/// Where in a text the passage from this time on stands; at a bar's start after whatever bar line stands there.
fn place_at(reached: &[u32], text: &[u8], time: i32, at_start: bool) -> Option<u32> {
    let at = *reached.get((time.max(0) / 2) as usize)?;
    let mut at = Some(at).filter(|&at| at > 0)? as usize;
    while at_start && text.get(at).is_some_and(|c| b"|: ".contains(c)) {
        at += 1;
    }
    (at < text.len()).then_some(at as u32)
}

/// The ticks of a note length's characters so far, none for what is no length yet.
pub(super) fn length_ticks(so_far: [u8; 3]) -> Option<i32> {
    let end = so_far.iter().position(|&c| c == 0).unwrap_or(3);
    LENGTHS.iter().find(|(text, _)| text.as_bytes() == &so_far[..end]).map(|(_, ticks)| *ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &str = "R:jig\nM:6/8\nL:1/8\nK:G\n";

    fn plan(body: &str) -> Option<Plan> {
        Plan::of(&format!("{FIELDS}{body}"))
    }

    #[test]
    fn what_a_tune_comes_to_is_its_last_degree_and_the_bars_that_came_before() {
        let tune = "D|GAB ABc|dBG G2D|GAB ABc|dBG A2:|]";
        assert_eq!(plan(tune), Some(Plan { ends_on: 1, repeats: 1 }));
        let home = "GAB ABc|\"G\"dBG G3|GAB A-Bc|dBG \"D\"G3|dBG GG,z|]";
        assert_eq!(plan(home), Some(Plan { ends_on: 0, repeats: 2 }));
        assert_eq!(plan("z6|z6|]"), None);
    }

    #[test]
    fn a_tune_of_which_nothing_is_planned_tells_the_network_so() {
        let form = Form { bars: 4, chords: false };
        let plan = Plan { ends_on: 4, repeats: 2 };
        let told = |context: &mut Context, text: &str| {
            text.bytes().for_each(|character| context.push(character));
            let facts = context.facts();
            [FIRST_FACTS - 2, FIRST_FACTS - 1].map(|fact| usize::from(facts[fact]) - STARTS[fact])
        };
        let text = format!("{FIELDS}GAB ABc|dBG G3|GAB ABc|");
        assert_eq!(told(&mut Context::new(), &text), [ENDINGS, REPEATS_LEFT]);
        let mut context = Context::planned(form, plan);
        assert_eq!(told(&mut context, FIELDS), [4 * 6, 2]);
        assert_eq!(told(&mut context, &text[FIELDS.len()..]), [4 * 6 + 1, 1]);
        assert_eq!(told(&mut context, "dB"), [4 * 6 + 2, 1]);
        assert_eq!(told(&mut context, "G2"), [4 * 6 + 4, 1]);
    }
}
