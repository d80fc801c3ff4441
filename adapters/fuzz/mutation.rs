use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};

/// Inputs kept at once; the oldest of those that were found go first.
const KEPT: usize = 4_096;

/// The most changes to one input.
const CHANGES: u32 = 6;

/// What readers tend to trip over.
const ODD: &[&[u8]] = &[
    b"",
    b"0",
    b"-1",
    b"2147483648",
    b"9223372036854775808",
    b"18446744073709551616",
    b"1e999",
    b"NaN",
    b"null",
    b"{}",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"{\"\":",
    b"\"\\ud800\"",
    b"\0",
    b"\n",
    b"\r\n",
    b"=",
    b".",
    b":",
    b"%",
    b"..",
    b"\xff",
    b"\xf0\x9f\xa6\x80",
    b"\xe2\x80\xae",
    b"\x7f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"9999-12-31T23:59:59.999999999Z",
    b"-009999-01-01T00:00:00Z",
];

/// The inputs that others are made of.
#[derive(Default)]
pub(super) struct Pool(Vec<Vec<u8>>);

impl Pool {
    pub(super) fn add(&mut self, input: Vec<u8>) {
        if self.0.len() < KEPT {
            self.0.push(input);
        }
    }

    /// One of them, changed here and there, of `max` bytes at most.
    pub(super) fn mutated(&self, random: &mut StdRng, max: usize) -> Vec<u8> {
        let mut input = self.one(random).to_vec();
        for _ in 0..random.random_range(1..=CHANGES) {
            self.change(&mut input, random);
        }
        input.truncate(max);
        input
    }

    fn one(&self, random: &mut StdRng) -> &[u8] {
        &self.0[random.random_range(0..self.0.len())]
    }

    fn change(&self, input: &mut Vec<u8>, random: &mut StdRng) {
        let range = part(input.len(), random);
        match random.random_range(0..9) {
            0 | 1 => {
                if let Some(byte) = input.get_mut(range.start) {
                    *byte ^= 1 << random.random_range(0..8);
                }
            }
            2 => {
                if let Some(byte) = input.get_mut(range.start) {
                    *byte = random.random();
                }
            }
            3 => drop(input.drain(range)),
            4 => {
                let copy = input[range.clone()].to_vec();
                let times = random.random_range(1..16);
                input.splice(range.end..range.end, copy.repeat(times));
            }
            5 | 6 => {
                let odd = ODD[random.random_range(0..ODD.len())];
                input.splice(range, odd.iter().copied());
            }
            7 => {
                let mut noise = vec![0; random.random_range(1..9)];
                random.fill_bytes(&mut noise);
                input.splice(range.start..range.start, noise);
            }
            _ => {
                let other = self.one(random);
                let other = other[part(other.len(), random)].to_vec();
                input.splice(range, other);
            }
        }
    }
}

/// Some part of so many bytes, short more often than long.
fn part(len: usize, random: &mut StdRng) -> std::ops::Range<usize> {
    let begin = random.random_range(0..=len);
    let most = (len - begin).min(1 << random.random_range(0..12));
    begin..begin + random.random_range(0..=most)
}
