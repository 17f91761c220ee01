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
    /// The session's id.
    pub id: SessionId,
    /// The subject of the session.
    pub subject: Subject,
    /// The certificate that the session rests on.
    pub certificate: Serial,
    /// The peer's address.
    pub source: SocketAddr,
    /// How the connection came in.
    pub door: Door,
    /// When the session began.
    pub since: Timestamp,
    /// When the certificate expires.
    pub certificate_ends: Timestamp,
    /// The session's flows, the oldest first.
    pub flows: Vec<FlowView>,
}

/// A flow as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FlowView {
    /// The flow's id.
    pub id: FlowId,
    /// The action that was permitted.
    pub action: Action,
    /// The device.
    pub device: Device,
    /// The interface, or the part of the administration.
    pub path: PeerText,
    /// When the flow began.
    pub since: Timestamp,
    /// Bytes from the client.
    pub bytes_up: u64,
    /// Bytes to the client.
    pub bytes_down: u64,
}

/// A flow that would end under another bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndingView {
    /// The subject of the flow.
    pub subject: Subject,
    /// The session of the flow.
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
