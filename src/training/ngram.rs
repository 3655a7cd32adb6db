//! Interface: an interpolated n-gram over characters, the baseline of the tune network.

use std::collections::HashMap;

/// The highest order that is tried: so many characters are looked back at.
pub const ORDERS: usize = 9;

/// Share of a count that is kept for what was not seen (absolute discounting, Ney, Essen and Kneser 1994).
const DISCOUNT: f64 = 0.8;

/// Counts of characters after contexts of every length up to [`ORDERS`].
pub struct Ngram {
    /// By hash of context and character.
    counts: HashMap<u64, u32>,
    /// By hash of context: how often it was seen, and how many characters followed it.
    contexts: HashMap<u64, (u32, u32)>,
    symbols: f64,
}

fn hash(context: &[u8]) -> u64 {
    let seed = 0xcbf2_9ce4_8422_2325u64 ^ context.len() as u64;
    context.iter().fold(seed, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn with(context: u64, character: u8) -> u64 {
    (context ^ 0x9e37_79b9_7f4a_7c15 ^ u64::from(character)).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

impl Ngram {
    /// Counts texts, each from its own beginning.
    pub fn train(texts: &[String]) -> Self {
        let mut ngram = Self {
            counts: HashMap::new(),
            contexts: HashMap::new(),
            symbols: earworm_tunes::alphabet::SYMBOLS as f64,
        };
        for text in texts {
            let text = text.as_bytes();
            for (place, &character) in text.iter().enumerate() {
                for order in 0..=ORDERS.min(place) {
                    let context = hash(&text[place - order..place]);
                    let count = ngram.counts.entry(with(context, character)).or_default();
                    let seen = ngram.contexts.entry(context).or_default();
                    seen.0 += 1;
                    seen.1 += u32::from(*count == 0);
                    *count += 1;
                }
            }
        }
        ngram
    }

    /// Bits that each character of `text` costs, for each highest order.
    pub fn bits(&self, text: &str, mut take: impl FnMut(usize, [f64; ORDERS + 1])) {
        let text = text.as_bytes();
        for (place, &character) in text.iter().enumerate() {
            let mut chance = 1.0 / self.symbols;
            let mut bits = [0.0; ORDERS + 1];
            for (order, bits) in bits.iter_mut().enumerate() {
                if order <= place {
                    let context = hash(&text[place - order..place]);
                    if let Some(&(seen, kinds)) = self.contexts.get(&context) {
                        let count =
                            self.counts.get(&with(context, character)).copied().unwrap_or(0);
                        let seen = f64::from(seen);
                        chance = (f64::from(count) - DISCOUNT).max(0.0) / seen
                            + DISCOUNT * f64::from(kinds) / seen * chance;
                    }
                }
                *bits = -chance.log2();
            }
            take(place, bits);
        }
    }
}
