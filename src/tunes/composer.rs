//! Worker: writes tunes as asked.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::alphabet::SYMBOLS;
use super::context::{Context, Form, METRES};
use super::copies::{Melody, stretches};
use super::grammar::allowed;
use super::normalise;
use super::plain::{Mode, PlainKey, PlainTune};
use super::step::Step;
use super::style::Style;
use super::weights::{Weights, WeightsError};
use earworm_abc::{self as abc, Key, Metre};

/// Fewest and most bars that a tune can be asked for.
pub const BARS: std::ops::RangeInclusive<u32> = 4..=64;

/// How often a bar that completes a known stretch is drawn again before it is let stand.
const REDRAWS: u32 = 12;

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
            chords: false,
            phrase: None,
        }
    }
}

/// A tune as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Composition {
    /// A whole ABC tune: X:, T:, R:, M:, L:, K: and the body, four bars a line.
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
    /// A temperature that is no number from 0 to 5.
    #[error("a temperature of {0}: it must be from 0 to 5")]
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
    weights: Weights,
}

/// The state of a tune being written, to go back to.
#[derive(Clone)]
struct Draft {
    context: Context,
    step: Step,
    melody: Melody,
    removed: f64,
    drawn: u32,
}

impl Draft {
    /// Reads a character that stands.
    fn push(&mut self, weights: &Weights, character: u8) {
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
        if !(0.0..=5.0).contains(&request.temperature) {
            return Err(ComposeError::Temperature(request.temperature));
        }
        if !(request.top_p > 0.0 && request.top_p <= 1.0) {
            return Err(ComposeError::TopP(request.top_p));
        }
        let (fields, phrase) = fields(request)?;
        let form = Form { bars: request.bars, chords: request.chords };
        let weights = &self.weights;
        let mut random = StdRng::seed_from_u64(request.seed);
        // The plan first: it follows from dance, length and seed, whatever the network then writes.
        let plan = match request.temperature {
            0.0 => weights.plans.usual(request.style, request.bars),
            _ => weights.plans.draw(request.style, request.bars, &mut random),
        };
        let mut draft = Draft {
            context: Context::planned(form, plan),
            step: Step::new(weights),
            melody: Melody::default(),
            removed: 0.0,
            drawn: 0,
        };
        draft.step.step(weights, &draft.context.facts());
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

        let mut chances = [0.0f32; SYMBOLS];
        let mut standing = draft.clone();
        let (mut redraws, mut redrawn_bars) = (0, 0);
        while !draft.context.is_done() {
            if !masked && draft.context.text().len() > 2000 {
                break;
            }
            let may = allowed(&draft.context, form);
            let removed =
                probabilities(&draft, request.temperature, masked.then_some(may), &mut chances);
            draft.removed += f64::from(removed);
            draft.drawn += 1;
            let symbol = draw(&mut chances, request.top_p, &mut random);
            let character = draft.context.character(symbol);
            let bars = draft.melody.bars();
            draft.push(weights, character);
            if draft.melody.bars() > bars {
                let known = draft
                    .melody
                    .last_stretch()
                    .is_some_and(|stretch| self.weights.stretches.binary_search(&stretch).is_ok());
                if known && masked && redraws < REDRAWS && request.temperature > 0.0 {
                    redraws += 1;
                    redrawn_bars += 1;
                    draft.clone_from(&standing);
                    continue;
                }
                redraws = 0;
                standing.clone_from(&draft);
                page.write(draft.context.text());
                page.show(on_text)?;
            }
        }
        page.write(draft.context.text());
        page.end();
        page.show(on_text)?;
        let plain = draft.context.text().to_owned();
        let copied_stretches = stretches(&plain)
            .iter()
            .filter(|stretch| self.weights.stretches.binary_search(stretch).is_ok())
            .count() as u32;
        Ok(Composition {
            abc: page.text,
            seed: request.seed,
            plain,
            removed_probability: (draft.removed / f64::from(draft.drawn.max(1))) as f32,
            redrawn_bars,
            copied_stretches,
        })
    }
}

/// Fills in each symbol's chance and returns how much the mask took from the others.
fn probabilities(
    draft: &Draft,
    temperature: f32,
    may: Option<super::grammar::Allowed>,
    chances: &mut [f32; SYMBOLS],
) -> f32 {
    let scores = draft.step.scores();
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // A temperature of 0 leaves the likeliest alone.
    let scale = 1.0 / temperature.max(1e-4);
    let (mut kept, mut lost) = (0.0f32, 0.0f32);
    let mut best: Option<(usize, f32)> = None;
    for (symbol, (chance, &score)) in chances.iter_mut().zip(scores).enumerate() {
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
        format!("R:{}\nM:{}/{}\nL:1/{unit}\nK:{key}\n", request.style, metre.0, metre.1)
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
    let elements = if request.chords {
        elements
    } else {
        elements
            .into_iter()
            .filter(|element| !matches!(element, super::plain::Element::Chord { .. }))
            .collect()
    };
    let tune = PlainTune { rhythm: request.style.to_string(), metre, unit, key, elements };
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
            "T:{}{} in {}, no. {}",
            name[..1].to_uppercase(),
            &name[1..],
            fields.lines().find_map(|field| field.strip_prefix("K:")).unwrap_or(""),
            request.seed
        );
        text.push_str(fields);
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
    fn a_broken_off_tune_is_no_tune() {
        let tune = Composer::embedded()
            .unwrap()
            .compose(&Request::default(), &mut |_| ControlFlow::Break(()));
        assert_eq!(tune, Err(ComposeError::Stopped));
    }

    #[test]
    fn a_phrase_is_written_on_from_in_its_own_key_and_metre() {
        let phrase = "X:1\nT:Mine\nM:6/8\nL:1/8\nK:Em\nB|efe BGE|FGA B2";
        let request =
            Request { style: Style::Jig, phrase: Some(phrase.into()), ..Request::default() };
        let tune = compose(&request);
        assert!(tune.plain.contains("M:6/8\nL:1/8\nK:Em\nB|efe BGE|FGA B2"), "{}", tune.plain);
        assert!(abc::read(&tune.abc).findings.is_empty(), "{}", tune.abc);
        let bare = Request { phrase: Some("d2fd".into()), ..Request::default() };
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
