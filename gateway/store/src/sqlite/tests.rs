//! Files of former versions, of other programs and with damage.

use std::path::Path;

use doorward_model::{Kind, Subject};
use doorward_policies::{Bundle, BundleText};
use jiff::Timestamp;
use sqlx::{ConnectOptions as _, Connection as _};

use super::files::{open, writing};
use super::{SCHEMA, SqliteDatabase};
use crate::change::Actor;
use crate::error::StoreError;
use crate::port::{Database, values};
use crate::rows::{bundles, epochs, interfaces, pieces, subjects};
use crate::tests::{TestStore, new};
use crate::{Applying, NewInterface, Store};

/// Brings the state in `dir` up to date, and opens it.
async fn present(dir: &Path) -> Database {
    SqliteDatabase::open(dir).await.unwrap().into()
}

/// Changes the file of a state, and returns the error of opening it.
async fn refusal(change: impl AsyncFnOnce(&Path)) -> String {
    let test_store = TestStore::found().await;
    let path = test_store.path().join("state.db");
    change(&path).await;
    let before = std::fs::read(&path).unwrap();
    let (place, clock) = (test_store.place(), test_store.clock.clone());
    let error = Store::open(&place, test_store.path(), clock).await.err().unwrap().to_string();
    assert_eq!(std::fs::read(&path).unwrap(), before, "left alone: {error}");
    error
}

#[tokio::test]
async fn a_strange_file_is_named_and_left_alone() {
    let text = b"this is no database at all, but long enough to be looked at....";
    let error = refusal(async |path| std::fs::write(path, text).unwrap()).await;
    assert!(error.contains("is damaged") && error.contains("backup"), "{error}");

    let error = refusal(async |path| {
        let mut torn = std::fs::read(path).unwrap();
        torn[5000..9000].fill(0x5a);
        std::fs::write(path, &torn).unwrap();
    });
    let error = error.await;
    assert!(error.contains("is damaged"), "{error}");

    let error = refusal(async |path| {
        std::fs::remove_file(path).unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut foreign = options.create_if_missing(true).connect().await.unwrap();
        sqlx::query("CREATE TABLE cats (name TEXT)").execute(&mut foreign).await.unwrap();
        foreign.close().await.unwrap();
    });
    assert!(error.await.contains("another program's"));

    let error = refusal(async |path| {
        let mut newer = writing(path).connect().await.unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9, 'future', 1, x'00', 0)",
        )
        .execute(&mut newer)
        .await
        .unwrap();
        newer.close().await.unwrap();
    });
    assert!(error.await.contains("newer version"));
}

/// Runs a statement on the file of a state.
async fn run(path: &Path, statement: &'static str) {
    let mut file = writing(path).foreign_keys(false).connect().await.unwrap();
    sqlx::query(statement).execute(&mut file).await.unwrap();
    file.close().await.unwrap();
}

#[tokio::test]
async fn a_state_without_its_tables_or_rows_is_named_and_left_alone() {
    let empty = async |path: &Path| std::fs::write(path, "").unwrap();
    let error = refusal(empty).await;
    assert!(error.contains("state.db is damaged (it holds nothing)"), "{error}");
    for (statement, says) in [
        ("DROP TABLE postures", "postures.at is missing"),
        ("ALTER TABLE subjects RENAME COLUMN enabled TO on_", "subjects.enabled is missing"),
        ("DROP TABLE _sqlx_migrations", "_sqlx_migrations"),
        ("DELETE FROM _sqlx_migrations", "it holds nothing"),
        ("DELETE FROM bundle_pieces", "the bundle in force (revision 1) cannot be read"),
        ("DELETE FROM pieces", "a row is missing"),
        ("DELETE FROM bundles", "a row is missing"),
        ("DELETE FROM facts", "no fact 'domain'"),
        ("DELETE FROM heads", "a row is missing"),
    ] {
        let error = refusal(async |path| run(path, statement).await).await;
        assert!(error.contains("state.db is damaged") && error.contains(says), "{error}");
        assert!(error.contains("put it back from a backup. Nothing was changed"), "{error}");
    }
}

