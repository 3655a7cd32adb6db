//! Worker: writes bars of a tune anew, so that they fit what stands before them and after.
//!
//! The network goes through the bars that stay as if it wrote them, and in each bar that is written anew it is told what
//! stands one, two, four and eight bars on. The mask holds every bar to its length and its bar line, so that the tune keeps
//! its form. In the text only the music of these bars is replaced: fields, words and the other bars stay as they were
//! written, byte for byte.

use std::ops::{ControlFlow, Range, RangeInclusive};
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;

use earworm_abc::{self as abc, ElementKind, Tune};

use super::composer::{ComposeError, Composer, Draft, Pen};
use super::context::{Context, Form, Place, Plan, Told};
use super::grammar;
use super::harmony::{Harmonizer, has_symbols};
use super::normalise::{self, LeftOut, Origin};
use super::outline::{Frame, Kin, Outline, Score};
use super::plain::{HIGHEST, LOWEST};

/// What is to be written anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewrite {
    /// ABC; its first tune is taken.
    pub abc: String,
    /// Bars, from 1, as written; a pickup is none, and belongs to what stays.
    pub bars: Vec<RangeInclusive<u32>>,
    /// From -1, which avoids what stood there, to 1, which hardly leaves it.
    pub nearness: f32,
    /// As in [`super::Request`].
    pub temperature: f32,
    /// As in [`super::Request`].
    pub top_p: f32,
    /// Fixes what is written.
    pub seed: u64,
}

/// Why no bars were written anew.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RewriteError {
    /// No tune in the text.
    #[error("there is no tune to rewrite")]
    NoTune,
    /// A tune that the network can't read.
    #[error("bars of this tune can't be rewritten: {0}")]
    Tune(LeftOut),
    /// Bars that the tune does not have.
    #[error("there is no bar {asked}: the tune has bars 1 to {of}")]
    Bars {
        /// The bar asked for.
        asked: u32,
        /// How many there are.
        of: u32,
    },
    /// A tune whose bars are written in a way that they can't be told apart.
    #[error("bars of this tune can't be rewritten: its bar lines don't part it into whole bars")]
    Layout,
    /// A setting out of its range, or the caller broke off.
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

/// A stretch of music between two bar lines of a text in plain form.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    /// The music, without the bar line.
    music: Range<usize>,
    /// Where the bar line after it ends.
    line: usize,
    is_pickup: bool,
}

/// The segments of a text in plain form, in order.
fn segments(text: &str) -> Vec<Segment> {
    let mut context = Context::new();
    let mut found: Vec<Segment> = Vec::new();
    let mut start = None;
    for (at, character) in text.bytes().enumerate() {
        if context.in_body() && start.is_none() {
            start = Some(at);
        }
        context.push(character);
        if start.is_none() {
            continue;
        }
        let in_line = matches!(
            context.place,
            Place::Line | Place::Colon | Place::Closed | Place::End | Place::Ending | Place::Done
        ) || character == b' ' && text.as_bytes()[at - 1].is_ascii_digit() && {
            // The blank after an ending's number is part of its line.
            found.last().is_some_and(|last| last.line == at)
        };
        if !in_line {
            continue;
        }
        match found.last_mut() {
            Some(last) if last.line == at => last.line = at + 1,
            _ => {
                let from = found.last().map_or(start.unwrap_or(at), |last| last.line);
                let is_pickup = context.ended_pickup;
                found.push(Segment { music: from..at, line: at + 1, is_pickup });
            }
        }
    }
    found
}

/// For each stretch of music between bar lines of a tune as it was read: its place in the text, and its length in whole notes.
fn sources(tune: &Tune) -> Vec<(Range<usize>, f64)> {
    let mut found: Vec<(Range<usize>, f64)> = Vec::new();
    let mut open = false;
    let mut tuplet = None;
    for element in tune.voices.first().map_or(&[][..], |voice| &voice.elements) {
        let duration = match &element.kind {
            ElementKind::Note(note) => note.duration,
            ElementKind::Chord(chord) => chord.duration,
            ElementKind::Rest(rest) => rest.duration,
            ElementKind::Bar(_) => {
                open = false;
                continue;
            }
            ElementKind::Tuplet { .. } => {
                tuplet = Some(element.span.start);
                continue;
            }
            _ => continue,
        };
        let start = tuplet.take().unwrap_or(element.span.start);
        match found.last_mut() {
            Some((span, length)) if open => {
                span.end = element.span.end;
                *length += duration.to_f64();
            }
            _ => found.push((start..element.span.end, duration.to_f64())),
        }
        open = true;
    }
    found
}

