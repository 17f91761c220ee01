//! Claim, enrolment, renewal and recovery.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward_api::{
    IssuedIdentity, LiveIdentity, ProblemKind, RecoverRequest, RedeemRequest, RenewRequest,
};
use doorward_ca::enrolment::{CodeRefused, CodeVerdict, digest_of, judge};
use doorward_ca::recovery::{ExpiredCertificate, RecoveryError, in_time};
use doorward_ca::{VerifiedCsr, pem_certificate};
use doorward_model::{CertificateId, Fingerprint, FlowId, Kind, Secret, Subject, SubjectId};
use doorward_policies::{Door, Event, Outcome, Record};
use doorward_session::{Connection, Problem, RenewedCertificate, Session, note};
use doorward_store::{Allowance, Redeemed, Sign, StoreError};
use jiff::Timestamp;

use crate::gate::{Denied, failed};
use crate::parts::AdministrationParts;
use crate::request::AdminRequest;
use crate::response::{denied, owner_role, refused, sentence, wrong};
use crate::wrong_codes::TooManyWrongCodes;

/// How many renewals a subject may have within an hour and within a day at least, whatever the life
/// of its certificates.
const LEAST: Allowance = Allowance { hour: 120, day: 240 };
/// The subject that a claim makes the owner.
const OWNER: &str = "user/owner";

/// Decodes the secret of a code in a request.
fn secret(request: &RedeemRequest) -> Result<Secret, Denied> {
    let bytes = URL_SAFE_NO_PAD.decode(&request.secret);
    bytes.map(Secret::new).map_err(|_| code_refused())
}

/// Refuses a code. The answer is the same for every reason.
fn code_refused() -> Denied {
    denied(Problem::new(
        ProblemKind::CodeRefused,
        "The code is not good: unknown, used, expired or cancelled. Ask for a new one.",
    ))
}

fn read_csr(text: &str) -> Result<VerifiedCsr, Denied> {
    VerifiedCsr::read(text.as_bytes()).map_err(|error| wrong(sentence(&error.to_string())))
}

impl AdministrationParts {
    fn new_identity(&self, redeemed: Redeemed) -> IssuedIdentity {
        let Redeemed { subject, id, not_after, certificate, authority, .. } = redeemed;
        let chain = [certificate.as_slice()].into_iter().chain(authority.chain());
        IssuedIdentity {
            subject,
            serial: id.serial,
            not_after,
            certificate: chain.map(pem_certificate).collect(),
            anchors: pem_certificate(&authority.root),
            domain: self.domain.clone(),
            gateway: self.gateway.clone(),
            management: self.management.clone(),
        }
    }

    /// Prepares a certificate, and records it. The returned function makes the signature.
    async fn prepare(
        self: &Arc<Self>,
        subject: &Subject,
        csr: &VerifiedCsr,
        about: Record,
    ) -> Result<Sign, Denied> {
        let now = self.clock.now();
        let prepared = self
            .authority
            .prepare(&self.profiles, subject, csr, now)
            .map_err(|error| refused(error.into()))?;
        let mut record = about;
        record.event = Event::Issuing;
        record.subject = Some(subject.clone());
        record.certificate = Some(prepared.id().serial.clone());
        record = record.detail(&format!("key {}", prepared.key()));
        let written = self.journal.write(record).await;
        written.map_err(|error| {
            let detail = format!("Nothing was issued, because it cannot be recorded: {error}.");
            denied(Problem::new(ProblemKind::NotRecorded, detail))
        })?;
        let authority = Arc::clone(&self.authority);
        Ok(Box::new(move || authority.redeem(prepared)))
    }

    /// Returns how many renewals a subject of this kind may have: at least four times the number
    /// that it needs if it renews at two thirds of each certificate's life.
    fn allowance(&self, kind: Kind) -> Allowance {
        let life = self.profiles.of(kind).life().as_secs().max(1);
        let within = |seconds: u64| i64::try_from(4 * seconds * 3 / (2 * life)).unwrap_or(i64::MAX);
        let (hour, day) = (within(3600), within(24 * 3600));
        Allowance { hour: LEAST.hour.max(hour), day: LEAST.day.max(day) }
    }

