//! Core: the letters of texts: mnemonics, entities and code points that ASCII stands for (ABC 2.1 §8.2).

use std::borrow::Cow;

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Titles, names, remarks, annotations.
    Plain,
    /// w: lines, in which a backslash has a meaning of its own, before a hyphen, say (§5.1): it stays.
    Lyrics,
}

impl Kind {
    /// How the text of a field is read; `None` where it is no text but a value.
    pub(super) fn of_field(letter: char) -> Option<Self> {
        match letter {
            'w' => Some(Self::Lyrics),
            'A' | 'B' | 'C' | 'D' | 'F' | 'G' | 'H' | 'N' | 'O' | 'R' | 'S' | 'T' | 'W' | 'Z' => {
                Some(Self::Plain)
            }
            _ => None,
        }
    }
}

/// Accents after a backslash, each with letters and what it makes of them.
const ACCENTS: &[(char, &str)] = &[
    ('`', "AÀEÈIÌNǸOÒUÙaàeèiìnǹoòuù"),
    ('\'', "AÁCĆEÉIÍLĹNŃOÓRŔSŚUÚYÝZŹaácćeéiílĺnńoórŕsśuúyýzź"),
    ('^', "AÂCĈEÊGĜHĤIÎJĴOÔSŜUÛWŴYŶaâcĉeêgĝhĥiîjĵoôsŝuûwŵyŷ"),
    ('"', "AÄEËIÏOÖUÜYŸaäeëiïoöuüyÿ"),
    ('~', "AÃIĨNÑOÕUŨaãiĩnñoõuũ"),
    ('c', "CÇSŞTŢcçsştţ"),
    ('v', "CČDĎEĚNŇRŘSŠTŤZŽcčdďeěnňrřsštťzž"),
    ('H', "OŐUŰoőuű"),
    ('u', "AĂEĔGĞIĬOŎUŬaăeĕgğiĭoŏuŭ"),
    ('/', "DĐLŁOØdđlłoø"),
    ('=', "AĀEĒIĪOŌUŪaāeēiīoōuū"),
    ('.', "CĊEĖGĠIİZŻcċeėgġzż"),
];

/// Two letters after a backslash that are one.
const LIGATURES: &[(&str, char)] = &[
    ("AA", 'Å'),
    ("aa", 'å'),
    ("AE", 'Æ'),
    ("ae", 'æ'),
    ("OE", 'Œ'),
    ("oe", 'œ'),
    ("ss", 'ß'),
    ("DH", 'Ð'),
    ("dh", 'ð'),
    ("TH", 'Þ'),
    ("th", 'þ'),
];

/// HTML's names of the letters and signs from U+00A0 to U+00FF.
const LATIN_1: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr \
    deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest \
    Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml \
    ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig \
    agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml \
    eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

/// Others of HTML's names.
const NAMED: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("OElig", 'Œ'),
    ("oelig", 'œ'),
    ("Scaron", 'Š'),
    ("scaron", 'š'),
    ("Zcaron", 'Ž'),
    ("zcaron", 'ž'),
    ("Ccaron", 'Č'),
    ("ccaron", 'č'),
    ("Yuml", 'Ÿ'),
    ("Abreve", 'Ă'),
    ("abreve", 'ă'),
    ("Ubreve", 'Ŭ'),
    ("ubreve", 'ŭ'),
    ("Odblac", 'Ő'),
    ("odblac", 'ő'),
    ("Udblac", 'Ű'),
    ("udblac", 'ű'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("hellip", '…'),
    ("bull", '•'),
    ("dagger", '†'),
    ("euro", '€'),
    ("trade", '™'),
    ("flat", '♭'),
    ("sharp", '♯'),
    ("natural", '♮'),
    ("natur", '♮'),
];

/// A letter by its code point; none of those that end a line or can't be seen.
fn letter(code: u32) -> Option<char> {
    char::from_u32(code).filter(|c| !c.is_control())
}

/// The letter of so many hexadecimal digits at a text's start, and what follows.
fn hexadecimal(text: &str, digits: usize) -> Option<(char, &str)> {
    let code = text.get(..digits)?;
    if !code.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((letter(u32::from_str_radix(code, 16).ok()?)?, &text[digits..]))
}

/// An entity, `&eacute;` or `&#233;`, at a text's start, and what follows.
fn entity(text: &str) -> Option<(char, &str)> {
    let inner = text.strip_prefix('&')?;
    let end = inner.bytes().take(12).position(|byte| byte == b';')?;
    let (name, rest) = (&inner[..end], &inner[end + 1..]);
    let found = if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        letter(code)?
    } else if let Some(at) = LATIN_1.split_ascii_whitespace().position(|known| known == name) {
        letter(0xA0 + at as u32)?
    } else {
        NAMED.iter().find(|(known, _)| *known == name)?.1
    };
    Some((found, rest))
}