/// Music in plain form with its lengths multiplied by a fraction: for a tune with another unit note length.
fn rescaled(music: &str, over: u32, under: u32) -> String {
    if over == under {
        return music.to_owned();
    }
    let bytes = music.as_bytes();
    let mut out = String::with_capacity(music.len() * 2);
    let mut at = 0;
    while at < bytes.len() {
        let is_note = bytes[at].is_ascii_alphabetic();
        let in_symbol = music[..at].matches('"').count() % 2 == 1;
        out.push(char::from(bytes[at]));
        at += 1;
        if !is_note || in_symbol {
            continue;
        }
        while at < bytes.len() && matches!(bytes[at], b',' | b'\'') {
            out.push(char::from(bytes[at]));
            at += 1;
        }
        let number = |at: &mut usize| {
            let from = *at;
            while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
                *at += 1;
            }
            music[from..*at].parse::<u32>().ok()
        };
        let mut top = number(&mut at).unwrap_or(1);
        let mut bottom = 1;
        if bytes.get(at) == Some(&b'/') {
            at += 1;
            bottom = number(&mut at).unwrap_or(2);
        }
        (top, bottom) = (top * over, bottom * under);
        let (mut a, mut b) = (top, bottom);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        (top, bottom) = (top / a.max(1), bottom / a.max(1));
        if top != 1 {
            out.push_str(&top.to_string());
        }
        if bottom != 1 {
            out.push('/');
            if bottom != 2 {
                out.push_str(&bottom.to_string());
            }
        }
    }
    out
}

