//! Core: a voice in time: what sounds when, and what holds there. The first pass of playing a voice.

use super::super::accompaniment::{self, Drone, Switch};
use super::super::clock::Clock;
use super::super::jumps::Sign;
use super::super::model::{Attached, Bar, BarLine, Element, ElementKind, Finding, Severity};
use super::super::performance::*;
use super::super::{Length, Metre as WrittenMetre};
use super::settings::{self, Settings};
use super::{Channels, keep};
use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;

/// The most starts of bars that a voice is compared by with the others.
const MOST_COMPARED: usize = 4096;
/// The most texts that are no chord symbols of which that is said.
const MOST_TEXTS: usize = 16;

/// A note or chord in time.
#[derive(Debug)]
pub(super) struct Moment<'a> {
    pub(super) element: &'a Element,
    pub(super) start: Clock,
    /// How much longer than written it lasts: a fermata.
    pub(super) stretch: Length,
    /// Ticks since the bar began.
    pub(super) into_bar: u64,
    /// The overlay that it belongs to; 0 is the voice itself.
    pub(super) layer: usize,
    /// A tie at the start of an ending leads here.
    pub(super) tied_from_before: bool,
    /// What holds here.
    pub(super) settings: Rc<Settings>,
}

/// A drone that sounds from a time to another.
pub(super) struct Droning {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) drone: Drone,
    pub(super) channel: u8,
    pub(super) span: Range<usize>,
}

/// A voice in time, for the passes after this.
pub(super) struct Walked<'a> {
    pub(super) moments: Vec<Moment<'a>>,
    pub(super) layer_channels: Vec<u8>,
    pub(super) bars: Vec<accompaniment::Bar>,
    pub(super) chord_changes: Vec<accompaniment::Change>,
    pub(super) drum_switches: Vec<Switch>,
    pub(super) drones: Vec<Droning>,
}

/// What came of a walk.
pub(super) struct Outcome<'a> {
    pub(super) voice: Walked<'a>,
    /// Where the voice's last note or rest ends, in ticks.
    pub(super) end: u32,
    /// Its first bars.
    pub(super) bars: Vec<BarStart>,
}

/// One voice being put in time.
pub(super) struct Timeline<'a, 'p> {
    index: usize,
    options: &'p PerformOptions,
    performance: &'p mut Performance,
    channels: &'p mut Channels,
    /// What holds now.
    now: Rc<Settings>,
    clock: Clock,
    /// Starts of the last bars, the newest last, for overlays.
    bar_starts: Vec<Clock>,
    /// The latest end of the overlaid layers of this bar.
    layers_end: Clock,
    layer: usize,
    /// Bars that the overlaid layer still has, the one it is in included.
    layer_bars: usize,
    bar_open: bool,
    /// Notes that have been put in time.
    notes: usize,
    tied_from_before: bool,
    drone_channel: Option<u8>,
    droning: Option<(u32, Drone, Range<usize>)>,
    /// Texts that are no chord symbols and have been spoken of.
    no_chords: HashSet<&'a str>,
    compared: Vec<BarStart>,
    walked: Walked<'a>,
}

impl<'a, 'p> Timeline<'a, 'p> {
    pub(super) fn new(
        index: usize,
        options: &'p PerformOptions,
        performance: &'p mut Performance,
        channels: &'p mut Channels,
        start: Settings,
    ) -> Self {
        let mut timeline = Self {
            index,
            options,
            performance,
            channels,
            // What the voice starts with is the first change.
            now: Rc::new(start.before_anything_is_told()),
            clock: Clock::START,
            bar_starts: vec![Clock::START],
            layers_end: Clock::START,
            layer: 0,
            layer_bars: 0,
            bar_open: false,
            notes: 0,
            tied_from_before: false,
            drone_channel: None,
            droning: None,
            no_chords: HashSet::new(),
            compared: Vec::new(),
            walked: Walked {
                moments: Vec::new(),
                layer_channels: Vec::new(),
                bars: Vec::new(),
                chord_changes: Vec::new(),
                drum_switches: Vec::new(),
                drones: Vec::new(),
            },
        };
        timeline.change(Rc::new(start));
        timeline
    }

