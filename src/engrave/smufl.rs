//! Core: the glyphs of the music font, named as SMuFL names them, with their sizes.
//!
//! Code points are those of the Standard Music Font Layout (SMuFL 1.4, <https://w3c.github.io/smufl/latest/>).
//! Widths and boxes were read from the outlines of the font in `src/plugin/fonts/EarwormMusic.otf`, in staff spaces,
//! y upwards from the glyph's baseline, as SMuFL prescribes; one em is four staff spaces.

/// One glyph of the music font.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glyph {
    /// The code point in the music font.
    pub code: char,
    /// How far the pen moves, in staff spaces.
    pub advance: f32,
    /// Left, bottom, right and top of the ink, in staff spaces, y upwards.
    pub ink: [f32; 4],
}

impl Glyph {
    /// The width of the ink in staff spaces.
    pub fn width(&self) -> f32 {
        self.ink[2] - self.ink[0]
    }
}

macro_rules! glyphs {
    ($($(#[$doc:meta])* $name:ident $code:literal $advance:literal [$l:literal $b:literal $r:literal $t:literal])*) => {
        $(
            #[doc = concat!("SMuFL ", stringify!($name), ".")]
            pub const $name: Glyph = Glyph { code: $code, advance: $advance, ink: [$l, $b, $r, $t] };
        )*
    };
}

glyphs! {
    REPEAT_DOT '\u{E044}' 0.4 [0.0 -0.2 0.4 0.2]
    SEGNO '\u{E047}' 2.228 [0.016 -0.108 2.2 3.036]
    CODA '\u{E048}' 3.816 [-0.016 -0.632 3.82 3.592]
    G_CLEF '\u{E050}' 2.684 [0.0 -2.632 2.684 4.392]
    G_CLEF_15MB '\u{E051}' 2.684 [0.0 -3.524 2.684 4.392]
    G_CLEF_8VB '\u{E052}' 2.656 [0.0 -3.512 2.684 4.392]
    G_CLEF_8VA '\u{E053}' 2.684 [0.0 -2.632 2.684 5.28]
    G_CLEF_15MA '\u{E054}' 2.684 [0.0 -2.632 2.684 5.276]
    C_CLEF '\u{E05C}' 2.796 [0.0 -2.024 2.796 2.024]
    F_CLEF '\u{E062}' 2.736 [-0.02 -2.54 2.736 1.048]
    F_CLEF_8VB '\u{E064}' 2.736 [-0.02 -2.976 2.736 1.048]
    F_CLEF_8VA '\u{E065}' 2.736 [-0.02 -2.54 2.736 1.98]
    UNPITCHED_PERCUSSION_CLEF_1 '\u{E069}' 1.528 [0.0 -1.0 1.528 1.0]
    TIME_SIG_0 '\u{E080}' 1.88 [0.08 -1.0 1.8 1.004]
    TIME_SIG_1 '\u{E081}' 1.336 [0.08 -1.0 1.256 1.004]
    TIME_SIG_2 '\u{E082}' 1.784 [0.08 -1.028 1.704 1.016]
    TIME_SIG_3 '\u{E083}' 1.684 [0.08 -1.004 1.604 0.996]
    TIME_SIG_4 '\u{E084}' 1.88 [0.08 -1.0 1.8 1.004]
    TIME_SIG_5 '\u{E085}' 1.612 [0.08 -1.004 1.532 0.984]
    TIME_SIG_6 '\u{E086}' 1.736 [0.08 -0.996 1.656 1.004]
    TIME_SIG_7 '\u{E087}' 1.764 [0.08 -1.0 1.684 0.996]
    TIME_SIG_8 '\u{E088}' 1.744 [0.08 -1.036 1.664 1.036]
    TIME_SIG_9 '\u{E089}' 1.736 [0.08 -0.996 1.656 1.004]
    TIME_SIG_COMMON '\u{E08A}' 1.696 [0.02 -0.996 1.696 1.004]
    TIME_SIG_CUT_COMMON '\u{E08B}' 1.668 [0.0 -1.436 1.672 1.444]
    TIME_SIG_PLUS '\u{E08C}' 2.0 [-0.004 -1.0 1.996 1.0]
    NOTEHEAD_DOUBLE_WHOLE '\u{E0A0}' 2.396 [0.0 -0.62 2.396 0.62]
    NOTEHEAD_WHOLE '\u{E0A2}' 1.688 [0.0 -0.5 1.688 0.5]
    NOTEHEAD_HALF '\u{E0A3}' 1.18 [0.0 -0.5 1.18 0.5]
    NOTEHEAD_BLACK '\u{E0A4}' 1.18 [0.0 -0.5 1.18 0.5]
    NOTEHEAD_X_BLACK '\u{E0A9}' 1.16 [0.0 -0.5 1.16 0.5]
    AUGMENTATION_DOT '\u{E1E7}' 0.4 [0.0 -0.2 0.4 0.2]
    FLAG_8TH_UP '\u{E240}' 1.056 [0.0 -3.241 1.056 0.036]
    FLAG_8TH_DOWN '\u{E241}' 1.224 [0.0 -0.056 1.224 3.232]
    FLAG_16TH_UP '\u{E242}' 1.116 [0.0 -3.252 1.116 0.008]
    FLAG_16TH_DOWN '\u{E243}' 1.168 [0.0 -0.036 1.164 3.248]
    FLAG_32ND_UP '\u{E244}' 1.048 [0.0 -3.248 1.044 0.596]
    FLAG_32ND_DOWN '\u{E245}' 1.096 [0.0 -0.688 1.092 3.248]
    FLAG_64TH_UP '\u{E246}' 1.048 [0.0 -3.248 1.044 1.388]
    FLAG_64TH_DOWN '\u{E247}' 1.1 [0.0 -1.504 1.092 3.248]
    FLAG_128TH_UP '\u{E248}' 1.036 [0.0 -3.248 1.044 2.132]
    FLAG_128TH_DOWN '\u{E249}' 1.1 [0.0 -2.32 1.092 3.248]
    ACCIDENTAL_FLAT '\u{E260}' 0.904 [0.0 -0.7 0.904 1.756]
    ACCIDENTAL_NATURAL '\u{E261}' 0.672 [0.0 -1.34 0.672 1.364]
    ACCIDENTAL_SHARP '\u{E262}' 0.996 [0.0 -1.392 0.996 1.4]
    ACCIDENTAL_DOUBLE_SHARP '\u{E263}' 1.0 [0.0 -0.5 0.988 0.508]
    ACCIDENTAL_DOUBLE_FLAT '\u{E264}' 1.652 [0.0 -0.7 1.644 1.748]
    ACCIDENTAL_QUARTER_TONE_FLAT_STEIN '\u{E280}' 0.908 [0.004 -0.7 0.908 1.756]
    ACCIDENTAL_THREE_QUARTER_TONES_FLAT_ZIMMERMANN '\u{E281}' 1.864 [0.004 -0.7 1.864 1.756]
    ACCIDENTAL_QUARTER_TONE_SHARP_STEIN '\u{E282}' 0.716 [0.0 -1.412 0.716 1.228]
    ACCIDENTAL_THREE_QUARTER_TONES_SHARP_STEIN '\u{E283}' 1.268 [0.012 -1.388 1.268 1.476]
    ARTIC_ACCENT_ABOVE '\u{E4A0}' 1.356 [0.0 0.004 1.356 0.98]
    ARTIC_ACCENT_BELOW '\u{E4A1}' 1.356 [0.0 -0.976 1.356 0.0]
    ARTIC_STACCATO_ABOVE '\u{E4A2}' 0.336 [0.0 0.0 0.336 0.336]
    ARTIC_STACCATO_BELOW '\u{E4A3}' 0.336 [0.0 -0.336 0.336 0.0]
    ARTIC_TENUTO_ABOVE '\u{E4A4}' 1.352 [-0.004 0.0 1.352 0.192]
    ARTIC_TENUTO_BELOW '\u{E4A5}' 1.352 [-0.004 -0.192 1.352 0.0]
    ARTIC_STACCATISSIMO_ABOVE '\u{E4A6}' 0.408 [0.004 -0.008 0.4 1.172]
    ARTIC_STACCATISSIMO_BELOW '\u{E4A7}' 0.408 [0.004 -1.18 0.4 0.0]
    ARTIC_MARCATO_ABOVE '\u{E4AC}' 0.944 [-0.004 -0.004 0.94 1.012]
    ARTIC_MARCATO_BELOW '\u{E4AD}' 0.944 [-0.004 -1.016 0.94 0.0]
    FERMATA_ABOVE '\u{E4C0}' 2.42 [0.012 -0.012 2.42 1.316]
    FERMATA_BELOW '\u{E4C1}' 2.42 [0.012 -1.328 2.42 0.0]
    BREATH_MARK_COMMA '\u{E4CE}' 0.612 [0.004 0.008 0.608 1.004]
    CAESURA '\u{E4D1}' 1.54 [0.0 -0.004 1.536 2.128]
    REST_DOUBLE_WHOLE '\u{E4E2}' 0.504 [0.0 0.0 0.5 1.0]
    REST_WHOLE '\u{E4E3}' 1.132 [0.0 -0.54 1.128 0.036]
    REST_HALF '\u{E4E4}' 1.132 [0.0 -0.008 1.128 0.568]
    REST_QUARTER '\u{E4E5}' 1.08 [0.004 -1.5 1.08 1.492]
    REST_8TH '\u{E4E6}' 1.0 [0.0 -1.004 0.988 0.696]
    REST_16TH '\u{E4E7}' 1.28 [0.0 -2.0 1.28 0.716]
    REST_32ND '\u{E4E8}' 1.452 [0.0 -2.0 1.452 1.704]
    REST_64TH '\u{E4E9}' 1.696 [0.0 -3.012 1.692 1.72]
    REST_128TH '\u{E4EA}' 1.94 [0.0 -3.0 1.94 2.756]
    REST_H_BAR '\u{E4EE}' 3.136 [0.0 -1.084 3.128 1.044]
    DYNAMIC_PIANO '\u{E520}' 1.46 [-0.356 -0.568 1.464 1.096]
    DYNAMIC_MEZZO '\u{E521}' 1.748 [-0.08 -0.04 1.784 1.096]
    DYNAMIC_FORTE '\u{E522}' 1.456 [-0.564 -0.608 1.456 1.776]
    DYNAMIC_RINFORZANDO '\u{E523}' 1.108 [-0.08 0.0 1.108 1.096]
    DYNAMIC_SFORZANDO '\u{E524}' 0.916 [0.0 -0.04 0.916 1.092]
    DYNAMIC_Z '\u{E525}' 0.976 [-0.12 -0.04 0.976 1.072]
    DYNAMIC_NIENTE '\u{E526}' 1.232 [-0.092 -0.04 1.232 1.096]
    GRACE_NOTE_SLASH_STEM_UP '\u{E564}' 2.02 [0.0 0.0 2.02 1.604]
    ORNAMENT_TRILL '\u{E566}' 2.084 [0.0 -0.04 2.084 1.56]
    ORNAMENT_TURN '\u{E567}' 1.84 [0.0 0.0 1.84 0.872]
    ORNAMENT_TURN_INVERTED '\u{E568}' 1.828 [-0.012 0.0 1.828 0.872]
    ORNAMENT_SHORT_TRILL '\u{E56C}' 2.92 [0.0 0.0 2.9 0.98]
    ORNAMENT_MORDENT '\u{E56D}' 2.916 [0.004 -0.292 2.916 1.276]
    ORNAMENT_TREMBLEMENT '\u{E56E}' 3.94 [0.004 0.0 3.94 0.976]
    STRINGS_DOWN_BOW '\u{E610}' 1.248 [0.0 0.0 1.248 1.272]
    STRINGS_UP_BOW '\u{E612}' 1.0 [0.004 0.004 0.996 1.98]
    TUPLET_0 '\u{E880}' 1.276 [-0.001 -0.032 1.273 1.5]
    TUPLET_1 '\u{E881}' 0.984 [0.04 0.0 1.024 1.488]
    TUPLET_2 '\u{E882}' 1.276 [0.04 -0.024 1.316 1.5]
    TUPLET_3 '\u{E883}' 1.184 [0.04 -0.032 1.224 1.5]
    TUPLET_4 '\u{E884}' 1.212 [0.04 0.0 1.252 1.488]
    TUPLET_5 '\u{E885}' 1.268 [0.04 -0.032 1.308 1.492]
    TUPLET_6 '\u{E886}' 1.216 [0.041 -0.032 1.256 1.5]
    TUPLET_7 '\u{E887}' 1.212 [0.12 -0.016 1.332 1.488]
    TUPLET_8 '\u{E888}' 1.252 [0.04 -0.032 1.292 1.5]
    TUPLET_9 '\u{E889}' 1.216 [0.04 -0.032 1.255 1.5]
    TUPLET_COLON '\u{E88A}' 0.444 [0.04 0.232 0.484 1.072]
    WIGGLE_TRILL '\u{EAA4}' 0.948 [-0.144 0.392 1.08 0.836]
    MET_NOTE_WHOLE '\u{ECA2}' 1.836 [0.0 -0.5 1.836 0.592]
    MET_NOTE_HALF_UP '\u{ECA3}' 1.364 [0.0 -0.564 1.364 2.752]
    MET_NOTE_QUARTER_UP '\u{ECA5}' 1.328 [0.0 -0.564 1.328 2.752]
    MET_NOTE_8TH_UP '\u{ECA7}' 2.136 [0.0 -0.564 2.132 2.784]
    MET_NOTE_16TH_UP '\u{ECA9}' 2.088 [0.0 -0.564 2.084 2.8]
    MET_AUGMENTATION_DOT '\u{ECB7}' 0.4 [0.0 -0.2 0.4 0.2]
    CSYM_ACCIDENTAL_FLAT '\u{ED60}' 1.136 [0.004 -0.004 1.136 3.0]
    CSYM_ACCIDENTAL_NATURAL '\u{ED61}' 0.736 [0.0 0.0 0.736 3.004]
    CSYM_ACCIDENTAL_SHARP '\u{ED62}' 1.24 [0.0 -0.052 1.24 3.048]
}
