//! Core: the mask: which characters may come next if the tune is to be valid and as asked for.
//!
//! An automaton over the plain form. It knows where the bar stands, so that every bar adds up: a pickup's
//! complement too, before each section's end and at the last bar. It knows open repeats, the tie that waits for its
//! note, the triplet that waits for its third, the range, and how many bars are left. After every
//! character it allows, the tune can still be finished. First and second endings are read but not written: an ending's two
//! bars, counted as written, would take a bar from another phrase. A [`Frame`] that the context knows takes the place of
//! the form's bars: each bar ends where and in the line that it says, and a section closes on the degree that it says, in
//! an eighth note at least.

use super::alphabet::{LETTERS, staff_letter};
use super::context::{Context, Form, Place, length_ticks};
use super::outline::Frame;
use super::plain::{Bar, HIGHEST, LENGTHS, LOWEST, UNIT};

/// Characters, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed(u128);

impl Allowed {
    /// Whether `character` may come next.
    pub fn has(self, character: u8) -> bool {
        character < 128 && self.0 >> character & 1 == 1
    }

    /// Whether nothing may come: never before the tune's end.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The same without one character.
    pub(super) fn without(self, character: u8) -> Self {
        Self(self.0 & !(1 << character))
    }

    fn add(&mut self, characters: &[u8]) {
        for &character in characters {
            self.0 |= 1 << character;
        }
    }
}

/// Written lengths that may be composed: the finest is half the unit, of which every bar is a multiple.
const COMPOSED: [i32; 9] = [12, 24, 36, 48, 72, 96, 144, 192, 288];

/// The form of a tune in plain form, if it is one that could have been composed.
pub fn form_of(text: &str) -> Option<Form> {
    let mut context = Context::new();
    text.bytes().for_each(|character| context.push(character));
    let form = Form { bars: context.measures, chords: context.chords };
    let mut context = Context::new();
    for character in text.bytes() {
        if context.in_body() && !allowed(&context, form).has(character) {
            return None;
        }
        context.push(character);
    }
    context.is_done().then_some(form)
}

/// What may follow `context` in a body of this form.
pub fn allowed(context: &Context, form: Form) -> Allowed {
    let told = context.knows();
    let (low, high) = told.range.unwrap_or((LOWEST, HIGHEST));
    let mut grammar =
        Grammar { context, form, frame: told.frame.as_deref(), close: None, low, high };
    grammar.close = grammar.closes_on();
    let may = grammar.allowed();
    if may.is_empty() && grammar.close.is_some() {
        // What was given left no room for the close.
        grammar.close = None;
        return grammar.allowed();
    }
    may
}

struct Grammar<'a> {
    context: &'a Context,
    form: Form,
    frame: Option<&'a Frame>,
    /// The degree of this bar's last note, where the tune or a section closes with it.
    close: Option<u8>,
    low: i8,
    high: i8,
}

