//! The log on standard error. A peer can cause log lines, so the lines of every call site are
//! bounded here. No peer can fill a disk with log lines, and no crate needs a bound of its own.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use doorward_model::Clock as _;
use jiff::Timestamp;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use crate::clock::SystemClock;
use crate::config::LogForm;
use crate::failure::CommandFailure;

/// The environment variable that sets the level.
const VARIABLE: &str = "DOORWARD_LOG";
const MINUTE: Duration = Duration::from_secs(60);
/// How many lines a call site writes within a minute for one party.
const FOR_ONE: u32 = 3;
/// How many lines a call site writes within a minute for all parties together.
const FOR_ALL: u32 = 60;
/// The field that names the party that has caused a line: a subject or a network. A line without
/// this field counts against [`FOR_ALL`] only.
const BY: &str = "by";
/// The target of the summary lines, which are not counted themselves.
const SUMMARY: &str = "doorward::log";

/// Starts the log, at level `usual` unless `DOORWARD_LOG` sets another.
///
/// # Errors
/// Fails if `DOORWARD_LOG` is neither a level nor a list of `TARGET=LEVEL`.
pub(crate) fn begin(form: LogForm, usual: &str) -> Result<(), CommandFailure> {
    let wanted = std::env::var(VARIABLE).unwrap_or_else(|_| usual.to_owned());
    // `EnvFilter` takes a single word that is no level for a target, and would then silence all
    // other targets.
    let is_level = wanted.contains('=') || wanted.parse::<LevelFilter>().is_ok();
    let filter = Some(&wanted).filter(|_| is_level).and_then(|text| text.parse().ok());
    let filter: EnvFilter = filter.ok_or_else(|| {
        let levels = "error, warn, info, debug, trace, off";
        CommandFailure::new(format!("{VARIABLE}={wanted}: this is none of {levels}"))
    })?;
    let bounded = Bounded::new(Instant::now());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match form {
        LogForm::Json => lines.json().boxed(),
        LogForm::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
    };
    let log = tracing_subscriber::registry().with(lines).with(bounded.clone()).with(filter);
    // Initialisation fails only if a log exists already; then that log stays.
    if log.try_init().is_ok() {
        tokio::spawn(bounded.sum_up_each_minute());
    }
    Ok(())
}

/// A layer that lets a bounded number of lines of each call site through, and counts the others.
#[derive(Clone)]
struct Bounded(Arc<Mutex<Lines>>);

impl Bounded {
    fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Lines { since: now, kinds: HashMap::new(), over: Vec::new() })))
    }

    async fn sum_up_each_minute(self) {
        let mut minute = tokio::time::interval(MINUTE);
        loop {
            minute.tick().await;
            let over = self.with(|lines| lines.turn(Instant::now()));
            for (metadata, left_out) in over {
                left_out.write(metadata);
            }
        }
    }

    fn with<T>(&self, what: impl FnOnce(&mut Lines) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Bounded {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if metadata.target() == SUMMARY {
            return true;
        }
        let mut line = LineText::default();
        event.record(&mut line);
        let (now, time) = (Instant::now(), SystemClock.now());
        self.with(|lines| lines.admit(metadata, line, now, time))
    }
}

/// The text of a line.
#[derive(Default)]
struct LineText {
    by: Option<String>,
    message: String,
    fields: String,
}

impl Visit for LineText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => {
                if name == BY {
                    self.by = Some(format!("{value:?}"));
                }
                // Writing to a String cannot fail.
                write!(self.fields, " {name}={value:?}").unwrap_or_default();
            }
        }
    }
}

/// The lines of the present minute, by call site.
struct Lines {
    since: Instant,
    kinds: HashMap<Identifier, CallSite>,
    /// The summaries of earlier minutes that are not written yet.
    over: Vec<(&'static Metadata<'static>, LeftOut)>,
}

/// The lines of one call site. The number of call sites in the code bounds the number of these.
struct CallSite {
    metadata: &'static Metadata<'static>,
    written: u32,
    /// The lines of each party. Holds at most [`FOR_ALL`] parties, since each has written a line.
    by_party: HashMap<String, u32>,
    left_out: Option<LeftOut>,
}

/// The lines of one call site that were not written.
#[derive(Debug, PartialEq)]
struct LeftOut {
    lines: u64,
    first: Timestamp,
    last: Timestamp,
    /// The text of the first of them.
    message: String,
}

impl LeftOut {
    fn write(&self, metadata: &Metadata<'_>) {
        let Self { lines, first, last, message } = self;
        let of = metadata.target();
        // `tracing` needs a constant level at each call site.
        macro_rules! say {
            ($level:ident) => {
                tracing::$level!(target: SUMMARY, of, lines, %first, %last, "{lines} more lines like: {message}")
            };
        }
        match *metadata.level() {
            Level::ERROR => say!(error),
            Level::WARN => say!(warn),
            Level::INFO => say!(info),
            Level::DEBUG => say!(debug),
            Level::TRACE => say!(trace),
        }
    }
}