#[tokio::test]
async fn a_row_without_which_more_is_denied_is_left_out_if_it_cannot_be_read() {
    let test_store = TestStore::found().await;
    let store = test_store.open().await.store;
    let plc: Subject = "device/plc".parse().unwrap();
    let id = store.add_subject(Actor::Local, new("device/plc", None)).await.unwrap().value.id;
    store.report(plc.clone(), id, test_store.posture(1)).await.unwrap();
    let (spoiled, sound) = (
        test_store.enrol(&store, "device/plc").await.unwrap(),
        test_store.enrol(&store, "device/plc").await.unwrap(),
    );
    let target = |name: &str| NewInterface {
        door: format!("{name}--plc").parse().unwrap(),
        target: "tcp://127.0.0.1:22".parse().unwrap(),
        network: None,
    };
    store.add_interface(Actor::Local, target("one")).await.unwrap();
    store.add_interface(Actor::Local, target("two")).await.unwrap();
    drop(store);
    let path = test_store.path().join("state.db");
    run(&path, r#"UPDATE postures SET report = '{"a":{"b":1}}'"#).await;
    run(&path, "UPDATE interfaces SET url = 'strange:x' WHERE name = 'one'").await;
    run(&path, "UPDATE issuances SET key = 'x' WHERE id = (SELECT min(id) FROM issuances)").await;

    let store = test_store.open().await.store;
    let snapshot = store.snapshots().borrow().clone();
    assert!(snapshot.posture(&plc).is_none());
    let names: Vec<_> =
        snapshot.interfaces(plc.name()).iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["two"]);
    assert!(snapshot.certificate(&spoiled).is_none());
    assert!(snapshot.certificate(&sound).is_some());
    assert_eq!(store.certificates(&plc).await.unwrap().len(), 1);
    // The next report takes the place of the one that does not read.
    let report = test_store.posture(2);
    store.report(plc.clone(), id, report.clone()).await.unwrap();
    assert_eq!(store.snapshots().borrow().posture(&plc).unwrap().as_ref(), &report);
    // What takes rights away keeps its row: without it more would be allowed.
    run(&path, "INSERT INTO roles (subject, role) SELECT id, 'no role' FROM subjects").await;
    let place = test_store.place();
    let opened = Store::open(&place, test_store.path(), test_store.clock.clone()).await;
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("state.db is damaged (role: "), "{error}");
}

#[tokio::test]
async fn a_state_from_before_there_were_pieces_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut former = open(&path, &SCHEMA[..2], true).await.unwrap();
    for revision in 1..=3 {
        sqlx::query(
            "INSERT INTO bundles (revision, at, author, model, policy, roles, groups, tests) \
             VALUES (?, 0, 'gateway', ?, '', 'roles', 'groups', 'tests')",
        )
        .bind(revision)
        .bind(format!("model {revision}"))
        .execute(&mut former)
        .await
        .unwrap();
    }
    former.close().await.unwrap();
    let database = present(dir.path()).await;
    let mut present = database.begin().await.unwrap();
    for revision in 1..=3 {
        let number = doorward_model::Revision(revision);
        let text = pieces::read(&mut present, number).await.unwrap();
        assert_eq!((text.model, text.policy), (format!("model {revision}"), String::new()));
        assert_eq!((&*text.roles, &*text.groups, &*text.tests), ("roles", "groups", "tests"));
    }
    let bundle = Bundle::parse(BundleText::default()).unwrap();
    let (actor, applying) = (Actor::Local, Applying::default());
    let at = Timestamp::UNIX_EPOCH;
    let new = bundles::insert(&mut present, &actor, &bundle, &applying, at).await.unwrap();
    assert_eq!(pieces::read(&mut present, new).await.unwrap(), BundleText::default());
}

#[tokio::test]
async fn a_state_from_before_interfaces_had_networks_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut former = open(&path, &SCHEMA[..3], true).await.unwrap();
    for statement in [
        "INSERT INTO subjects (id, kind, name, created, removed) VALUES (1, 'device', 'old', 0, 1)",
        "INSERT INTO subjects (id, kind, name, created) VALUES (2, 'device', 'plc', 0)",
        "INSERT INTO interfaces (device, name, url, enabled) VALUES (2, 'ssh', 'tcp://h:22', 1)",
        "INSERT INTO interfaces (device, name, url, enabled) VALUES (2, 'web', 'http://h:80', 0)",
    ] {
        sqlx::query(statement).execute(&mut former).await.unwrap();
    }
    former.close().await.unwrap();
    let mut present = present(dir.path()).await.read().await.unwrap();
    let plc = Subject::new(Kind::Device, "plc".parse().unwrap());
    let found = interfaces::of_device(&mut present, plc.name()).await.unwrap();
    let found: Vec<_> =
        found.iter().map(|one| (one.name.as_str(), &one.network, one.enabled)).collect();
    assert_eq!(found, [("ssh", &None, true), ("web", &None, false)]);
    assert!(subjects::member(&mut present, &plc).await.unwrap().unwrap().enabled);
}

