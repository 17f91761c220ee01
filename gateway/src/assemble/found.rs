//! The first start: all of it, or none.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use doorward_ca::{Authority, AuthorityError, IssuingCa, Keys as _, Slot, pem_certificate};
use doorward_keys::{ImportedKey, SealedKeys};
use doorward_model::Clock;
use doorward_policies::{Bundle, BundleText};
use doorward_store::{Founding, Store};

use crate::config::Config;
use crate::failure::Failure;
use crate::place::{Place, at, remove, write_private};

const KEYS: &str = "keys";
/// There while a gateway is being founded: what it has written until then is worth nothing.
const FOUNDING: &str = "founding";
const IMPORTED_CHAIN: &str = "import-chain.pem";
const IMPORTED_ROOT: &str = "import-root.pem";

pub(super) fn open_keys(place: &Place, config: &Config) -> Result<SealedKeys, Failure> {
    Ok(SealedKeys::open(place.join(KEYS), config.key_file())?)
}

/// Founds the gateway if there is none yet: its authority, or the imported one, and its state.
pub(super) async fn found_if_new(
    place: &Place,
    config: &Config,
    keys: &Arc<SealedKeys>,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    if Store::exists(place.path()) {
        // Before the state is touched: what goes with it must be there.
        keys.open(Slot::Issuing)?.ok_or(AuthorityError::NoKey(Slot::Issuing))?;
        return Ok(());
    }
    let (domain, name) = (config.first_domain()?, config.first_name()?);
    let imported = place.join(IMPORTED_CHAIN).exists();
    let marker = place.join(FOUNDING);
    if !imported && !marker.exists() && holds_keys(&place.join(KEYS))? {
        return Err(Failure::new(format!(
            "{} holds an authority's keys but no state.db; put state.db back from a backup, or \
             choose another --data directory",
            place.path().display()
        )));
    }
    let now = clock.now();
    let authority = if imported {
        read_imported(place, keys, now)?
    } else {
        write_private(&marker, b"")?;
        doorward_ca::found(&**keys, &domain, config.algorithm, now)?
    };
    let opened = Authority::open(&**keys, Slot::Issuing, authority.clone(), domain.clone())?;
    let bundle = Bundle::parse(BundleText::default())
        .map_err(|errors| Failure::new(format!("the default bundle does not read: {errors}")))?;
    let founding = Founding { domain, name, authority, authority_key: opened.key(), bundle };
    Store::found(place.path(), founding, now).await?;
    for leftover in [FOUNDING, IMPORTED_CHAIN, IMPORTED_ROOT] {
        remove(&place.join(leftover))?;
    }
    Ok(())
}

fn holds_keys(dir: &Path) -> Result<bool, Failure> {
    let entries = fs::read_dir(dir).map_err(at(dir))?;
    Ok(entries.flatten().any(|entry| entry.path().extension() == Some("sealed".as_ref())))
}

fn read_imported(
    place: &Place,
    keys: &SealedKeys,
    now: jiff::Timestamp,
) -> Result<IssuingCa, Failure> {
    let read = |name: &str| {
        let path = place.join(name);
        fs::read(&path).map_err(at(&path))
    };
    let (chain, root) = (read(IMPORTED_CHAIN)?, read(IMPORTED_ROOT)?);
    let key = keys.open(Slot::Issuing)?.ok_or_else(|| {
        Failure::new("the imported authority's key is gone; run `doorward ca import` again")
    })?;
    Ok(doorward_ca::import(&chain, &root, key.public_key(), now)?)
}

/// Takes over an issuing authority that an owner already has, before the first start.
pub(crate) fn import(
    config: &Config,
    certificate: &Path,
    key: &Path,
    root: &Path,
    clock: &dyn Clock,
) -> Result<IssuingCa, Failure> {
    let read = |path: &Path| fs::read(path).map_err(at(path));
    let pem = doorward_model::Secret::new(read(key)?);
    let key = ImportedKey::read(pem.expose())?;
    let chain = read(certificate)?;
    let public = doorward_ca::import(&chain, &read(root)?, key.public_key(), clock.now())?;
    let place = Place::take(&config.data)?;
    if Store::exists(place.path()) {
        return Err(Failure::new(format!(
            "{} holds a gateway already; an authority is imported before the first start, into a \
             directory of its own",
            place.path().display()
        )));
    }
    open_keys(&place, config)?.import(Slot::Issuing, key)?;
    write_private(&place.join(IMPORTED_ROOT), pem_certificate(&public.root).as_bytes())?;
    let chain: String = public.chain().map(pem_certificate).collect();
    write_private(&place.join(IMPORTED_CHAIN), chain.as_bytes())?;
    Ok(public)
}
