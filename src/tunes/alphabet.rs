//! Core: the characters of the plain form, and their names relative to the tonic.
//!
//! The network reads and writes characters. Inside a tune's body the seven letters of each octave are
//! renamed by their degree above the tonic before it sees them (and back after it has chosen), one
//! character for one: D in D major and G in G major are the same symbol. What one key teaches, every
//! key knows.

/// Every character that the plain form may hold; a character's symbol is its place in here.
pub const CHARACTERS: &[u8] =
    b"\n \"#'(),-/0123456789:<=>]^_|ABCDEFGKLMRabcdefghijklmnopqrstuvwxyz";

/// How many symbols there are.
pub const SYMBOLS: usize = CHARACTERS.len();

/// The symbol of a character, or none where the plain form has no such character.
pub fn symbol(character: u8) -> Option<u8> {
    const TABLE: [u8; 128] = {
        let mut table = [u8::MAX; 128];
        let mut index = 0;
        while index < SYMBOLS {
            table[CHARACTERS[index] as usize] = index as u8;
            index += 1;
        }
        table
    };
    match TABLE.get(character as usize) {
        None | Some(&u8::MAX) => None,
        Some(&found) => Some(found),
    }
}

/// The character of a symbol.
///
/// # Panics
/// Where the symbol is not below [`SYMBOLS`].
pub fn character(symbol: u8) -> u8 {
    CHARACTERS[symbol as usize]
}

/// The note letters in the order of the staff, from C.
pub const LETTERS: [u8; 7] = *b"CDEFGAB";

/// A letter's place above C (0 to 6), whichever its case.
pub fn staff_letter(character: u8) -> Option<u8> {
    LETTERS
        .iter()
        .position(|&letter| letter == character.to_ascii_uppercase())
        .map(|place| place as u8)
}

/// The character by its degree above `tonic` (0 for C to 6 for B): the tonic itself becomes C or c.
pub fn to_degree(character: u8, tonic: u8) -> u8 {
    rename(character, 7 - tonic)
}

/// Undoes [`to_degree`].
pub fn from_degree(character: u8, tonic: u8) -> u8 {
    rename(character, tonic)
}

fn rename(character: u8, up: u8) -> u8 {
    match staff_letter(character) {
        Some(place) => {
            let letter = LETTERS[usize::from((place + up) % 7)];
            if character.is_ascii_lowercase() { letter.to_ascii_lowercase() } else { letter }
        }
        None => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_has_its_own_symbol() {
        for (index, &character) in CHARACTERS.iter().enumerate() {
            assert_eq!(symbol(character), Some(index as u8));
        }
        assert_eq!(symbol(b'~'), None);
        assert_eq!(symbol(200), None);
    }

    #[test]
    fn renaming_by_degree_is_undone_for_every_tonic() {
        for tonic in 0..7 {
            for &character in CHARACTERS {
                assert_eq!(from_degree(to_degree(character, tonic), tonic), character);
            }
        }
        assert_eq!(to_degree(b'D', 1), b'C');
        assert_eq!(to_degree(b'c', 1), b'b');
    }
}