    /// Puts a voice's elements in time, in the order given.
    pub(super) fn walk(mut self, elements: &'a [Element], order: &[Range<usize>]) -> Outcome<'a> {
        let jumps = order.iter().skip(1).map(|range| range.start).collect();
        let held = settings::at_places(&self.now, elements, jumps, self.options);
        let mut first = true;
        'played: for range in order {
            if !first && let Ok(at) = held.binary_search_by_key(&range.start, |place| place.0) {
                self.change(Rc::clone(&held[at].1));
            }
            first = false;
            for element in &elements[range.clone()] {
                self.element(element);
                if self.is_full() {
                    self.performance.findings.push(Finding {
                        severity: Severity::Error,
                        span: element.span.clone(),
                        text: format!(
                            "the performance is cut here: more than {MOST_TICKS} ticks or {MOST_NOTES} notes"
                        ),
                        hint: "repeat fewer times or split the tune".to_owned(),
                    });
                    break 'played;
                }
            }
        }
        self.clock = self.clock.max(self.layers_end);
        self.close_bar(elements.last().map_or(0, |element| element.span.end));
        self.performance.end = self.performance.end.max(self.clock.whole());
        self.stop_drone();
        Outcome { voice: self.walked, end: self.clock.whole(), bars: self.compared }
    }

    fn is_full(&self) -> bool {
        self.clock.ticks > u64::from(MOST_TICKS)
            || self.performance.notes.len() + self.notes >= MOST_NOTES
    }

    /// From here on other settings hold; what a listener or a reader of the file is told of it is told.
    fn change(&mut self, settings: Rc<Settings>) {
        let before = std::mem::replace(&mut self.now, settings);
        if *before == *self.now {
            return;
        }
        let (now, start) = (Rc::clone(&self.now), self.clock.whole());
        let told = &mut *self.performance;
        if now.tempo != before.tempo {
            let tempo = Tempo { start, microseconds_per_quarter: now.tempo };
            keep(&mut told.tempos, tempo);
        }
        if self.index == 0
            && now.metre != before.metre
            && let Some(metre) = metre_at(start, &now.metre)
        {
            keep(&mut told.metres, metre);
        }
        if self.index == 0 && now.key != before.key {
            keep(&mut told.keys, KeyStart { start, key: now.key.clone() });
        }
        for (channel, (&program, &earlier)) in now.programs.iter().zip(&before.programs).enumerate()
        {
            if program != earlier {
                // Where none was asked for, receivers have the first.
                let (channel, program) = (channel as u8, program.unwrap_or(0));
                keep(&mut told.programs, Program { start, channel, program });
            }
        }
        if !Rc::ptr_eq(&now.controls, &before.controls) {
            for (&(channel, controller), &value) in now.controls.iter() {
                if before.controls.get(&(channel, controller)) != Some(&value) {
                    keep(&mut told.controls, Control { start, channel, controller, value });
                }
            }
            for &(channel, controller) in before.controls.keys() {
                if !now.controls.contains_key(&(channel, controller)) {
                    let value = at_rest(controller);
                    keep(&mut told.controls, Control { start, channel, controller, value });
                }
            }
        }
        if now.drumming != before.drumming {
            let on = now.drumming.is_some();
            let span = now.drumming.clone().or_else(|| before.drumming.clone());
            let switch = Switch { start, on, span: span.unwrap_or_default() };
            keep(&mut self.walked.drum_switches, switch);
        }
        if now.droning != before.droning {
            self.stop_drone();
            if let Some(span) = &now.droning {
                self.start_drone(span.clone());
            }
        }
        if now.accompanies_otherwise(&before) {
            // What is set before a bar's first note holds for that bar.
            let unplayed = self.walked.bars.last().is_some_and(|bar| bar.start == start);
            if self.bar_open && unplayed {
                self.walked.bars.pop();
                self.open_accompanied_bar();
            }
        }
        if now.chord != before.chord
            && self.options.accompaniment
            && let Some(chord) = &now.chord
        {
            self.chord_change(chord);
        }
    }

