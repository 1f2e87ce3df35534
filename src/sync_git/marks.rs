//! The files by which others follow us without HTTP: the touch file and the error file.
//!
//! In: a sync's result. Out: a file whose time moves after each sync that changed something; a JSON object that describes
//! the last error (`{"Msg","Err","Args"}`, git-sync's form) and goes away after a success. Neither ever fails a sync.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::files::{At, FileError, make_dirs, remove, sweep_beside, write_whole_abroad};

/// Where the marks are; none where no flag asked for one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    pub touch: Option<PathBuf>,
    pub error: Option<PathBuf>,
}

impl Marks {
    /// Removes what a killed run left in writing the error file.
    pub(crate) fn sweep(&self) {
        let Some(path) = &self.error else { return };
        warn_of(sweep_beside(path), "cannot remove an unfinished error file");
    }

    /// Something changed: makes the touch file, or moves its time.
    pub(crate) fn changed(&self) {
        let Some(path) = &self.touch else { return };
        warn_of(touch(path), "cannot touch the touch file");
    }

    /// All is well: the error file goes.
    pub(crate) fn succeeded(&self) {
        let Some(path) = &self.error else { return };
        warn_of(remove(path), "cannot remove the error file");
    }

    /// The settings cannot be used: says so in the error file, as text for people, as git-sync does.
    pub(crate) fn refused(&self, text: &str) {
        let Some(path) = &self.error else { return };
        let written = path.parent().map_or(Ok(()), make_dirs).and_then(|()| write_whole_abroad(path, text.as_bytes()));
        warn_of(written, "cannot write the error file");
    }

    /// Something failed: leaves what and why in the error file.
    pub(crate) fn failed(&self, message: &str, error: &str, failures: u64) {
        let Some(path) = &self.error else { return };
        let text = json!({ "Msg": message, "Err": error, "Args": { "failCount": failures } }).to_string();
        let written = path.parent().map_or(Ok(()), make_dirs).and_then(|()| write_whole_abroad(path, text.as_bytes()));
        warn_of(written, "cannot write the error file");
    }
}

fn touch(path: &Path) -> Result<(), FileError> {
    if let Some(directory) = path.parent() {
        make_dirs(directory)?;
    }
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).at("open", path)?;
    file.set_modified(std::time::SystemTime::now()).at("touch", path)
}

fn warn_of(done: Result<(), FileError>, message: &'static str) {
    if let Err(error) = done {
        tracing::warn!(%error, "{message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_appear_with_their_directories_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let marks = Marks { touch: Some(dir.path().join("a/touch")), error: Some(dir.path().join("b/error")) };
        marks.changed();
        assert!(dir.path().join("a/touch").exists());
        marks.failed("too many", "couldn't find remote ref \"x\"\n", 3);
        let text = std::fs::read_to_string(dir.path().join("b/error")).unwrap();
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed["Err"], "couldn't find remote ref \"x\"\n");
        assert_eq!(parsed["Args"]["failCount"], 3);
        marks.succeeded();
        marks.succeeded();
        assert!(!dir.path().join("b/error").exists());
    }
}
