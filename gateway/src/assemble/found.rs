//! Founds a new gateway, and imports an authority. An interrupted founding starts again from
//! nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use doorward_ca::{Authority, AuthorityError, IssuingCa, Keys as _, Slot, pem_certificate};
use doorward_keys::{ImportedKey, SealedKeys};
use doorward_model::Clock;
use doorward_policies::{Bundle, BundleText};
use doorward_store::{Founding, Store};

use crate::config::Config;
use crate::data_directory::{DataDirectory, at, remove, write_private};
use crate::failure::CommandFailure;

const KEYS: &str = "keys";
/// A marker file that exists while a gateway is being founded. Keys from an interrupted founding
/// are worthless, so they are replaced.
const FOUNDING: &str = "founding";
const IMPORTED_CHAIN: &str = "import-chain.pem";
const IMPORTED_ROOT: &str = "import-root.pem";

pub(super) fn open_keys(
    data_directory: &DataDirectory,
    config: &Config,
) -> Result<SealedKeys, CommandFailure> {
    Ok(SealedKeys::open(data_directory.join(KEYS), config.key_file())?)
}

/// Founds the gateway if the data directory has none: creates the authority, or uses the imported
/// one, and creates the state.
pub(super) async fn found_if_new(
    data_directory: &DataDirectory,
    config: &Config,
    keys: &Arc<SealedKeys>,
    clock: &dyn Clock,
) -> Result<(), CommandFailure> {
    if Store::exists(&config.state()) {
        // The issuing key belongs to the state; without it the state must not be opened.
        keys.open(Slot::Issuing)?.ok_or(AuthorityError::NoKey(Slot::Issuing))?;
        return Ok(());
    }
    let (domain, name) = (config.first_domain()?, config.first_name()?);
    let imported = data_directory.join(IMPORTED_CHAIN).exists();
    let marker = data_directory.join(FOUNDING);
    if !imported && !marker.exists() && holds_keys(&data_directory.join(KEYS))? {
        return Err(CommandFailure::new(format!(
            "{} holds an authority's keys but no state.db; put state.db back from a backup, or \
             choose another --data directory",
            data_directory.path().display()
        )));
    }
    let now = clock.now();
    let authority = if imported {
        read_imported(data_directory, keys, now)?
    } else {
        write_private(&marker, b"")?;
        doorward_ca::found(&**keys, &domain, config.algorithm, now)?
    };
    let opened = Authority::open(&**keys, Slot::Issuing, authority.clone(), domain.clone())?;
    let bundle = Bundle::parse(BundleText::default()).map_err(|errors| {
        CommandFailure::new(format!("the default bundle does not read: {errors}"))
    })?;
    let founding = Founding { domain, name, authority, authority_key: opened.key(), bundle };
    Store::found(&config.state(), founding, now).await?;
    for leftover in [FOUNDING, IMPORTED_CHAIN, IMPORTED_ROOT] {
        remove(&data_directory.join(leftover))?;
    }
    Ok(())
}

fn holds_keys(dir: &Path) -> Result<bool, CommandFailure> {
    let entries = fs::read_dir(dir).map_err(at(dir))?;
    Ok(entries.flatten().any(|entry| entry.path().extension() == Some("sealed".as_ref())))
}

fn read_imported(
    data_directory: &DataDirectory,
    keys: &SealedKeys,
    now: jiff::Timestamp,
) -> Result<IssuingCa, CommandFailure> {
    let read = |name: &str| {
        let path = data_directory.join(name);
        fs::read(&path).map_err(at(&path))
    };
    let (chain, root) = (read(IMPORTED_CHAIN)?, read(IMPORTED_ROOT)?);
    let key = keys.open(Slot::Issuing)?.ok_or_else(|| {
        CommandFailure::new("the imported authority's key is gone; run `doorward ca import` again")
    })?;
    Ok(doorward_ca::import(&chain, &root, key.public_key(), now)?)
}

/// Imports an existing issuing authority, before the first start.
pub(crate) fn import(
    config: &Config,
    certificate: &Path,
    key: &Path,
    root: &Path,
    clock: &dyn Clock,
) -> Result<IssuingCa, CommandFailure> {
    let read = |path: &Path| fs::read(path).map_err(at(path));
    let pem = doorward_model::Secret::new(read(key)?);
    let key = ImportedKey::read(pem.expose())?;
    let chain = read(certificate)?;
    let public = doorward_ca::import(&chain, &read(root)?, key.public_key(), clock.now())?;
    let data_directory = DataDirectory::lock(&config.data)?;
    if Store::exists(&config.state()) {
        return Err(CommandFailure::new(format!(
            "{} holds a gateway already; an authority is imported before the first start, into a \
             directory of its own",
            data_directory.path().display()
        )));
    }
    open_keys(&data_directory, config)?.import(Slot::Issuing, key)?;
    write_private(&data_directory.join(IMPORTED_ROOT), pem_certificate(&public.root).as_bytes())?;
    let chain: String = public.chain().map(pem_certificate).collect();
    write_private(&data_directory.join(IMPORTED_CHAIN), chain.as_bytes())?;
    Ok(public)
}
