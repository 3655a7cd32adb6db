//! Core: a tune laid out as engraved notation.
//!
//! [`engrave`] turns a [`Tune`] into a [`Score`]: systems of glyphs, lines, beams, curves and texts, each at its
//! place and each knowing which part of the ABC text it was made from, so that whoever draws it can follow playback
//! and answer a click. Nothing here draws: positions are in staff spaces (the distance of two staff lines), x to
//! the right, y downwards, from the top left corner of the page.
//!
//! Proportions follow Elaine Gould, "Behind Bars" (2011), and the engraving defaults of the music font.

mod measure;
pub mod smufl;
mod space;
mod staff;

use earworm_abc::Tune;
use smufl::Glyph;
use std::ops::Range;

/// What to lay a tune out for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The width of the page in staff spaces, margins included.
    pub width: f32,
    /// Whether the title, the composer and the tempo stand above the first system.
    pub heading: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { width: 120.0, heading: true }
    }
}

/// A tune as it is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Width of the page in staff spaces.
    pub width: f32,
    /// Height of the page in staff spaces.
    pub height: f32,
    /// What stands above the first system.
    pub heading: Vec<Item>,
    /// The systems from top to bottom.
    pub systems: Vec<System>,
    /// The words that stand below the last system (W:).
    pub words: Vec<Item>,
}

/// One line of the score: a staff for each voice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct System {
    /// Where its ink begins, in staff spaces from the top of the page.
    pub top: f32,
    /// Where its ink ends.
    pub bottom: f32,
    /// What is drawn.
    pub items: Vec<Item>,
    /// Where its notes, rests and bar lines stand, from left to right for each staff.
    pub places: Vec<Place>,
}

/// Where something of the text is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Its place in the ABC text, in bytes.
    pub span: Range<usize>,
    /// Left, top, right, bottom in staff spaces: a whole column of its staff, to be easy to hit.
    pub area: [f32; 4],
    /// Whether it is a note or chord, and not a rest.
    pub sounds: bool,
}

/// One thing to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What it was made from, in bytes of the ABC text; empty where nothing in the text stands for it.
    pub span: Range<usize>,
    /// What is drawn.
    pub ink: Ink,
    /// What it is, for whoever chooses colours.
    pub role: Role,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Staff and ledger lines.
    Staff,
    /// Bar lines, clefs, signatures, brackets.
    Frame,
    /// Notes, rests and what belongs to them.
    Music,
    /// Chord symbols.
    ChordSymbol,
    /// Title, tempo, annotations, lyrics.
    Text,
}

/// A shape; positions in staff spaces.
#[derive(Clone, Debug, PartialEq)]
pub enum Ink {
    /// A glyph of the music font with its origin at `at`, `size` times its natural size.
    Glyph {
        /// Which.
        glyph: Glyph,
        /// The origin: left, on the baseline.
        at: [f32; 2],
        /// 1 is the size at which one em is four staff spaces.
        size: f32,
    },
    /// A straight line of even thickness with flat ends.
    Line {
        /// One end.
        from: [f32; 2],
        /// The other.
        to: [f32; 2],
        /// Its thickness.
        thickness: f32,
    },
    /// A filled quadrilateral, such as a beam; corners in order around it.
    Quad([[f32; 2]; 4]),
    /// A tie or slur: a cubic Bézier curve, thick in the middle and thin at its ends.
    Curve {
        /// Ends and control points.
        points: [[f32; 2]; 4],
        /// Thickness in the middle.
        thickness: f32,
    },
    /// Text.
    Text {
        /// Where `anchor` says, on the baseline.
        at: [f32; 2],
        /// The text.
        text: String,
        /// Height of the em.
        size: f32,
        /// Which part of the text stands at `at`.
        anchor: Anchor,
        /// Whether it is set in the heavier face.
        strong: bool,
    },
}

/// Which part of a text its position means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its start.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

impl Ink {
    /// Left, top, right and bottom of what is drawn; texts are estimated.
    pub fn bounds(&self) -> [f32; 4] {
        match self {
            Self::Glyph { glyph, at, size } => [
                at[0] + glyph.ink[0] * size,
                at[1] - glyph.ink[3] * size,
                at[0] + glyph.ink[2] * size,
                at[1] - glyph.ink[1] * size,
            ],
            Self::Line { from, to, thickness } => {
                let half = thickness / 2.0;
                [
                    from[0].min(to[0]) - half,
                    from[1].min(to[1]) - half,
                    from[0].max(to[0]) + half,
                    from[1].max(to[1]) + half,
                ]
            }
            Self::Quad(points) => around(points),
            Self::Curve { points, .. } => around(points),
            Self::Text { at, text, size, anchor, .. } => {
                let width = text_width(text, *size);
                let left = match anchor {
                    Anchor::Start => at[0],
                    Anchor::Middle => at[0] - width / 2.0,
                    Anchor::End => at[0] - width,
                };
                [left, at[1] - size * 0.75, left + width, at[1] + size * 0.22]
            }
        }
    }