#[tokio::test]
async fn a_state_from_before_there_was_a_head_goes_on_with_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut former = open(&path, &SCHEMA[..4], true).await.unwrap();
    for epoch in [40, 41, 42] {
        sqlx::query(
            "INSERT INTO epochs (epoch, at, actor, what, touched) VALUES ($1, 0, '', '', '{}')",
        )
        .bind(epoch)
        .execute(&mut former)
        .await
        .unwrap();
    }
    former.close().await.unwrap();
    let database = present(dir.path()).await;
    let mut reading = database.read_at_once().await.unwrap();
    assert_eq!(epochs::last(&mut reading).await.unwrap().0, 42);
    reading.end().await;
    assert_eq!(database.begin_ordered().await.unwrap().head().unwrap().0, 42);
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_by_the_index_as_well() {
    let test_store = TestStore::found().await;
    let database = present(test_store.path()).await;
    let mut tx = database.begin().await.unwrap();
    let plc: Subject = "device/plc".parse().unwrap();
    let now = Timestamp::UNIX_EPOCH;
    subjects::insert_row(&mut tx, &plc, false, true, now).await.unwrap();
    let taken = subjects::insert_row(&mut tx, &plc, false, true, now).await;
    assert!(matches!(taken, Err(StoreError::SubjectExists(_))), "{taken:?}");
    // A key without an error of its own.
    let insert = "INSERT INTO facts (name, value) VALUES ('domain', $1)";
    let taken = tx.run(insert, values!["other"]).await;
    assert!(matches!(taken, Err(StoreError::Taken(_))), "{taken:?}");
}

#[tokio::test]
async fn every_kind_of_value_is_read_back_as_it_was_written() {
    let test_store = TestStore::found().await;
    let mut tx = present(test_store.path()).await.begin().await.unwrap();
    // The second value is used twice, and the values are in another order than their numbers.
    let all = "SELECT $3 AS bytes, $2 AS text, $1 AS number, $2 AS again, $4 AS flag, $5 AS none";
    let none = None::<i64>;
    let row = tx.one(all, values![-7_i64, "t", vec![0_u8, 255], true, none]).await.unwrap();
    assert_eq!(row.get::<i64>("number").unwrap(), -7);
    assert_eq!(row.get::<String>("text").unwrap(), "t");
    assert_eq!(row.get::<String>("again").unwrap(), "t");
    assert_eq!(row.get::<Vec<u8>>("bytes").unwrap(), [0, 255]);
    assert!(row.get::<bool>("flag").unwrap());
    assert_eq!(row.get::<Option<i64>>("none").unwrap(), None);
    assert_eq!(row.get::<Option<String>>("text").unwrap().as_deref(), Some("t"));
    for refused in [
        row.get::<i64>("text").err(),
        row.get::<String>("number").err(),
        row.get::<bool>("number").err(),
        row.get::<i64>("none").err(),
        row.get::<i64>("nothing").err(),
    ] {
        assert!(matches!(refused, Some(StoreError::Row(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_transaction_that_is_dropped_or_rolled_back_writes_nothing() {
    let test_store = TestStore::found().await;
    let database = present(test_store.path()).await;
    let insert = "INSERT INTO facts (name, value) VALUES ('lost', '')";
    let mut dropped = database.begin_ordered().await.unwrap();
    dropped.run(insert, values![]).await.unwrap();
    drop(dropped);
    let mut rolled_back = database.begin_ordered().await.unwrap();
    rolled_back.run(insert, values![]).await.unwrap();
    rolled_back.roll_back().await;
    let mut reading = database.read().await.unwrap();
    let found = reading.optional("SELECT 1 AS one FROM facts WHERE name = 'lost'", values![]);
    assert!(found.await.unwrap().is_none());
}