    /// Issues a certificate to a subject that replaces one that was valid at `alive_at`.
    async fn reissue(
        self: &Arc<Self>,
        subject: Subject,
        number: SubjectId,
        (certificate, alive_at): (CertificateId, Timestamp),
        csr: &VerifiedCsr,
        about: Record,
    ) -> Result<Redeemed, Denied> {
        // Each renewal that begins writes an audit record, so the number in progress is bounded.
        let Some(_turn) = self.renewals.begin(number) else {
            let detail = "Other renewals of this identity are not done yet. Try again in a moment.";
            return Err(denied(Problem::new(ProblemKind::TooMany, detail)));
        };
        let allowance = self.allowance(subject.kind());
        let peer = about.source.map(|source| source.ip());
        let too_often = |error| {
            if let (StoreError::TooOften, Some(peer)) = (&error, peer) {
                self.refusals.count(peer, "too-many-renewals");
            }
            refused(error)
        };
        self.store.may_renew(number, allowance).await.map_err(too_often)?;
        let sign = self.prepare(&subject, csr, about.clone()).await?;
        let renewed =
            self.store.renew(subject, number, certificate, alive_at, allowance, sign).await;
        let committed = renewed.map_err(too_often)?;
        self.issued(&about, Event::Issued, &committed.value).await;
        Ok(committed.value)
    }

    /// Issues a certificate to a subject that holds a live one.
    pub(crate) async fn renew(
        self: &Arc<Self>,
        connection: &Connection,
        id: FlowId,
        csr: &str,
    ) -> Result<Redeemed, Denied> {
        let csr = read_csr(csr)?;
        let session = connection.session();
        self.still_lives(session)?;
        let certificate = session.certificate().ok_or_else(|| {
            let detail = "Only the holder of a certificate renews it.";
            denied(Problem::new(ProblemKind::Forbidden, detail))
        })?;
        let mut about = Record::new(self.clock.now(), Event::Issuing);
        about.flow = Some(id);
        about.source = Some(connection.peer());
        about.session = Some(session.id());
        about.door = Some(Door::Renew);
        let (subject, number) = (session.subject().clone(), session.subject_id());
        let asking = (certificate, self.clock.now());
        self.reissue(subject, number, asking, &csr, about).await
    }

    /// Checks that the session's proof and subject are still valid. An HTTP connection may live
    /// longer than its certificate.
    pub(crate) fn still_lives(&self, session: &Session) -> Result<(), Denied> {
        let (snapshot, now) = (self.leases.snapshot(), self.clock.now());
        let proof = snapshot.standing(&session.proof());
        let member = snapshot.member(session.subject());
        let lives = proof
            .is_some_and(|one| one.subject == session.subject_id() && now <= one.not_after)
            && member.is_some_and(|one| one.enabled && one.id == session.subject_id());
        let ended = || Problem::new(ProblemKind::Forbidden, "The identity has ended.");
        if lives { Ok(()) } else { Err(denied(ended())) }
    }

    /// Returns a new certificate in the form that a session of `doorward/1` sends.
    pub(crate) fn renewal(&self, redeemed: Redeemed) -> RenewedCertificate {
        let Redeemed { id, not_after, certificate, authority, .. } = redeemed;
        let chain = [certificate.as_slice()].into_iter().chain(authority.chain());
        RenewedCertificate {
            id,
            not_after,
            certificate: chain.map(pem_certificate).collect(),
            anchors: pem_certificate(&authority.root),
        }
    }

    /// Records a new certificate. The store already contains the issuance.
    async fn issued(&self, about: &Record, event: Event, redeemed: &Redeemed) {
        if !redeemed.fresh {
            return;
        }
        let mut record = about.clone();
        record.event = event;
        record.subject = Some(redeemed.subject.clone());
        record.certificate = Some(redeemed.id.serial.clone());
        note(&*self.journal, record.ended(Outcome::Done, "issued")).await;
    }
}

