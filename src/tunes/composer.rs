//! Worker: writes tunes as asked.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::alphabet::SYMBOLS;
use super::context::{Context, Form, METRES, Place, Told};
use super::copies::{Melody, stretches};
use super::grammar::{Allowed, allowed};
use super::harmony::{ChordRow, Harmonizer};
use super::normalise;
use super::outline::{Frame, Kin, Outline};
use super::plain::{HIGHEST, LOWEST, Mode, PlainKey, PlainTune};
use super::step::Step;
use super::style::Style;
use super::weights::{Weights, WeightsError};
use earworm_abc::{self as abc, Key, Metre};

/// Fewest and most bars that a tune can be asked for.
pub const BARS: std::ops::RangeInclusive<u32> = 4..=64;

/// The temperatures that notes may be drawn at.
pub const TEMPERATURES: std::ops::RangeInclusive<f32> = 0.0..=5.0;

/// The highest seed that a title names.
pub const HIGHEST_NAMED: u64 = 9_999_999;

/// How often a bar that completes a known stretch is drawn again before it is let stand.
const REDRAWS: u32 = 12;

/// How often a bar is drawn again that says its model, or another bar, once more where the outline wants something else.
const REDRAWS_OF_REPEATS: u32 = 4;

/// The highest note where nothing else is asked for, in steps above middle C: b'', a fiddle's first position.
const HIGHEST_USUAL: i8 = 13;
/// Share of tunes that may go higher.
const MAY_GO_HIGHER: f64 = 0.3;

/// Bars on a line of the written tune.
const BARS_ON_A_LINE: u32 = 4;

/// What tune is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The dance.
    pub style: Style,
    /// Tonic and mode.
    pub key: Key,
    /// The metre, where the dance has more than one; none for its usual one.
    pub metre: Option<Metre>,
    /// Bars as written (a repeated part counts once); a pickup and the short bar that it completes are one.
    pub bars: u32,
    /// 1 draws as the network thinks, less is safer, more is bolder; 0 takes the likeliest each time.
    pub temperature: f32,
    /// Only the likeliest characters whose probabilities together reach this are drawn from; 1 for all.
    pub top_p: f32,
    /// Fixes the tune.
    pub seed: u64,
    /// Whether chord symbols are written.
    pub chords: bool,
    /// ABC to write on from, in its key and metre; its bars count.
    pub phrase: Option<String>,
    /// What is to play or sing the tune; none for a fiddle, mostly in first position.
    pub instrument: Option<Instrument>,
    /// Chords to write a melody to, instead of chords for a melody.
    pub row: Option<ChordRow>,
}

/// What a tune's range is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instrument {
    /// G to b'': a fiddle in first position.
    Fiddle,
    /// d' to b'': a whistle, or a flute without keys.
    Whistle,
    /// g' to a'': the Highland pipes.
    Pipes,
    /// b to e'': most voices.
    Voice,
}

impl Instrument {
    /// Every instrument.
    pub const ALL: [Self; 4] = [Self::Fiddle, Self::Whistle, Self::Pipes, Self::Voice];

    /// Its name.
    pub fn name(self) -> &'static str {
        ["fiddle", "whistle", "pipes", "voice"][self as usize]
    }

    /// Its lowest and highest note, in staff steps above middle C.
    pub fn range(self) -> (i8, i8) {
        match self {
            Self::Fiddle => (LOWEST, HIGHEST_USUAL),
            Self::Whistle => (1, 13),
            Self::Pipes => (4, 12),
            Self::Voice => (-1, 9),
        }
    }
}

impl Default for Request {
    /// A reel in D of 16 bars.
    fn default() -> Self {
        Self {
            style: Style::Reel,
            key: Key::new(abc::Step::D, 0, abc::Mode::Major),
            metre: None,
            bars: 16,
            // Where repetition, range and intervals come nearest to the collections' own (models/tunes.md).
            temperature: 0.8,
            top_p: 0.9,
            seed: 0,
            chords: true,
            phrase: None,
            instrument: None,
            row: None,
        }
    }
}

/// A tune as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Composition {
    /// A whole ABC tune: X:, T:, R:, M:, L:, the dance's own tempo (Q:), K: and the body, four bars a line.
    pub abc: String,
    /// The seed that it was drawn with.
    pub seed: u64,
    /// The same tune in the plain form, as the network wrote it.
    pub plain: String,
    /// How much probability the mask removed, on average over the body's characters (0 to 1).
    pub removed_probability: f32,
    /// How many bars were drawn again because they completed a four-bar stretch of a training tune.
    pub redrawn_bars: u32,
    /// How many such stretches are in it all the same.
    pub copied_stretches: u32,
}

