//! Sessions and flows as lists show them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use doorward_model::{Action, Device, FlowId, PeerText, Serial, SessionId, Subject};
use doorward_policies::Door;
use jiff::Timestamp;
use serde::Serialize;

use super::entry::{FlowEntry, SessionEntry};

/// A session as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Who is at its other end.
    pub subject: Subject,
    /// The certificate that proved it.
    pub certificate: Serial,
    /// Where it comes from.
    pub source: SocketAddr,
    /// How its connection came in.
    pub door: Door,
    /// Since when.
    pub since: Timestamp,
    /// When its certificate ends.
    pub certificate_ends: Timestamp,
    /// Its flows, the oldest first.
    pub flows: Vec<FlowView>,
}

/// A flow as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FlowView {
    /// Its id.
    pub id: FlowId,
    /// What it does.
    pub action: Action,
    /// On which device.
    pub device: Device,
    /// At which interface, or in which part of the administration.
    pub path: PeerText,
    /// Since when.
    pub since: Timestamp,
    /// Bytes from the client.
    pub bytes_up: u64,
    /// Bytes to the client.
    pub bytes_down: u64,
}

/// A flow that would end under another bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndingView {
    /// Whose it is.
    pub subject: Subject,
    /// Its session.
    pub session: SessionId,
    /// The flow.
    pub flow: FlowView,
    /// Why it would end.
    pub why: &'static str,
}

impl EndingView {
    pub(super) fn of(entry: &FlowEntry, why: &'static str) -> Self {
        let (subject, session) = (entry.session.subject.clone(), entry.session.id);
        Self { subject, session, flow: FlowView::of(entry), why }
    }
}

impl FlowView {
    fn of(entry: &FlowEntry) -> Self {
        let (bytes_up, bytes_down) = entry.traffic.totals();
        let question = &entry.request.question;
        Self {
            id: entry.id,
            action: question.action,
            device: question.resource.device.clone(),
            path: PeerText::new(&question.resource.path.raw()),
            since: entry.began,
            bytes_up,
            bytes_down,
        }
    }
}

pub(super) fn list(sessions: &[Arc<SessionEntry>], flows: &[Arc<FlowEntry>]) -> Vec<SessionView> {
    let mut views: BTreeMap<SessionId, SessionView> = BTreeMap::new();
    for entry in sessions {
        let state = entry.state();
        let view = SessionView {
            id: entry.id,
            subject: entry.subject.clone(),
            certificate: state.certificate.serial,
            source: state.source.last(),
            door: entry.door,
            since: entry.began,
            certificate_ends: state.not_after,
            flows: vec![],
        };
        views.insert(entry.id, view);
    }
    for entry in flows {
        let Some(view) = views.get_mut(&entry.session.id) else { continue };
        view.flows.push(FlowView::of(entry));
    }
    let mut views: Vec<SessionView> = views.into_values().collect();
    views.iter_mut().for_each(|view| view.flows.sort_by_key(|flow| flow.id));
    views
}
