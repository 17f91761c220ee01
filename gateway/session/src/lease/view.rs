//! Sessions and flows as the API shows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use doorward_api::{EndingView, FlowView, SessionView};
use doorward_model::{PeerText, SessionId};

use super::flow_entry::FlowEntry;
use super::session_entry::SessionEntry;

/// A flow that ends under another bundle, and why.
pub(super) fn ending(entry: &FlowEntry, why: &'static str) -> EndingView {
    let (subject, session) = (entry.connection.subject().clone(), entry.connection.session.id);
    EndingView { subject, session, flow: flow(entry), why: why.to_owned() }
}

fn flow(entry: &FlowEntry) -> FlowView {
    let (bytes_up, bytes_down) = entry.traffic.totals();
    let question = &entry.request.question;
    FlowView {
        id: entry.id,
        action: question.action,
        device: question.resource.device.clone(),
        path: PeerText::new(&question.resource.path.raw()),
        since: entry.began,
        bytes_up,
        bytes_down,
    }
}

pub(super) fn list(sessions: &[Arc<SessionEntry>], flows: &[Arc<FlowEntry>]) -> Vec<SessionView> {
    let mut views: BTreeMap<SessionId, SessionView> = BTreeMap::new();
    for entry in sessions {
        let state = entry.state();
        let view = SessionView {
            id: entry.id,
            subject: entry.subject.clone(),
            certificate: state.proof.serial().cloned(),
            source: state.seen.0,
            door: state.seen.1.as_str().to_owned(),
            since: entry.began,
            certificate_ends: state.not_after,
            flows: vec![],
        };
        views.insert(entry.id, view);
    }
    for entry in flows {
        let Some(view) = views.get_mut(&entry.connection.session.id) else { continue };
        view.flows.push(flow(entry));
    }
    let mut views: Vec<SessionView> = views.into_values().collect();
    views.iter_mut().for_each(|view| view.flows.sort_by_key(|flow| flow.id));
    views
}
