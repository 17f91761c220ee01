//! Runs this crate's targets on its share of a million inputs.

use std::sync::atomic::AtomicU64;

use super::*;

#[test]
fn targets_stand_what_comes() {
    let faults = share(TARGETS, 100_000, |said| println!("{said}"));
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_seed_gives_the_same_inputs_again_and_another_gives_others() {
    let all = |seed| {
        let inputs = Inputs::new(vectors(), seed);
        (0..1000).map(|number| inputs.at(number)).collect::<Vec<_>>()
    };
    assert_eq!(all(1), all(1));
    let same = all(1).iter().zip(all(2)).filter(|(one, other)| *one == other).count();
    assert!(same < 100, "{same}");
    let vectors = vectors();
    let changed = all(1).iter().filter(|one| !vectors.contains(one)).count();
    assert!(changed > 700, "{changed}");
}

#[test]
fn an_input_that_is_not_stood_is_told() {
    fn target(bytes: &[u8]) {
        assert!(bytes.len() < 100, "an expected failure");
    }
    let target = FuzzTarget { name: "long", run: target, corpus: vectors };
    let fault = storm(&target, 7, 100_000, &AtomicU64::new(0)).unwrap_err();
    assert!(fault.input.len() >= 100);
    let (seed, number) = fault.made;
    assert_eq!(Inputs::new(vectors(), seed).at(number), fault.input);
    assert!(fault.to_string().contains("of seed 7"), "{fault}");
}