impl AdminRequest<'_> {
    /// Returns a record with the facts that all records of this request share.
    fn about(&self) -> Record {
        let mut record = Record::new(self.parts.clock.now(), Event::Issuing);
        record.flow = Some(self.id);
        record.source = Some(self.visit.peer);
        if let Some(connection) = &self.visit.connection {
            record.session = Some(connection.session().id());
        }
        record
    }

    /// Refuses to redeem a code that the store has not redeemed: as a refused code, if the code is
    /// the reason.
    async fn refuse_redemption(&self, error: StoreError, subject: Option<Subject>) -> Denied {
        let StoreError::Code(why) = error else { return refused(error) };
        self.refuse_code(why, subject).await
    }

    /// Refuses a code and counts the refusal. A code that exists is also recorded with its subject;
    /// the number of existing codes bounds these records.
    async fn refuse_code(&self, why: CodeRefused, subject: Option<Subject>) -> Denied {
        self.parts.refusals.count(self.visit.peer.ip(), why.as_str());
        if why != CodeRefused::Unknown {
            let mut record = self.about();
            record.event = Event::CodeRefused;
            record.subject = subject;
            note(&*self.parts.journal, record.ended(Outcome::Refused, why.as_str())).await;
        }
        code_refused()
    }

    /// Refuses an unknown code. The answer is delayed, and the delay grows with each wrong code
    /// from the same network. A good code is never delayed.
    async fn wrong_code(&self) -> Denied {
        let peer = self.visit.peer.ip();
        self.parts.refusals.count(peer, CodeRefused::Unknown.as_str());
        match self.parts.wrong_codes.wrong(peer) {
            Ok(delay) => {
                delay.wait().await;
                code_refused()
            }
            Err(TooManyWrongCodes) => {
                let detail = "Too many wrong codes came from your network. Try again in a moment.";
                denied(Problem::new(ProblemKind::TooMany, detail))
            }
        }
    }

    /// Repeats the answer to a redeemed code for the same key. Writes nothing.
    async fn repeat_answer(
        &self,
        digest: Fingerprint,
        csr: &VerifiedCsr,
    ) -> Result<IssuedIdentity, Denied> {
        let redeemed = self.parts.store.redeemed(digest, csr.key()).await.map_err(refused)?;
        redeemed.map(|redeemed| self.parts.new_identity(redeemed)).ok_or_else(code_refused)
    }

    async fn find_code(
        &self,
        digest: Fingerprint,
    ) -> Result<Option<doorward_store::FoundCode>, Denied> {
        self.parts.store.find_code(digest).await.map_err(refused)
    }

    /// Redeems an owner code.
    pub(crate) async fn claim(mut self) -> Result<IssuedIdentity, Denied> {
        let body: RedeemRequest = self.read().await?;
        let digest = digest_of(secret(&body)?.expose());
        let found = self.find_code(digest).await?.filter(|found| found.subject.is_none());
        let Some(found) = found else {
            return Err(self.wrong_code().await);
        };
        let csr = read_csr(&body.csr)?;
        match judge(&found.row, csr.key(), self.parts.clock.now()) {
            Ok(CodeVerdict::Fresh) => {}
            Ok(CodeVerdict::Again) => return self.repeat_answer(digest, &csr).await,
            Err(why) => return Err(self.refuse_code(why, None).await),
        }
        let owner: Subject = OWNER.parse().map_err(|_| denied(failed()))?;
        let role = owner_role().ok_or_else(|| denied(failed()))?;
        let about = self.about();
        let sign = self.parts.prepare(&owner, &csr, about.clone()).await?;
        let claimed = self.parts.store.claim(digest, csr.key(), owner, role, sign).await;
        match claimed {
            Ok(committed) => {
                self.parts.issued(&about, Event::Claimed, &committed.value).await;
                tracing::info!(subject = %committed.value.subject, "an owner has claimed this gateway");
                Ok(self.parts.new_identity(committed.value))
            }
            Err(error) => Err(self.refuse_redemption(error, None).await),
        }
    }

    /// Redeems an enrolment code.
    pub(crate) async fn enrol(mut self) -> Result<IssuedIdentity, Denied> {
        let body: RedeemRequest = self.read().await?;
        let digest = digest_of(secret(&body)?.expose());
        let found = self.find_code(digest).await?;
        let found = found.and_then(|found| Some((found.row, found.subject?)));
        let Some((row, subject)) = found else { return Err(self.wrong_code().await) };
        let csr = read_csr(&body.csr)?;
        match judge(&row, csr.key(), self.parts.clock.now()) {
            Ok(CodeVerdict::Fresh) => {}
            Ok(CodeVerdict::Again) => return self.repeat_answer(digest, &csr).await,
            Err(why) => return Err(self.refuse_code(why, Some(subject)).await),
        }
        let about = self.about();
        let sign = self.parts.prepare(&subject, &csr, about.clone()).await?;
        match self.parts.store.redeem(digest, csr.key(), sign).await {
            Ok(committed) => {
                self.parts.issued(&about, Event::Issued, &committed.value).await;
                Ok(self.parts.new_identity(committed.value))
            }
            Err(error) => Err(self.refuse_redemption(error, Some(subject)).await),
        }
    }

    /// Issues a certificate to a subject that holds a live one.
    pub(crate) async fn renew(mut self, connection: &Connection) -> Result<IssuedIdentity, Denied> {
        let body: RenewRequest = self.read().await?;
        let renewed = self.parts.renew(connection, self.id, &body.csr).await?;
        Ok(self.parts.new_identity(renewed))
    }

    /// Issues a certificate to a subject whose certificate has expired, if it proves that it holds
    /// the key and is neither revoked nor disabled.
    pub(crate) async fn recover(mut self) -> Result<IssuedIdentity, Denied> {
        let body: RecoverRequest = self.read().await?;
        let csr = read_csr(&body.csr)?;
        let shown = ExpiredCertificate::read(&body.certificate);
        let signature = URL_SAFE_NO_PAD.decode(&body.signature);
        let signature = signature.map_err(|_| RecoveryError::Malformed);
        let (shown, signature) = match (shown, signature) {
            (Ok(shown), Ok(signature)) => (shown, signature),
            (Err(why), _) | (_, Err(why)) => return Err(self.refuse_recovery(why, None).await),
        };
        let verified = match &self.visit.exported {
            Some(exported) => shown.verify(exported, &csr, &signature),
            // The connection has no exported keying material that the client could have signed.
            None => Err(RecoveryError::NotSigned),
        };
        if let Err(why) = verified {
            return Err(self.refuse_recovery(why, None).await);
        }
        let found = self.parts.store.find_certificate(shown.serial(), shown.der()).await;
        let Some(found) = found.map_err(refused)? else {
            return Err(self.refuse_recovery(RecoveryError::Unknown, None).await);
        };
        let (now, within) = (self.parts.clock.now(), self.parts.recovery);
        let (subject, number) = (found.subject, found.number);
        if let Err(why) = in_time(found.not_after, within, now) {
            return Err(self.refuse_recovery(why, Some(subject)).await);
        }
        let snapshot = self.parts.leases.snapshot();
        let member = snapshot.member(&subject);
        if member.is_none_or(|member| member.id != number || !member.enabled) {
            return Err(self.refuse_recovery(RecoveryError::Unknown, Some(subject)).await);
        }
        let mut about = self.about();
        about.door = Some(Door::Recover);
        let asking = (found.id, found.not_after);
        let renewed = self.parts.reissue(subject, number, asking, &csr, about).await?;
        Ok(self.parts.new_identity(renewed))
    }

    /// Refuses a recovery and counts the refusal. If the client has proven the key, the refusal is
    /// also recorded with its subject.
    async fn refuse_recovery(&self, why: RecoveryError, subject: Option<Subject>) -> Denied {
        self.parts.refusals.count(self.visit.peer.ip(), why.as_str());
        if subject.is_some() {
            let mut record = self.about();
            record.event = Event::CodeRefused;
            record.subject = subject;
            note(&*self.parts.journal, record.ended(Outcome::Refused, why.as_str())).await;
        }
        denied(Problem::new(
            ProblemKind::CodeRefused,
            "This identity cannot come back by its key: it is unknown or revoked, or it ended too \
             long ago. Ask for a new code, and enrol with --replace.",
        ))
    }

    /// Returns the identity that the client's certificate names.
    pub(crate) fn who_am_i(self, session: &Session) -> LiveIdentity {
        LiveIdentity {
            subject: session.subject().clone(),
            serial: session.certificate().map(|id| id.serial),
            not_after: session.not_after(),
            time: self.parts.clock.now(),
        }
    }
}
