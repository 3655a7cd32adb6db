//! Core: the bytes of a file as text: UTF-8, UTF-16, and what `I:abc-charset` names (ABC 2.1 §3.2, §11.4).

use super::read::MOST_TEXT;
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;

/// The most bytes that a text of another character set than UTF-8 may take once it is decoded; the rest is cut and said.
pub(super) const MOST_DECODED: usize = 80_000_000;
/// The line that [`decode`] ends a text with that it has cut.
pub(super) const CUT: &str = "%%the rest of the file was cut";
/// How far into a file its character set may be named, in bytes.
const NAMED_WITHIN: usize = 1 << 16;

/// The text of a file, without its byte order mark: UTF-8 or UTF-16 where it is that, else what `I:abc-charset` names,
/// else Latin-1 with the quotation marks and dashes that Windows adds to it (ABC 2.1 §3.2).
///
/// No more than 100,000,000 bytes are taken, and no more than 80,000,000 made of another character set;
/// [`read`](super::read()) says so where it was cut.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Some(encoding) = utf_16(bytes) {
        return Cow::Owned(decoded(bytes, encoding));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = &bytes[..bytes.len().min(MOST_TEXT + 4)];
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        // A letter may have been cut in two at the limit.
        Err(error) if error.error_len().is_none() && error.valid_up_to() > MOST_TEXT => {
            Cow::Borrowed(std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default())
        }
        Err(_) => Cow::Owned(decoded(bytes, named(bytes).unwrap_or(WINDOWS_1252))),
    }
}

/// The character set of a name that `I:abc-charset` gives: `utf-8`, `iso-8859-1` to `-10`, and what else HTML knows.
/// `None` where none has that name.
pub(super) fn by_name(name: &str) -> Option<&'static Encoding> {
    Encoding::for_label(name.trim().as_bytes())
}

/// UTF-16, by its byte order mark, or by the zeros that every other byte of ASCII is in it.
fn utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    if bytes.starts_with(b"\xff\xfe") {
        return Some(UTF_16LE);
    }
    if bytes.starts_with(b"\xfe\xff") {
        return Some(UTF_16BE);
    }
    let start = &bytes[..bytes.len().min(64) & !1];
    let zeros = |odd: usize| start.iter().skip(odd).step_by(2).filter(|&&byte| byte == 0).count();
    let pairs = start.len() / 2;
    match (zeros(0), zeros(1)) {
        (0, zeros) if pairs >= 2 && zeros * 2 > pairs => Some(UTF_16LE),
        (zeros, 0) if pairs >= 2 && zeros * 2 > pairs => Some(UTF_16BE),
        _ => None,
    }
}

/// The character set that the file says it is in.
fn named(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(NAMED_WITHIN)];
    start.split(|&byte| byte == b'\n' || byte == b'\r').find_map(|line| {
        let rest = line.strip_prefix(b"I:").or_else(|| line.strip_prefix(b"%%"))?;
        let rest = rest.trim_ascii().strip_prefix(b"abc-charset")?;
        let name = rest.split(|&byte| byte == b'%').next()?;
        // A line that can be read byte by byte is not in UTF-16.
        by_name(std::str::from_utf8(name).ok()?).filter(|&set| set != UTF_16LE && set != UTF_16BE)
    })
}

/// The text of bytes in a character set, cut where it grows too long.
fn decoded(bytes: &[u8], encoding: &'static Encoding) -> String {
    let mut decoder = encoding.new_decoder_with_bom_removal();
    let mut text = String::new();
    for chunk in bytes.chunks(1 << 16) {
        // What 64 KiB grow to at most.
        text.reserve(decoder.max_utf8_buffer_length(chunk.len()).unwrap_or(0));
        let _ = decoder.decode_to_string(chunk, &mut text, false);
        if text.len() > MOST_DECODED {
            let mut end = MOST_DECODED;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push('\n');
            text.push_str(CUT);
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_in_the_character_set_that_it_names() {
        let latin_2 = b"%abc-2.1\nI:abc-charset iso-8859-2\nX:1\nT:\xa3\xf3d\xbc\n";
        assert!(decode(latin_2).contains("T:Łódź"), "{}", decode(latin_2));
        assert!(decode(b"%%abc-charset ISO-8859-5 % Cyrillic\nT:\xbc").contains("T:М"));
        assert!(decode(b"I:abc-charset iso-8859-10\nT:\xb9").contains("T:đ"));
        // What is UTF-8 is that, whatever it says.
        assert!(decode("I:abc-charset iso-8859-2\nT:é".as_bytes()).contains("T:é"));
    }

    #[test]
    fn without_a_name_it_is_what_windows_writes() {
        assert_eq!(decode(b"T:\x93caf\xe9\x94 \x96"), "T:“café” –");
    }

    #[test]
    fn utf_16_is_read_with_a_byte_order_mark_and_without() {
        let units: Vec<u16> = "X:1\nT:Grüße\n".encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        for bytes in [
            little.clone(),
            big.clone(),
            [b"\xff\xfe", &little[..]].concat(),
            [b"\xfe\xff", &big[..]].concat(),
        ] {
            assert_eq!(decode(&bytes), "X:1\nT:Grüße\n");
        }
    }
}