/// What a backslash and what follows it stand for, and the text after that.
fn mnemonic(text: &str, kind: Kind) -> Option<(char, &str)> {
    let after = text.strip_prefix('\\')?;
    let first = after.chars().next()?;
    let rest = &after[first.len_utf8()..];
    let code = match first {
        'u' => hexadecimal(rest, 4),
        'U' => hexadecimal(rest, 8),
        _ => None,
    };
    if code.is_some() {
        // A backslash that is spelled out would mean something else once it is one.
        return code.filter(|(letter, _)| *letter != '\\' || kind == Kind::Plain);
    }
    if let Some(&(two, letter)) = LIGATURES.iter().find(|(two, _)| after.starts_with(two)) {
        return Some((letter, &after[two.len()..]));
    }
    if let Some((_, letters)) = ACCENTS.iter().find(|(accent, _)| *accent == first)
        && let Some(plain) = rest.chars().next().filter(char::is_ascii_alphabetic)
    {
        let mut letters = letters.chars();
        while let Some(one) = letters.next() {
            let accented = letters.next()?;
            if one == plain {
                return Some((accented, &rest[1..]));
            }
        }
    }
    match first {
        '%' | '&' | '"' => Some((first, rest)),
        '\\' if kind == Kind::Plain => Some(('\\', rest)),
        _ => None,
    }
}

/// A text as it is to be shown.
pub(super) fn shown(text: &str, kind: Kind) -> Cow<'_, str> {
    if !text.contains(['\\', '&']) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let found = match c {
            '\\' => mnemonic(rest, kind),
            '&' => entity(rest),
            _ => None,
        };
        match found {
            Some((letter, after)) => {
                shown.push(letter);
                rest = after;
            }
            // Two backslashes are one sign: the second begins none.
            None if rest.starts_with("\\\\") => {
                shown.push_str("\\\\");
                rest = &rest[2..];
            }
            None => {
                shown.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    Cow::Owned(shown)
}

/// A text as ABC writes it: [`shown`] gives it back.
pub(super) fn written(text: &str, kind: Kind) -> Cow<'_, str> {
    if !text.contains(['\\', '%', '&', '"']) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        match c {
            '%' => written.push_str("\\%"),
            '\\' if kind == Kind::Plain => written.push_str("\\\\"),
            '&' if entity(&text[at..]).is_some() => written.push_str("\\&"),
            c => written.push(c),
        }
    }
    Cow::Owned(written)
}

/// A title, a name or another text as a field of ABC writes it: reading gives it back as it is.
///
/// ```
/// assert_eq!(earworm_abc::escaped("100 % jig"), "100 \\% jig");
/// ```
pub fn escaped(text: &str) -> Cow<'_, str> {
    written(text, Kind::Plain)
}

/// A text as ABC writes it between quotation marks.
pub(super) fn quoted(text: &str) -> String {
    written(text, Kind::Plain).replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_as_the_standard_spells_them() {
        for (text, expected) in [
            ("Caf\\'e na h-\\`Aite", "Café na h-Àite"),
            ("\\AA \\aa \\oe \\ss \\\"o \\~n \\cC \\/O \\vS \\HO \\uA", "Å å œ ß ö ñ Ç Ø Š Ő Ă"),
            ("&eacute; &amp; &Ccedil;&#233;&#xe9; &nosuch; & so", "é & Çéé &nosuch; & so"),
            ("\\u00e9\\U0001d11e \\u000a", "é𝄞 \\u000a"),
            ("100\\% \\\\ \\& \\x \\", "100% \\ & \\x \\"),
        ] {
            assert_eq!(shown(text, Kind::Plain), expected);
        }
    }

    #[test]
    fn a_text_that_is_written_reads_back_and_never_grows() {
        for text in ["50 % \\ & &amp; \"so\" \\\\ \\'e \\%", "a\\-b \\\\ %", "\\u0041", "&", "é\\"]
        {
            assert_eq!(shown(&written(text, Kind::Plain), Kind::Plain), text);
            assert_eq!(shown(&quoted(text), Kind::Plain), text);
        }
        for source in ["a\\-b \\'e &amp;amp; \\\\u0041 \\% \\\\'e \\u005c'e \\", "\\\\\\%"] {
            let text = shown(source, Kind::Lyrics).into_owned();
            assert_eq!(shown(&written(&text, Kind::Lyrics), Kind::Lyrics), text, "{source}");
        }
    }
}