    fn moved(&mut self, by: [f32; 2]) {
        let shift = |point: &mut [f32; 2]| {
            point[0] += by[0];
            point[1] += by[1];
        };
        match self {
            Self::Glyph { at, .. } | Self::Text { at, .. } => shift(at),
            Self::Line { from, to, .. } => {
                shift(from);
                shift(to);
            }
            Self::Quad(points) | Self::Curve { points, .. } => points.iter_mut().for_each(shift),
        }
    }
}

fn around(points: &[[f32; 2]]) -> [f32; 4] {
    let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    for point in points {
        bounds[0] = bounds[0].min(point[0]);
        bounds[1] = bounds[1].min(point[1]);
        bounds[2] = bounds[2].max(point[0]);
        bounds[3] = bounds[3].max(point[1]);
    }
    bounds
}

/// About how wide a text is in a sans serif face. Only spacing depends on it, so a table of four widths is enough.
fn text_width(text: &str, size: f32) -> f32 {
    let em: f32 = text
        .chars()
        .map(|letter| match letter {
            'i' | 'j' | 'l' | 't' | 'f' | 'r' | '.' | ',' | '\'' | ' ' | '|' | '(' | ')' => 0.32,
            'm' | 'w' | 'M' | 'W' => 0.88,
            letter if letter.is_uppercase() || letter.is_ascii_digit() => 0.66,
            _ => 0.57,
        })
        .sum();
    em * size
}

/// Lays a tune out. Any tune can be laid out; what the notation has no sign for is left out of the picture.
///
/// ```
/// use earworm_abc as abc;
/// use earworm_engrave as engrave;
///
/// let book = abc::read("X:1\nT:Scale\nM:4/4\nL:1/4\nK:G\nGABc|defg|]\n");
/// let score = engrave::engrave(&book.tunes[0], &engrave::Options::default());
/// assert_eq!(score.systems.len(), 1);
/// ```
pub fn engrave(tune: &Tune, options: &Options) -> Score {
    let (voices, parts): (Vec<&str>, Vec<measure::Part>) = tune
        .voices
        .iter()
        .map(|voice| (voice.id.as_str(), measure::Part::read(tune, voice)))
        .filter(|(_, part)| !part.measures.is_empty())
        .unzip();
    let groups = groups(tune, &voices);
    let mut score = Score { width: options.width, ..Score::default() };
    let mut y = 1.0;
    if options.heading {
        y = heading(tune, options.width, &mut score.heading);
    }
    let lines = space::systems(&parts, options.width);
    for line in &lines {
        let mut system = staff::system(&parts, line, &groups);
        let drop = y - system.top;
        for item in &mut system.items {
            item.ink.moved([0.0, drop]);
        }
        for place in &mut system.places {
            place.area[1] += drop;
            place.area[3] += drop;
        }
        system.top += drop;
        system.bottom += drop;
        y = system.bottom + 2.2;
        score.systems.push(system);
    }
    score.height = words(tune, options.width, y, &mut score.words);
    score
}

/// Staves that a bracket or a brace joins, first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    first: usize,
    last: usize,
    brace: bool,
}

/// What `%%score` or `%%staves` joins of these voices, in their order: `[` by a bracket, `{` by a brace.
fn groups(tune: &Tune, voices: &[&str]) -> Vec<Group> {
    let directive = |field: &&earworm_abc::Field| field.letter == '%';
    let mut directives = tune.header.iter().chain(&tune.inherited).filter(directive);
    let Some(text) = directives
        .find_map(|field| field.text.strip_prefix("score ").or(field.text.strip_prefix("staves ")))
    else {
        return Vec::new();
    };
    let mut groups = Vec::new();
    let mut open: Vec<(bool, Option<(usize, usize)>)> = Vec::new();
    let spaced: String = text
        .chars()
        .flat_map(|letter| match letter {
            '[' | ']' | '{' | '}' | '(' | ')' => vec![' ', letter, ' '],
            letter => vec![letter],
        })
        .collect();
    for word in spaced.split_whitespace() {
        match word {
            "[" | "{" => open.push((word == "{", None)),
            "]" | "}" => {
                if let Some((brace, Some((first, last)))) = open.pop()
                    && first < last
                {
                    groups.push(Group { first, last, brace });
                }
            }
            id => {
                let Some(staff) = voices.iter().position(|voice| *voice == id) else { continue };
                for (_, range) in &mut open {
                    let (first, last) = range.unwrap_or((staff, staff));
                    *range = Some((first.min(staff), last.max(staff)));
                }
            }
        }
    }
    groups
}

