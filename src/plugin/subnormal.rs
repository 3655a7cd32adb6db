//! Real-time: samples too small for a normal float (under -758 dBFS), which slow down whatever comes after.

/// `sample`, or zero where it is subnormal. Without a branch, so that a block of them takes a few instructions.
pub fn without_subnormal(sample: f32) -> f32 {
    let bits = sample.to_bits();
    // Signed, as that is what processors compare; without its sign a float's bits are never negative.
    let size = (bits & 0x7fff_ffff) as i32;
    let keep = (size == 0) | (size >= f32::MIN_POSITIVE.to_bits() as i32);
    f32::from_bits(if keep { bits } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::without_subnormal;

    #[test]
    fn every_sample_passes_bit_by_bit_but_a_subnormal_one() {
        let mut odd = vec![0.0, -0.0, 1.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        odd.extend([f32::MIN_POSITIVE, -f32::MIN_POSITIVE, f32::MAX, 1e-30]);
        for sample in odd {
            assert_eq!(without_subnormal(sample).to_bits(), sample.to_bits(), "{sample}");
        }
        for bits in [1, 2, 1 << 22, (1 << 23) - 1] {
            assert_eq!(without_subnormal(f32::from_bits(bits)).to_bits(), 0);
            assert_eq!(without_subnormal(-f32::from_bits(bits)).to_bits(), 0);
        }
    }
}
