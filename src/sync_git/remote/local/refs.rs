//! References of a repository on this machine.
//!
//! In: names or prefixes. Out: the references, annotated tags peeled, `HEAD` with the branch that it names. Skipped: names that are not
//! UTF-8, references that point nowhere.

use git2::{ErrorCode, ObjectType, Oid, Reference, ReferenceType, Repository};

use super::super::error::RemoteError;
use super::super::refs::{Ref, Refs};
use super::reading;

/// How a name selects references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Match {
    Exact,
    Prefix,
}

pub(super) fn list(repository: &Repository, names: &[String], matching: Match) -> Result<Refs, RemoteError> {
    let mut refs = Refs::default();
    let wants_head = names.is_empty()
        || names.iter().any(|name| "HEAD" == name || (matching == Match::Prefix && "HEAD".starts_with(name.as_str())));
    if wants_head {
        head(repository, &mut refs)?;
    }
    match matching {
        Match::Exact => {
            for name in names.iter().filter(|name| name.starts_with("refs/")) {
                match repository.find_reference(name) {
                    Ok(reference) => refs.refs.extend(entry(repository, &reference)),
                    Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => {}
                    Err(error) => return Err(reading("reading a reference")(error)),
                }
            }
        }
        Match::Prefix => {
            for reference in repository.references().map_err(reading("reading the references"))? {
                let reference = reference.map_err(reading("reading the references"))?;
                let name = reference.name().unwrap_or_default();
                if names.is_empty() || names.iter().any(|prefix| name.starts_with(prefix.as_str())) {
                    refs.refs.extend(entry(repository, &reference));
                }
            }
        }
    }
    Ok(refs)
}

fn head(repository: &Repository, refs: &mut Refs) -> Result<(), RemoteError> {
    let head = repository.find_reference("HEAD").map_err(reading("reading HEAD"))?;
    match entry(repository, &head) {
        Some(head) => refs.refs.push(head),
        None => refs.unborn_head = symbolic_target(&head),
    }
    Ok(())
}

fn entry(repository: &Repository, reference: &Reference<'_>) -> Option<Ref> {
    let name = reference.name().ok()?.to_owned();
    let oid = reference.resolve().ok()?.target()?;
    Some(Ref { name, oid, peeled: peel(repository, oid), symref_target: symbolic_target(reference) })
}

fn symbolic_target(reference: &Reference<'_>) -> Option<String> {
    (reference.kind() == Some(ReferenceType::Symbolic))
        .then(|| reference.symbolic_target().ok().flatten().map(str::to_owned))?
}

/// What an annotated tag finally points at.
fn peel(repository: &Repository, oid: Oid) -> Option<Oid> {
    let tag = repository.find_object(oid, None).ok().filter(|object| object.kind() == Some(ObjectType::Tag))?;
    Some(tag.peel(ObjectType::Any).ok()?.id())
}