impl Grammar<'_> {
    /// The degree that the bar must close on; none where it need not.
    fn closes_on(&self) -> Option<u8> {
        let context = self.context;
        if context.in_pickup || context.pickup.is_none() && self.first_pickup() != 0 {
            return None;
        }
        match self.frame {
            Some(frame) => *frame.closes.get(context.measures as usize)?,
            None if self.is_last_bar() => context.knows().plan.map(|plan| plan.ends_on),
            None => None,
        }
    }

    /// Ticks of the pickup that the frame wants, or 1 where there is no frame to say.
    fn first_pickup(&self) -> i32 {
        self.frame.map_or(1, |frame| frame.pickup)
    }

    /// Ticks of the bar that are left.
    fn left(&self) -> i32 {
        self.end() - self.context.position
    }

    /// Whether a step is of the degree that the bar closes on.
    fn is_close(&self, step: i8) -> bool {
        let tonic = self.context.key.map_or(0, |key| key.letter as i8);
        self.close.is_none_or(|close| (step - tonic).rem_euclid(7) == close as i8)
    }

    /// Whether a note or rest may end here, so much before the bar's end, as far as the close goes.
    fn closes(&self, left: i32, ticks: i32) -> bool {
        let context = self.context;
        match (self.close, left) {
            (None, _) => true,
            (Some(_), 0) if context.is_rest => {
                context.last_degree().is_some_and(|degree| Some(degree) == self.close)
            }
            (Some(_), 0) => {
                let long = ticks >= self.last_note();
                long && self.is_close(context.step) && !context.has_accidental
            }
            (Some(_), left) => left >= self.last_note(),
        }
    }

    /// The shortest note that a section may close with: an eighth note.
    fn last_note(&self) -> i32 {
        if self.context.unit == 16 { 2 * UNIT } else { UNIT }
    }

    fn pickup(&self) -> i32 {
        self.context.pickup.unwrap_or(0)
    }

    fn is_last_bar(&self) -> bool {
        self.context.is_last_bar(self.form)
    }

    fn end(&self) -> i32 {
        let context = self.context;
        match self.frame {
            Some(frame) if context.in_pickup => frame.pickup,
            Some(frame) if context.pickup.is_none() && frame.pickup > 0 => frame.pickup,
            Some(frame) => {
                frame.bars.get(context.measures as usize).map_or(context.bar, |&(ticks, _)| ticks)
            }
            None => context.bar_end(self.form),
        }
    }

    fn allowed(&self) -> Allowed {
        let mut out = Allowed::default();
        let context = self.context;
        let over = context.measures >= self.form.bars;
        match context.place {
            Place::Header | Place::Done => {}
            Place::Open => self.note_starts(context.tied, &mut out),
            Place::Accidental => self.letters(None, &mut out),
            Place::Parenthesis => out.add(b"3"),
            Place::Triplet | Place::Broken => {
                self.letters(None, &mut out);
                out.add(b"^_=");
            }
            Place::Chord(so_far) => chord_goes_on(so_far, &mut out),
            Place::Letter => {
                self.marks(&mut out);
                if !self.must_mark() {
                    self.lengths([0; 3], &mut out);
                }
            }
            Place::Mark | Place::Rest => self.lengths([0; 3], &mut out),
            Place::Length(so_far) => self.lengths(so_far, &mut out),
            Place::Tie => {
                if context.position == self.end() {
                    out.add(b"|");
                } else if context.position % context.beat == 0 {
                    out.add(b" ");
                } else {
                    self.note_starts(context.tied, &mut out);
                }
            }
            Place::Line if over => out.add(b"]"),
            Place::Line
                if context.ended_pickup || context.tied.is_some() || self.frame.is_some() =>
            {
                self.note_starts(context.tied, &mut out)
            }
            Place::Line => {
                let full = context.ended_at == context.bar;
                if full {
                    self.note_starts(context.tied, &mut out);
                }
                if (!full || self.pickup() == 0) && !context.open {
                    out.add(b"|:");
                }
            }
            Place::Colon if over => out.add(b"|"),
            Place::Colon => out.add(b"|:"),
            Place::End if over => out.add(b"]"),
            Place::End | Place::Closed => self.note_starts(context.tied, &mut out),
            Place::Ending => out.add(b" "),
        }
        out
    }

    /// Characters that begin a note, a rest, a triplet or the chord symbol above one.
    fn note_starts(&self, tied: Option<i8>, out: &mut Allowed) {
        let context = self.context;
        let chord = self.form.chords && context.last() != b'"';
        // Chord symbols were asked for and none has come before the first bar line: now.
        if chord && !context.chords && context.pickup.is_some() && tied.is_none() {
            return out.add(b"\"");
        }
        if chord {
            out.add(b"\"");
        }
        if tied.is_none() && self.close.is_some() && self.left() < self.last_note() + 12 {
            // Only the last note can begin here.
            return self.close_letters(out);
        }
        self.letters(tied, out);
        if tied.is_none() {
            out.add(b"^_=z");
            let close = if self.close.is_some() { self.last_note() } else { 0 };
            if self.left() >= UNIT + close {
                out.add(b"(");
            }
        }
    }

    /// The letters of the degree that the bar closes on.
    fn close_letters(&self, out: &mut Allowed) {
        for step in 0..14 {
            if self.is_close(step) && self.reaches(step) {
                out.add(&[letter(step)]);
            }
        }
    }

    /// Whether a letter, as it stands or an octave further, is within the range.
    fn reaches(&self, step: i8) -> bool {
        let fits = |step: i8| (self.low..=self.high).contains(&step);
        fits(step) || if step < 7 { fits(step - 7) } else { fits(step + 7) }
    }

    /// A note's letter: any within the range, or the one that a tie asks for.
    fn letters(&self, tied: Option<i8>, out: &mut Allowed) {
        match tied {
            Some(step) => {
                out.add(&[letter(step.rem_euclid(7) + if step >= 7 { 7 } else { 0 })]);
            }
            None => (0..14).filter(|&step| self.reaches(step)).for_each(|step| {
                out.add(&[letter(step)]);
            }),
        }
    }

    /// Whether a tied note's letter still lacks its octave mark.
    fn must_mark(&self) -> bool {
        let step = self.context.step;
        match self.context.tied {
            Some(tied) => tied != step,
            None => !(self.low..=self.high).contains(&step),
        }
    }

    /// Whether the bar line that comes next is a pickup's.
    fn ends_pickup(&self) -> bool {
        self.context.in_pickup || self.context.pickup.is_none() && self.first_pickup() > 0
    }

    fn marks(&self, out: &mut Allowed) {
        let step = self.context.step;
        let fits = |moved: i8| match self.context.tied {
            Some(tied) => moved == tied,
            None => (self.low..=self.high).contains(&moved),
        };
        if step < 7 && fits(step - 7) {
            out.add(b",");
        }
        if step >= 7 && fits(step + 7) {
            out.add(b"'");
        }
    }

    /// How a note's length may go on, and what may follow the note if the length is one already.
    fn lengths(&self, so_far: [u8; 3], out: &mut Allowed) {
        let context = self.context;
        let room = self.end() - context.note_start;
        let length = so_far.iter().position(|&c| c == 0).unwrap_or(3);
        let sound = |ticks: i32| if context.triplet > 0 { ticks * 2 / 3 } else { ticks };
        let fits = |ticks: i32| match context.triplet {
            _ if context.broken != 0 => ticks == UNIT,
            0 => ticks <= room && COMPOSED.contains(&ticks) && self.closes(room - ticks, ticks),
            3 => {
                let room = if self.close.is_some() { room - self.last_note() } else { room };
                ticks * 2 <= room && matches!(ticks, 12 | 24 | 48)
            }
            _ => ticks == context.triplet_ticks,
        };
        for (text, ticks) in LENGTHS {
            let text = text.as_bytes();
            if text.len() > length && text[..length] == so_far[..length] && fits(ticks) {
                out.add(&text[length..=length]);
            }
        }
        if !length_ticks(so_far).is_some_and(fits) {
            return;
        }
        if length == 0
            && !context.is_rest
            && context.triplet == 0
            && context.broken == 0
            && room >= 2 * UNIT + if self.close.is_some() { self.last_note() } else { 0 }
            // Where units go in pairs, a dotted pair is one of those: in a hornpipe readers swing them already.
            && (context.beat % (2 * UNIT) != 0 || context.note_start % (2 * UNIT) == 0)
        {
            out.add(b"<>");
        }
        if context.triplet > 1 {
            self.letters(None, out);
            return out.add(b"^_=");
        }
        debug_assert_eq!(
            context.position,
            context.note_start
                + if context.broken != 0 { context.broken } else { sound(context.written) }
        );
        self.after_note(out);
    }

    /// What may follow a whole note or rest.
    fn after_note(&self, out: &mut Allowed) {
        let context = self.context;
        let (position, bar, pickup, end) =
            (context.position, context.bar, self.pickup(), self.end());
        if position < end {
            if position % context.beat == 0 {
                out.add(b" ");
            } else {
                // The tie that led to this note, if any, has been kept, and its triplet is full.
                self.note_starts(None, out);
            }
        }
        let altered = staff_letter(LETTERS[context.step.rem_euclid(7) as usize])
            .is_some_and(|letter| context.altered >> letter & 1 == 1);
        if !context.is_rest
            && context.triplet == 0
            && match end - position {
                0 => {
                    let here = context.measures as usize;
                    let given = self.frame.is_some_and(|frame| {
                        frame.before_given.get(here).is_none_or(|&given| given)
                            || frame.bars[here].1 != Bar::Plain
                    });
                    !altered && !self.is_last_bar() && (!given || context.in_pickup)
                }
                left => left >= UNIT + self.last_note() || self.is_close(context.step),
            }
        {
            out.add(b"-");
        }
        if let Some(frame) = self.frame {
            if position == end {
                let line = match frame.bars.get(context.measures as usize) {
                    Some(&(_, line)) if !self.ends_pickup() => line.text(),
                    _ => "|",
                };
                out.add(&line.as_bytes()[..1]);
            }
            return;
        }
        // Bar lines.
        if context.in_pickup {
            if position == end {
                out.add(b"|");
            }
            return;
        }
        if context.pickup.is_none() {
            // The last bar, which the pickup completes, must be whole steps of the accompaniment: eighth notes.
            let grid = if self.form.chords { i32::from(context.unit) * UNIT / 8 } else { UNIT / 2 };
            let may_be_pickup = position * 2 <= bar && position % grid == 0 && self.form.bars > 1;
            if position == bar || may_be_pickup {
                out.add(b"|");
            }
            return;
        }
        if self.is_last_bar() {
            if position == end {
                if context.open || context.first_section {
                    out.add(b":");
                }
                if !context.open {
                    out.add(b"|");
                }
            }
            return;
        }
        let boundary = position == bar - pickup;
        if position == bar {
            out.add(b"|");
        }
        if boundary {
            if context.open || context.first_section {
                out.add(b":");
            }
            if !context.open {
                out.add(b"|");
            }
        }
    }
}