impl Lines {
    /// Returns whether a line may be written. Counts a line that may not.
    fn admit(
        &mut self,
        metadata: &'static Metadata<'static>,
        line: LineText,
        now: Instant,
        time: Timestamp,
    ) -> bool {
        if now.duration_since(self.since) >= MINUTE {
            self.end(now);
        }
        let kind = self.kinds.entry(metadata.callsite()).or_insert_with(|| CallSite {
            metadata,
            written: 0,
            by_party: HashMap::new(),
            left_out: None,
        });
        let own = line.by.as_ref().and_then(|by| kind.by_party.get(by)).copied().unwrap_or(0);
        if own < FOR_ONE && kind.written < FOR_ALL {
            kind.written += 1;
            if let Some(by) = line.by {
                kind.by_party.insert(by, own + 1);
            }
            return true;
        }
        let message = format!("{}{}", line.message, line.fields);
        let left_out =
            kind.left_out.get_or_insert(LeftOut { lines: 0, first: time, last: time, message });
        left_out.lines += 1;
        left_out.last = time;
        false
    }

    /// Ends the present minute and begins the next.
    fn end(&mut self, now: Instant) {
        self.since = now;
        for kind in std::mem::take(&mut self.kinds).into_values() {
            let Some(left_out) = kind.left_out else { continue };
            let same = |(metadata, _): &&mut (&'static Metadata<'static>, LeftOut)| {
                metadata.callsite() == kind.metadata.callsite()
            };
            match self.over.iter_mut().find(same) {
                Some((_, before)) => {
                    before.lines += left_out.lines;
                    before.last = left_out.last;
                }
                None => self.over.push((kind.metadata, left_out)),
            }
        }
    }

    /// Ends the present minute if it is over. Returns the summaries to write.
    fn turn(&mut self, now: Instant) -> Vec<(&'static Metadata<'static>, LeftOut)> {
        // The timer may fire a little early.
        if now.duration_since(self.since) >= MINUTE / 2 {
            self.end(now);
        }
        std::mem::take(&mut self.over)
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// A writer that stores the log.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// Returns the lines that `what` writes with a bounded log, and the summaries.
    fn lines(what: impl FnOnce()) -> (Vec<String>, Vec<LeftOut>) {
        let (written, begun) = (Written::default(), Instant::now());
        let bounded = Bounded::new(begun);
        let lines = tracing_subscriber::fmt::layer().with_writer(written.clone()).with_ansi(false);
        let log = tracing_subscriber::registry().with(lines).with(bounded.clone());
        tracing::subscriber::with_default(log, what);
        let left_out = bounded.with(|lines| lines.turn(begun + MINUTE));
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let left_out = left_out.into_iter().map(|(_, left_out)| left_out).collect();
        (text.lines().map(str::to_owned).collect(), left_out)
    }

    #[test]
    fn lines_are_bounded_for_each_party_and_for_all_together() {
        let a = |by: u32| tracing::warn!(by = %format_args!("10.0.0.{by}"), "a {by}");
        let (written, left_out) = lines(|| (0..1000).for_each(|_| a(1)));
        assert_eq!(written.len() as u32, FOR_ONE);
        assert_eq!((left_out.len(), left_out[0].lines), (1, 997));
        assert_eq!(left_out[0].message, "a 1 by=10.0.0.1");
        assert!(left_out[0].first <= left_out[0].last);

        let (written, left_out) = lines(|| {
            (0..1000).for_each(|_| a(1));
            a(2);
            tracing::warn!(by = "10.0.0.1", "another kind");
        });
        assert_eq!(written.len() as u32, FOR_ONE + 2, "others have their own: {written:?}");
        assert_eq!(left_out.len(), 1);

        let (written, left_out) = lines(|| (0..5000).for_each(a));
        assert_eq!(written.len() as u32, FOR_ALL);
        assert_eq!(left_out[0].lines, u64::from(5000 - FOR_ALL));
        let (written, _) = lines(|| (0..5000).for_each(|n| tracing::error!("nobody's {n}")));
        assert_eq!(written.len() as u32, FOR_ALL);
    }

    #[test]
    fn a_summary_counts_the_lines_left_out_and_the_next_minute_starts_anew() {
        let (written, begun) = (Written::default(), Instant::now());
        let lines = tracing_subscriber::fmt::layer().with_writer(written.clone()).with_ansi(false);
        let bounded = Bounded::new(begun);
        let log = tracing_subscriber::registry().with(lines).with(bounded.clone());
        tracing::subscriber::with_default(log, || {
            let line = || tracing::warn!(by = "user/eve", "a thing");
            (0..10).for_each(|_| line());
            let over = bounded.with(|lines| lines.turn(begun + MINUTE));
            over.iter().for_each(|(metadata, left_out)| left_out.write(metadata));
            line();
            assert!(bounded.with(|lines| lines.turn(begun + 2 * MINUTE)).is_empty());
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let of: Vec<&str> = text.lines().collect();
        assert_eq!(of.len(), FOR_ONE as usize + 2, "{text}");
        assert!(of[3].contains("WARN doorward::log: 7 more lines like: a thing"), "{text}");
        assert!(of[4].contains("a thing by=\"user/eve\""), "{text}");
    }
}