/// Why no tune was written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ComposeError {
    /// A length beyond [`BARS`].
    #[error("{0} bars: ask for 4 to 64")]
    Bars(u32),
    /// A temperature that is none of [`TEMPERATURES`].
    #[error("a temperature of {0}: it must be from {least} to {most}", least = TEMPERATURES.start(), most = TEMPERATURES.end())]
    Temperature(f32),
    /// A share that is no number above 0 and up to 1.
    #[error("top-p of {0}: it must be above 0 and at most 1")]
    TopP(f32),
    /// A key without one of the seven modes' plain signatures.
    #[error(
        "no tune can be written in the key `{0}`: write a tonic and a mode, such as D, Em, Ador or Gmix"
    )]
    Key(String),
    /// A metre that the dance does not have.
    #[error("a {style} is not written in {metre}: it may be in {possible}")]
    Metre {
        /// The dance asked for.
        style: Style,
        /// The metre asked for.
        metre: String,
        /// The metres that the dance has.
        possible: String,
    },
    /// A phrase that can't be written on from.
    #[error("the phrase can't be written on from: {0}")]
    Phrase(String),
    /// The caller broke off.
    #[error("broken off")]
    Stopped,
}

/// Writes tunes with one network; shared freely between threads.
#[derive(Debug)]
pub struct Composer {
    pub(super) weights: Weights,
}

/// The state of a tune being written, to go back to.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) context: Context,
    step: Step,
    pub(super) melody: Melody,
    removed: f64,
    drawn: u32,
}

impl Draft {
    /// Before the first character.
    pub(super) fn new(weights: &Weights, told: Told) -> Self {
        let mut draft = Self {
            context: Context::told(told),
            step: Step::new(weights),
            melody: Melody::default(),
            removed: 0.0,
            drawn: 0,
        };
        draft.step.step(weights, &draft.context.facts());
        draft
    }

    /// Reads a character that stands.
    pub(super) fn push(&mut self, weights: &Weights, character: u8) {
        self.context.push(character);
        self.melody.push(character, &self.context);
        self.step.step(weights, &self.context.facts());
    }
}

impl Composer {
    /// The network that is built into the program, loaded once a process.
    pub fn embedded() -> Result<Arc<Self>, WeightsError> {
        static EMBEDDED: OnceLock<Result<Arc<Composer>, WeightsError>> = OnceLock::new();
        EMBEDDED
            .get_or_init(|| {
                Self::from_safetensors(include_bytes!("../../models/tunes.safetensors"))
                    .map(Arc::new)
            })
            .clone()
    }

