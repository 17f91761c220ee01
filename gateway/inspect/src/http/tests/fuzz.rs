//! Runs the HTTP target on its corpus.

use proptest::prelude::*;

use super::super::fuzzing::{http, http_corpus};

#[test]
fn the_target_stands_its_corpus() {
    let corpus = http_corpus();
    for input in &corpus {
        http(input);
        for end in 0..input.len() {
            http(&input[..end]);
        }
        for kind in 0..128 {
            http(&[&[kind], &input[1..]].concat());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn the_target_stands_what_comes(
        one in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 0..6),
        cross in any::<Option<prop::sample::Index>>(),
    ) {
        let corpus = http_corpus();
        let (mut input, other) = (one.get(&corpus).clone(), other.get(&corpus));
        if let Some(cross) = cross {
            let at = cross.index(input.len().min(other.len()));
            input.splice(at.., other[at..].iter().copied());
        }
        for (at, byte, how) in changes {
            let at = at.index(input.len());
            match how {
                0 => input[at] = byte,
                1 => input.insert(at, byte),
                _ if input.len() > 1 => drop(input.remove(at)),
                _ => {}
            }
        }
        http(&input);
    }
}
