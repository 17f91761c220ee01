//! Lines of the log that peers can cause. They go through here and nowhere else, so that nobody fills
//! a disk with them: of each kind a few stand for one party within a minute, and some more for all
//! parties together; then one line says how many more there were.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use doorward_policies::Party;
use tracing::Level;

const MINUTE: Duration = Duration::from_secs(60);
/// How many lines of one kind one party causes within a minute.
const FOR_ONE: u32 = 3;
/// How many of one kind all parties cause together.
const FOR_ALL: u32 = 60;

/// Something needs a person.
pub fn error(by: &Party, what: &'static str, detail: impl Display) {
    say(Level::ERROR, by, what, &detail);
}

/// Something did not go as it should.
pub fn warn(by: &Party, what: &'static str, detail: impl Display) {
    say(Level::WARN, by, what, &detail);
}

/// Something that an operator may want to know.
pub fn info(by: &Party, what: &'static str, detail: impl Display) {
    say(Level::INFO, by, what, &detail);
}

/// Something for whoever looks for a fault.
pub fn debug(by: &Party, what: &'static str, detail: impl Display) {
    say(Level::DEBUG, by, what, &detail);
}

/// Writes how many lines were left out since the last time. To be called once a minute.
pub(crate) fn sum_up() {
    let left_out = state().turn(Instant::now());
    for (what, lines) in left_out {
        write(Level::WARN, "gateway", what, &format_args!("{lines} more lines say the same"));
    }
}

static STATE: LazyLock<Mutex<State>> = LazyLock::new(|| Mutex::new(State::new(Instant::now())));

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(level: Level, by: &Party, what: &'static str, detail: &dyn Display) {
    // Nobody counts what nobody hears.
    if level > tracing::level_filters::LevelFilter::current() {
        return;
    }
    let (may, left_out) = {
        let (now, mut state) = (Instant::now(), state());
        let left_out = if state.is_over(now) { state.turn(now) } else { Vec::new() };
        (state.may(by, what), left_out)
    };
    for (what, lines) in left_out {
        write(Level::WARN, "gateway", what, &format_args!("{lines} more lines say the same"));
    }
    if may {
        write(level, &by.to_string(), what, detail);
    }
}

#[expect(clippy::disallowed_macros, reason = "this is the function that bounds them")]
fn write(level: Level, by: &str, what: &'static str, detail: &dyn Display) {
    let detail = detail.to_string();
    let detail = doorward_model::escape(&detail);
    match level {
        Level::ERROR => tracing::error!(%by, "{what}: {detail}"),
        Level::WARN => tracing::warn!(%by, "{what}: {detail}"),
        Level::INFO => tracing::info!(%by, "{what}: {detail}"),
        _ => tracing::debug!(%by, "{what}: {detail}"),
    }
}

/// The lines of the present minute.
struct State {
    since: Instant,
    kinds: HashMap<&'static str, Kind>,
}

#[derive(Default)]
struct Kind {
    written: u32,
    left_out: u64,
    by_party: HashMap<Party, u32>,
}

impl State {
    fn new(now: Instant) -> Self {
        Self { since: now, kinds: HashMap::new() }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= MINUTE
    }

    /// Begins a minute. How many lines of the former one were left out, by their kind.
    fn turn(&mut self, now: Instant) -> Vec<(&'static str, u64)> {
        let former = std::mem::replace(self, Self::new(now)).kinds.into_iter();
        former.filter(|(_, kind)| kind.left_out > 0).map(|(what, kind)| (what, kind.left_out)).collect()
    }

    /// Whether one more line of that kind may be written for that party.
    fn may(&mut self, by: &Party, what: &'static str) -> bool {
        let kind = self.kinds.entry(what).or_default();
        // No more parties are told apart than lines are written.
        let own = kind.by_party.get(by).copied().unwrap_or_default();
        let may = own < FOR_ONE && kind.written < FOR_ALL;
        if may {
            kind.written += 1;
            kind.by_party.insert(by.clone(), own + 1);
        } else {
            kind.left_out += 1;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(number: u16) -> Party {
        Party::stranger([10, 0, (number >> 8) as u8, number as u8].into())
    }

    #[test]
    fn few_lines_stand_for_one_party_some_for_all_and_the_rest_is_counted() {
        let begin = Instant::now();
        let mut state = State::new(begin);
        let one = (0..1000).filter(|_| state.may(&party(1), "a")).count();
        assert_eq!(one as u32, FOR_ONE);
        assert!(state.may(&party(2), "a"), "another party has its own");
        assert!(state.may(&party(1), "b"), "and so has another kind");
        let all = (0..5000).filter(|number| state.may(&party(*number), "c")).count();
        assert_eq!(all as u32, FOR_ALL);
        assert!(state.kinds["c"].by_party.len() as u32 <= FOR_ALL);
        assert!(!state.is_over(begin + MINUTE / 2) && state.is_over(begin + MINUTE));
        let mut left_out = state.turn(begin + MINUTE);
        left_out.sort_unstable();
        assert_eq!(left_out, [("a", 997), ("c", 4940)]);
        assert!(state.may(&party(1), "a"), "in the next minute it is said again");
    }
}