    /// Takes a network from the bytes of a file that `cargo xtask train tunes` wrote.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, WeightsError> {
        let weights = Weights::from_safetensors(bytes)?;
        // A baseline that knows the character before and nothing else can't be told what is asked for.
        if !weights.config.is_told_all() {
            return Err(WeightsError("it was trained on fewer facts than a request has".into()));
        }
        Ok(Self { weights })
    }

    /// The network's weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Writes a tune. `on_text` is given the ABC bit by bit as it comes to stand (all pieces together are
    /// [`Composition::abc`]) and may break off.
    pub fn compose(
        &self,
        request: &Request,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Composition, ComposeError> {
        self.write(request, true, on_text)
    }

    /// Writes as the network would without the mask: what it shows is how much the network has learnt by itself.
    /// The text may be no tune at all; it ends after its final bar line or 2,000 characters.
    pub fn compose_unmasked(&self, request: &Request) -> Result<Composition, ComposeError> {
        self.write(request, false, &mut |_| ControlFlow::Continue(()))
    }

    fn write(
        &self,
        request: &Request,
        masked: bool,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Composition, ComposeError> {
        if !BARS.contains(&request.bars) {
            return Err(ComposeError::Bars(request.bars));
        }
        if !TEMPERATURES.contains(&request.temperature) {
            return Err(ComposeError::Temperature(request.temperature));
        }
        if !(request.top_p > 0.0 && request.top_p <= 1.0) {
            return Err(ComposeError::TopP(request.top_p));
        }
        let (fields, phrase) = fields(request)?;
        let form = Form { bars: request.bars, chords: request.row.is_some() };
        let weights = &self.weights;
        let mut random = StdRng::seed_from_u64(request.seed);
        // The plan first: it follows from dance, length and seed, whatever the network then writes.
        let told = self.told(request, form, &fields, &phrase, &mut random);
        let mut draft = Draft::new(weights, told);
        for character in fields.bytes() {
            draft.push(weights, character);
        }
        let mut page = Page::new(&fields, request);
        page.show(on_text)?;
        for (place, character) in phrase.bytes().enumerate() {
            if !allowed(&draft.context, form).has(character) {
                return Err(ComposeError::Phrase(format!(
                    "after `{}` no tune of {} bars in {} can go on with `{}`",
                    &phrase[..place],
                    request.bars,
                    fields
                        .split('\n')
                        .find_map(|field| field.strip_prefix("M:"))
                        .unwrap_or("this metre"),
                    char::from(character),
                )));
            }
            draft.push(weights, character);
        }
        let harmonized = request.chords && request.row.is_none() && masked;
        let pen = Pen {
            weights,
            form,
            temperature: request.temperature,
            top_p: request.top_p,
            masked,
            nearness: 0.0,
            row: request.row.as_ref(),
        };
        let redrawn_bars = pen.write(&mut draft, None, &mut random, &mut |draft| {
            if harmonized {
                // The chords follow from the whole melody: what is shown comes when that stands.
                return if on_text("").is_break() { Err(ComposeError::Stopped) } else { Ok(()) };
            }
            page.write(draft.context.text());
            page.show(on_text)
        })?;
        let melody = draft.context.text();
        let copied_stretches = stretches(melody)
            .iter()
            .filter(|stretch| weights.stretches.binary_search(stretch).is_ok())
            .count() as u32;
        let mut plain = melody.to_owned();
        if harmonized {
            let tune = Harmonizer::embedded().harmonize(&format!("X:1\n{plain}\n"));
            plain = tune["X:1\n".len()..].trim_end().to_owned();
            let bars: Vec<usize> = plain.match_indices('|').map(|(at, _)| at + 1).collect();
            for until in bars {
                page.write(&plain[..until]);
                page.show(on_text)?;
            }
        }
        page.write(&plain);
        page.end();
        page.show(on_text)?;
        Ok(Composition {
            abc: page.text,
            seed: request.seed,
            plain,
            removed_probability: (draft.removed / f64::from(draft.drawn.max(1))) as f32,
            redrawn_bars,
            copied_stretches,
        })
    }

    /// What the network is told before the first note, and the mask with it: the form asked for, and an outline and a plan
    /// that a tune of this dance and length had, as the seed draws it.
    fn told(
        &self,
        request: &Request,
        form: Form,
        fields: &str,
        phrase: &str,
        random: &mut StdRng,
    ) -> Told {
        let mut given = Context::new();
        // As real tunes do, some may go higher than a fiddle's first position where nothing is asked for.
        let free = request.temperature > 0.0 && random.random_bool(MAY_GO_HIGHER);
        let usual = (LOWEST, if free { HIGHEST } else { HIGHEST_USUAL });
        let (mut low, mut high) = request.instrument.map_or(usual, Instrument::range);
        for character in fields.bytes().chain(phrase.bytes()) {
            given.push(character);
            if matches!(given.place, Place::Letter | Place::Mark) {
                // What was played in may lie where it lies.
                (low, high) = (low.min(given.step), high.max(given.step));
            }
        }
        // Under chord symbols a pickup is whole steps of the accompaniment.
        let grid = i32::from(given.unit) * super::plain::UNIT / 8;
        let chords = request.chords || request.row.is_some();
        let takes = |pickup: i32| match given.pickup {
            _ if phrase.is_empty() => !chords || pickup % grid == 0,
            Some(own) => pickup == own,
            None => pickup == 0,
        };
        let bar = given.bar;
        let outlines = &self.weights.outlines;
        let outline = match request.temperature {
            // A phrase with sections of its own has begun an outline that is not known.
            _ if phrase.contains(':') || phrase.contains("||") => None,
            0.0 => outlines.usual(request.style, request.bars, bar, &takes),
            _ => outlines.draw(request.style, request.bars, bar, &takes, random),
        };
        let outline = outline.map(|outline| {
            let mut outline = Arc::unwrap_or_clone(outline);
            for given in outline.bars.iter_mut().take(given.measures as usize) {
                given.line = super::plain::Bar::Plain;
            }
            Arc::new(outline)
        });
        let plan = outline.as_deref().and_then(Outline::plan).unwrap_or_else(|| {
            let plans = &self.weights.plans;
            match request.temperature {
                0.0 => plans.usual(request.style, request.bars),
                _ => plans.draw(request.style, request.bars, random),
            }
        });
        let frame = outline.as_deref().map(|outline| Arc::new(Frame::of_outline(outline, bar)));
        Told {
            form: Some(form),
            plan: Some(plan),
            outline,
            frame,
            range: Some((low, high)),
            score: None,
        }
    }
}

/// What draws one character after another.
pub(super) struct Pen<'a> {
    pub(super) weights: &'a Weights,
    pub(super) form: Form,
    pub(super) temperature: f32,
    pub(super) top_p: f32,
    pub(super) masked: bool,
    /// From -1 to 1: how much likelier, or less likely, what the score has at each place is made.
    pub(super) nearness: f32,
    pub(super) row: Option<&'a ChordRow>,
}

