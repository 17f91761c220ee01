//! What a command that serves local programs says meanwhile: where it listens, and each refused or
//! cut flow.

use std::io::{self, Write as _};
use std::sync::Arc;

use doorward_model::DoorName;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::failure::Failure;
use crate::opener::FlowRefusal;
use crate::report::ErrorReport;
use crate::terminal::print;

/// Says what happens to the flows of local programs, one line each: in words on standard error, or
/// with `--json` as events on standard output. It also notes a refusal after which no flow can come,
/// so that the command can end.
#[derive(Clone)]
pub(crate) struct Notices(Arc<Inner>);

struct Inner {
    as_json: bool,
    /// Whether the command stays after such a refusal.
    stays: bool,
    hopeless: watch::Sender<Option<ErrorReport>>,
}

impl Notices {
    /// Without `stays`, a refusal that waiting does not change is hopeless.
    pub(crate) fn new(as_json: bool, stays: bool) -> Self {
        Self(Arc::new(Inner { as_json, stays, hopeless: watch::Sender::new(None) }))
    }

    /// Says on standard output where programs find what the command serves. `sentence` says it to
    /// people, and `facts` to programs.
    pub(crate) fn listening(&self, sentence: &str, mut facts: Value) -> Result<(), Failure> {
        if !self.0.as_json {
            return print(sentence);
        }
        if let Some(facts) = facts.as_object_mut() {
            facts.insert("event".to_owned(), "listening".into());
        }
        print(&facts.to_string())
    }

    /// Says that a flow was refused. The refusal that ends the command is left to its last words.
    pub(crate) fn refused(&self, interface: &DoorName, refusal: &FlowRefusal) {
        if refusal.is_final && !self.0.stays {
            self.0.hopeless.send_replace(Some(refusal.report.clone()));
        } else {
            self.say("refused", Some(interface), &refusal.report);
        }
    }

    /// Says that a flow was cut, or failed otherwise. A local program that left is nothing to say.
    pub(crate) fn failed(&self, interface: Option<&DoorName>, failure: Failure) {
        let left = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        if matches!(&failure, Failure::Local { error, .. } if left.contains(&error.kind())) {
            return;
        }
        let event = if matches!(failure, Failure::Local { .. }) { "failed" } else { "cut" };
        self.say(event, interface, &failure.into());
    }

    /// Says something that concerns no flow.
    pub(crate) fn warn(&self, message: String) {
        self.say("failed", None, &ErrorReport::new("local", message));
    }

    fn say(&self, event: &str, interface: Option<&DoorName>, report: &ErrorReport) {
        let interface = interface.map(DoorName::path);
        // Nobody may be reading.
        if self.0.as_json {
            let mut told = report.document();
            if let Some(told) = told.as_object_mut() {
                told.insert("event".to_owned(), event.into());
                told.insert("interface".to_owned(), json!(interface));
            }
            drop(print(&told.to_string()));
        } else {
            let about = interface.map_or_else(String::new, |interface| format!("{interface}: "));
            drop(writeln!(io::stderr().lock(), "doorward: {about}{report}"));
        }
    }

    /// Waits for a refusal after which no flow can come.
    pub(crate) async fn hopeless(&self) -> Failure {
        let mut hopeless = self.0.hopeless.subscribe();
        let found = hopeless.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
        match found {
            Some(report) => Failure::Reported(report),
            // Does not happen, since `self` holds the sender.
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_wire::Why;

    use super::*;

    #[tokio::test]
    async fn only_a_refusal_that_waiting_does_not_change_is_hopeless() {
        let interface = "ssh--plc".parse().unwrap();
        let refusal = |is_final| FlowRefusal {
            why: Some(Why::Forbidden),
            is_final,
            report: ErrorReport::new("refused", "not today"),
        };
        for (stays, is_final, hopeless) in
            [(false, false, false), (true, true, false), (false, true, true)]
        {
            let notices = Notices::new(false, stays);
            notices.refused(&interface, &refusal(is_final));
            let found = notices.0.hopeless.borrow().is_some();
            assert_eq!(found, hopeless, "stays {stays}, final {is_final}");
        }
        let notices = Notices::new(false, false);
        notices.refused(&interface, &refusal(true));
        assert_eq!(notices.hopeless().await.to_string(), "not today");
    }
}
