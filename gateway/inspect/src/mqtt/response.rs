//! Response topics (section 4.10): whoever answers a message publishes where the message says, so
//! that is asked about as well.

use doorward_model::{Action, Name, Path, ResponseTopics};
use smallvec::{SmallVec, smallvec};

use crate::machine::{Judge, Need};

/// Why a message is refused whose response topic the interface does not take, in a word for the
/// record.
const REFUSED: &str = "response-topic";

/// What a message needs: to be published on its topic and, if it names a response topic, a right on
/// that one.
#[derive(Clone, Debug)]
pub(super) struct Needs(SmallVec<[Need; 2]>);

impl Needs {
    /// Those of a message on `path`, which may name `response`, where `rule` says who may. None if
    /// nobody may, or if that topic is too long to be asked about.
    fn new(
        path: &Path,
        response: Option<&str>,
        rule: ResponseTopics,
        interface: &Name,
    ) -> Option<Self> {
        let mut needs: SmallVec<[Need; 2]> = smallvec![smallvec![(Action::Publish, path.clone())]];
        if let Some(topic) = response {
            let topic = Path::topic(interface, topic).ok()?;
            needs.push(match rule {
                ResponseTopics::Either => {
                    smallvec![(Action::Subscribe, topic.clone()), (Action::Publish, topic)]
                }
                ResponseTopics::Publish => smallvec![(Action::Publish, topic)],
                ResponseTopics::Off => return None,
            });
        }
        Some(Self(needs))
    }

    /// Those of such a message if it may be published now, else none.
    pub(super) fn met(
        path: &Path,
        response: Option<&str>,
        rule: ResponseTopics,
        interface: &Name,
        judge: &mut dyn Judge,
    ) -> Option<Self> {
        let needs = Self::new(path, response, rule, interface);
        if needs.is_none() {
            judge.refused(Action::Publish, path, REFUSED);
        }
        needs.filter(|needs| needs.are_met(judge))
    }

    /// Whether such a message may be published now.
    pub(super) fn are_met(&self, judge: &mut dyn Judge) -> bool {
        judge.meets(&self.0)
    }
}