/// How many times likelier, as a logarithm, the score's own characters are at a nearness of 1.
const NEARNESS: f32 = 5.0;
/// The same for notes of the chord that a melody is written to, on a beat and off it.
const CHORD_TONES: [f32; 2] = [2.5, 0.8];

impl Pen<'_> {
    /// Writes to the tune's end, or until so many bars stand. `on_bar` sees the draft after each bar. Returns how many
    /// bars were drawn again.
    pub(super) fn write(
        &self,
        draft: &mut Draft,
        until: Option<u32>,
        random: &mut StdRng,
        on_bar: &mut dyn FnMut(&Draft) -> Result<(), ComposeError>,
    ) -> Result<u32, ComposeError> {
        let mut chances = [0.0f32; SYMBOLS];
        let mut standing = draft.clone();
        let (mut redraws, mut redrawn_bars) = (0, 0);
        // The bar whose given part was written last.
        let mut given = None;
        while !draft.context.is_done() {
            if !self.masked && draft.context.text().len() > 2000
                || until.is_some_and(|until| draft.context.measures >= until)
            {
                break;
            }
            let here = draft.context.measures;
            if self.masked && given != Some(here) && draft.context.begins_bar() {
                given = Some(here);
                if redraws == 0 {
                    self.copy_model(draft);
                }
            }
            let character = match self.row_symbol(draft) {
                Some(symbol) => {
                    symbol.bytes().for_each(|character| draft.push(self.weights, character));
                    continue;
                }
                None => self.draw(draft, &mut chances, random),
            };
            let bars = draft.melody.bars();
            self.push_line(draft, character);
            if draft.melody.bars() == bars {
                continue;
            }
            let known = draft
                .melody
                .last_stretch()
                .is_some_and(|stretch| self.weights.stretches.binary_search(&stretch).is_ok());
            let most = if known {
                REDRAWS
            } else if self.says_again(draft, here) {
                REDRAWS_OF_REPEATS
            } else {
                0
            };
            if self.masked && redraws < most && self.temperature > 0.0 {
                redraws += 1;
                redrawn_bars += 1;
                draft.clone_from(&standing);
                given = None;
                continue;
            }
            redraws = 0;
            standing.clone_from(draft);
            on_bar(draft)?;
        }
        Ok(redrawn_bars)
    }

    /// Draws a character.
    fn draw(&self, draft: &mut Draft, chances: &mut [f32; SYMBOLS], random: &mut StdRng) -> u8 {
        let mut may = allowed(&draft.context, self.form);
        if self.row.is_some() {
            // Where the chord changes a note begins.
            may = may.without(b'"').without(b'-');
        }
        let mut leaning = [0.0f32; SYMBOLS];
        if self.nearness != 0.0
            && let Some(symbol) =
                draft.context.original().and_then(|character| draft.context.symbol(character))
        {
            leaning[usize::from(symbol)] = self.nearness * NEARNESS;
        }
        if let Some(row) = self.row {
            lean_on_chord(row, &draft.context, &mut leaning);
        }
        let removed =
            probabilities(draft, self.temperature, self.masked.then_some(may), &leaning, chances);
        draft.removed += f64::from(removed);
        draft.drawn += 1;
        let symbol = draw(chances, self.top_p, random);
        draft.context.character(symbol)
    }

    /// Reads a character that was drawn; where it begins the bar line that the frame has here, the whole line.
    fn push_line(&self, draft: &mut Draft, character: u8) {
        let context = &draft.context;
        let told = context.knows().frame.clone().filter(|_| self.masked);
        let line = told.as_deref().and_then(|frame| {
            let is_line = b"|:".contains(&character) && !context.bar_is_empty();
            let is_pickup = context.in_pickup || context.pickup.is_none() && frame.pickup > 0;
            let &(_, line) = frame.bars.get(context.measures as usize)?;
            is_line.then_some(if is_pickup { "|" } else { line.text() })
        });
        match line {
            Some(line) => line.bytes().for_each(|character| draft.push(self.weights, character)),
            None => draft.push(self.weights, character),
        }
    }

    /// Writes what of the bar that begins here is given: all of it where it is to be its model again, the first half where
    /// it opens as that does.
    fn copy_model(&self, draft: &mut Draft) {
        let here = draft.context.measures as usize;
        let Some(outline) = draft.context.knows().outline.clone().filter(|_| self.row.is_none())
        else {
            return;
        };
        let until = match outline.bars.get(here).map(|bar| bar.kin) {
            Some(Kin::Same) => draft.context.bar,
            Some(Kin::Opens) => draft.context.bar / 2,
            _ => return,
        };
        while let Some(character) = draft.context.model() {
            let context = &draft.context;
            let is_over = context.position >= until && !b"0123456789/".contains(&character);
            if b"|:\"".contains(&character)
                || is_over
                || !allowed(context, self.form).has(character)
            {
                break;
            }
            draft.push(self.weights, character);
        }
    }

    /// Whether the bar that was just written, `bar`, is the same as one before it where the outline says that it is not.
    fn says_again(&self, draft: &Draft, bar: u32) -> bool {
        let Some(outline) = &draft.context.knows().outline else { return false };
        let bar = bar as usize;
        outline.bars.get(bar).is_some_and(|here| here.kin != Kin::Same)
            && self.row.is_none()
            && draft.melody.came_before(bar)
    }

    /// The chord symbol that the row has where a note is to begin, if it has not been written.
    fn row_symbol(&self, draft: &Draft) -> Option<String> {
        let context = &draft.context;
        if context.in_pickup || context.pickup.is_none() && context.has_frame_pickup() {
            return None;
        }
        let row = self.row?;
        let may_stand = context.begins_bar() || context.place == Place::Open;
        if !may_stand || context.last() == b'"' || context.tied.is_some() {
            return None;
        }
        let symbol = row.starting(context.measures as usize, context.position, context.bar)?;
        Some(format!("\"{symbol}\""))
    }
}

