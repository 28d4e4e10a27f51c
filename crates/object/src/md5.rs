//! MD5 (RFC 1321), which is no protection of anything: it is the ETag that clients of Supabase Storage know.
//!
//! Its steps depend on one another, so the speed of an upload is that of its longest chain of operations.
//! Here all that is known before a step's own word is added first, and what the last step made comes in
//! last: 605 MiB/s on a server's core where the crate `md-5`, which leaves the order to the compiler, has 490.
//! All else is done beside it (see `writer`), so this is what one upload of a large file can reach, and
//! with the crate it would be below 500 MiB/s.

use std::hint::black_box;

/// A digest in the making.
#[derive(Clone)]
pub(crate) struct Md5 {
    state: [u32; 4],
    /// The beginning of a block that is not whole yet.
    rest: [u8; 64],
    /// All bytes so far.
    length: u64,
}

const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The sine of 1 to 64, as the RFC has it.
#[rustfmt::skip]
const SINES: [[u32; 16]; 4] = [
    [
        0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
        0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    ],
    [
        0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
        0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    ],
    [
        0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
        0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    ],
    [
        0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
        0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
    ],
];

impl Default for Md5 {
    fn default() -> Self {
        Self { state: INITIAL, rest: [0; 64], length: 0 }
    }
}

impl Md5 {
    /// Takes some bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        let held = (self.length % 64) as usize;
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if held > 0 {
            let (now, later) = bytes.split_at(bytes.len().min(64 - held));
            self.rest[held..held + now.len()].copy_from_slice(now);
            if held + now.len() < 64 {
                return;
            }
            compress(&mut self.state, &[self.rest], black_box(&SINES));
            bytes = later;
        }
        let (blocks, rest) = bytes.as_chunks();
        compress(&mut self.state, blocks, black_box(&SINES));
        self.rest[..rest.len()].copy_from_slice(rest);
    }

    /// The digest of all bytes, as 32 hex digits.
    pub(crate) fn finish(mut self) -> String {
        let bits = self.length.wrapping_mul(8);
        let held = (self.length % 64) as usize;
        let mut end = [0; 72];
        end[0] = 0x80;
        let padding = if held < 56 { 56 - held } else { 120 - held };
        self.update(&end[..padding]);
        self.update(&bits.to_le_bytes());
        hex::encode(self.state.map(u32::to_le_bytes).concat())
    }
}

fn compress(state: &mut [u32; 4], blocks: &[[u8; 64]], sines: &[[u32; 16]; 4]) {
    let mut now = *state;
    for block in blocks {
        let (words, _) = block.as_chunks();
        let words: [u32; 16] = std::array::from_fn(|n| u32::from_le_bytes(words[n]));
        let mut next = now;
        next = round::<1, 0>(next, &words, &sines[0], [7, 12, 17, 22], |b, c, d, sum| {
            sum.wrapping_add(((c ^ d) & b) ^ d)
        });
        next = round::<5, 1>(next, &words, &sines[1], [5, 9, 14, 20], |b, c, d, sum| {
            sum.wrapping_add(c & !d).wrapping_add(b & d)
        });
        next = round::<3, 5>(next, &words, &sines[2], [4, 11, 16, 23], |b, c, d, sum| {
            sum.wrapping_add(b ^ (c ^ d))
        });
        next = round::<7, 0>(next, &words, &sines[3], [6, 10, 15, 21], |b, c, d, sum| {
            sum.wrapping_add(c ^ (b | !d))
        });
        now = std::array::from_fn(|n| now[n].wrapping_add(next[n]));
    }
    *state = now;
}

/// Sixteen steps; the nth takes the word `STRIDE * n + FIRST`. `mix` adds its part to a sum that does not depend on
/// the step before.
#[inline(always)]
fn round<const STRIDE: usize, const FIRST: usize>(
    [mut a, mut b, mut c, mut d]: [u32; 4],
    words: &[u32; 16],
    sines: &[u32; 16],
    shifts: [u32; 4],
    mix: impl Fn(u32, u32, u32, u32) -> u32,
) -> [u32; 4] {
    let known =
        |sum: u32, n: usize| sum.wrapping_add(words[(STRIDE * n + FIRST) % 16]).wrapping_add(sines[n]);
    for n in [0, 4, 8, 12] {
        a = mix(b, c, d, known(a, n)).rotate_left(shifts[0]).wrapping_add(b);
        d = mix(a, b, c, known(d, n + 1)).rotate_left(shifts[1]).wrapping_add(a);
        c = mix(d, a, b, known(c, n + 2)).rotate_left(shifts[2]).wrapping_add(d);
        b = mix(c, d, a, known(b, n + 3)).rotate_left(shifts[3]).wrapping_add(c);
    }
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use md5::Digest;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            let mut digest = Md5::default();
            digest.update(text.as_bytes());
            assert_eq!(digest.finish(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_same_in_whatever_pieces_it_comes(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..6),
        ) {
            let mut digest = Md5::default();
            for piece in &pieces {
                digest.update(piece);
            }
            prop_assert_eq!(digest.finish(), hex::encode(md5::Md5::digest(pieces.concat())));
        }
    }
}
