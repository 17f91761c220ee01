use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use doorward_model::{Action, Device, FlowId, PeerText, Serial, SessionId, Subject};
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
    /// Through which door: `sni`, `own`, `management`.
    pub door: String,
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

pub(super) fn list(sessions: &[Arc<SessionEntry>], flows: &[Arc<FlowEntry>]) -> Vec<SessionView> {
    let mut views: BTreeMap<SessionId, SessionView> = BTreeMap::new();
    for entry in sessions {
        let view = SessionView {
            id: entry.id,
            subject: entry.subject.clone(),
            certificate: entry.certificate.serial.clone(),
            source: entry.peer,
            door: entry.door.to_owned(),
            since: entry.began,
            certificate_ends: entry.not_after,
            flows: vec![],
        };
        views.insert(entry.id, view);
    }
    for entry in flows {
        let Some(view) = views.get_mut(&entry.session.id) else { continue };
        let (bytes_up, bytes_down) = entry.traffic.totals();
        let question = &entry.request.question;
        view.flows.push(FlowView {
            id: entry.id,
            action: question.action,
            device: question.resource.device.clone(),
            path: PeerText::new(&question.resource.path.raw()),
            since: entry.began,
            bytes_up,
            bytes_down,
        });
    }
    let mut views: Vec<SessionView> = views.into_values().collect();
    views.iter_mut().for_each(|view| view.flows.sort_by_key(|flow| flow.id));
    views
}
