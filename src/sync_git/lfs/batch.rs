//! The batch API of Git LFS: which objects are wanted, and where each is.
//!
//! In: pointers; the server's JSON. Out: the request's JSON; for each object a URL with the headers that it wants, or why it
//! cannot be had. It does no I/O. Refused: other transfers than `basic`, other hashes than SHA-256, objects that nobody asked
//! for. Source: git-lfs' docs/api/batch.md.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::super::remote::{Url, UrlError};
use super::pointer::Pointer;

/// The media type of requests and answers.
pub(super) const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";
/// As many objects in one request as git-lfs has.
pub(super) const MOST: usize = 100;
/// A hundred objects with long URLs and headers are a tenth of this.
pub(super) const LARGEST_ANSWER: usize = 4 << 20;

/// Where an object is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub pointer: Pointer,
    pub url: Url,
    pub headers: Vec<(String, String)>,
}

/// Why an answer cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BatchError {
    #[error("the LFS server's answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the LFS server wants {0}, which is not offered")]
    Unsupported(String),
    #[error("the LFS server does not have the object {oid} ({code}: {message})")]
    Object { oid: String, code: u16, message: String },
    #[error("the LFS server says nothing of where the object {0} is")]
    Silent(String),
    #[error("the LFS server gives a location for the object {oid} that cannot be used: {error}")]
    Location { oid: String, error: UrlError },
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    transfer: Option<String>,
    #[serde(default)]
    hash_algo: Option<String>,
    #[serde(default)]
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    #[serde(default)]
    actions: Option<Actions>,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Actions {
    download: Option<Action>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    #[serde(default)]
    header: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

/// What the server says in place of an answer.
#[derive(Deserialize)]
struct Words {
    message: String,
}

/// The request for these objects.
pub(super) fn request(objects: &[Pointer]) -> Vec<u8> {
    let objects: Vec<_> = objects.iter().map(|object| json!({ "oid": object.oid, "size": object.size })).collect();
    let request = json!({ "operation": "download", "transfers": ["basic"], "hash_algo": "sha256", "objects": objects });
    request.to_string().into_bytes()
}

/// Where the wanted objects are.
///
/// # Errors
/// The first object that cannot be had, or what is wrong with the answer.
pub(super) fn places(wanted: &[Pointer], answer: &[u8]) -> Result<Vec<Place>, BatchError> {
    let answer: Answer = serde_json::from_slice(answer)?;
    if let Some(transfer) = answer.transfer.filter(|transfer| transfer != "basic") {
        return Err(BatchError::Unsupported(format!("the transfer {transfer:?}")));
    }
    if let Some(hash) = answer.hash_algo.filter(|hash| hash != "sha256") {
        return Err(BatchError::Unsupported(format!("the hash {hash:?}")));
    }
    let mut told: BTreeMap<String, Object> =
        answer.objects.into_iter().map(|object| (object.oid.clone(), object)).collect();
    let place = |pointer: &Pointer| {
        let oid = || pointer.oid.clone();
        let object = told.remove(&pointer.oid).ok_or_else(|| BatchError::Silent(oid()))?;
        if let Some(Failure { code, message }) = object.error {
            return Err(BatchError::Object { oid: oid(), code, message: shown(&message) });
        }
        let action = object.actions.and_then(|actions| actions.download).ok_or_else(|| BatchError::Silent(oid()))?;
        let url = Url::parse(&action.href).map_err(|error| BatchError::Location { oid: oid(), error })?;
        let headers = action.header.unwrap_or_default().into_iter().collect();
        Ok(Place { pointer: pointer.clone(), url: url.without_userinfo(), headers })
    };
    wanted.iter().map(place).collect()
}

/// The server's own words about a request that it refused, if it left any.
pub(super) fn words(answer: &[u8]) -> Option<String> {
    serde_json::from_slice::<Words>(answer).ok().map(|words| shown(&words.message))
}

/// A server's text, short and without control characters.
fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(digit: &str) -> Pointer {
        Pointer { oid: digit.repeat(64), size: 3 }
    }

    #[test]
    fn places_are_found_in_the_order_of_the_question() {
        let (a, b) = (pointer("a"), pointer("b"));
        let answer = format!(
            r#"{{"transfer":"basic","objects":[{{"oid":"{}","size":3,"actions":{{"download":{{"href":"https://h/b","expires_in":9}}}}}},
            {{"oid":"{}","size":3,"actions":{{"download":{{"href":"http://x:1/a?s=1","header":{{"Authorization":"t"}}}}}}}}]}}"#,
            b.oid, a.oid
        );
        let places = places(&[a, b], answer.as_bytes()).unwrap();
        assert_eq!(places[0].headers, [("Authorization".to_owned(), "t".to_owned())]);
        assert_eq!((places[0].url.host(), places[1].url.host()), ("x", "h"));
    }

    #[test]
    fn what_cannot_be_had_is_told() {
        let a = pointer("a");
        let told = |answer: &str| places(std::slice::from_ref(&a), answer.as_bytes()).unwrap_err().to_string();
        let object = format!(r#"{{"objects":[{{"oid":"{}","error":{{"code":404,"message":"gone\u001b"}}}}]}}"#, a.oid);
        assert!(told(&object).contains("404: gone\\u{1b}"), "{}", told(&object));
        assert!(told(r#"{"objects":[]}"#).contains("says nothing"));
        assert!(told(r#"{"transfer":"tus","objects":[]}"#).contains("tus"));
        assert!(told(r#"{"hash_algo":"sha512"}"#).contains("sha512"));
        assert!(told("<html>").contains("cannot be read"));
        let object = format!(r#"{{"objects":[{{"oid":"{}","actions":{{"download":{{"href":"ext::x"}}}}}}]}}"#, a.oid);
        assert!(told(&object).contains("cannot be used"));
        assert_eq!(words(br#"{"message":"no"}"#).unwrap(), "no");
    }
}