impl Composer {
    /// Writes bars of a tune anew and returns the whole text with them in their places. `may_go_on` is asked after
    /// each bar.
    pub fn rewrite(
        &self,
        rewrite: &Rewrite,
        may_go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<String, RewriteError> {
        if !(0.0..=5.0).contains(&rewrite.temperature) {
            return Err(ComposeError::Temperature(rewrite.temperature).into());
        }
        if !(rewrite.top_p > 0.0 && rewrite.top_p <= 1.0) {
            return Err(ComposeError::TopP(rewrite.top_p).into());
        }
        let book = abc::read(&rewrite.abc);
        let tune = book.tunes.first().ok_or(RewriteError::NoTune)?;
        let source = rewrite.abc.get(tune.span.clone()).ok_or(RewriteError::NoTune)?;
        let plain = normalise::plain(source, Origin::default()).map_err(RewriteError::Tune)?;
        let plain_unit = u32::from(plain.unit);
        let text = plain.without_chords().text();
        let segments = segments(&text);
        let bars: Vec<usize> = (0..segments.len()).filter(|&at| !segments[at].is_pickup).collect();
        let of = bars.len() as u32;
        let mut known = vec![true; bars.len()];
        for range in &rewrite.bars {
            for asked in [*range.start(), *range.end()] {
                if !(1..=of).contains(&asked) {
                    return Err(RewriteError::Bars { asked, of });
                }
            }
            for bar in range.clone() {
                known[bar as usize - 1] = false;
            }
        }
        let places = sources(tune);
        if places.len() != segments.len() {
            return Err(RewriteError::Layout);
        }

        let told = told(&text, &known, tune);
        let form = told.form.unwrap_or(Form { bars: of, chords: false });
        let pen = Pen {
            weights: &self.weights,
            form,
            temperature: rewrite.temperature,
            top_p: rewrite.top_p,
            masked: true,
            nearness: rewrite.nearness.clamp(-1.0, 1.0),
            row: None,
        };
        let mut written = None;
        // What comes out as it stood is no rewriting: it is drawn again a few times.
        for attempt in 0..4 {
            let mut random = StdRng::seed_from_u64(rewrite.seed.wrapping_add(attempt << 48));
            let mut draft = Draft::new(&self.weights, told.clone());
            let mut at = 0;
            for (bar, &segment) in bars.iter().enumerate() {
                if known[bar] {
                    continue;
                }
                let music = &segments[segment].music;
                text[at..music.start].bytes().for_each(|c| draft.push(&self.weights, c));
                pen.write(
                    &mut draft,
                    Some(bar as u32 + 1),
                    &mut random,
                    &mut |_| match may_go_on() {
                        ControlFlow::Continue(()) => Ok(()),
                        ControlFlow::Break(()) => Err(ComposeError::Stopped),
                    },
                )?;
                at = segments[segment].line;
            }
            let new = format!("{}{}", draft.context.text(), &text[at..]);
            let changed = new != text;
            written = Some(new);
            if changed || rewrite.temperature == 0.0 || rewrite.nearness > 0.9 {
                break;
            }
        }
        let written = written.unwrap_or_default();
        let new_segments = self::segments(&written);
        if new_segments.len() != segments.len() {
            return Err(RewriteError::Layout);
        }

        // Only these bars' music is replaced in the text.
        let (unit_over, unit_under) = (tune.unit.numerator(), tune.unit.denominator());
        let (over, under) = (unit_under, unit_over * plain_unit);
        let mut out = String::with_capacity(rewrite.abc.len() + 64);
        let mut spans = Vec::new();
        let mut at = 0;
        for (bar, &segment) in bars.iter().enumerate() {
            if known[bar] {
                continue;
            }
            let span = &places[segment].0;
            out.push_str(&rewrite.abc[at..span.start]);
            let start = out.len();
            let music = &written[new_segments[segment].music.clone()];
            out.push_str(&rescaled(music.trim(), over, under));
            spans.push(start..out.len());
            at = span.end;
        }
        out.push_str(&rewrite.abc[at..]);
        if has_symbols(tune) {
            out = with_symbols(&out, &spans);
        }
        Ok(out)
    }
}

/// What the network is told of a tune in plain form of which some bars are to be written anew.
fn told(text: &str, known: &[bool], tune: &Tune) -> Told {
    let form = grammar::form_of(text);
    let mut frame = Frame::of_text(text, known);
    let outline = Outline::of(text).map(|mut outline| {
        for at in 0..outline.bars.len() {
            if frame.bars.get(at).is_some_and(|(_, line)| *line != super::plain::Bar::Plain)
                && outline.bars[at].cadence < 7
            {
                frame.closes[at] = Some(outline.bars[at].cadence);
            }
            let model = at.wrapping_sub(usize::from(outline.bars[at].back));
            // A bar that returned is new where only it is written anew; where its model is too, it returns as before.
            if !known[at] && known.get(model).copied().unwrap_or(true) {
                outline.bars[at].kin = Kin::New;
                outline.bars[at].back = 0;
            }
        }
        Arc::new(outline)
    });
    let steps = || {
        tune.voices.iter().flat_map(|voice| &voice.elements).filter_map(|element| {
            match &element.kind {
                ElementKind::Note(note) => Some(note.pitch.staff_step() as i8),
                _ => None,
            }
        })
    };
    let low = steps().min().unwrap_or(LOWEST).saturating_sub(1).clamp(LOWEST, 4);
    let high = steps().max().unwrap_or(HIGHEST).saturating_add(1).clamp(7, HIGHEST);
    Told {
        form,
        plan: form.and_then(|_| Plan::of(text)),
        outline,
        score: Some(Score::new(text, known.to_vec())),
        frame: Some(Arc::new(frame)),
        range: Some((low, high)),
    }
}

/// The text with chord symbols in the bars that were written anew.
fn with_symbols(text: &str, spans: &[Range<usize>]) -> String {
    let book = abc::read(text);
    let Some(tune) = book.tunes.first() else { return text.to_owned() };
    let mut out = String::with_capacity(text.len() + 64);
    let mut from = 0;
    let mut last: Option<(usize, String)> = None;
    for (at, symbol) in Harmonizer::embedded().of_beats(tune) {
        let Some(span) = spans.iter().position(|span| span.contains(&at)) else {
            last = None;
            continue;
        };
        // Once a bar, and where the chord changes.
        if last.as_ref() == Some(&(span, symbol.clone())) || at < from {
            continue;
        }
        out.push_str(&text[from..at]);
        out.push_str(&format!("\"{symbol}\""));
        from = at;
        last = Some((span, symbol));
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const REEL: &str = "X:1\nT:Mine\nC:me\nR:reel\nM:4/4\nL:1/8\nK:D\nA2|\"D\"d2fd AFDF|\"A7\"E2CE A,CEG|\"D\"F2AF d2fd|\"A7\"ecAc \"D\"d2:|\nfg|\"D\"a2fa d'afd|\"G\"g2bg \"A7\"e2ag|\"D\"fdAd \"G\"BGEG|\"A7\"A2ce \"D\"d2:|\n";

    fn rewrite(
        abc: &str,
        bars: RangeInclusive<u32>,
        nearness: f32,
        seed: u64,
    ) -> Result<String, RewriteError> {
        let rewrite = Rewrite {
            abc: abc.to_owned(),
            bars: vec![bars],
            nearness,
            temperature: 0.8,
            top_p: 0.9,
            seed,
        };
        Composer::embedded().unwrap().rewrite(&rewrite, &mut || ControlFlow::Continue(()))
    }

    #[test]
    fn only_the_bars_asked_for_change_and_the_tune_stays_whole() {
        for seed in 0..6 {
            let new = rewrite(REEL, 3..=4, 0.0, seed).unwrap();
            assert_ne!(new, REEL);
            let (before, after) = (REEL.find("\"D\"F2AF").unwrap(), REEL.find(":|\nfg").unwrap());
            assert!(new.starts_with(&REEL[..before]), "{new}");
            assert!(new.ends_with(&REEL[after..]), "{new}");
            let read = abc::read(&new);
            assert!(read.findings.is_empty(), "{:?}\n{new}", read.findings);
        }
    }

    #[test]
    fn the_nearer_the_more_of_what_stood_there_stays() {
        let kept = |nearness: f32| -> usize {
            (0..8)
                .map(|seed| {
                    let new = rewrite(REEL, 5..=7, nearness, seed).unwrap();
                    let music = |text: &str| -> Vec<u8> {
                        let body = text.split("\nfg|").nth(1).unwrap();
                        body.bytes().filter(u8::is_ascii_alphabetic).collect()
                    };
                    let (old, new) = (music(REEL), music(&new));
                    old.iter().zip(&new).filter(|(a, b)| a == b).count()
                })
                .sum()
        };
        let (far, near) = (kept(-0.5), kept(0.8));
        assert!(near > far, "near keeps {near}, far {far}");
    }

    #[test]
    fn a_tune_in_another_unit_keeps_its_unit() {
        let abc = "X:1\nR:waltz\nM:3/4\nL:1/4\nK:G\nG B d|g2 d|e c e|d3|G B d|g2 d|c A F|G3|]\n";
        let new = rewrite(abc, 2..=3, 0.0, 1).unwrap();
        assert!(abc::read(&new).findings.is_empty(), "{new}");
        assert!(
            new.contains("K:G\nG B d|") && new.ends_with("|d3|G B d|g2 d|c A F|G3|]\n"),
            "{new}"
        );
        assert_eq!(rescaled("\"Am\"A2^c/>d (3def z3/", 1, 2), "\"Am\"A^c/4>d/ (3d/e/f/ z3/4");
    }

    #[test]
    fn endings_and_pickups_stay_where_they_are() {
        let abc = "X:1\nR:jig\nM:6/8\nL:1/8\nK:G\nD|GAB ABc|dBG G2D|GAB ABc|1 dBA A2D:|2 dBG G3||efg dBG|ABA A3|gfe dBG|AFD G3|]\n";
        let new = rewrite(abc, 2..=3, 0.0, 3).unwrap();
        assert!(new.contains("|1 dBA A2D:|2 dBG G3||efg"), "{new}");
        assert!(abc::read(&new).findings.is_empty(), "{new}");
    }

    #[test]
    fn what_can_not_be_rewritten_is_refused_in_words() {
        let error = rewrite(REEL, 9..=9, 0.0, 0).unwrap_err().to_string();
        assert_eq!(error, "there is no bar 9: the tune has bars 1 to 8");
        assert_eq!(rewrite("", 1..=1, 0.0, 0), Err(RewriteError::NoTune));
        let changes = REEL.replace("fg|", "[K:G]fg|");
        assert!(rewrite(&changes, 1..=1, 0.0, 0).unwrap_err().to_string().contains("changes"));
    }
}