/// A text in lines of at most this width, in staff spaces.
fn wrapped(text: &str, size: f32, width: f32) -> Vec<String> {
    // The widths are estimates, and a heavier face is a little wider.
    let fits = |line: &str| text_width(line, size) * 1.06 <= width;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if fits(&format!("{line} {word}")) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => {
                // A word that is too long by itself is broken where the line ends.
                let mut line = String::new();
                for letter in word.chars() {
                    if !line.is_empty() && !fits(&format!("{line}{letter}")) {
                        lines.push(std::mem::take(&mut line));
                    }
                    line.push(letter);
                }
                lines.push(line);
            }
        }
    }
    lines
}

/// The words below the tune, from `y` on; returns where the page ends.
fn words(tune: &Tune, width: f32, y: f32, items: &mut Vec<Item>) -> f32 {
    const SIZE: f32 = 1.6;
    let in_music = tune.voices.iter().flat_map(|voice| &voice.elements).filter_map(|element| {
        match &element.kind {
            earworm_abc::ElementKind::Field(field) => Some(&**field),
            _ => None,
        }
    });
    let mut y = y;
    let fields = tune.header.iter().chain(in_music).filter(|field| field.letter == 'W');
    for field in fields {
        let lines = wrapped(&field.text, SIZE, width - 2.0 * space::MARGIN);
        // An empty one parts two verses.
        if lines.is_empty() {
            y += SIZE * 0.8;
        }
        for text in lines {
            y += SIZE * 1.35;
            let at = [space::MARGIN, y];
            let ink = Ink::Text { at, text, size: SIZE, anchor: Anchor::Start, strong: false };
            items.push(Item { span: field.span.clone(), ink, role: Role::Text });
        }
    }
    if items.is_empty() { y } else { y + 2.0 }
}

/// The title, what dance it is and who made it; returns where the music may begin.
fn heading(tune: &Tune, width: f32, items: &mut Vec<Item>) -> f32 {
    let field_span = |letter: char| {
        tune.header
            .iter()
            .find(|field| field.letter == letter)
            .map_or(0..0, |field| field.span.clone())
    };
    let mut y = 1.0;
    let mut titles: Vec<&earworm_abc::Field> =
        tune.header.iter().filter(|field| field.letter == 'T' && !field.text.is_empty()).collect();
    if titles.is_empty() {
        titles.extend(tune.inherited.iter().find(|field| field.letter == 'T'));
    }
    for (index, title) in titles.into_iter().enumerate() {
        // The second and later ones are names that the tune has too.
        let (size, strong) = if index == 0 { (2.6, true) } else { (1.8, false) };
        for line in wrapped(&title.text, size, width - 2.0 * space::MARGIN) {
            y += size * 0.92;
            let ink = Ink::Text {
                at: [width / 2.0, y],
                text: line,
                size,
                anchor: Anchor::Middle,
                strong,
            };
            items.push(Item { span: title.span.clone(), ink, role: Role::Text });
            y += size * 0.35;
        }
    }
    let mut text = |letter, text: &str, at: [f32; 2], size, anchor, strong| {
        items.push(Item {
            span: field_span(letter),
            ink: Ink::Text { at, text: text.to_owned(), size, anchor, strong },
            role: Role::Text,
        });
    };
    let rhythm = tune.field('R').unwrap_or_default();
    let maker = tune.field('C').or(tune.field('O')).unwrap_or_default();
    if !rhythm.is_empty() || !maker.is_empty() {
        y += 1.3;
        let letter = if tune.field('C').is_some() { 'C' } else { 'O' };
        text('R', rhythm, [space::MARGIN, y], 1.55, Anchor::Start, false);
        let right = width - space::MARGIN;
        text(letter, maker, [right, y], 1.55, Anchor::End, false);
        y += 0.5;
    }
    y + 0.8
}