/// Makes notes of the chord in force likelier.
fn lean_on_chord(row: &ChordRow, context: &Context, leaning: &mut [f32; SYMBOLS]) {
    let may_note = !matches!(context.place, Place::Header | Place::Chord(_) | Place::Accidental);
    let Some(key) = context.key.filter(|_| may_note) else { return };
    let Some(chord) = row.at(context.measures as usize, context.position, context.bar) else {
        return;
    };
    let off = usize::from(context.position % context.beat != 0);
    for letter in 0..7u8 {
        const SEMITONES: [i8; 7] = [0, 2, 4, 5, 7, 9, 11];
        let note = SEMITONES[usize::from(letter)] + key.alteration(letter);
        if !chord.has(note.rem_euclid(12) as u8) {
            continue;
        }
        let character = super::alphabet::LETTERS[usize::from(letter)];
        for character in [character, character.to_ascii_lowercase()] {
            if let Some(symbol) = context.symbol(character) {
                leaning[usize::from(symbol)] = CHORD_TONES[off];
            }
        }
    }
}

/// Fills in each symbol's chance and returns how much the mask took from the others.
fn probabilities(
    draft: &Draft,
    temperature: f32,
    may: Option<Allowed>,
    leaning: &[f32; SYMBOLS],
    chances: &mut [f32; SYMBOLS],
) -> f32 {
    let mut scores = *leaning;
    scores.iter_mut().zip(draft.step.scores()).for_each(|(sum, score)| *sum += score);
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // A temperature of 0 leaves the likeliest alone.
    let scale = 1.0 / temperature.max(1e-4);
    let (mut kept, mut lost) = (0.0f32, 0.0f32);
    let mut best: Option<(usize, f32)> = None;
    for (symbol, (chance, &score)) in chances.iter_mut().zip(&scores).enumerate() {
        *chance = ((score - highest) * scale).exp();
        if may.is_none_or(|may| may.has(draft.context.character(symbol as u8))) {
            kept += *chance;
            if best.is_none_or(|(_, best)| score > best) {
                best = Some((symbol, score));
            }
        } else {
            lost += *chance;
            *chance = 0.0;
        }
    }
    if kept > f32::MIN_POSITIVE {
        chances.iter_mut().for_each(|chance| *chance /= kept);
    } else if let Some((best, _)) = best {
        // All that may come is too unlikely for the numbers to tell apart.
        chances[best] = 1.0;
    }
    lost / (kept + lost)
}

/// Draws a symbol from the likeliest that together reach `top_p`.
fn draw(chances: &mut [f32; SYMBOLS], top_p: f32, random: &mut StdRng) -> u8 {
    let mut order: [u8; SYMBOLS] = std::array::from_fn(|symbol| symbol as u8);
    order.sort_by(|&a, &b| {
        chances[usize::from(b)].total_cmp(&chances[usize::from(a)]).then(a.cmp(&b))
    });
    let mut sum = 0.0;
    let mut count = 0;
    for &symbol in &order {
        let chance = chances[usize::from(symbol)];
        if chance <= 0.0 || sum >= top_p {
            break;
        }
        sum += chance;
        count += 1;
    }
    let mut aim = random.random::<f32>() * sum;
    for &symbol in &order[..count] {
        aim -= chances[usize::from(symbol)];
        if aim < 0.0 {
            return symbol;
        }
    }
    order[count.saturating_sub(1)]
}