/// The letter of a step in the two octaves that need no mark.
fn letter(step: i8) -> u8 {
    let letter = LETTERS[step.rem_euclid(7) as usize];
    if step >= 7 { letter.to_ascii_lowercase() } else { letter }
}

/// How a chord symbol goes on: a root, `#` or `b`, then `m`, `7`, `m7`, `dim` or nothing.
fn chord_goes_on(so_far: [u8; 4], out: &mut Allowed) {
    let length = so_far.iter().position(|&c| c == 0).unwrap_or(4);
    match so_far[..length].last() {
        None => out.add(&LETTERS),
        Some(root @ b'A'..=b'G') => {
            out.add(b"\"m7d");
            match root {
                b'F' | b'C' | b'G' => out.add(b"#"),
                b'B' | b'E' | b'A' => out.add(b"b"),
                _ => {}
            }
        }
        Some(b'#' | b'b') => out.add(b"\"m7d"),
        Some(b'm') if so_far[..length].contains(&b'd') => out.add(b"\""),
        Some(b'm') => out.add(b"\"7"),
        Some(b'd') => out.add(b"i"),
        Some(b'i') => out.add(b"m"),
        Some(_) => out.add(b"\""),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::super::context::Told;
    use super::super::outline::Outline;
    use super::*;
    use earworm_abc::{self as abc, ElementKind};

    /// A tune in which every character was drawn blindly from those that the mask allows.
    fn blind(header: &str, form: Form, seed: u64) -> String {
        let mut random = StdRng::seed_from_u64(seed);
        let mut context = Context::new();
        header.bytes().for_each(|character| context.push(character));
        while !context.is_done() {
            let may = allowed(&context, form);
            let choice: Vec<u8> = (0..128).filter(|&character| may.has(character)).collect();
            assert!(!choice.is_empty(), "nothing may follow {}", context.text());
            for &character in &choice {
                assert!(
                    context.symbol(character).is_some(),
                    "{:?} is no symbol",
                    char::from(character)
                );
            }
            context.push(choice[random.random_range(0..choice.len())]);
            assert!(context.text().len() < 20_000, "the tune does not end: {}", context.text());
        }
        context.text().to_owned()
    }

    fn headers() -> Vec<String> {
        let mut headers = Vec::new();
        for (metre, unit) in
            [("4/4", 8), ("2/4", 8), ("2/4", 16), ("3/4", 8), ("6/8", 8), ("9/8", 8), ("12/8", 8)]
        {
            for key in ["D", "Em", "Ador", "Bbmix", "F#m", "Eb"] {
                let rhythm = if metre.ends_with("/4") { "hornpipe" } else { "jig" };
                headers.push(format!("R:{rhythm}\nM:{metre}\nL:1/{unit}\nK:{key}\n"));
            }
        }
        headers
    }

    #[test]
    fn whatever_the_choice_the_tune_reads_without_a_finding_and_has_the_bars_asked_for() {
        for (number, header) in headers().iter().cycle().take(420).enumerate() {
            let form = Form { bars: [4, 8, 16, 32][number % 4], chords: number % 3 == 0 };
            let plain = blind(header, form, number as u64);
            let tunebook = abc::read(&format!("X:1\nT:Blind\n{plain}\n"));
            assert!(tunebook.findings.is_empty(), "{:?}\n{plain}", tunebook.findings);
            let tune = &tunebook.tunes[0];
            let (mut ticks, mut chords) = (0, 0);
            for element in &tune.voices[0].elements {
                ticks += match &element.kind {
                    ElementKind::Note(note) => note.duration.ticks(),
                    ElementKind::Rest(rest) => rest.duration.ticks(),
                    _ => 0,
                };
                chords +=
                    element.attached.as_ref().map_or(0, |attached| attached.chord_symbols.len());
            }
            let bar = tune.metre.bar().map_or(0, |bar| bar.ticks());
            assert_eq!(ticks, form.bars * bar, "{plain}");
            assert_eq!(chords > 0, form.chords, "{plain}");
        }
    }

    #[test]
    fn under_chord_symbols_a_pickup_is_whole_eighth_notes() {
        let fields = "R:reel\nM:2/4\nL:1/16\nK:G\n";
        let tune = |pickup: &str, last: &str| {
            format!("{fields}{pickup}|\"G\"G2B2 d2B2|\"D\"A2F2 D2F2|\"C\"E2G2 c2B2|\"G\"{last}:|]")
        };
        assert!(form_of(&tune("d2", "G4 d2")).is_some());
        assert_eq!(form_of(&tune("edB", "G4 d")), None);
        let plain = ["\"G\"", "\"D\"", "\"C\""]
            .iter()
            .fold(tune("edB", "G4 d"), |text, chord| text.replace(chord, ""));
        assert!(form_of(&plain).is_some(), "{plain}");
    }

    /// A tune drawn blindly within a frame, and its outline.
    fn blind_within(model: &str, range: (i8, i8), seed: u64) -> (String, Outline) {
        let outline = Outline::of(model).unwrap();
        let form = form_of(model).unwrap();
        let mut context = Context::new();
        let header = &model[..model.find("\nK:").unwrap() + 5];
        header.bytes().for_each(|character| context.push(character));
        let frame = Frame::of_outline(&outline, context.bar);
        let told = Told {
            form: Some(form),
            plan: outline.plan(),
            frame: Some(Arc::new(frame.clone())),
            range: Some(range),
            ..Told::default()
        };
        let mut random = StdRng::seed_from_u64(seed);
        let mut context = Context::told(told);
        header.bytes().for_each(|character| context.push(character));
        while !context.is_done() {
            let may = allowed(&context, form);
            let choice: Vec<u8> = (0..128).filter(|&character| may.has(character)).collect();
            assert!(!choice.is_empty(), "nothing may follow {}", context.text());
            let character = choice[random.random_range(0..choice.len())];
            let line = (b"|:".contains(&character) && context.position > 0).then(|| {
                let is_pickup = context.in_pickup || context.pickup.is_none() && frame.pickup > 0;
                if is_pickup { "|" } else { frame.bars[context.measures as usize].1.text() }
            });
            match line {
                Some(line) => line.bytes().for_each(|character| context.push(character)),
                None => context.push(character),
            }
        }
        (context.text().to_owned(), outline)
    }

    #[test]
    fn within_a_frame_every_strain_ends_where_and_on_what_it_says() {
        let models = [
            "R:jig\nM:6/8\nL:1/8\nK:G\nD|GAB ABc|dBG G2D|GAB ABc|dBA A2::d|efg dBG|ABA A3|gfe dBG|ABA G2:|]",
            "R:reel\nM:4/4\nL:1/8\nK:D\nd2fd Adfd|A2FA DAFA|d2fd Adfd|egfe d4||f2af dfaf|egfe a4|f2af dfaf|egfe d4|]",
            "R:polka\nM:2/4\nL:1/16\nK:C\nG2|c2e2 e2c2|d2B2 G2AB|c2e2 e2c2|d2B2 c2::G2|e2g2 g2e2|f2d2 B2G2|e2g2 g2e2|d2B2 c2:|]",
        ];
        for (number, model) in models.iter().cycle().take(150).enumerate() {
            let range = [(-3, 13), (1, 13), (4, 12), (-1, 9)][number % 4];
            let (plain, outline) = blind_within(model, range, number as u64);
            let found = Outline::of(&plain).unwrap();
            assert_eq!(found.pickup, outline.pickup, "{plain}");
            for (bar, (wanted, is)) in outline.bars.iter().zip(&found.bars).enumerate() {
                assert_eq!(wanted.line, is.line, "bar {bar} of {plain}");
                if wanted.line != Bar::Plain {
                    assert_eq!(wanted.cadence, is.cadence, "bar {bar} of {plain}");
                }
            }
            let tunebook = abc::read(&format!("X:1\nT:Blind\n{plain}\n"));
            assert!(tunebook.findings.is_empty(), "{:?}\n{plain}", tunebook.findings);
            for element in &tunebook.tunes[0].voices[0].elements {
                if let ElementKind::Note(note) = &element.kind {
                    let step = note.pitch.staff_step() as i8;
                    assert!((range.0..=range.1).contains(&step), "{step} in {plain}");
                }
            }
        }
    }

    #[test]
    fn blind_tunes_stay_within_the_range() {
        for (number, header) in headers().iter().enumerate() {
            let plain = blind(header, Form { bars: 16, chords: false }, 1000 + number as u64);
            for element in
                &abc::read(&format!("X:1\nT:Blind\n{plain}\n")).tunes[0].voices[0].elements
            {
                if let ElementKind::Note(note) = &element.kind {
                    let key = note.key();
                    // A step's accidental may reach a semitone beyond G and e'''.
                    assert!((54..=89).contains(&key), "{key} in {plain}");
                }
            }
        }
    }

    #[test]
    fn a_bar_that_does_not_add_up_could_not_have_been_composed() {
        let fields = "R:jig\nM:6/8\nL:1/8\nK:G\n";
        let good = "D|GAB ABc|dBG G2D|GAB ABc|dBG G2:|]";
        assert_eq!(form_of(&format!("{fields}{good}")), Some(Form { bars: 4, chords: false }));
        for bad in [
            good.replace("ABc|d", "ABcd|d"),
            good.replace("G2:|]", "G3:|]"),
            good.replace(":|]", ""),
            good.replace("GAB ABc", "GABABc"),
            good.replacen("D|", "D|:", 1),
        ] {
            assert_eq!(form_of(&format!("{fields}{bad}")), None, "{bad}");
        }
    }
}