    fn element(&mut self, element: &'a Element) {
        match &element.kind {
            ElementKind::Note(note) => self.sounding(element, note.duration, 1),
            ElementKind::Chord(chord) => self.sounding(element, chord.duration, chord.notes.len()),
            ElementKind::Rest(rest) => {
                self.open_bar(element);
                self.attached(element);
                let stretch = self.stretch(element);
                self.clock.advance(rest.duration * stretch, 1);
            }
            ElementKind::BarsRest { bars, .. } => self.bars_rest(element, *bars),
            ElementKind::Spacer(_) => self.attached(element),
            // An overlay over several bars goes on over the lines between them (ABC 2.1 §7.4).
            ElementKind::Bar(Bar { line: BarLine::Thin, repeat_end: 0, repeat_start: 0 })
                if self.layer_bars > 1 && self.clock < self.layers_end =>
            {
                self.layer_bars -= 1;
            }
            ElementKind::Bar(_) => self.bar(element),
            ElementKind::Overlay { bars } => self.overlay(usize::from(*bars)),
            ElementKind::Ending(ending) => self.tied_from_before = ending.tied,
            ElementKind::Field(field) if settings::changes_what_is_heard(field) => {
                let mut now = (*self.now).clone();
                if now.field(field) {
                    self.change(Rc::new(now));
                }
            }
            _ => {}
        }
    }

    fn sounding(&mut self, element: &'a Element, duration: Length, notes: usize) {
        self.open_bar(element);
        self.attached(element);
        let stretch = self.stretch(element);
        let bar_start = self.bar_starts.last().map_or(0, |start| start.ticks);
        self.walked.moments.push(Moment {
            element,
            start: self.clock,
            stretch,
            into_bar: self.clock.ticks.saturating_sub(bar_start),
            layer: self.layer,
            tied_from_before: std::mem::take(&mut self.tied_from_before),
            settings: Rc::clone(&self.now),
        });
        self.notes += notes;
        self.clock.advance(duration * stretch, 1);
    }

    /// A fermata holds a note for twice its length.
    fn stretch(&self, element: &Element) -> Length {
        let fermata = self.options.decorations
            && element.attached.as_ref().is_some_and(|attached| {
                attached.decorations.iter().any(|decoration| decoration.name == "fermata")
            });
        if fermata { Length::new(2, 1) } else { Length::ONE }
    }

    fn bars_rest(&mut self, element: &'a Element, bars: u32) {
        self.open_bar(element);
        self.attached(element);
        let bar = self.now.metre.bar().unwrap_or(Length::ONE);
        for played in 0..bars {
            if played > 0 {
                self.close_bar(element.span.end);
                self.open_bar(element);
            }
            self.clock.advance(bar, 1);
            if self.clock.ticks > u64::from(MOST_TICKS) {
                break;
            }
        }
    }

    fn bar(&mut self, element: &'a Element) {
        self.clock = self.clock.max(self.layers_end);
        self.close_bar(element.span.end);
        self.layer = 0;
        self.layer_bars = 0;
        if self.bar_starts.last() != Some(&self.clock) {
            self.bar_starts.push(self.clock);
            if self.bar_starts.len() > 16 {
                self.bar_starts.remove(0);
            }
        }
        self.layers_end = self.clock;
        self.attached(element);
    }

    fn overlay(&mut self, bars: usize) {
        self.layers_end = self.layers_end.max(self.clock);
        // Right after a bar line that line is the first of those to go back by.
        let newest = self.bar_starts.last() == Some(&self.clock) && self.layer == 0;
        let known = self.bar_starts.len() - usize::from(newest && self.bar_starts.len() > 1);
        let back = bars.clamp(1, known);
        self.clock = self.bar_starts[known - back];
        self.layer = (self.layer + 1).min(15);
        self.layer_bars = back;
        while self.walked.layer_channels.len() < self.layer {
            let channel = self.channels.take();
            self.walked.layer_channels.push(channel);
        }
    }

    fn open_bar(&mut self, element: &Element) {
        if self.bar_open || self.layer > 0 {
            return;
        }
        self.bar_open = true;
        let bar = BarStart { start: self.clock.whole(), span: element.span.clone() };
        if self.compared.len() < MOST_COMPARED {
            self.compared.push(bar.clone());
        }
        if self.index == 0 {
            keep(&mut self.performance.bars, bar);
        }
        self.open_accompanied_bar();
    }

