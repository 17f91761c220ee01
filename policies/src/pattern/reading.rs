//! Which patterns of HTTP paths meet under a reading of one of them.

use doorward_model::segment_readings;

use super::{Part, Pattern};

impl Pattern {
    /// Returns whether some HTTP path that `granted` reaches has a reading that this pattern
    /// reaches. Both are patterns of what follows an interface's name.
    ///
    /// A reading has the segments of its path in their order, and may leave out some of them. So
    /// this keeps the lengths of this pattern's beginnings that reach what was looked at.
    pub(crate) fn meets_reading_of(&self, granted: &Self) -> bool {
        let length = self.segments.len();
        let mut met = vec![false; length + 1];
        if let Some(none) = met.first_mut() {
            *none = true;
        }
        for segment in &granted.segments {
            let may_be_empty = reads(segment, "");
            let mut next = vec![false; length + 1];
            for (before, _) in met.iter().enumerate().filter(|(_, met)| **met) {
                // After its end, `**` reaches any further segment.
                let stays = may_be_empty || self.open && before == length;
                let goes_on = self.segments.get(before).is_some_and(|own| meets(own, segment));
                for (at, met) in [(before, stays), (before + 1, goes_on)] {
                    if let Some(place) = next.get_mut(at).filter(|_| met) {
                        *place = true;
                    }
                }
            }
            met = next;
        }
        let whole = met.last() == Some(&true);
        // Without any segment a path is the root, which has an empty one.
        let is_root = met.first() == Some(&true)
            && matches!(&*self.segments, [own] if meets(own, &Part::Text { text: "".into(), range: None }));
        whole || is_root || granted.open && met.contains(&true)
    }
}

/// Returns whether a segment of a deny rule meets a reading of some text that `granted` reaches.
fn meets(own: &Part, granted: &Part) -> bool {
    match own {
        Part::One => true,
        Part::Text { text, .. } => reads(granted, text),
    }
}

/// Returns whether some text that a segment reaches may be read as `text`, in any case.
fn reads(segment: &Part, text: &str) -> bool {
    match segment {
        Part::One => true,
        // The gateway refuses what has too many readings.
        Part::Text { text: written, .. } => segment_readings(written)
            .is_ok_and(|all| all.iter().any(|one| one.eq_ignore_ascii_case(text))),
    }
}