/// The plain form's fields for a request, and the phrase's body in it.
fn fields(request: &Request) -> Result<(String, String), ComposeError> {
    let key = plain_key(&request.key).ok_or_else(|| ComposeError::Key(request.key.to_string()))?;
    let possible = request.style.metres();
    let metre = match &request.metre {
        None => possible[0],
        Some(metre) => {
            let wanted = match (metre.numerator(), metre.unit) {
                (2, 2) => (4, 4),
                (beats, unit) => (beats, unit),
            };
            possible
                .iter()
                .copied()
                .find(|&(beats, unit)| (u32::from(beats), u16::from(unit)) == wanted)
                .ok_or_else(|| ComposeError::Metre {
                    style: request.style,
                    metre: metre.to_string(),
                    possible: possible
                        .iter()
                        .map(|(a, b)| format!("{a}/{b}"))
                        .collect::<Vec<_>>()
                        .join(", "),
                })?
        }
    };
    let write = |key: PlainKey, metre: (u8, u8), unit: u8| {
        let rhythm = request.style.plain_name();
        format!("R:{rhythm}\nM:{}/{}\nL:1/{unit}\nK:{key}\n", metre.0, metre.1)
    };
    let Some(phrase) = &request.phrase else {
        return Ok((write(key, metre, request.style.unit(metre)), String::new()));
    };
    let has_key = phrase.lines().any(|line| line.starts_with("K:"));
    let source = if has_key {
        phrase.clone()
    } else {
        format!("M:{}/{}\nL:1/8\nK:{key}\n{phrase}", metre.0, metre.1)
    };
    let mut unit = 8;
    let (own_key, own_metre, elements) = normalise::phrase(&source, |own| {
        unit = request.style.unit(own.unwrap_or(metre));
        unit
    })
    .map_err(|reason| ComposeError::Phrase(reason.to_string()))?;
    let metre = own_metre.unwrap_or(metre);
    if !METRES.contains(&metre) {
        return Err(ComposeError::Phrase(format!("no dance is in {}/{}", metre.0, metre.1)));
    }
    let key = own_key.unwrap_or(key);
    // Its chord symbols, if any, are chosen with those of what follows.
    let elements = elements
        .into_iter()
        .filter(|element| !matches!(element, super::plain::Element::Chord { .. }))
        .collect();
    let rhythm = request.style.plain_name().to_owned();
    let tune = PlainTune { rhythm, metre, unit, key, elements };
    let mut body = String::new();
    tune.write_body(&mut body);
    Ok((write(key, metre, unit), body))
}

/// The plain form's key, none where it has no such.
pub fn plain_key(key: &Key) -> Option<PlainKey> {
    let (step, accidental) = key.tonic?;
    if key.explicit || !key.accidentals.is_empty() || key.bagpipe.is_some() {
        return None;
    }
    let letter = super::alphabet::staff_letter(step.letter() as u8)?;
    let mode = match key.mode {
        abc::Mode::Major | abc::Mode::Ionian => Mode::Major,
        abc::Mode::Minor | abc::Mode::Aeolian => Mode::Minor,
        abc::Mode::Dorian => Mode::Dorian,
        abc::Mode::Mixolydian => Mode::Mixolydian,
        abc::Mode::Phrygian => Mode::Phrygian,
        abc::Mode::Lydian => Mode::Lydian,
        abc::Mode::Locrian => Mode::Locrian,
    };
    Some(PlainKey { letter, accidental, mode }).filter(|key| key.fifths().abs() <= 7)
}

/// The ABC as it comes to stand: the plain form with a number and a title, four bars a line.
struct Page {
    text: String,
    shown: usize,
    /// How far into the plain text the page has come.
    taken: usize,
    context: Context,
    lines: u32,
}

impl Page {
    fn new(fields: &str, request: &Request) -> Self {
        let mut text = String::from("X:1\n");
        let name = request.style.name();
        let _ = writeln!(
            text,
            "T:{}{} in {}{}",
            name[..1].to_uppercase(),
            &name[1..],
            fields.lines().find_map(|field| field.strip_prefix("K:")).unwrap_or(""),
            // A number that nobody could remember names nothing.
            match request.seed {
                seed if seed <= HIGHEST_NAMED => format!(", no. {seed}"),
                _ => String::new(),
            }
        );
        // R: names the dance in its own language.
        let (_, others) = fields.split_once('\n').unwrap_or(("", fields));
        let _ = writeln!(text, "R:{name}");
        let (metre, key) = others.split_once("K:").unwrap_or((others, ""));
        text.push_str(metre);
        let tempo = metre
            .strip_prefix("M:")
            .and_then(|metre| metre.lines().next()?.parse().ok())
            .and_then(|metre| abc::dance_tempo(name, &metre));
        if let Some(tempo) = tempo {
            let _ = writeln!(text, "Q:{tempo}");
        }
        let _ = write!(text, "K:{key}");
        let mut context = Context::new();
        fields.bytes().for_each(|character| context.push(character));
        Self { text, shown: 0, taken: fields.len(), context, lines: 0 }
    }