    fn open_accompanied_bar(&mut self) {
        if !self.options.accompaniment {
            return;
        }
        let full = self.now.metre.bar().map_or(4 * PPQ, Length::ticks).max(1);
        let mut sound = self.now.sound;
        sound.transpose = self.now.midi_transpose;
        keep(
            &mut self.walked.bars,
            accompaniment::Bar {
                start: self.clock.whole(),
                end: self.clock.whole(),
                full,
                pattern: self.now.pattern(),
                sound,
                drums: self.now.drums.clone(),
            },
        );
    }

    fn close_bar(&mut self, end: usize) {
        if !self.bar_open {
            return;
        }
        self.bar_open = false;
        if self.index == 0
            && let Some(bar) = self.performance.bars.last_mut()
        {
            bar.span.end = bar.span.end.max(end);
        }
        if let Some(bar) = self.walked.bars.last_mut() {
            bar.end = self.clock.whole();
        }
    }

    /// Chord symbols and dynamics that stand before an element.
    fn attached(&mut self, element: &'a Element) {
        let Some(attached) = element.attached.as_deref() else { return };
        self.chord_symbols(attached, element);
        if self.options.decorations && attached.decorations.iter().any(settings::is_loudness) {
            let mut now = (*self.now).clone();
            now.loudness(attached);
            self.now = Rc::new(now);
        }
    }

    fn chord_symbols(&mut self, attached: &'a Attached, element: &'a Element) {
        for symbol in &attached.chord_symbols {
            let Some(chord) = self.now.chord_of(symbol, &element.span) else {
                self.say_it_is_no_chord(symbol, element);
                continue;
            };
            if self.index == 0 {
                let (symbol, span) = (symbol.clone(), element.span.clone());
                let chord = ChordStart { start: self.clock.whole(), symbol, span };
                keep(&mut self.performance.chords, chord);
            }
            if self.options.accompaniment {
                let mut now = (*self.now).clone();
                self.chord_change(&chord);
                now.chord = Some(Rc::new(chord));
                self.now = Rc::new(now);
            }
        }
    }

    fn chord_change(&mut self, chord: &settings::ChordInForce) {
        let (start, span) = (self.clock.whole(), chord.span.clone());
        let change = accompaniment::Change { start, chord: chord.chord.clone(), span };
        keep(&mut self.walked.chord_changes, change);
    }

    fn say_it_is_no_chord(&mut self, symbol: &'a str, element: &Element) {
        let known = symbol.trim().is_empty() || Sign::of_text(symbol).is_some();
        if known || self.no_chords.len() >= MOST_TEXTS || !self.no_chords.insert(symbol) {
            return;
        }
        let shown: String = symbol.chars().take(24).collect();
        self.performance.findings.push(Finding {
            severity: Severity::Note,
            span: element.span.clone(),
            text: format!("`{}` is no chord symbol: it is shown, not played", shown.escape_debug()),
            hint: "let a text start with ^, _, <, > or @, such as \"^slowly\"".to_owned(),
        });
    }

    fn start_drone(&mut self, span: Range<usize>) {
        if !self.options.accompaniment {
            return;
        }
        let channel = *self.drone_channel.get_or_insert_with(|| self.channels.take());
        let (start, drone) = (self.clock.whole(), self.now.drone);
        let program = Program { start, channel, program: drone.program };
        keep(&mut self.performance.programs, program);
        self.droning = Some((start, drone, span));
    }

    fn stop_drone(&mut self) {
        if let (Some((start, drone, span)), Some(channel)) =
            (self.droning.take(), self.drone_channel)
        {
            let end = self.clock.whole();
            keep(&mut self.walked.drones, Droning { start, end, drone, channel, span });
        }
    }
}

/// A metre as the performance tells it; none where it is free.
pub(super) fn metre_at(start: u32, metre: &WrittenMetre) -> Option<Metre> {
    metre.bar().map(|_| Metre {
        start,
        numerator: metre.numerator().min(u32::from(u16::MAX)) as u16,
        denominator: metre.unit,
    })
}

/// What a controller is at before anyone sets it, as General MIDI has it: volume, balance, pan and expression in their
/// usual places, the others at 0.
fn at_rest(controller: u8) -> u8 {
    match controller {
        7 => 100,
        8 | 10 => 64,
        11 => 127,
        _ => 0,
    }
}
