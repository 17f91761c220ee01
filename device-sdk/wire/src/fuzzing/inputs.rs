//! Makes inputs for fuzz targets from a seed and a corpus.

/// The longest input, in bytes.
const LONGEST: usize = 4096;

/// A generator of inputs: some are random, most are mutations of the corpus. The same seed gives
/// the same inputs.
#[derive(Clone, Debug)]
pub struct Inputs {
    corpus: Vec<Vec<u8>>,
    seed: u64,
}

impl Inputs {
    /// Creates a generator of inputs from `corpus`.
    #[must_use]
    pub fn new(corpus: Vec<Vec<u8>>, seed: u64) -> Self {
        Self { corpus, seed }
    }

    /// Returns the input with this number.
    #[must_use]
    pub fn at(&self, number: u64) -> Vec<u8> {
        // Both numbers are mixed, so that neighbouring inputs have nothing in common.
        let mut dice = Dice(Dice(self.seed).roll() ^ Dice(!number).roll());
        let mut input = match dice.below(8) {
            0 => dice.bytes(),
            _ => self.one(&mut dice),
        };
        for _ in 0..dice.below(6) {
            self.mutate(&mut input, &mut dice);
        }
        input.truncate(LONGEST);
        input
    }

    fn one(&self, dice: &mut Dice) -> Vec<u8> {
        self.corpus.get(dice.below(self.corpus.len())).cloned().unwrap_or_default()
    }

    fn mutate(&self, input: &mut Vec<u8>, dice: &mut Dice) {
        let at = dice.below(input.len());
        let to = (at + 1 + dice.below(16)).min(input.len());
        let to = to.max(at);
        match dice.below(9) {
            // Changes a bit or a byte.
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
            }
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = dice.edge();
                }
            }
            // Inserts, removes or repeats bytes.
            2 => {
                let more: Vec<u8> = (0..=dice.below(8)).map(|_| dice.edge()).collect();
                input.splice(at..at, more);
            }
            3 => drop(input.drain(at..to)),
            4 => {
                let twice = input[at..to].to_vec();
                input.splice(at..at, twice);
            }
            5 => input.truncate(at),
            // Replaces the rest with a part of another input, or inserts such a part.
            6 => {
                let other = self.one(dice);
                input.truncate(at);
                input.extend_from_slice(&other[dice.below(other.len())..]);
            }
            7 => {
                let other = self.one(dice);
                let from = dice.below(other.len());
                let until = (from + 1 + dice.below(64)).min(other.len()).max(from);
                input.splice(at..at, other[from..until].iter().copied());
            }
            // Writes a wrong length.
            _ => {
                let left = input.len() - at;
                let lies = [0, 1, left.wrapping_sub(1), left, left + 1, 0xff, 0xffff, usize::MAX];
                let lie = lies[dice.below(lies.len())].to_be_bytes();
                let size = [1, 2, 4, 8][dice.below(4)];
                for (byte, lied) in input[at..].iter_mut().zip(&lie[lie.len() - size..]) {
                    *byte = *lied;
                }
            }
        }
    }
}

/// A pseudorandom number generator (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`, or 0 if `bound` is 0.
    fn below(&mut self, bound: usize) -> usize {
        let scaled = (u128::from(self.roll()) * bound as u128) >> 64;
        usize::try_from(scaled).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        self.roll().to_be_bytes()[0]
    }

    /// Returns a byte, half of the time one at the edge of a range.
    fn edge(&mut self) -> u8 {
        match self.below(12) {
            edge @ 0..6 => [0, 1, 0x7f, 0x80, 0xfe, 0xff][edge],
            _ => self.byte(),
        }
    }

    /// Returns random bytes, mostly few.
    fn bytes(&mut self) -> Vec<u8> {
        let most = [8, 32, 128, 512][self.below(4)];
        (0..self.below(most)).map(|_| self.byte()).collect()
    }
}