    fn write(&mut self, plain: &str) {
        for character in plain[self.taken..].bytes() {
            let lines = self.context.measures / BARS_ON_A_LINE;
            if lines > self.lines && !b"|:]12".contains(&character) && self.context.bar_is_empty() {
                self.text.push('\n');
                self.lines = lines;
            }
            self.context.push(character);
            self.text.push(char::from(character));
        }
        self.taken = plain.len();
    }

    fn end(&mut self) {
        self.text.push('\n');
    }

    fn show(
        &mut self,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), ComposeError> {
        let piece = &self.text[self.shown..];
        self.shown = self.text.len();
        if !piece.is_empty() && on_text(piece).is_break() {
            return Err(ComposeError::Stopped);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compose(request: &Request) -> Composition {
        Composer::embedded().unwrap().compose(request, &mut |_| ControlFlow::Continue(())).unwrap()
    }

    fn refusal(request: &Request) -> String {
        Composer::embedded()
            .unwrap()
            .compose(request, &mut |_| ControlFlow::Continue(()))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_same_seed_writes_the_same_tune_and_another_seed_another() {
        let request = Request { seed: 7, ..Request::default() };
        assert_eq!(compose(&request), compose(&request));
        assert_ne!(compose(&request).abc, compose(&Request { seed: 8, ..request }).abc);
    }

    #[test]
    fn every_style_in_every_metre_is_as_asked_for_and_reads_without_a_finding() {
        for (seed, style) in Style::ALL.into_iter().enumerate() {
            for (number, &(beats, unit)) in style.metres().iter().enumerate() {
                {
                    let bars = [8, 16, 24, 32][(seed + number) % 4];
                    let metre = Metre::new(u16::from(beats), u16::from(unit));
                    let key: Key = ["D", "Em", "Ador", "Gmix", "Bb"][seed % 5].parse().unwrap();
                    let chords = seed % 2 == 0;
                    let request = Request {
                        style,
                        key: key.clone(),
                        metre: Some(metre.clone()),
                        bars,
                        seed: seed as u64,
                        chords,
                        ..Request::default()
                    };
                    let tune = compose(&request);
                    let read = abc::read(&tune.abc);
                    assert!(read.findings.is_empty(), "{:?}\n{}", read.findings, tune.abc);
                    let [read] = &read.tunes[..] else { panic!("not one tune in {}", tune.abc) };
                    assert_eq!(read.key.fifths(), key.fifths());
                    assert_eq!(read.metre, metre);
                    assert_eq!(read.field('R'), Some(style.name()));
                    assert_eq!(tune.plain.contains('"'), chords, "{}", tune.abc);
                    let mut context = Context::new();
                    tune.plain.bytes().for_each(|character| context.push(character));
                    assert_eq!(context.measures, bars, "{}", tune.abc);
                    assert!(tune.abc.trim_end().ends_with("|]"), "{}", tune.abc);
                }
            }
        }
    }

    #[test]
    fn the_pieces_shown_while_writing_are_the_whole_tune() {
        let mut shown = String::new();
        let mut pieces = 0;
        let request = Request { seed: 3, bars: 32, ..Request::default() };
        let tune = Composer::embedded().unwrap().compose(&request, &mut |piece| {
            shown.push_str(piece);
            pieces += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(tune.unwrap().abc, shown);
        assert!(pieces >= 32, "{pieces} pieces");
    }

    #[test]
    fn chord_symbols_are_chords_of_the_key_in_24_keys_and_modes() {
        let keys = [
            "C", "G", "D", "A", "E", "B", "F", "Bb", "Eb", "Ab", "Am", "Em", "Bm", "F#m", "C#m",
            "Dm", "Gm", "Cm", "Ador", "Edor", "Bdor", "Dmix", "Amix", "Emix",
        ];
        const SEMITONES: [i8; 7] = [0, 2, 4, 5, 7, 9, 11];
        let (mut symbols, mut wrong) = (0, Vec::new());
        for (number, key) in keys.into_iter().enumerate() {
            for seed in 0..2 {
                let style = [Style::Reel, Style::Waltz, Style::Jig][(number + seed) % 3];
                let request = Request {
                    style,
                    key: key.parse().unwrap(),
                    bars: 8,
                    seed: seed as u64,
                    ..Request::default()
                };
                let plain = plain_key(&request.key).unwrap();
                let tonic = SEMITONES[usize::from(plain.letter)] + plain.accidental;
                let notes: Vec<i8> = (0..7)
                    .map(|letter| SEMITONES[usize::from(letter)] + plain.alteration(letter) - tonic)
                    .map(|note| note.rem_euclid(12))
                    .collect();
                for symbol in compose(&request).plain.split('"').skip(1).step_by(2) {
                    symbols += 1;
                    let chord = super::super::harmony::Chord::parse(symbol).unwrap();
                    let root = (chord.root as i8 - tonic).rem_euclid(12);
                    // A minor key's raised sixth and seventh are its own.
                    let raised = notes.contains(&3) && matches!(root, 9 | 11);
                    let third = notes.contains(&if symbol[1..].contains('m') { 3 } else { 4 });
                    if !notes.contains(&root) && !raised || root == 0 && !third {
                        wrong.push(format!("{symbol} in {key}"));
                    }
                }
            }
        }
        assert!(symbols > 300, "{symbols}");
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn a_melody_to_a_row_of_chords_has_these_chords_in_its_bars() {
        let row: ChordRow = "Am|F|C|G".parse().unwrap();
        let request = Request {
            style: Style::Song,
            key: "Am".parse().unwrap(),
            bars: 8,
            row: Some(row),
            seed: 4,
            ..Request::default()
        };
        let tune = compose(&request);
        let found: Vec<&str> = tune.plain.split('"').skip(1).step_by(2).collect();
        assert_eq!(found, ["Am", "F", "C", "G", "Am", "F", "C", "G"], "{}", tune.plain);
        assert!(abc::read(&tune.abc).findings.is_empty(), "{}", tune.abc);
        assert!("Am|what".parse::<ChordRow>().is_err());
    }

    #[test]
    fn a_tune_for_an_instrument_stays_within_its_range() {
        for instrument in Instrument::ALL {
            let (low, high) = instrument.range();
            for seed in 0..3 {
                let request = Request { instrument: Some(instrument), seed, ..Request::default() };
                for element in &abc::read(&compose(&request).abc).tunes[0].voices[0].elements {
                    if let abc::ElementKind::Note(note) = &element.kind {
                        let step = note.pitch.staff_step() as i8;
                        assert!((low..=high).contains(&step), "{step} for {}", instrument.name());
                    }
                }
            }
        }
    }

    #[test]
    fn a_tune_keeps_its_outline_at_another_temperature() {
        let lines = |temperature| -> String {
            let request = Request { seed: 9, temperature, chords: false, ..Request::default() };
            let plain = compose(&request).plain;
            let body = plain.split_once("\nK:").unwrap().1.split_once('\n').unwrap().1;
            body.chars().filter(|c| "|:]".contains(*c)).collect()
        };
        assert_eq!(lines(0.6), lines(1.0));
    }

    #[test]
    fn a_broken_off_tune_is_no_tune() {
        let tune = Composer::embedded()
            .unwrap()
            .compose(&Request::default(), &mut |_| ControlFlow::Break(()));
        assert_eq!(tune, Err(ComposeError::Stopped));
    }

    #[test]
    fn a_phrase_is_written_on_from_in_its_own_key_and_metre() {
        let phrase = "X:1\nT:Mine\nM:6/8\nL:1/8\nK:Em\nB|efe BGE|FGA B2";
        let request = Request {
            style: Style::Jig,
            phrase: Some(phrase.into()),
            chords: false,
            ..Request::default()
        };
        let tune = compose(&request);
        assert!(tune.plain.contains("M:6/8\nL:1/8\nK:Em\nB|efe BGE|FGA B2"), "{}", tune.plain);
        assert!(abc::read(&tune.abc).findings.is_empty(), "{}", tune.abc);
        let bare = Request { phrase: Some("d2fd".into()), chords: false, ..Request::default() };
        assert!(compose(&bare).plain.contains("K:D\nd2fd"));
    }

    #[test]
    fn what_can_not_be_written_is_refused_in_words() {
        let request = Request::default();
        assert!(refusal(&Request { bars: 3, ..request.clone() }).contains("4 to 64"));
        assert!(
            refusal(&Request { temperature: f32::NAN, ..request.clone() }).contains("from 0 to 5")
        );
        assert!(refusal(&Request { top_p: 0.0, ..request.clone() }).contains("above 0"));
        assert!(
            refusal(&Request { metre: Some(Metre::new(9, 8)), ..request.clone() })
                .contains("4/4, 2/4")
        );
        assert!(
            refusal(&Request { key: "none".parse().unwrap(), ..request.clone() }).contains("Em")
        );
        let long = Request { phrase: Some("d2fd d2fdd|".into()), ..request };
        assert!(refusal(&long).contains("can't be written on from"), "{}", refusal(&long));
    }

    #[test]
    fn a_temperature_of_nought_takes_the_likeliest_whatever_the_seed() {
        let cold = |seed| compose(&Request { temperature: 0.0, seed, ..Request::default() }).plain;
        assert_eq!(cold(1), cold(2));
    }
}
