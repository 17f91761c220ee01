//! Response topics (section 4.10). The receivers of a message publish their answers on the topic
//! that it names, so a client needs a right on that topic as well.

use doorward_model::{Action, Name, Path, ResponseTopics};
use smallvec::{SmallVec, smallvec};

use crate::machine::{Judge, Need};

/// Why a message is refused whose response topic the interface does not allow, in a word for the
/// record.
const REFUSED: &str = "response-topic";

/// The needs of a message: to publish on its topic and, if it names a response topic, a right on
/// that topic.
#[derive(Clone, Debug)]
pub(super) struct Needs(SmallVec<[Need; 2]>);

impl Needs {
    /// Returns the needs of a message on `path` that may name `response`. `rule` says which right
    /// that needs. `None` if no client may name one, or if the topic is too long to ask about.
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

    /// Returns the needs of such a message if it may be published now.
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

    /// Returns whether such a message may be published now.
    pub(super) fn are_met(&self, judge: &mut dyn Judge) -> bool {
        judge.meets(&self.0)
    }
}
